//! Cutting texts to grams. The hash of a gram lies in files: it never changes.

use xxhash_rust::xxh3::xxh3_64;

/// How many code points a gram has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lengths {
    min: usize,
    max: usize,
}

impl Lengths {
    /// Takes lengths with `0 < min <= max`, `None` for any others.
    pub fn new(min: usize, max: usize) -> Option<Self> {
        (0 < min && min <= max).then_some(Self { min, max })
    }

    /// Calls `visit` with the hash of every gram of a text, repeats included; `cutter` keeps its memory between texts.
    pub fn each_gram(self, text: &[u8], cutter: &mut Cutter, mut visit: impl FnMut(u64)) {
        let ends = cutter.cut(text);
        for first in 0..ends.len().saturating_sub(self.min) {
            for end in ends.iter().skip(first + self.min).take(self.max - self.min + 1) {
                visit(xxh3_64(&text[ends[first]..*end]));
            }
        }
    }

    /// Returns the hashes of the longest grams of a text, each once: they imply the shorter ones. None when it is short.
    pub fn longest(self, text: &str) -> Option<Vec<u64>> {
        let mut cutter = Cutter::default();
        let length = cutter.cut(text.as_bytes()).len() - 1;
        if length < self.min {
            return None;
        }
        let exactly = length.min(self.max);
        let mut hashes = Vec::with_capacity(length + 1 - exactly);
        Self { min: exactly, max: exactly }.each_gram(text.as_bytes(), &mut cutter, |hash| hashes.push(hash));
        hashes.sort_unstable();
        hashes.dedup();
        Some(hashes)
    }
}

/// Where the code points of a text begin.
#[derive(Debug, Default)]
pub struct Cutter {
    bounds: Vec<usize>,
}

impl Cutter {
    /// Returns the place of each code point and the text's end; bytes that are no UTF-8 go with what is before them.
    fn cut(&mut self, text: &[u8]) -> &[usize] {
        self.bounds.clear();
        self.bounds.extend(text.iter().enumerate().filter(|(_, byte)| **byte & 0xc0 != 0x80).map(|(place, _)| place));
        self.bounds.push(text.len());
        &self.bounds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grams(text: &str, min: usize, max: usize) -> Vec<u64> {
        let mut found = Vec::new();
        let lengths = Lengths::new(min, max).expect("good lengths");
        lengths.each_gram(text.as_bytes(), &mut Cutter::default(), |hash| found.push(hash));
        found
    }

    fn hashes(texts: &[&str]) -> Vec<u64> {
        texts.iter().map(|text| xxh3_64(text.as_bytes())).collect()
    }

    #[test]
    fn grams_are_runs_of_code_points() {
        assert_eq!(grams("a中é", 1, 2), hashes(&["a", "a中", "中", "中é", "é"]));
        assert_eq!(grams("abcd", 2, 3), hashes(&["ab", "abc", "bc", "bcd", "cd"]));
        assert_eq!(grams("abcd", 4, 9), hashes(&["abcd"]));
        assert!(grams("ab", 3, 3).is_empty() && grams("", 1, 2).is_empty());
    }

    #[test]
    fn the_longest_grams_stand_for_all() {
        let lengths = Lengths::new(2, 3).expect("good lengths");
        assert_eq!(lengths.longest("a"), None);
        assert_eq!(lengths.longest("ab"), Some(hashes(&["ab"])));
        let mut wanted = hashes(&["aaa", "aab"]);
        wanted.sort_unstable();
        assert_eq!(lengths.longest("aaaab"), Some(wanted));
    }

    #[test]
    fn lengths_ascend_from_one() {
        assert!(Lengths::new(0, 1).is_none() && Lengths::new(3, 2).is_none() && Lengths::new(1, 1).is_some());
    }

    #[test]
    fn bytes_that_are_no_text_are_cut_all_the_same() {
        for bytes in [&b"\x80\x80"[..], b"a\xff\x80b", b"\xe4"] {
            let lengths = Lengths::new(1, 2).expect("good lengths");
            lengths.each_gram(bytes, &mut Cutter::default(), |_| ());
        }
    }
}
