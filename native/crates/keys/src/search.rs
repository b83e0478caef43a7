//! Keys in sorted columns: binary search, or galloping when the probes ascend too.

use crate::MISSING;
use crate::strings::{BadOffsets, Strings};

/// Returns the last row of `sorted` that equals each probe, -1 when there is none.
///
/// Ascending probes gallop from where the last one ended, so a whole batch reads the column once at most.
pub fn find_sorted_ints(sorted: &[i64], probes: &[i64]) -> Vec<i64> {
    let ascending = probes.is_sorted();
    let mut from = 0;
    let mut find = |&probe: &i64| {
        let end = upper_bound(sorted.len(), from, |row| Ok::<_, BadOffsets>(sorted[row] <= probe)).unwrap_or(from);
        from = if ascending { end } else { 0 };
        if end > 0 && sorted[end - 1] == probe { end as i64 - 1 } else { MISSING }
    };
    probes.iter().map(&mut find).collect()
}

/// Returns the last row of `sorted` (bytewise) that equals each probe, -1 when there is none.
pub fn find_sorted_strings(sorted: Strings<'_>, probes: Strings<'_>) -> Result<Vec<i64>, BadOffsets> {
    probes.check()?;
    let ascending = probes.rows().map(Result::ok).is_sorted();
    let mut from = 0;
    let mut find = |probe: &[u8]| {
        let end = upper_bound(sorted.len(), from, |row| Ok(sorted.row(row)? <= probe))?;
        from = if ascending { end } else { 0 };
        Ok(if end > 0 && sorted.row(end - 1)? == probe { end as i64 - 1 } else { MISSING })
    };
    probes.rows().map(|probe| find(probe?)).collect()
}

/// Returns the first row from `from` on that is not `below`; rows before `from` are.
///
/// With nothing known (`from` 0) it halves at once; else it gallops first, since the next one is likely near.
fn upper_bound<E>(rows: usize, from: usize, below: impl Fn(usize) -> Result<bool, E>) -> Result<usize, E> {
    let (mut low, mut high) = (from, rows);
    let mut step = 1;
    while from > 0 && low < high {
        let probe = low + step - 1;
        if probe >= high {
            break;
        }
        if below(probe)? {
            low = probe + 1;
            step *= 2;
        } else {
            high = probe;
            break;
        }
    }
    while low < high {
        let middle = low.midpoint(high);
        if below(middle)? {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_equal_keys_is_found() {
        assert_eq!(find_sorted_ints(&[1, 3, 3, 3, 9], &[0, 1, 3, 4, 9, 10]), [-1, 0, 3, -1, 4, -1]);
        assert_eq!(find_sorted_ints(&[1, 3, 3, 3, 9], &[9, 3, 1]), [4, 3, 0]);
        assert_eq!(find_sorted_ints(&[], &[1]), [-1]);
    }

    #[test]
    fn galloping_agrees_with_halving() {
        let sorted: Vec<i64> =
            (0..1000).map(|key| key * key % 977 / 3).collect::<std::collections::BTreeSet<_>>().into_iter().collect();
        let probes: Vec<i64> = (-3..400).collect();
        let descending: Vec<i64> = probes.iter().rev().copied().collect();
        let mut mirrored = find_sorted_ints(&sorted, &descending);
        mirrored.reverse();
        assert_eq!(find_sorted_ints(&sorted, &probes), mirrored);
    }

    #[test]
    fn strings_compare_by_bytes_and_bad_offsets_are_named() {
        let sorted = Strings::new(&[0, 0, 1, 3, 5], "aab\u{e9}".as_bytes());
        let probes = Strings::new(&[0, 2, 4, 4, 5], "\u{e9}aba".as_bytes());
        assert_eq!(find_sorted_strings(sorted, probes), Ok(vec![3, 2, 0, 1]));
        assert_eq!(find_sorted_strings(Strings::new(&[0, 7], b"a"), probes), Err(BadOffsets(0)));
    }
}
