//! Lists: which rows have an element that is set, or so many of them.

use std::ops::RangeInclusive;

use crate::bits::{below, build};
use crate::offsets::{BadOffsets, check, row_of};

/// Where fewer than one element in so many is set, each of them is given to its row; otherwise each row looks at its own.
const SCATTERED: usize = 32;

/// Returns the rows with a set bit among their elements; row r has the elements from `offsets[r]` up to
/// `offsets[r + 1]`.
pub fn any_in_runs(offsets: &[i64], bits: &[u8]) -> Result<Vec<u8>, BadOffsets> {
    check(offsets, bits.len() * 8)?;
    let words = words(bits);
    let set: usize = words.iter().map(|word| word.count_ones() as usize).sum();
    if set * SCATTERED < bits.len() * 8 {
        return Ok(rows_of_set(offsets, &words));
    }
    Ok(select(offsets, |start, end| any_set(&words, start, end)))
}

/// Returns the rows of whose elements so many are set.
pub fn count_in_runs(offsets: &[i64], bits: &[u8], counts: &RangeInclusive<u64>) -> Result<Vec<u8>, BadOffsets> {
    check(offsets, bits.len() * 8)?;
    let words = words(bits);
    Ok(select(offsets, |start, end| counts.contains(&count_set(&words, start, end))))
}

/// Returns the rows that pass a test of where their elements start and end.
#[inline(always)]
fn select(offsets: &[i64], test: impl Fn(usize, usize) -> bool) -> Vec<u8> {
    build(offsets.len() - 1, |first| {
        let ends = &offsets[first..offsets.len().min(first + 65)];
        let (mut start, mut word) = (ends[0] as usize, 0);
        for (row, end) in ends[1..].iter().enumerate() {
            let end = *end as usize;
            word |= u64::from(test(start, end)) << row;
            start = end;
        }
        word
    })
}

/// Gives each set bit to its row.
fn rows_of_set(offsets: &[i64], words: &[u64]) -> Vec<u8> {
    let rows = offsets.len() - 1;
    let (start, stop) = (offsets[0] as usize, offsets[rows] as usize);
    let mut found = vec![0; rows.div_ceil(8)];
    // The row of the last set bit, and where its elements end.
    let (mut row, mut end) = (0, start);
    for (at, word) in words.iter().enumerate() {
        let mut left = *word;
        while left != 0 {
            let place = at * 64 + left.trailing_zeros() as usize;
            left &= left - 1;
            if place >= stop {
                return found;
            }
            if place >= end {
                row = row_of(offsets, place, row);
                end = offsets[row + 1] as usize;
                found[row / 8] |= 1 << (row % 8);
            }
        }
    }
    found
}

/// The bitmap as words, and one more, so that a look at two neighbours never ends outside.
fn words(bits: &[u8]) -> Vec<u64> {
    let (whole, rest) = bits.as_chunks::<8>();
    let mut words: Vec<u64> = whole.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect();
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    words.extend([u64::from_le_bytes(last), 0]);
    words
}

#[inline(always)]
fn any_set(words: &[u64], start: usize, end: usize) -> bool {
    let near = window(words, start) & below(end - start) != 0;
    if end - start <= 64 {
        return near;
    }
    near || (start + 64..end).step_by(64).any(|at| window(words, at) & below(end - at) != 0)
}

#[inline(always)]
fn count_set(words: &[u64], start: usize, end: usize) -> u64 {
    let near = u64::from((window(words, start) & below(end - start)).count_ones());
    if end - start <= 64 {
        return near;
    }
    let far = (start + 64..end).step_by(64).map(|at| u64::from((window(words, at) & below(end - at)).count_ones()));
    near + far.sum::<u64>()
}

/// The 64 bits from `at` on.
#[inline(always)]
fn window(words: &[u64], at: usize) -> u64 {
    let (word, bit) = (at / 64, at % 64);
    // Shifting twice keeps a shift by 64 from being one.
    words[word] >> bit | (words[word + 1] << 1) << (63 - bit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bits::tests::unpacked;

    #[test]
    fn rows_of_any_length_see_their_own_elements_only() {
        for set in [0, 1, 63, 64, 65, 190, 199] {
            let mut bits = [0; 25];
            bits[set / 8] = 1 << (set % 8);
            let words = words(&bits);
            for start in 0..=200 {
                for end in start..=200 {
                    let found = any_in_runs(&[start as i64, end as i64], &bits).unwrap();
                    assert_eq!(unpacked(&found, 1), [(start..end).contains(&set)]);
                    assert_eq!(any_set(&words, start, end), (start..end).contains(&set));
                }
            }
        }
    }

    #[test]
    fn rows_are_the_same_however_many_elements_are_set() {
        let offsets: Vec<i64> = (0..300_i64).map(|row| 3 + row * row % 7 + row * 5).collect();
        let elements = *offsets.last().unwrap() as usize + 9;
        for stride in [1, 2, 7, 31, 40, 100, 5000] {
            let mut bits = vec![0_u8; elements.div_ceil(8)];
            (0..elements).step_by(stride).for_each(|place| bits[place / 8] |= 1 << (place % 8));
            let expected: Vec<bool> = offsets
                .windows(2)
                .map(|run| (run[0] as usize..run[1] as usize).any(|place| place % stride == 0))
                .collect();
            assert_eq!(unpacked(&any_in_runs(&offsets, &bits).unwrap(), 299), expected, "{stride}");
        }
    }

    #[test]
    fn rows_of_any_length_are_told_by_how_many_of_their_elements_are_set() {
        let bits: Vec<u8> = (0..25).map(|at: u8| at.wrapping_mul(73) ^ 0x5a).collect();
        let set = unpacked(&bits, 200);
        for start in 0..=200 {
            for end in start..=200 {
                let count = set[start..end].iter().filter(|&&set| set).count() as u64;
                let offsets = [0, start as i64, end as i64];
                for (low, high) in [(count, count), (0, count), (count, u64::MAX), (count + 1, u64::MAX)] {
                    let found = count_in_runs(&offsets, &bits, &(low..=high)).unwrap();
                    assert_eq!(unpacked(&found, 2)[1], (low..=high).contains(&count));
                }
            }
        }
    }

    #[test]
    fn offsets_outside_the_elements_are_refused() {
        assert!(count_in_runs(&[0, 9], &[0], &(0..=1)).is_err());
        assert!(any_in_runs(&[0, 9], &[0]).is_err());
        assert!(any_in_runs(&[5, 4], &[0]).is_err());
        assert!(any_in_runs(&[], &[]).is_err());
        assert_eq!(any_in_runs(&[3], &[0]), Ok(vec![]));
    }
}
