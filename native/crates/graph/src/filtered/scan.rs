//! Every passing row, scored.

use elanus_kernels::{Scorer, bitmap};

use crate::keep::Keep;
use crate::stop::{Stop, Stopped};

/// Rows scored between two selections and looks at the clock.
const BLOCK: usize = 1024;

/// Leaves the `wanted` nearest passing rows of the first `rows` in `found`, in no order; returns how many were scored.
///
/// Cost: one distance a passing row, and a pass over the bitmap.
pub(crate) fn scan(
    scorer: &dyn Scorer,
    rows: usize,
    keep: Option<Keep>,
    wanted: usize,
    stop: Stop,
    found: &mut Vec<(f32, u32)>,
) -> Result<usize, Stopped> {
    found.clear();
    let mut best = Best { found, wanted, bound: f32::INFINITY };
    let mut list = [0; BLOCK];
    let mut distances = [0.0; BLOCK];
    let Some(keep) = keep else {
        for first in (0..rows).step_by(BLOCK) {
            stop.look()?;
            let distances = &mut distances[..BLOCK.min(rows - first)];
            scorer.score_run(first as u32, distances);
            best.offer((first as u32..).zip(distances.iter().copied()));
        }
        best.select();
        return Ok(rows);
    };
    let (mut len, mut count, mut given_up) = (0, 0, Ok(()));
    let mut flush = |list: &[u32]| {
        given_up = given_up.and_then(|()| stop.look());
        if given_up.is_ok() && !list.is_empty() {
            let distances = &mut distances[..list.len()];
            let first = list[0];
            if (list[list.len() - 1] - first) as usize + 1 == list.len() {
                scorer.score_run(first, distances);
            } else {
                scorer.score(list, distances);
            }
            count += list.len();
            best.offer(list.iter().copied().zip(distances.iter().copied()));
        }
    };
    bitmap::for_each(keep.bits(), keep.rows().min(rows), |row| {
        list[len] = row as u32;
        len += 1;
        if len == BLOCK {
            flush(&list);
            len = 0;
        }
    });
    flush(&list[..len]);
    given_up?;
    best.select();
    Ok(count)
}

/// The nearest of what was offered.
struct Best<'a> {
    found: &'a mut Vec<(f32, u32)>,
    wanted: usize,
    /// What is at or past this distance is too far.
    bound: f32,
}

impl Best<'_> {
    fn offer(&mut self, offered: impl Iterator<Item = (u32, f32)>) {
        for (row, distance) in offered {
            if distance < self.bound || self.found.len() < self.wanted {
                self.found.push((distance, row));
            }
        }
        if self.found.len() >= 2 * self.wanted + BLOCK / 4 {
            self.select();
        }
    }

    /// Drops all but the best; of equal ones the first rows stay.
    fn select(&mut self) {
        if self.wanted == 0 {
            self.found.clear();
        } else if self.found.len() > self.wanted {
            let order = |a: &(f32, u32), b: &(f32, u32)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
            let (_, farthest, _) = self.found.select_nth_unstable_by(self.wanted - 1, order);
            self.bound = farthest.0;
            self.found.truncate(self.wanted);
        }
    }
}
