//! Passing rows from all over the graph.

use crate::keep::Keep;
use crate::visited::Visited;

/// How many are asked for.
const SEEDS: usize = 64;

/// Bytes of the bitmap that are looked through for one of them.
const REACH: usize = 64;

/// Appends up to [`SEEDS`] passing rows that were not met before to `rows`; the same for each query.
///
/// One from each of as many stretches of rows, so that rows that lie in the order of their vectors are covered. Islands
/// of passing rows may lie far from the query's neighbourhood: a walk that starts from the entry alone misses them.
pub(crate) fn collect(keep: Keep, visited: &mut Visited, rows: &mut Vec<u32>) {
    let bytes = keep.rows().div_ceil(8);
    for seed in 0..SEEDS {
        let (from, to) = (bytes * seed / SEEDS, bytes * (seed + 1) / SEEDS);
        let jitter = (seed as u32).wrapping_mul(0x9E37_79B9) as usize >> 16;
        let first = from + jitter % (to - from).max(1);
        let found = (first..(first + REACH).min(bytes)).find_map(|byte| lowest(keep, byte));
        rows.extend(found.filter(|&row| visited.insert(row)));
    }
}

/// The first passing row of a byte of the bitmap.
fn lowest(keep: Keep, byte: usize) -> Option<u32> {
    let bits = keep.bits()[byte];
    let row = byte * 8 + bits.trailing_zeros() as usize;
    (bits != 0 && row < keep.rows()).then_some(row as u32)
}
