//! The plain walk: from the entry towards the query, without a filter.

use elanus_kernels::Scorer;

use crate::links::Links;
use crate::scratch::Scratch;
use crate::stop::{Stop, Stopped};

/// What a walk did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Walked {
    /// Rows whose links were followed.
    pub hops: usize,
    /// Rows that were scored.
    pub scored: usize,
}

/// Fills `scratch.pool` with about the `ef` nearest rows, ascending by the scorer's distance.
///
/// Cost: about `1.2 * ef` hops, each scoring the neighbours not met before.
pub fn walk(
    links: &Links,
    scorer: &dyn Scorer,
    ef: usize,
    scratch: &mut Scratch,
    stop: Stop,
) -> Result<Walked, Stopped> {
    scratch.pool.reset(ef);
    scratch.visited.reset(links.rows());
    let mut walked = Walked::default();
    let Some((start, distance)) = descend(links, scorer, scratch, &mut walked) else { return Ok(walked) };
    scratch.visited.insert(start);
    scratch.pool.insert(distance, start);
    while let Some(nearest) = scratch.pool.take_nearest() {
        stop.check(walked.hops)?;
        walked.hops += 1;
        expand(links, nearest.row(), scorer, scratch, &mut walked);
    }
    Ok(walked)
}

/// Scores the neighbours of `row` that were not met before.
#[inline]
fn expand(links: &Links, row: u32, scorer: &dyn Scorer, scratch: &mut Scratch, walked: &mut Walked) {
    let Scratch { visited, pool, rows, distances, .. } = scratch;
    rows.clear();
    rows.extend(links.of(row).iter().copied().filter(|&neighbour| visited.insert(neighbour)));
    if let Some(next) = pool.peek() {
        links.prefetch(next);
    }
    distances.resize(rows.len(), 0.0);
    scorer.score(rows, distances);
    walked.scored += rows.len();
    for (&row, &distance) in rows.iter().zip(&*distances) {
        if distance < pool.bound() {
            pool.insert(distance, row);
        }
    }
}

/// Walks down the upper layers; returns the nearest row found there, where the base layer's walk starts.
pub fn descend(links: &Links, scorer: &dyn Scorer, scratch: &mut Scratch, walked: &mut Walked) -> Option<(u32, f32)> {
    let mut nearest = links.entry()?;
    let mut distance = [0.0];
    scorer.score(&[nearest], &mut distance);
    walked.scored += 1;
    let mut distance = distance[0];
    for above in (0..links.num_upper()).rev() {
        loop {
            let neighbours = links.above(above, nearest);
            scratch.distances.resize(neighbours.len(), 0.0);
            scorer.score(neighbours, &mut scratch.distances);
            walked.hops += 1;
            walked.scored += neighbours.len();
            let before = nearest;
            for (&row, &found) in neighbours.iter().zip(&scratch.distances) {
                if found < distance {
                    (nearest, distance) = (row, found);
                }
            }
            if nearest == before {
                break;
            }
        }
    }
    Some((nearest, distance))
}
