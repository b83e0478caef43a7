//! Passing rows from all over the graph.

use crate::keep::Keep;

/// How many are asked for.
const SEEDS: usize = 64;

/// Bytes of the bitmap that are looked through for one of them.
const REACH: usize = 64;

/// Calls `take` with up to [`SEEDS`] passing rows, perhaps one twice; the same for each query.
///
/// One from each of as many stretches of rows, so that rows that lie in the order of their vectors are covered.
pub(super) fn each(keep: Keep, mut take: impl FnMut(u32)) {
    let bytes = keep.rows().div_ceil(8);
    for seed in 0..SEEDS {
        let (from, to) = (bytes * seed / SEEDS, bytes * (seed + 1) / SEEDS);
        let jitter = (seed as u32).wrapping_mul(0x9E37_79B9) as usize >> 16;
        let first = from + jitter % (to - from).max(1);
        let found = (first..(first + REACH).min(bytes)).find_map(|byte| lowest(keep, byte));
        if let Some(row) = found {
            take(row);
        }
    }
}

/// The first passing row of a byte of the bitmap.
fn lowest(keep: Keep, byte: usize) -> Option<u32> {
    let bits = keep.bits()[byte];
    let row = byte * 8 + bits.trailing_zeros() as usize;
    (bits != 0 && row < keep.rows()).then_some(row as u32)
}
