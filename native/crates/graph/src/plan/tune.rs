//! Measures what the steps of a search cost on an index.

use std::time::Instant;

use elanus_kernels::Scorer;

use super::Tuning;
use crate::filtered::add_passing;
use crate::keep::Keep;
use crate::links::Links;
use crate::scratch::{Scratch, with_scratch};
use crate::stop::Stop;
use crate::walk::walk;

/// Rows that are scored for one measurement.
const SAMPLE: usize = 4096;

/// Measurements of each kind: over so many sets of rows, each so often, since the first time it may lie far away.
const SETS: usize = 3;
const ROUNDS: usize = 2;

/// Rows of a list while a scan is timed, while a walk is, and those between two of a scan's.
const BLOCK: usize = 256;
const HOP: usize = 16;
const GAP: usize = 10;

/// Rows whose links are read for one measurement.
const EXPANDED: usize = 512;

/// How wide a walk is timed.
const EF: usize = 32;

/// Measures the costs of an index, by scorers of any point, best one of its rows: a few milliseconds.
///
/// An index without rows has the usual costs.
pub fn tune(links: &Links, walk: &dyn Scorer, exact: &dyn Scorer) -> Tuning {
    if links.rows() == 0 {
        return Tuning::default();
    }
    let rows = links.rows();
    let list = lists(walk, BLOCK, |at| at * GAP % rows);
    let anywhere = |at: usize| ((at as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20) as usize % rows;
    let run = runs(walk, rows);
    let scattered = lists(walk, HOP, anywhere);
    let exact = lists(exact, HOP, anywhere);
    with_scratch(|scratch| {
        let link = read_links(links, scratch, anywhere);
        let hop = hops(links, walk, scattered, link, scratch);
        Tuning { run, list, scattered, exact, link, hop }
    })
}

/// The least time of several trials, in nanoseconds for each of `count` things.
fn least(count: usize, mut trial: impl FnMut(usize)) -> f32 {
    let mut time = |number| {
        let start = Instant::now();
        trial(number);
        start.elapsed().as_nanos() as f32 / count.max(1) as f32
    };
    (0..SETS * ROUNDS).map(|number| time(number % SETS)).fold(f32::INFINITY, f32::min)
}

fn runs(scorer: &dyn Scorer, rows: usize) -> f32 {
    let len = SAMPLE.min(rows);
    let mut out = [0.0; BLOCK];
    least(len, |trial| {
        let first = (rows - len) * trial / SETS;
        for at in (0..len).step_by(BLOCK) {
            scorer.score_run((first + at) as u32, &mut out[..BLOCK.min(len - at)]);
        }
    })
}

/// Times lists of `len` rows; `row_at` numbers the rows.
fn lists(scorer: &dyn Scorer, len: usize, row_at: impl Fn(usize) -> usize) -> f32 {
    let mut rows = [0; BLOCK];
    let mut out = [0.0; BLOCK];
    least(SAMPLE, |trial| {
        for at in (0..SAMPLE).step_by(len) {
            for (place, row) in rows[..len].iter_mut().enumerate() {
                *row = row_at(trial * SAMPLE + at + place) as u32;
            }
            scorer.score(&rows[..len], &mut out[..len]);
        }
    })
}

/// Times reading links and looking their rows up, as a walk under a filter does.
fn read_links(links: &Links, scratch: &mut Scratch, row_at: impl Fn(usize) -> usize) -> f32 {
    let bits = vec![1 << 3; links.rows().div_ceil(8)];
    let Some(keep) = Keep::new(&bits, links.rows()) else { return Tuning::default().link };
    let Scratch { visited, rows, .. } = scratch;
    visited.reset(links.rows());
    let mut read = 0;
    let total = least(1, |trial| {
        read = 0;
        for at in (0..EXPANDED).step_by(HOP) {
            let expanded: [u32; HOP] = std::array::from_fn(|place| row_at((trial + 7) * EXPANDED + at + place) as u32);
            for row in expanded {
                links.prefetch(row);
            }
            rows.clear();
            for row in expanded {
                read += links.of(row).len();
                add_passing(links.of(row), keep, visited, rows);
            }
        }
    });
    total / read.max(1) as f32
}

/// Times whole walks, and takes off what their rows and links cost.
fn hops(links: &Links, scorer: &dyn Scorer, scattered: f32, link: f32, scratch: &mut Scratch) -> f32 {
    let mut hops = 0;
    let rest = least(1, |_| {
        let walked = walk(links, scorer, EF, scratch, Stop::default()).unwrap_or_default();
        hops = walked.hops;
    });
    let walked = walk(links, scorer, EF, scratch, Stop::default()).unwrap_or_default();
    let known = walked.scored as f32 * scattered + (hops * links.width()) as f32 * link;
    ((rest - known) / hops.max(1) as f32).clamp(0.0, Tuning::default().hop)
}
