//! The one entry for searching a graph: with or without a filter, by the cheapest way, with exact distances.

use elanus_kernels::{Hit, Scorer};

use crate::filtered::{Filtered, scan};
use crate::keep::Keep;
use crate::links::Links;
use crate::plan::{Tuning, choose};
use crate::scratch::{Scratch, with_scratch};
use crate::stop::{Stop, Stopped};
use crate::walk::{Walked, walk};

/// How a graph is searched under a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// Whatever costs least, changed on the way where the filter proves to lie otherwise than expected.
    Auto,
    /// Walks over all rows, returns those that pass: for filters that nearly all rows pass.
    Plain,
    /// Walks over passing rows and a share of the failing ones.
    Alpha,
    /// Walks over passing rows, passing rows behind failing ones, and a few failing ones.
    Mix,
    /// Walks over passing rows and passing rows behind failing ones, from many starts: for filters that hardly any row
    /// near the query passes.
    Bridge,
    /// Scores every passing row: for filters that few rows pass.
    Scan,
}

/// Most rows that a walk keeps in view, whatever it is told: to keep them in order costs their square, a scan does not.
const MOST_IN_VIEW: usize = 1 << 16;

/// What is asked of a graph.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// How many rows are wanted.
    pub k: usize,
    /// How many rows the walk keeps in view; at least `k`, and `refine`, are kept.
    pub ef: usize,
    /// How many rows are measured exactly; at least `k` are.
    pub refine: usize,
    /// How to search.
    pub strategy: Strategy,
    /// The rows that may be returned; all where there is no filter.
    pub keep: Option<Keep<'a>>,
    /// When to give up.
    pub stop: Stop<'a>,
}

/// What a search did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// What ran, at last.
    pub strategy: Strategy,
    /// Rows whose links were followed.
    pub hops: usize,
    /// Rows scored while walking.
    pub scored: usize,
    /// Rows scored by a scan.
    pub scanned: usize,
    /// Whether the search went another way than it had set out.
    pub switched: bool,
}

impl Report {
    /// Nothing has been done yet.
    fn new(strategy: Strategy) -> Self {
        Report { strategy, hops: 0, scored: 0, scanned: 0, switched: false }
    }
}

/// Finds the nearest rows that pass.
///
/// - `walk`: measures rows from the query as the walk sees them, perhaps by codes
/// - `exact`: measures rows from the query as they are returned
/// - `out`: is given the rows with their exact distances, ascending, ties by row: `min(k, passing rows)` of them
///
/// With [`Strategy::Auto`] it costs at most about twice a scan of the passing rows. A strategy that is forced walks as
/// long as it needs, with up to 65,536 rows in view; beyond that, or where it finds fewer rows than there are, a scan
/// takes its place.
pub fn search(
    links: &Links,
    walk: &dyn Scorer,
    exact: &dyn Scorer,
    tuning: &Tuning,
    request: &Request,
    out: &mut Vec<Hit>,
) -> Result<Report, Stopped> {
    out.clear();
    request.stop.look()?;
    assert!(request.keep.is_none_or(|keep| keep.rows() == links.rows()), "a filter over other rows");
    let passing = request.keep.map_or(links.rows(), |keep| keep.count());
    let k = request.k.min(passing);
    let refine = request.refine.max(k).min(passing);
    let ef = request.ef.max(refine).min(passing);
    let search = Search { links, walk, exact, tuning, k, ef, refine, passing, request };
    if k == 0 {
        return Ok(Report::new(Strategy::Scan));
    }
    with_scratch(|scratch| {
        let report = search.find(scratch)?;
        search.refine(scratch, out)?;
        Ok(report)
    })
}

/// A request that has been checked.
struct Search<'a> {
    links: &'a Links<'a>,
    walk: &'a dyn Scorer,
    exact: &'a dyn Scorer,
    tuning: &'a Tuning,
    k: usize,
    ef: usize,
    refine: usize,
    passing: usize,
    request: &'a Request<'a>,
}

impl Search<'_> {
    /// Leaves the rows to be measured exactly in `scratch.rows`.
    fn find(&self, scratch: &mut Scratch) -> Result<Report, Stopped> {
        let auto = self.request.strategy == Strategy::Auto;
        let strategy = match self.request.strategy {
            _ if self.ef > MOST_IN_VIEW => Strategy::Scan,
            Strategy::Auto => choose(self.tuning, self.links, self.request.keep, self.ef),
            forced => forced,
        };
        if strategy == Strategy::Scan {
            let report = Report::new(strategy);
            return self.scan(report, scratch);
        }
        let mut report = self.walk(strategy, auto, scratch)?;
        let found = scratch.pool.items().len();
        // A walk that ends before its pool is full has run out of rows that it can reach.
        if report.strategy == Strategy::Scan || found < if auto { self.ef } else { self.k } {
            report.strategy = Strategy::Scan;
            report.switched = true;
            return self.scan(report, scratch);
        }
        scratch.rows.clear();
        scratch.rows.extend(scratch.pool.items()[..self.refine.min(found)].iter().map(|item| item.row()));
        Ok(report)
    }

    /// Fills `scratch.pool`; reports a scan where that is to follow.
    fn walk(&self, strategy: Strategy, auto: bool, scratch: &mut Scratch) -> Result<Report, Stopped> {
        let Some(keep) = self.request.keep else {
            let walked = walk(self.links, self.walk, self.ef, scratch, self.request.stop)?;
            return Ok(Report { hops: walked.hops, scored: walked.scored, ..Report::new(Strategy::Plain) });
        };
        let Search { links, tuning, ef, .. } = *self;
        let filtered = Filtered { links, scorer: self.walk, keep, tuning, stop: self.request.stop, ef };
        let budget = auto.then(|| tuning.scan(self.passing, links.rows()));
        let outcome = filtered.run(strategy, budget, scratch)?;
        let strategy = if outcome.overdrawn { Strategy::Scan } else { outcome.strategy };
        let Walked { hops, scored } = outcome.walked;
        Ok(Report { strategy, hops, scored, scanned: 0, switched: outcome.switched || outcome.overdrawn })
    }

    fn scan(&self, mut report: Report, scratch: &mut Scratch) -> Result<Report, Stopped> {
        let Scratch { rows, best, .. } = scratch;
        let (keep, stop) = (self.request.keep, self.request.stop);
        report.scanned = scan(self.walk, self.links.rows(), keep, self.refine, stop, best)?;
        rows.clear();
        rows.extend(best.iter().map(|&(_, row)| row));
        Ok(report)
    }

    /// Measures `scratch.rows` exactly and hands out the nearest.
    fn refine(&self, scratch: &mut Scratch, out: &mut Vec<Hit>) -> Result<(), Stopped> {
        let Scratch { rows, distances, .. } = scratch;
        distances.resize(rows.len(), 0.0);
        self.request.stop.score(self.exact, rows, distances)?;
        out.extend(rows.iter().zip(&*distances).map(|(&row, &distance)| Hit { row, distance }));
        out.sort_unstable_by(|a, b| a.distance.total_cmp(&b.distance).then(a.row.cmp(&b.row)));
        out.truncate(self.k);
        Ok(())
    }
}
