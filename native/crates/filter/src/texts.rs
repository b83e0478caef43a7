//! Text columns as Arrow's large strings: `offsets` with one more entry than there are rows, and the bytes.

use std::cmp::Ordering;

use memchr::memmem::Finder;

use crate::bits::{build, collect_of};
use crate::like::Like;
use crate::numbers::Comparison;
use crate::offsets::{BadOffsets, check, row_of};
use crate::text_set::TextSet;

/// A bound of texts, and whether it is left out itself.
type TextBound<'a> = (&'a [u8], bool);

/// The texts between two bounds, in the order of their bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct TextInterval<'a> {
    /// The lower bound.
    pub low: Option<TextBound<'a>>,
    /// The upper bound.
    pub high: Option<TextBound<'a>>,
}

/// The texts of a column, a row each.
#[derive(Clone, Copy)]
pub struct Texts<'a> {
    offsets: &'a [i64],
    data: &'a [u8],
}

impl<'a> Texts<'a> {
    /// Checks once that every row lies inside `data`.
    pub fn new(offsets: &'a [i64], data: &'a [u8]) -> Result<Self, BadOffsets> {
        check(offsets, data.len())?;
        Ok(Self { offsets, data })
    }

    /// How many rows there are.
    pub fn rows(self) -> usize {
        self.offsets.len() - 1
    }

    #[inline(always)]
    fn row(self, row: usize) -> &'a [u8] {
        &self.data[self.offsets[row] as usize..self.offsets[row + 1] as usize]
    }

    /// Up to 64 rows from `first` on.
    #[inline(always)]
    fn spans(self, first: usize) -> impl Iterator<Item = Spanned<'a>> {
        let (data, ends) = (self.data, &self.offsets[first..self.offsets.len().min(first + 65)]);
        let mut start = ends[0] as usize;
        ends[1..].iter().map(move |end| {
            let text = Spanned { data, start, end: *end as usize };
            start = text.end;
            text
        })
    }

    #[inline(always)]
    fn select(self, mut test: impl FnMut(Spanned<'a>) -> bool) -> Vec<u8> {
        build(self.rows(), |first| {
            let tests = self.spans(first).enumerate();
            tests.fold(0, |word, (row, text)| word | u64::from(test(text)) << row)
        })
    }

    /// Returns the rows that are `text`.
    pub fn equal(self, text: &[u8]) -> Vec<u8> {
        let needle = Needle::new(text);
        self.select(|row| {
            let same = row.length() == text.len();
            // A short text lies near, so that looking costs less than a wrong guess; a long one is only fetched on suspicion.
            let likely = if text.len() <= 8 {
                same & needle.may_stand_at(row.data, row.start)
            } else {
                same && needle.may_stand_at(row.data, row.start)
            };
            likely && needle.stands_at(row.data, row.start)
        })
    }

    /// Returns the rows that start with `text`.
    pub fn starting_with(self, text: &[u8]) -> Vec<u8> {
        let needle = Needle::new(text);
        self.select(|row| {
            let likely = (row.length() >= text.len()) & needle.may_stand_at(row.data, row.start);
            likely && needle.stands_at(row.data, row.start)
        })
    }

    /// Returns the rows that end with `text`.
    pub fn ending_with(self, text: &[u8]) -> Vec<u8> {
        let needle = Needle::new(text);
        self.select(|row| {
            let at = row.end.wrapping_sub(text.len());
            let likely = (row.length() >= text.len()) & needle.may_stand_at(row.data, at);
            likely && needle.stands_at(row.data, at)
        })
    }

    /// Returns the rows between two bounds.
    pub fn within(self, interval: &TextInterval) -> Vec<u8> {
        let edge = |(text, open)| Edge::new(Spanned::new(text), open);
        match (interval.low.map(edge), interval.high.map(edge)) {
            (None, None) => build(self.rows(), |_| u64::MAX),
            (Some(low), None) => self.select(|row| low.is_below(row)),
            (None, Some(high)) => self.select(|row| high.is_above(row)),
            (Some(low), Some(high)) => self.select(|row| low.is_below(row) & high.is_above(row)),
        }
    }

    /// Returns the rows where `self op other`; the rows of the shorter column where they differ in length.
    pub fn compare(self, other: Self, comparison: Comparison) -> Vec<u8> {
        match comparison {
            Comparison::Equal => self.select_pairs(other, Spanned::equals),
            Comparison::Less => self.select_pairs(other, |left, right| Edge::new(right, true).is_above(left)),
            Comparison::LessOrEqual => self.select_pairs(other, |left, right| Edge::new(right, false).is_above(left)),
            Comparison::Greater => self.select_pairs(other, |left, right| Edge::new(right, true).is_below(left)),
            Comparison::GreaterOrEqual => {
                self.select_pairs(other, |left, right| Edge::new(right, false).is_below(left))
            }
        }
    }

    #[inline(always)]
    fn select_pairs(self, other: Self, test: impl Fn(Spanned<'a>, Spanned<'a>) -> bool) -> Vec<u8> {
        build(self.rows().min(other.rows()), |first| {
            let pairs = self.spans(first).zip(other.spans(first)).enumerate();
            pairs.fold(0, |word, (row, (left, right))| word | u64::from(test(left, right)) << row)
        })
    }

    /// Returns the rows that are in a set.
    pub fn in_set(self, set: &TextSet) -> Vec<u8> {
        let mut hashes = [0; 64];
        build(self.rows(), |first| {
            let mut likely = 0;
            for (row, (hash, text)) in hashes.iter_mut().zip(self.spans(first)).enumerate() {
                if set.may_hold_length(text.length()) {
                    *hash = set.hash(text);
                    likely |= u64::from(set.may_hold(*hash)) << row;
                }
            }
            collect_of(likely, |row| set.holds_hashed(hashes[row], self.row(first + row)))
        })
    }

    /// Returns the rows that a LIKE pattern describes.
    pub fn like(self, like: &Like) -> Vec<u8> {
        self.select(|row| like.matches(&row.data[row.start..row.end]))
    }

    /// Returns the rows that contain `text`.
    ///
    /// The bytes of all rows are searched as one text; a find that reaches over a row's end is none.
    pub fn containing(self, text: &[u8]) -> Vec<u8> {
        let (finder, rows) = (Finder::new(text), self.rows());
        let mut bits = vec![0; rows.div_ceil(8)];
        let (mut at, mut row) = (self.offsets[0] as usize, 0);
        let stop = self.offsets[rows] as usize;
        if text.is_empty() {
            return build(rows, |_| u64::MAX);
        }
        while let Some(found) = finder.find(&self.data[at..stop]) {
            let found = at + found;
            row = row_of(self.offsets, found, row);
            let end = self.offsets[row + 1] as usize;
            if found + text.len() <= end {
                bits[row / 8] |= 1 << (row % 8);
                at = end;
            } else {
                at = found + 1;
            }
        }
        bits
    }
}

/// Eight bytes at `at`, the first one lowest; zeros where the data ends before.
#[inline(always)]
fn word_at(data: &[u8], at: usize) -> u64 {
    match data.get(at..at.wrapping_add(8)).and_then(<[u8]>::first_chunk) {
        Some(bytes) => u64::from_le_bytes(*bytes),
        None => last_word(data, at),
    }
}

/// The word of the few texts near the end of the data.
#[cold]
#[inline(never)]
fn last_word(data: &[u8], at: usize) -> u64 {
    let rest = data.get(at..).unwrap_or(&[]);
    rest.iter().take(8).rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
}

/// A mask of the lowest bytes of a word.
#[inline(always)]
fn lowest_bytes(count: usize) -> u64 {
    if count >= 8 { u64::MAX } else { (1 << (count * 8)) - 1 }
}

/// A text that is looked for at given places: most places are told by their first and last words, without a branch.
struct Needle<'a> {
    text: &'a [u8],
    first: u64,
    mask: u64,
    last: u64,
    last_at: usize,
}

impl<'a> Needle<'a> {
    fn new(text: &'a [u8]) -> Self {
        let last_at = text.len().saturating_sub(8);
        let [first, last] = [0, last_at].map(|at| word_at(text, at));
        Self { text, first, mask: lowest_bytes(text.len()), last, last_at }
    }

    /// Whether its first and last words do; of a short text they are the same word.
    #[inline(always)]
    fn may_stand_at(&self, data: &[u8], at: usize) -> bool {
        let first = (word_at(data, at) ^ self.first) & self.mask;
        let last = if self.last_at == 0 { 0 } else { word_at(data, at.wrapping_add(self.last_at)) ^ self.last };
        first | last == 0
    }

    /// Whether it stands where it may.
    #[inline(always)]
    fn stands_at(&self, data: &[u8], at: usize) -> bool {
        self.text.len() <= 16 || data[at + 8..at + self.last_at] == self.text[8..self.last_at]
    }
}

/// A text as a part of more data, which is read eight bytes at a time.
#[derive(Clone, Copy)]
pub(crate) struct Spanned<'a> {
    data: &'a [u8],
    start: usize,
    end: usize,
}

impl<'a> Spanned<'a> {
    pub(crate) fn new(text: &'a [u8]) -> Self {
        Self { data: text, start: 0, end: text.len() }
    }

    #[inline(always)]
    pub(crate) fn length(self) -> usize {
        self.end - self.start
    }

    /// Eight bytes from `at` on, zeros past the text's end.
    #[inline(always)]
    pub(crate) fn word(self, at: usize) -> u64 {
        word_at(self.data, self.start + at) & lowest_bytes(self.length().saturating_sub(at))
    }

    /// The word at `at` as a number that sorts as its bytes do.
    #[inline(always)]
    fn sorting(self, at: usize) -> u64 {
        self.word(at).swap_bytes()
    }

    #[inline(always)]
    fn equals(self, other: Self) -> bool {
        let length = self.length();
        length == other.length()
            && (word_at(self.data, self.start) ^ word_at(other.data, other.start)) & lowest_bytes(length) == 0
            && (length <= 8 || self.data[self.start + 8..self.end] == other.data[other.start + 8..other.end])
    }

    /// How the texts stand to each other, given that they agree before `at`: ends count once both have the same words.
    #[inline(always)]
    fn order_from(self, mut at: usize, other: Spanned) -> Ordering {
        while at < self.length() && at < other.length() {
            let (left, right) = (self.sorting(at), other.sorting(at));
            if left != right {
                return left.cmp(&right);
            }
            at += 8;
        }
        self.length().cmp(&other.length())
    }
}

/// A bound: most texts are told by their first word.
#[derive(Clone, Copy)]
struct Edge<'a> {
    text: Spanned<'a>,
    head: u64,
    open: bool,
}

impl<'a> Edge<'a> {
    #[inline(always)]
    fn new(text: Spanned<'a>, open: bool) -> Self {
        Self { text, head: text.sorting(0), open }
    }

    /// Whether a text lies below, or on a bound that is not open.
    #[inline(always)]
    fn is_above(self, text: Spanned) -> bool {
        let head = text.sorting(0);
        if head != self.head {
            return head < self.head;
        }
        let order = text.order_from(8, self.text);
        order.is_lt() | (order.is_eq() & !self.open)
    }

    /// Whether a text lies above, or on a bound that is not open.
    #[inline(always)]
    fn is_below(self, text: Spanned) -> bool {
        let head = text.sorting(0);
        if head != self.head {
            return head > self.head;
        }
        let order = text.order_from(8, self.text);
        order.is_gt() | (order.is_eq() & !self.open)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bits::tests::unpacked;

    const ROWS: [&str; 12] =
        ["", "a", "ab", "abcdefgh", "abcdefghi", "abcdefgh\0", "b", "ba", "中文", "xxabcdefghixx", "a\0", "hiabcdefg"];

    fn with_rows(check: impl Fn(Texts, &[&str])) {
        let mut offsets = vec![2];
        let mut data = b"zz".to_vec();
        for text in ROWS {
            data.extend_from_slice(text.as_bytes());
            offsets.push(data.len() as i64);
        }
        check(Texts::new(&offsets, &data).unwrap(), &ROWS);
        check(Texts::new(&offsets[4..], &data).unwrap(), &ROWS[4..]);
        check(Texts::new(&offsets[..1], &data).unwrap(), &[]);
    }

    fn agree(bits: &[u8], rows: &[&str], test: impl Fn(&str) -> bool) {
        assert_eq!(unpacked(bits, rows.len()), rows.iter().map(|row| test(row)).collect::<Vec<_>>());
    }

    #[test]
    fn texts_are_found_where_they_stand() {
        with_rows(|texts, rows| {
            for needle in ROWS.into_iter().chain(["ghi", "i", "abcdefghij", "\0", "fghiab"]) {
                let bytes = needle.as_bytes();
                agree(&texts.equal(bytes), rows, |row| row == needle);
                agree(&texts.starting_with(bytes), rows, |row| row.starts_with(needle));
                agree(&texts.ending_with(bytes), rows, |row| row.ends_with(needle));
                agree(&texts.containing(bytes), rows, |row| row.contains(needle));
            }
        });
    }

    #[test]
    fn texts_are_ordered_by_their_bytes() {
        with_rows(|texts, rows| {
            for bound in ROWS {
                for open in [false, true] {
                    let below = TextInterval { low: None, high: Some((bound.as_bytes(), open)) };
                    agree(&texts.within(&below), rows, |row| if open { row < bound } else { row <= bound });
                    let above = TextInterval { low: Some((bound.as_bytes(), open)), high: None };
                    agree(&texts.within(&above), rows, |row| if open { row > bound } else { row >= bound });
                }
            }
        });
    }

    #[test]
    fn columns_compare_row_by_row() {
        with_rows(|texts, rows| {
            let shifted = Texts { offsets: &texts.offsets[1.min(rows.len())..], data: texts.data };
            let last = rows.len().saturating_sub(1);
            let found = unpacked(&texts.compare(shifted, Comparison::LessOrEqual), last);
            assert_eq!(found, rows.windows(2).map(|pair| pair[0] <= pair[1]).collect::<Vec<_>>());
        });
    }

    #[test]
    fn offsets_that_leave_the_data_are_refused() {
        for offsets in [&[][..], &[0, 5], &[2, 1], &[-1, 1]] {
            assert!(Texts::new(offsets, b"ab").is_err());
        }
    }
}
