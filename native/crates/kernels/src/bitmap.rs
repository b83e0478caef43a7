//! Which rows count: bit `r % 8` of byte `r / 8`, the order of Arrow and FAISS.

use std::ops::Range;

use crate::distance::Rows;

/// Returns the 64 rows from `64 * word` on as bits; rows from `rows` on are left out.
#[inline]
fn word(bitmap: &[u8], word: usize, rows: usize) -> u64 {
    let (first, mut bytes) = (word * 8, [0; 8]);
    let found = &bitmap[first.min(bitmap.len())..(first + 8).min(bitmap.len())];
    bytes[..found.len()].copy_from_slice(found);
    let left = rows - (word * 64).min(rows);
    let within = if left >= 64 { u64::MAX } else { (1 << left) - 1 };
    u64::from_le_bytes(bytes) & within
}

/// Returns how many of the first `rows` rows are set.
pub fn count(bitmap: &[u8], rows: usize) -> usize {
    let (whole, _) = bitmap[..rows / 64 * 8].as_chunks::<8>();
    let last = word(bitmap, rows / 64, rows).count_ones();
    whole.iter().map(|word| u64::from_ne_bytes(*word).count_ones() as usize).sum::<usize>() + last as usize
}

/// Calls `visit` with each set row of the first `rows`, ascending.
pub fn for_each(bitmap: &[u8], rows: usize, mut visit: impl FnMut(usize)) {
    for at in 0..rows.div_ceil(64) {
        for_each_bit(word(bitmap, at, rows), |bit| visit(at * 64 + bit));
    }
}

#[inline]
fn for_each_bit(mut bits: u64, mut visit: impl FnMut(usize)) {
    while bits != 0 {
        visit(bits.trailing_zeros() as usize);
        bits &= bits - 1;
    }
}

/// Most rows a block of [`for_each_block`] holds.
pub(crate) const MAX_BLOCK: usize = 256;

/// Calls `visit` with the kept rows of `range`, ascending, at most `size` at a time, until it fails.
///
/// `range` starts at a multiple of 64; `size` is a multiple of 64 up to [`MAX_BLOCK`].
pub(crate) fn for_each_block<E>(
    range: Range<usize>,
    keep: Option<&[u8]>,
    size: usize,
    mut visit: impl FnMut(Rows) -> Result<(), E>,
) -> Result<(), E> {
    let Some(keep) = keep else {
        for first in range.clone().step_by(size) {
            visit(Rows::Run { first: first as u32, len: size.min(range.end - first) })?;
        }
        return Ok(());
    };
    let mut list = [0; MAX_BLOCK];
    let mut len = 0;
    for at in range.start / 64..range.end.div_ceil(64) {
        let bits = word(keep, at, range.end);
        if len + bits.count_ones() as usize > size {
            visit(as_rows(&list[..len]))?;
            len = 0;
        }
        for_each_bit(bits, |bit| {
            list[len] = (at * 64 + bit) as u32;
            len += 1;
        });
    }
    if len > 0 { visit(as_rows(&list[..len])) } else { Ok(()) }
}

/// Rows that follow each other need no list.
fn as_rows(list: &[u32]) -> Rows<'_> {
    let first = list[0];
    if (list[list.len() - 1] - first) as usize + 1 == list.len() {
        Rows::Run { first, len: list.len() }
    } else {
        Rows::List(list)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    fn blocks(range: Range<usize>, keep: Option<&[u8]>, size: usize) -> Vec<u32> {
        let mut all = Vec::new();
        let done: Result<(), Infallible> = for_each_block(range, keep, size, |rows| {
            assert!(rows.len() <= size && rows.len() > 0);
            all.extend((0..rows.len()).map(|position| rows.at(position)));
            Ok(())
        });
        assert_eq!(done, Ok(()));
        all
    }

    #[test]
    fn bits_past_the_last_row_do_not_count() {
        assert_eq!(count(&[0xFF; 16], 67), 67);
        assert_eq!(count(&[0xFF; 16], 64), 64);
        assert_eq!(count(&[], 0), 0);
        let mut rows = Vec::new();
        for_each(&[0b1000_0001, 0xFF], 9, |row| rows.push(row));
        assert_eq!(rows, [0, 7, 8]);
    }

    #[test]
    fn blocks_hold_every_kept_row_once() {
        let keep: Vec<u8> = (0..200_u32).map(|i| (i * 37 % 251) as u8).collect();
        let expected: Vec<u32> = (128..1597).filter(|r| keep[r / 8] >> (r % 8) & 1 == 1).map(|r| r as u32).collect();
        for size in [64, 128, 256] {
            assert_eq!(blocks(128..1597, Some(&keep), size), expected);
            assert_eq!(blocks(128..1597, None, size), (128..1597).collect::<Vec<u32>>());
            assert_eq!(blocks(0..0, Some(&keep), size), []);
        }
    }

    #[test]
    fn kept_rows_in_a_row_are_a_run() {
        let seen: Result<(), bool> = for_each_block(0..256, Some(&[0xFF; 32]), 256, |rows| {
            Err(matches!(rows, Rows::Run { first: 0, len: 256 }))
        });
        assert_eq!(seen, Err(true));
    }

    #[test]
    fn a_failure_ends_it() {
        for keep in [None, Some(&[0xFF; 128][..])] {
            let mut seen = 0;
            let failed = for_each_block(0..1024, keep, 128, |rows| {
                seen += rows.len();
                if seen < 300 { Ok(()) } else { Err("enough") }
            });
            assert_eq!((failed, seen), (Err("enough"), 384));
        }
    }
}
