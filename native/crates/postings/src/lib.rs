//! Look-ups of scalar indexes: where keys stand among sorted ones, and the rows of spans of postings as a bitmap.
//!
//! Everything here may come from a mapped file: whatever does not fit is an error, never a panic.

#![forbid(unsafe_code)]

use std::fmt;

use elanus_keys::{BadOffsets, Strings};

/// Postings that name a row or a place which is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadPostings {
    /// The number of the span that does not lie within the postings.
    Span(usize),
    /// A row that the segment does not have.
    Row(u32),
}

impl fmt::Display for BadPostings {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Span(number) => write!(out, "span {number} does not lie within the postings"),
            Self::Row(row) => write!(out, "there is no row {row}"),
        }
    }
}

impl std::error::Error for BadPostings {}

/// Returns for each probe how many of the sorted keys (bytewise, ascending) are smaller.
pub fn lower_bounds(sorted: Strings<'_>, probes: Strings<'_>) -> Result<Vec<i64>, BadOffsets> {
    probes.rows().map(|probe| lower_bound(sorted, probe?)).collect()
}

/// Returns how many of the sorted keys (bytewise, ascending) are smaller than a probe.
pub fn lower_bound(sorted: Strings<'_>, probe: &[u8]) -> Result<i64, BadOffsets> {
    let (mut low, mut high) = (0, sorted.len());
    while low < high {
        let middle = low.midpoint(high);
        if sorted.row(middle)? < probe {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low as i64)
}

/// Tells whether rows ascend bytewise without repeats.
pub fn ascends(rows: Strings<'_>) -> Result<bool, BadOffsets> {
    let mut before: Option<&[u8]> = None;
    for row in rows.rows() {
        let row = row?;
        if before.is_some_and(|before| before >= row) {
            return Ok(false);
        }
        before = Some(row);
    }
    Ok(true)
}

/// Rows of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rows {
    /// A few of many: ascending, each once.
    Few(Vec<i64>),
    /// Bit `r % 8` of byte `r / 8` is row `r`.
    Bits(Vec<u8>),
}

/// Where no more than one row in so many is listed, sorting them takes less time than reading the bits of all.
const FEW: usize = 256;

/// Returns the rows, out of `num_rows`, that the postings of every span name.
///
/// `spans` holds pairs: the postings from the first place up to the second. Spans may overlap and come in any order.
pub fn union(rows: &[u32], spans: &[i64], num_rows: usize) -> Result<Rows, BadPostings> {
    let (pairs, _) = spans.as_chunks::<2>();
    let named = || pairs.iter().enumerate().map(|(number, &pair)| span(rows, pair).ok_or(BadPostings::Span(number)));
    let mut listed = 0_usize;
    for span in named() {
        listed = listed.saturating_add(span?.len());
    }
    if listed > num_rows / FEW {
        return bits(named(), num_rows).map(Rows::Bits);
    }
    let mut few = Vec::with_capacity(listed);
    for span in named() {
        for &row in span? {
            few.push(i64::from(checked(row, num_rows)?));
        }
    }
    few.sort_unstable();
    few.dedup();
    Ok(Rows::Few(few))
}

fn bits<'a>(
    spans: impl Iterator<Item = Result<&'a [u32], BadPostings>>,
    num_rows: usize,
) -> Result<Vec<u8>, BadPostings> {
    let mut bits = vec![0_u8; num_rows.div_ceil(8)];
    for span in spans {
        for &row in span? {
            bits[checked(row, num_rows)? as usize / 8] |= 1 << (row % 8);
        }
    }
    Ok(bits)
}

fn checked(row: u32, num_rows: usize) -> Result<u32, BadPostings> {
    if (row as usize) < num_rows { Ok(row) } else { Err(BadPostings::Row(row)) }
}

fn span(rows: &[u32], [first, end]: [i64; 2]) -> Option<&[u32]> {
    rows.get(usize::try_from(first).ok()?..usize::try_from(end).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: (&[i64], &[u8]) = (&[0, 0, 1, 3, 5], "aab\u{e9}".as_bytes());

    #[test]
    fn bounds_count_the_smaller_keys() {
        let sorted = Strings::new(KEYS.0, KEYS.1);
        let probes = Strings::new(&[0, 0, 1, 2, 4], b"abaa");
        assert_eq!(lower_bounds(sorted, probes), Ok(vec![0, 1, 3, 2]));
        assert_eq!(lower_bounds(sorted, Strings::new(&[0, 1], b"\xff")), Ok(vec![4]));
        assert_eq!(lower_bounds(Strings::new(&[0], b""), probes), Ok(vec![0; 4]));
        assert_eq!(lower_bounds(Strings::new(&[0, 9], b"a"), probes), Err(BadOffsets(0)));
    }

    #[test]
    fn order_is_strict() {
        assert_eq!(ascends(Strings::new(KEYS.0, KEYS.1)), Ok(true));
        assert_eq!(ascends(Strings::new(&[0], b"")), Ok(true));
        assert_eq!(ascends(Strings::new(&[0, 1, 2], b"aa")), Ok(false));
        assert_eq!(ascends(Strings::new(&[0, 1, 2], b"ba")), Ok(false));
        assert_eq!(ascends(Strings::new(&[1, 0], b"ba")), Err(BadOffsets(0)));
    }

    #[test]
    fn rows_of_all_spans_are_set() {
        let rows = [8, 0, 3, 9, 1];
        let bits = |spans, bits| assert_eq!(union(&rows, spans, 10), Ok(Rows::Bits(bits)));
        bits(&[0, 2, 3, 4], vec![0b1, 0b11]);
        bits(&[3, 5, 4, 5, 2, 2], vec![0b10, 0b10]);
        assert_eq!(union(&rows, &[], 0), Ok(Rows::Few(vec![])));
    }

    #[test]
    fn a_few_rows_are_listed_in_order_each_once() {
        let rows = [800, 0, 3, 9, 1];
        assert_eq!(union(&rows, &[0, 2, 4, 5], 3 * FEW), Err(BadPostings::Row(800)));
        assert_eq!(union(&rows, &[0, 2, 4, 5], 4 * FEW), Ok(Rows::Few(vec![0, 1, 800])));
        assert_eq!(union(&rows, &[0, 2, 0, 1, 4, 4], 4 * FEW), Ok(Rows::Few(vec![0, 800])));
        assert!(matches!(union(&rows, &[0, 5], 5 * FEW - 1), Ok(Rows::Bits(_))));
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let rows = [8, 0, 3, 9, 1];
        for num_rows in [10, 10_000] {
            for bad in [[0, 6], [-1, 2], [3, 2], [i64::MAX, i64::MAX], [i64::MIN, 0]] {
                assert_eq!(union(&rows, &[0, 1, bad[0], bad[1]], num_rows), Err(BadPostings::Span(1)));
            }
        }
        assert_eq!(union(&rows, &[0, 5], 9), Err(BadPostings::Row(9)));
    }
}
