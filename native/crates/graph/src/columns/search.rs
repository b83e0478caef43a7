//! Searches over the rows of one or several values.

use elanus_kernels::{Hit, Scorer};

use super::ColumnGraph;
use crate::keep::Keep;
use crate::plan::Tuning;
use crate::scratch::{Scratch, with_scratch};
use crate::stop::{Stop, Stopped};

/// What is asked of a column's graphs.
#[derive(Clone, Copy, Debug)]
pub struct ColumnRequest<'a> {
    /// The values that a row may have.
    pub values: &'a [u32],
    /// How many rows are wanted.
    pub k: usize,
    /// How many rows the walk over a value's rows keeps in view; at least `k`, and `refine`, are kept.
    pub ef: usize,
    /// How many rows are measured exactly; at least `k` are.
    pub refine: usize,
    /// Further conditions on a row.
    pub keep: Option<Keep<'a>>,
    /// When to give up.
    pub stop: Stop<'a>,
}

/// What a search over values did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ColumnReport {
    /// Values whose graph was walked; the rows of the others were scanned.
    pub walked: usize,
    /// Rows whose links were followed.
    pub hops: usize,
    /// Rows scored while walking.
    pub scored: usize,
    /// Rows scored by scans.
    pub scanned: usize,
}

/// Rows of a value that are looked at to learn how many pass.
const SAMPLE: usize = 512;

/// Rows scored at once by a scan.
const BLOCK: usize = 256;

impl ColumnGraph<'_> {
    /// Finds the nearest of the rows that have one of the values and pass.
    ///
    /// - `walk`: measures rows from the query as the walk sees them, perhaps by codes
    /// - `exact`: measures rows from the query as they are returned
    /// - `out`: is given the rows with their exact distances, ascending, ties by row: `min(k, such rows)` of them
    ///
    /// A value is walked where it has a graph and that is cheaper than a scan; a scan follows a walk that has met too few
    /// passing rows.
    pub fn search_values(
        &self,
        walk: &dyn Scorer,
        exact: &dyn Scorer,
        tuning: &Tuning,
        request: &ColumnRequest,
        out: &mut Vec<Hit>,
    ) -> Result<ColumnReport, Stopped> {
        out.clear();
        request.stop.look()?;
        let k = request.k.min(self.rows);
        let refine = request.refine.clamp(k, self.rows);
        let ef = request.ef.clamp(refine, self.rows);
        let report = ColumnReport::default();
        let mut search = Search { graph: self, walk, tuning, request, refine, ef, report };
        if k > 0 {
            with_scratch(|scratch| {
                search.find(scratch)?;
                search.measure(exact, scratch, out)?;
                Ok(())
            })?;
        }
        Ok(search.report)
    }
}

/// A search under way; what it finds is in `scratch.best`.
struct Search<'a> {
    graph: &'a ColumnGraph<'a>,
    walk: &'a dyn Scorer,
    tuning: &'a Tuning,
    request: &'a ColumnRequest<'a>,
    refine: usize,
    ef: usize,
    report: ColumnReport,
}

impl Search<'_> {
    fn find(&mut self, scratch: &mut Scratch) -> Result<(), Stopped> {
        let places = self.graph.places(self.request.values);
        scratch.best.clear();
        scratch.visited.reset(self.graph.rows);
        for &place in &places {
            let share = self.share(place);
            let walk = self.graph.walk_cost(place, self.ef, share, self.tuning);
            let is_walked = walk < self.graph.scan_cost(place, share, self.tuning);
            if !is_walked || !self.walk(place, share, scratch)? {
                self.scan(place, scratch)?;
            }
            self.select(scratch);
        }
        if scratch.best.len() < self.request.k && self.report.walked > 0 {
            // What walks found may be less than there is: the filter hides rows from them.
            scratch.best.clear();
            for &place in &places {
                self.scan(place, scratch)?;
                self.select(scratch);
            }
        }
        Ok(())
    }

    fn passes(&self, row: u32) -> bool {
        self.request.keep.is_none_or(|keep| keep.contains(row))
    }

    /// About which share of a value's rows passes.
    fn share(&self, place: usize) -> f32 {
        let Some(keep) = self.request.keep else { return 1.0 };
        let members = self.graph.members(place);
        let step = members.len().div_ceil(SAMPLE).max(1);
        let passing = members.iter().step_by(step).filter(|&&row| keep.contains(row)).count();
        (passing * step) as f32 / members.len().max(1) as f32
    }

    /// Walks over a value's rows and adds those that pass; returns false, and adds none, where too few of those that the
    /// walk had in view pass: the filter keeps what is far from the query.
    fn walk(&mut self, place: usize, share: f32, scratch: &mut Scratch) -> Result<bool, Stopped> {
        let graph = self.graph;
        let view = ((self.ef as f32 / share) as usize).clamp(self.ef, graph.members(place).len().max(self.ef));
        scratch.pool.reset(view);
        scratch.side.reset(self.ef);
        // Other values have as many rows in view: what is beyond them is not worth finding.
        let limit = if scratch.best.len() < self.refine { f32::INFINITY } else { farthest(&scratch.best) };
        let (mut hops, at_least, mut is_beyond) = (0, self.ef / 2, false);
        self.meet(graph.entries(place), scratch);
        while let Some(nearest) = scratch.pool.take_nearest() {
            self.request.stop.check(hops)?;
            is_beyond = hops >= at_least && nearest.distance > limit;
            if is_beyond {
                break;
            }
            hops += 1;
            self.meet(graph.of(nearest.row()), scratch);
        }
        self.report.hops += hops;
        let (pool, side) = (scratch.pool.items(), scratch.side.items());
        let found = if self.request.keep.is_some() { side } else { pool };
        let view = if is_beyond { f32::INFINITY } else { scratch.pool.bound() };
        if found.iter().filter(|item| item.distance <= view).count() < self.request.k.div_ceil(2) {
            return Ok(false);
        }
        scratch.best.extend(found.iter().map(|item| (item.distance, item.row())));
        self.report.walked += 1;
        Ok(true)
    }

    /// Scores those of `rows` that were not met before.
    #[inline]
    fn meet(&mut self, rows: &[u32], scratch: &mut Scratch) {
        let Scratch { visited, pool, side, rows: new, distances, .. } = scratch;
        new.clear();
        new.extend(rows.iter().copied().filter(|&row| visited.insert(row)));
        if let Some(next) = pool.peek() {
            self.graph.prefetch(next);
        }
        distances.resize(new.len(), 0.0);
        self.walk.score(new, distances);
        self.report.scored += new.len();
        for (&row, &distance) in new.iter().zip(&*distances) {
            if distance < pool.bound() {
                pool.insert(distance, row);
            }
            if self.request.keep.is_some() && distance < side.bound() && self.passes(row) {
                side.insert(distance, row);
            }
        }
    }

    /// Adds all of a value's rows that pass.
    fn scan(&mut self, place: usize, scratch: &mut Scratch) -> Result<(), Stopped> {
        let Scratch { rows, distances, best, .. } = scratch;
        let mut left = self.graph.members(place).iter().copied().filter(|&row| self.passes(row)).peekable();
        let mut scanned = 0;
        while left.peek().is_some() {
            self.request.stop.look()?;
            rows.clear();
            rows.extend(left.by_ref().take(BLOCK));
            distances.resize(rows.len(), 0.0);
            self.walk.score(rows, distances);
            scanned += rows.len();
            best.extend(distances.iter().copied().zip(rows.iter().copied()));
            if best.len() >= 2 * self.refine + 4 * BLOCK {
                self.select_from(best);
            }
        }
        self.report.scanned += scanned;
        Ok(())
    }

    fn select(&self, scratch: &mut Scratch) {
        self.select_from(&mut scratch.best);
    }

    /// Drops all but the rows to be measured exactly.
    fn select_from(&self, best: &mut Vec<(f32, u32)>) {
        if best.len() > self.refine {
            best.select_nth_unstable_by(self.refine - 1, |a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            best.truncate(self.refine);
        }
    }

    fn measure(&self, exact: &dyn Scorer, scratch: &mut Scratch, out: &mut Vec<Hit>) -> Result<(), Stopped> {
        let Scratch { rows, distances, best, .. } = scratch;
        rows.clear();
        rows.extend(best.iter().map(|&(_, row)| row));
        distances.resize(rows.len(), 0.0);
        self.request.stop.score(exact, rows, distances)?;
        out.extend(rows.iter().zip(&*distances).map(|(&row, &distance)| Hit { row, distance }));
        out.sort_unstable_by(|a, b| a.distance.total_cmp(&b.distance).then(a.row.cmp(&b.row)));
        out.truncate(self.request.k);
        Ok(())
    }
}

fn farthest(found: &[(f32, u32)]) -> f32 {
    found.iter().fold(f32::NEG_INFINITY, |farthest, &(distance, _)| farthest.max(distance))
}
