//! The plain walk: from the entry towards the query, without a filter.

use elanus_kernels::Scorer;

use crate::links::Links;
use crate::pool::Pool;
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
    scratch.pool.reset(ef.min(links.rows()));
    scratch.visited.reset(links.rows());
    let mut walked = Walked::default();
    let Some((start, distance)) = descend(links, scorer, scratch, &mut walked) else { return Ok(walked) };
    scratch.visited.insert(start);
    scratch.pool.insert(distance, start);
    while let Some(nearest) = scratch.pool.take_nearest() {
        stop.check(walked.hops)?;
        walked.hops += 1;
        let Scratch { visited, pool, rows, distances, .. } = scratch;
        visited.insert_all(links.of(nearest.row()), rows);
        walked.scored += rows.len();
        score_into(pool, links, scorer, rows, distances);
    }
    Ok(walked)
}

/// Scores `rows` and puts them in their places; asks for the links of those that will be expanded.
#[inline]
fn score_into(pool: &mut Pool, links: &Links, scorer: &dyn Scorer, rows: &[u32], distances: &mut Vec<f32>) {
    distances.resize(rows.len(), 0.0);
    scorer.score(rows, distances);
    for (&row, &distance) in rows.iter().zip(&*distances) {
        if pool.insert(distance, row) {
            links.prefetch(row);
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
