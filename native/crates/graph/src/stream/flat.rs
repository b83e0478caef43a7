//! A stream over rows without a graph.

use elanus_kernels::{Hit, Scorer};

use super::settings::Streamed;
use super::sweep::sweep;
use super::waiting::Waiting;
use crate::keep::Keep;
use crate::stop::{Stop, Stopped};

/// A search over any rows that can be measured, resumed batch by batch: one scan, then growing partial sorts.
///
/// Memory: 8 bytes for each passing row that has not gone out.
#[derive(Debug)]
pub struct FlatStream {
    rows: usize,
    waiting: Waiting,
    report: Streamed,
}

impl FlatStream {
    /// A stream over `rows` rows.
    pub fn new(rows: usize) -> Self {
        FlatStream { rows, waiting: Waiting::default(), report: Streamed::default() }
    }

    /// Appends the next `count` rows to `out`, ascending by distance, then row; returns how many, fewer only at the end.
    ///
    /// Rows are scanned by `scan`; `exact` measures again what is next in line and gives the distances reported, without
    /// it the scan's are. The same scorers and filter each time. Cost: the first batch costs the scan.
    pub fn next(
        &mut self,
        scan: &dyn Scorer,
        exact: Option<&dyn Scorer>,
        keep: Option<Keep>,
        stop: Stop,
        count: usize,
        out: &mut Vec<Hit>,
    ) -> Result<usize, Stopped> {
        stop.look()?;
        if !self.report.complete {
            let mut waiting = Waiting::default();
            let found = |distance, row| waiting.push(distance, row);
            self.report.scanned += sweep(scan, self.rows, keep, stop, |_| true, found)?;
            self.report.complete = true;
            self.waiting = waiting;
        }
        let emitted = self.waiting.emit(count, exact, out);
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
}
