//! Searches that can be resumed: the next nearest rows, as many as are asked for, until all passing rows have gone out.

mod frontier;
mod queue;
mod settings;
mod sweep;
mod trail;
mod waiting;

pub use settings::{StreamSettings, Streamed};

use elanus_kernels::{Hit, Scorer};

use crate::keep::Keep;
use crate::links::Links;
use crate::plan::Tuning;
use crate::stop::{Stop, Stopped};
use crate::visited::Visited;
use frontier::Frontier;
use sweep::sweep;
use waiting::Waiting;

/// What a stream reads, borrowed for one call; the same each time, only `stop` may differ.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// The graph.
    pub links: &'a Links<'a>,
    /// Distances that the walk goes by.
    pub walk: &'a dyn Scorer,
    /// Distances that are reported, and that order a batch.
    pub exact: &'a dyn Scorer,
    /// The rows that may go out; all without it.
    pub keep: Option<Keep<'a>>,
    /// When to give up.
    pub stop: Stop<'a>,
}

impl Source<'_> {
    /// How many rows may go out.
    fn num_passing(&self) -> usize {
        self.keep.map_or(self.links.rows(), |keep| keep.count())
    }

    #[inline]
    fn passes(&self, row: u32) -> bool {
        self.keep.is_none_or(|keep| keep.contains(row))
    }
}

/// A search whose state outlives a call: each [`Stream::next`] goes on where the last one ended.
///
/// A row goes out once the walk's last expansions, `window` of them, lay beyond it (relaxed monotonicity), in the order
/// of exact distances among a buffer of the next rows in line. Batches ascend within themselves; between them, the order
/// is as good as the walk. When the graph runs dry, few rows pass, or the walk has cost as much as a scan, the rows that
/// are left are scanned once: all passing rows go out in the end, none of them twice.
///
/// Memory: a bit for each row of the graph, and 16 bytes for each row met.
#[derive(Debug)]
pub struct Stream {
    settings: StreamSettings,
    rows: usize,
    /// Expansions so far.
    steps: usize,
    visited: Visited,
    frontier: Frontier,
    waiting: Waiting,
    report: Streamed,
}

impl Stream {
    /// A stream over `rows` rows whose batches have about the recall of a walk with a pool of `ef`.
    pub fn new(rows: usize, ef: usize) -> Self {
        Stream::with(rows, StreamSettings::new(ef, Tuning::default()))
    }

    /// A stream over `rows` rows.
    pub fn with(rows: usize, settings: StreamSettings) -> Self {
        let mut visited = Visited::default();
        visited.reset(rows);
        let frontier = Frontier::new(settings.window);
        let (waiting, report) = (Waiting::default(), Streamed::default());
        Stream { settings, rows, steps: 0, visited, frontier, waiting, report }
    }

    /// Appends the next `count` rows to `out`, fewer only at the end; returns how many.
    ///
    /// Distances are exact and ascend within the batch, ties by row. When it is given up nothing is lost: the stream can
    /// be asked again. Cost: a batch costs what a walk for as many more rows costs, and at most twice a scan in all.
    pub fn next(&mut self, source: &Source, count: usize, out: &mut Vec<Hit>) -> Result<usize, Stopped> {
        assert_eq!(self.rows, source.links.rows(), "a stream stays with its graph");
        source.stop.look()?;
        if count == 0 {
            return Ok(0);
        }
        let goal = self.waiting.goal(count);
        while !self.report.complete {
            let passed = self.frontier.passed();
            if self.waiting.draw(count, passed) && passed > goal {
                break;
            }
            self.advance(source)?;
        }
        let emitted = self.waiting.emit(count, source.exact, out);
        self.report.emitted += emitted;
        Ok(emitted)
    }

    /// What has been done so far.
    pub fn report(&self) -> Streamed {
        self.report
    }

    /// Rows that were found and have not gone out.
    pub fn num_waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Follows the links of one more row, or scans what is left.
    fn advance(&mut self, source: &Source) -> Result<(), Stopped> {
        if self.is_scan_cheaper(source) {
            return self.sweep(source);
        }
        source.stop.check(self.steps)?;
        self.steps += 1;
        let Stream { visited, frontier, waiting, report, .. } = self;
        let walks_on = frontier.advance(source, visited, report, |distance, row| waiting.push(distance, row));
        if walks_on { Ok(()) } else { self.sweep(source) }
    }

    fn is_scan_cheaper(&self, source: &Source) -> bool {
        let (passing, tuning) = (source.num_passing(), &self.settings.tuning);
        let hop = tuning.hop + source.links.width() as f32 * tuning.link;
        let spent = self.report.scored as f32 * tuning.scattered + self.report.hops as f32 * hop;
        passing <= self.settings.scan_below || spent > passing as f32 * tuning.list
    }

    fn sweep(&mut self, source: &Source) -> Result<(), Stopped> {
        let Stream { visited, waiting, report, .. } = self;
        let rows = source.links.rows();
        let wanted = |row| visited.insert(row);
        sweep(source.walk, rows, source.keep, source.stop, wanted, |distance, row| {
            waiting.push(distance, row);
            report.scanned += 1;
        })?;
        report.complete = true;
        self.frontier.clear();
        Ok(())
    }
}
