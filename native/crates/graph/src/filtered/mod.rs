//! Walks under a filter: one loop over two pools, of passing and of failing rows.
//!
//! What the strategies differ in is which neighbours of a row are scored: [`expand::Expansion`] says so, and may be
//! exchanged while the walk is under way, when what was met tells that another would do better.

mod expand;
mod scan;

use elanus_kernels::Scorer;

use crate::keep::Keep;
use crate::links::Links;
use crate::plan::Tuning;
use crate::scratch::Scratch;
use crate::search::Strategy;
use crate::seeds;
use crate::stop::{Stop, Stopped};
use crate::walk::{Walked, descend};
pub(crate) use expand::{Expansion, add_passing};
pub(crate) use scan::scan;

/// Rows scored before the walk judges how the filter lies to the query.
const WATCHED: usize = 128;

/// Most failing rows that wait to be expanded, however few rows pass.
const MAX_SIDE: usize = 8192;

/// A walk under a filter, before it starts.
pub(crate) struct Filtered<'a> {
    /// The graph.
    pub links: &'a Links<'a>,
    /// Measures rows from the query.
    pub scorer: &'a dyn Scorer,
    /// The rows that may be returned.
    pub keep: Keep<'a>,
    /// What steps cost.
    pub tuning: &'a Tuning,
    /// When to give up.
    pub stop: Stop<'a>,
    /// How many passing rows are looked for.
    pub ef: usize,
}

/// What a walk under a filter did.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome {
    /// Hops and scored rows.
    pub walked: Walked,
    /// How it walked at last.
    pub strategy: Strategy,
    /// Whether the strategy, or what it does, was exchanged on the way.
    pub switched: bool,
    /// Whether it ended because it had cost more than it was given.
    pub overdrawn: bool,
}

/// A walk under way.
struct Course<'a> {
    walk: &'a Filtered<'a>,
    expansion: Expansion,
    outcome: Outcome,
    /// Links read.
    looked: usize,
    /// Neighbours met at one hop, and those of them that pass.
    met: usize,
    passed: usize,
}

impl Filtered<'_> {
    /// Fills `scratch.pool` with about the `ef` nearest passing rows, as `strategy` does it.
    ///
    /// With a `budget`, in nanoseconds by the tuning, the walk watches how the filter lies to the query, changes its
    /// ways, and ends once it has spent the budget.
    pub(crate) fn run(
        &self,
        strategy: Strategy,
        budget: Option<f32>,
        scratch: &mut Scratch,
    ) -> Result<Outcome, Stopped> {
        let share = self.keep.count() as f32 / self.links.rows().max(1) as f32;
        let expansion = Expansion::of(strategy, share, self.links.width());
        let outcome = Outcome { walked: Walked::default(), strategy, switched: false, overdrawn: false };
        let mut course = Course { walk: self, expansion, outcome, looked: 0, met: 0, passed: 0 };
        scratch.visited.reset(self.links.rows());
        scratch.pool.reset(self.ef);
        scratch.side.reset(self.room_beside(strategy, share));
        course.start(scratch);
        let mut watching = budget.is_some();
        while let Some(row) = course.next(scratch) {
            self.stop.check(course.outcome.walked.hops)?;
            course.outcome.walked.hops += 1;
            course.expand(row, scratch);
            if watching && course.outcome.walked.scored >= WATCHED {
                watching = false;
                course.adapt(share, scratch);
            }
            if budget.is_some_and(|budget| course.spent() > budget) {
                course.outcome.overdrawn = true;
                break;
            }
        }
        Ok(course.outcome)
    }

    /// How many failing rows may wait: where all are walked, as many as lie nearer than the passing ones.
    fn room_beside(&self, strategy: Strategy, share: f32) -> usize {
        let all = self.ef as f32 / share.max(f32::MIN_POSITIVE);
        if strategy == Strategy::Plain { (all as usize).clamp(self.ef, MAX_SIDE.max(self.ef)) } else { self.ef }
    }
}

impl Course<'_> {
    /// Puts the first rows into the pools.
    fn start(&mut self, scratch: &mut Scratch) {
        let walk = self.walk;
        let Some((start, distance)) = descend(walk.links, walk.scorer, scratch, &mut self.outcome.walked) else {
            return;
        };
        scratch.visited.insert(start);
        if walk.keep.contains(start) { &mut scratch.pool } else { &mut scratch.side }.insert(distance, start);
        if self.expansion.is_seeded() {
            self.seed(scratch);
        }
    }

    /// Scores passing rows from all over the graph: islands of them may lie far from the query's neighbourhood.
    fn seed(&mut self, scratch: &mut Scratch) {
        let Scratch { visited, rows, .. } = scratch;
        rows.clear();
        seeds::collect(self.walk.keep, visited, rows);
        let passing = rows.len();
        self.score(passing, scratch);
    }

    /// Takes the row to expand next; `None` when no waiting row can lead to nearer ones.
    fn next(&self, scratch: &mut Scratch) -> Option<u32> {
        let Scratch { pool, side, .. } = scratch;
        let (passing, failing) = (pool.waiting(), side.waiting());
        let aside = match (passing, failing) {
            (None, None) => return None,
            (Some(_), None) => false,
            (Some(passing), Some(failing)) => !self.expansion.is_seeded() && failing.distance < passing.distance,
            (None, Some(failing)) => {
                let further =
                    if self.expansion.is_seeded() { !pool.is_full() } else { failing.distance < pool.bound() };
                if !further {
                    return None;
                }
                true
            }
        };
        if aside { side.take_nearest() } else { pool.take_nearest() }.map(crate::Candidate::row)
    }

    /// Scores neighbours of `row`, as the expansion picks them.
    fn expand(&mut self, row: u32, scratch: &mut Scratch) {
        let met = self.expansion.pick(self.walk.links, row, self.walk.keep, scratch);
        self.looked += met.looked;
        self.met += met.neighbours;
        self.passed += met.passed;
        if let Some(next) = scratch.pool.peek() {
            self.walk.links.prefetch(next);
        }
        self.score(met.passing, scratch);
    }

    /// Scores `scratch.rows`, of which the first `passing` pass.
    fn score(&mut self, passing: usize, scratch: &mut Scratch) {
        let Scratch { pool, side, rows, distances, .. } = scratch;
        distances.resize(rows.len(), 0.0);
        self.walk.scorer.score(rows, distances);
        self.outcome.walked.scored += rows.len();
        for (&row, &distance) in rows[..passing].iter().zip(&distances[..passing]) {
            pool.insert(distance, row);
        }
        let bound = pool.bound();
        for (&row, &distance) in rows[passing..].iter().zip(&distances[passing..]) {
            if distance < bound {
                side.insert(distance, row);
            }
        }
    }

    /// Changes ways where the rows near the query pass much less often, or more often, than all rows do.
    fn adapt(&mut self, share: f32, scratch: &mut Scratch) {
        let local = self.passed as f32 / self.met.max(1) as f32;
        if local < share / 4.0 && self.outcome.strategy != Strategy::Bridge {
            self.expansion = Expansion::of(Strategy::Bridge, share, self.walk.links.width());
            self.outcome.strategy = Strategy::Bridge;
            self.outcome.switched = true;
            scratch.side.reset(self.walk.ef);
            self.seed(scratch);
        } else if local > 2.0 * share && self.expansion.narrow(local) {
            self.outcome.switched = true;
        }
    }

    fn spent(&self) -> f32 {
        self.walk.tuning.walked(&self.outcome.walked, self.looked)
    }
}
