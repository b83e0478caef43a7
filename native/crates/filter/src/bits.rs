//! Bitmaps, 64 rows at a time.

use crate::level::{Flags, Pack};

/// Returns the bitmap of `rows` rows; `word` gives the 64 rows from the one it is called with, and may set bits past the
/// last row.
#[inline(always)]
pub(crate) fn build(rows: usize, mut word: impl FnMut(usize) -> u64) -> Vec<u8> {
    let mut bits = Vec::with_capacity(rows.div_ceil(64) * 8);
    for first in (0..rows).step_by(64) {
        bits.extend_from_slice(&(word(first) & below(rows - first)).to_le_bytes());
    }
    bits.truncate(rows.div_ceil(8));
    bits
}

/// Returns a word with the lowest `count` bits set, all of them from 64 on.
#[inline(always)]
pub(crate) fn below(count: usize) -> u64 {
    if count >= 64 { u64::MAX } else { (1 << count) - 1 }
}

/// Returns 64 values from `first` on; where the column ends before, they are copied to `spare`, padded.
#[inline(always)]
pub(crate) fn block<'a, T: Copy>(values: &'a [T], first: usize, spare: &'a mut [T; 64]) -> &'a [T; 64] {
    let rest = &values[first..];
    if let Some(block) = rest.first_chunk() {
        return block;
    }
    spare[..rest.len()].copy_from_slice(rest);
    spare
}

/// Returns the bits of the values that pass `test`.
#[inline(always)]
pub(crate) fn pack<P: Pack, T: Copy>(values: &[T; 64], test: impl Fn(T) -> bool) -> u64 {
    let mut flags: Flags = [0; 64];
    for (flag, value) in flags.iter_mut().zip(values) {
        *flag = flag_of(test(*value));
    }
    P::pack(&flags)
}

/// Returns a row's flag.
#[inline(always)]
pub(crate) fn flag_of(yes: bool) -> u8 {
    if yes { u8::MAX } else { 0 }
}

/// Returns the bits of up to 64 rows that pass `test`, one after another: for tests that don't vectorise.
#[inline(always)]
pub(crate) fn collect(first: usize, rows: usize, mut test: impl FnMut(usize) -> bool) -> u64 {
    let mut word = 0;
    for row in first..rows.min(first + 64) {
        word |= u64::from(test(row)) << (row - first);
    }
    word
}

/// Returns the bits of `word` that pass `test`; no other is asked about.
#[inline(always)]
pub(crate) fn collect_of(word: u64, mut test: impl FnMut(usize) -> bool) -> u64 {
    let (mut left, mut found) = (word, 0);
    while left != 0 {
        let bit = left.trailing_zeros() as usize;
        found |= u64::from(test(bit)) << bit;
        left &= left - 1;
    }
    found
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Returns a bitmap as booleans, once the bits past the last row have been seen to be zero.
    pub(crate) fn unpacked(bits: &[u8], rows: usize) -> Vec<bool> {
        assert_eq!(bits.len(), rows.div_ceil(8));
        assert!((rows..bits.len() * 8).all(|row| bits[row / 8] >> (row % 8) & 1 == 0));
        (0..rows).map(|row| bits[row / 8] >> (row % 8) & 1 == 1).collect()
    }

    #[test]
    fn rows_past_the_end_are_never_set() {
        for rows in 0..200 {
            assert_eq!(unpacked(&build(rows, |_| u64::MAX), rows), vec![true; rows]);
        }
    }
}
