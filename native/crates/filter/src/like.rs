//! LIKE patterns over UTF-8: runs of anything, single code points, and texts between them.

use memchr::memmem::Finder;

/// A part of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Exactly this text.
    Text(Vec<u8>),
    /// One code point.
    Character,
    /// Any number of code points.
    Run,
}

/// A prepared pattern.
///
/// Runs cut it into segments. The first one stands at the start unless a run comes before it, the last one at the end
/// unless a run follows, and each of the others at the first place after the one before: no place is tried twice.
pub struct Like {
    /// The first segment; what the whole text is where there is no run.
    head: Segment,
    /// The segments between two runs.
    middle: Vec<Sought>,
    /// The last segment; none where there is no run.
    tail: Option<Segment>,
}

impl Like {
    /// Prepares a pattern.
    pub fn new(parts: &[Part]) -> Self {
        let mut segments: Vec<Segment> = parts.split(|part| *part == Part::Run).map(Segment::new).collect();
        let tail = if segments.len() > 1 { segments.pop() } else { None };
        let mut segments = segments.into_iter();
        let head = segments.next().unwrap_or_default();
        let middle = segments.filter(|segment| !segment.0.is_empty()).map(Sought::new).collect();
        Self { head, middle, tail }
    }

    /// Whether the pattern describes the whole text.
    pub fn matches(&self, text: &[u8]) -> bool {
        let Some(mut at) = self.head.end_from(text, 0) else { return false };
        let Some(tail) = &self.tail else { return at == text.len() };
        let Some(stop) = tail.start_before(text).filter(|stop| *stop >= at) else { return false };
        for segment in &self.middle {
            match segment.end_of_first(&text[..stop], at) {
                Some(end) => at = end,
                None => return false,
            }
        }
        true
    }
}

/// Texts and single code points, one after another.
#[derive(Default)]
struct Segment(Vec<Piece>);

enum Piece {
    Text(Vec<u8>),
    Character,
}

impl Segment {
    fn new(parts: &[Part]) -> Self {
        let pieces = parts.iter().filter_map(|part| match part {
            Part::Text(text) => Some(Piece::Text(text.clone())),
            Part::Character => Some(Piece::Character),
            Part::Run => None,
        });
        Self(pieces.collect())
    }

    /// Where the segment ends when it starts at `at`.
    fn end_from(&self, text: &[u8], at: usize) -> Option<usize> {
        let mut rest = &text[at..];
        for piece in &self.0 {
            rest = match piece {
                Piece::Text(wanted) => rest.strip_prefix(wanted.as_slice())?,
                Piece::Character => &rest[next_character(rest)?..],
            };
        }
        Some(text.len() - rest.len())
    }

    /// Where the segment starts when it ends with the text.
    fn start_before(&self, text: &[u8]) -> Option<usize> {
        let mut rest = text;
        for piece in self.0.iter().rev() {
            rest = match piece {
                Piece::Text(wanted) => rest.strip_suffix(wanted.as_slice())?,
                Piece::Character => &rest[..rest.iter().rposition(|byte| !continues(*byte))?],
            };
        }
        Some(rest.len())
    }
}

/// A segment that may stand anywhere; a search for its first text skips most places.
struct Sought {
    /// Code points in front of the first text: what comes before them is any run, so they are passed once, not tried.
    characters: usize,
    segment: Segment,
    first_text: Option<Finder<'static>>,
}

impl Sought {
    fn new(Segment(mut pieces): Segment) -> Self {
        let characters = pieces.iter().take_while(|piece| matches!(piece, Piece::Character)).count();
        pieces.drain(..characters);
        let first_text = match pieces.first() {
            Some(Piece::Text(text)) => Some(Finder::new(text).into_owned()),
            _ => None,
        };
        Self { characters, segment: Segment(pieces), first_text }
    }

    /// Where the segment ends at its first place from `at` on.
    fn end_of_first(&self, text: &[u8], mut at: usize) -> Option<usize> {
        for _ in 0..self.characters {
            at += next_character(&text[at..])?;
        }
        loop {
            if let Some(finder) = &self.first_text {
                at += finder.find(&text[at..])?;
            }
            if let Some(end) = self.segment.end_from(text, at) {
                return Some(end);
            }
            at += next_character(&text[at..])?;
        }
    }
}

/// The length of the first code point, None at the end.
#[inline]
fn next_character(text: &[u8]) -> Option<usize> {
    let rest = text.get(1..)?;
    Some(1 + rest.iter().position(|byte| !continues(*byte)).unwrap_or(rest.len()))
}

/// Whether a byte is not the first of its code point.
#[inline]
fn continues(byte: u8) -> bool {
    byte & 0xC0 == 0x80
}

#[cfg(test)]
mod tests {
    use super::*;

    fn like(pattern: &str) -> Like {
        let parts: Vec<Part> = pattern
            .chars()
            .map(|character| match character {
                '%' => Part::Run,
                '_' => Part::Character,
                other => Part::Text(other.to_string().into_bytes()),
            })
            .collect();
        Like::new(&parts)
    }

    /// The definition, by trying everything.
    fn describes(pattern: &[char], text: &[char]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some(('%', rest)) => (0..=text.len()).any(|start| describes(rest, &text[start..])),
            Some(('_', rest)) => !text.is_empty() && describes(rest, &text[1..]),
            Some((character, rest)) => text.first() == Some(character) && describes(rest, &text[1..]),
        }
    }

    fn words(letters: &[char], length: usize) -> Vec<String> {
        let mut all = vec![String::new()];
        let mut longest = all.clone();
        for _ in 0..length {
            longest =
                longest.iter().flat_map(|word| letters.iter().map(move |letter| format!("{word}{letter}"))).collect();
            all.extend_from_slice(&longest);
        }
        all
    }

    #[test]
    fn patterns_describe_what_their_definition_says() {
        let texts = words(&['a', 'b', '中'], 5);
        for pattern in words(&['a', '中', '%', '_'], 5) {
            let (prepared, characters) = (like(&pattern), pattern.chars().collect::<Vec<_>>());
            for text in &texts {
                let expected = describes(&characters, &text.chars().collect::<Vec<_>>());
                assert_eq!(prepared.matches(text.as_bytes()), expected, "{text:?} like {pattern:?}");
            }
        }
    }

    #[test]
    fn bytes_that_are_no_utf8_are_no_trouble() {
        let texts: [&[u8]; 5] = [b"\x80", b"\xff\x80\x80", b"a\x80", b"\xe4\xb8", b""];
        for text in texts {
            for pattern in ["_", "%_", "_%_", "a%_", "%_a_%"] {
                like(pattern).matches(text);
            }
        }
    }
}
