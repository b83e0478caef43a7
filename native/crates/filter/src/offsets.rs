//! Offsets: where each row's part of a longer column begins and ends.

use std::fmt;

/// Offsets that do not cut the data into rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadOffsets;

impl fmt::Display for BadOffsets {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("offsets must be ascending and inside the data")
    }
}

impl std::error::Error for BadOffsets {}

/// Checks that offsets ascend and end within `length`; without a branch a row.
pub(crate) fn check(offsets: &[i64], length: usize) -> Result<(), BadOffsets> {
    let (Some(first), Some(last)) = (offsets.first(), offsets.last()) else {
        return Err(BadOffsets);
    };
    let descending = offsets.iter().zip(&offsets[1..]).fold(false, |found, (left, right)| found | (left > right));
    if *first < 0 || *last > length as i64 || descending { Err(BadOffsets) } else { Ok(()) }
}

/// Returns the row, from `from` on, that holds a place below the last offset: near rows first, then ever larger strides.
pub(crate) fn row_of(offsets: &[i64], place: usize, from: usize) -> usize {
    let ends = &offsets[from + 1..];
    let is_before = |end: &i64| *end as usize <= place;
    let mut stride = 1;
    while stride < ends.len() && is_before(&ends[stride - 1]) {
        stride *= 2;
    }
    let low = stride / 2;
    from + low + ends[low..stride.min(ends.len())].partition_point(is_before)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_in_its_row() {
        let offsets = [2, 2, 5, 5, 5, 6, 90, 91, 91, 200];
        for from in 0..9 {
            for place in offsets[from] as usize..200 {
                let row = row_of(&offsets, place, from);
                assert!((offsets[row] as usize..offsets[row + 1] as usize).contains(&place), "{place} from {from}");
            }
        }
    }
}
