//! Rows from the nearest on, by exact distances: each is measured once, then they go out in batches.

use crate::bitmap::{self, MAX_BLOCK, for_each_block};
use crate::column::{Column, Metric};
use crate::distance::{Pairing, kernel};
use crate::queries::Queries;
use crate::simd;
use crate::sparse::{SparseColumn, Table};
use crate::stop::{Stop, Stopped};
use crate::topk::{Hit, Nearest};

/// Rows that are put in order at first.
const FIRST: usize = 1024;

/// Each time the rows in order are used up, so many times as many follow.
const GROWTH: usize = 4;

/// At most one of so many rows is put in order at once, so that few passes over the distances reach the last of them
/// and the rows in order take less memory than the distances.
const SHARE: usize = 8;

/// A search of one query, resumed batch by batch, over rows without an index.
///
/// Distances are those of a scan, and ascend over all batches, equal ones by row. Memory: 4 bytes a row, 8 a kept one
/// under a filter; the column itself is not needed any more.
#[derive(Debug)]
pub struct FlatStream {
    distances: Vec<f32>,
    /// The row of each distance; none where they are those of all rows.
    rows: Option<Vec<u32>>,
    /// The next rows, nearest first, from `next` on.
    ahead: Vec<Hit>,
    next: usize,
    /// Where the last of them has its distance.
    last: Option<Hit>,
    /// How many rows are put in order next time.
    size: usize,
}

impl FlatStream {
    /// Measures the kept rows of a column from the first of `queries`; `keep` has a bit for each row.
    ///
    /// Cost: one pass over the kept rows.
    pub fn dense(
        queries: &Queries,
        column: &Column,
        metric: Metric,
        keep: Option<&[u8]>,
        stop: Stop,
    ) -> Result<Self, Stopped> {
        assert!(queries.count() > 0);
        let pairing = Pairing::new(queries, column, None);
        let kernel = kernel(simd::active(), column.element, metric, false);
        let count = keep.map_or(column.rows, |keep| bitmap::count(keep, column.rows));
        let mut rows = keep.map(|_| Vec::with_capacity(count));
        let (mut distances, mut done, mut watch) = (vec![0.0; count], 0, stop.watch());
        for_each_block(0..column.rows, keep, MAX_BLOCK, |block| {
            watch.spend(block.len())?;
            let out = &mut distances[done..done + block.len()];
            // SAFETY: the level is available, rows are below the column's, there is a query, and `out` has room for its
            // distances to the block.
            unsafe { kernel(&pairing, 0..1, block, out) };
            done += block.len();
            if let Some(rows) = &mut rows {
                rows.extend((0..block.len()).map(|position| block.at(position)));
            }
            Ok(())
        })?;
        Ok(Self::over(distances, rows))
    }

    /// Measures the kept rows that share an index with the first of `queries`.
    ///
    /// Cost: a look-up for each entry of each kept row.
    pub fn sparse(
        queries: &SparseColumn,
        column: &SparseColumn,
        keep: Option<&[u8]>,
        stop: Stop,
    ) -> Result<Self, Stopped> {
        let table = Table::of(queries, 0);
        let (mut distances, mut rows, mut watch) = (Vec::new(), Vec::new(), stop.watch());
        for_each_block(0..column.rows(), keep, MAX_BLOCK, |block| {
            watch.spend(block.len())?;
            for row in (0..block.len()).map(|position| block.at(position)) {
                if let Some(distance) = table.distance(column, row) {
                    rows.push(row);
                    distances.push(distance);
                }
            }
            Ok(())
        })?;
        Ok(Self::over(distances, Some(rows)))
    }

    fn over(distances: Vec<f32>, rows: Option<Vec<u32>>) -> Self {
        FlatStream { distances, rows, ahead: Vec::new(), next: 0, last: None, size: FIRST }
    }

    /// How many rows there are in all.
    pub fn rows(&self) -> usize {
        self.distances.len()
    }

    /// Appends the next `count` rows to `out`, fewer only at the end; returns how many.
    ///
    /// Cost: a selection for a pass over the distances, some ten passes for all rows together, and a sort of what goes
    /// out.
    pub fn next(&mut self, count: usize, out: &mut Vec<Hit>) -> usize {
        let before = out.len();
        loop {
            let left = count - (out.len() - before);
            let taken = left.min(self.ahead.len() - self.next);
            out.extend_from_slice(&self.ahead[self.next..self.next + taken]);
            self.next += taken;
            if taken == left || !self.refill(left - taken) {
                return out.len() - before;
            }
        }
    }

    /// Puts at least `wanted` more rows in order, unless there are fewer; returns whether there were any.
    fn refill(&mut self, wanted: usize) -> bool {
        let count = self.distances.len();
        let size = self.size.min((count / SHARE).max(FIRST)).max(wanted);
        self.size = self.size.saturating_mul(GROWTH);
        let mut nearest = Nearest::after(self.last, size, count);
        for (place, &distance) in self.distances.iter().enumerate() {
            if nearest.admits(distance) {
                nearest.offer(distance, place as u32);
            }
        }
        (self.ahead, self.next) = (nearest.into_hits(), 0);
        let Some(&last) = self.ahead.last() else { return false };
        self.last = Some(last);
        if let Some(rows) = &self.rows {
            self.ahead.iter_mut().for_each(|hit| hit.row = rows[hit.row as usize]);
        }
        true
    }
}
