//! The rows that a walk has not met, measured one after another.

use elanus_kernels::Scorer;

use crate::keep::Keep;
use crate::stop::{Stop, Stopped};

/// Rows measured at once.
const BLOCK: usize = 256;

/// Calls `found` with the distance of each row below `rows` that passes and that `wanted` takes; returns how many.
///
/// A row that `wanted` took is always given to `found`, also when the sweep is given up. Cost: one sequential read of
/// the rows' codes.
pub(crate) fn sweep(
    scorer: &dyn Scorer,
    rows: usize,
    keep: Option<Keep>,
    stop: Stop,
    mut wanted: impl FnMut(u32) -> bool,
    mut found: impl FnMut(f32, u32),
) -> Result<usize, Stopped> {
    let (mut block, mut distances, mut scanned) = (Vec::with_capacity(BLOCK), [0.0; BLOCK], 0);
    for first in (0..rows).step_by(BLOCK) {
        stop.look()?;
        let range = first as u32..rows.min(first + BLOCK) as u32;
        block.clear();
        match keep {
            None => block.extend(range.filter(|&row| wanted(row))),
            Some(keep) => block.extend(passing(keep, range).filter(|&row| wanted(row))),
        }
        let Some(&nearest) = block.first() else { continue };
        let distances = &mut distances[..block.len()];
        if (block[block.len() - 1] - nearest) as usize + 1 == block.len() {
            scorer.score_run(nearest, distances);
        } else {
            scorer.score(&block, distances);
        }
        scanned += block.len();
        for (&row, &distance) in block.iter().zip(&*distances) {
            found(distance, row);
        }
    }
    Ok(scanned)
}

/// The passing rows of a range that starts at a multiple of eight.
fn passing(keep: Keep<'_>, range: std::ops::Range<u32>) -> impl Iterator<Item = u32> {
    let bytes = &keep.bits()[range.start as usize / 8..(range.end as usize).div_ceil(8)];
    let occupied = bytes.iter().enumerate().filter(|&(_, &byte)| byte != 0);
    occupied.flat_map(move |(place, &byte)| {
        let first = range.start + place as u32 * 8;
        (0..8).filter(move |bit| byte >> bit & 1 == 1).map(move |bit| first + bit).filter(move |&row| row < range.end)
    })
}
