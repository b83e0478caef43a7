//! Distances from one point to rows: what walks, streams and scans ask for, whatever the rows are stored as.

use crate::column::{Column, Metric};
use crate::distance::{Kernel, Pairing, Rows, kernel};
use crate::queries::Queries;
use crate::simd;
use crate::topk::canonical;

/// A point from which rows are measured; smaller is nearer.
///
/// Distances of one scorer order rows; those of another storage of the same rows need not be comparable with them.
pub trait Scorer: Sync {
    /// Writes the distance to each of `rows`, which are below the number of rows; `out` is as long.
    ///
    /// Hides the latency of memory: rows further on in the list are asked for while one is measured.
    fn score(&self, rows: &[u32], out: &mut [f32]);

    /// Writes the distances to `out.len()` rows from `first` on.
    fn score_run(&self, first: u32, out: &mut [f32]);
}

/// Rows that have distances between each other: what a graph is built over.
pub trait Space: Sync {
    /// How many rows there are.
    fn rows(&self) -> usize;

    /// Measures from a row: squared Euclidean distances, or what orders rows in their place.
    fn scorer_of(&self, row: u32) -> Box<dyn Scorer + '_>;

    /// How far two rows are apart, given the `distance` from one to the other: near zero for copies of one vector.
    fn apart(&self, _one: u32, _other: u32, distance: f32) -> f32 {
        distance
    }
}

/// Exact distances from one query to the rows of a column.
pub struct ColumnScorer<'a> {
    pairing: Pairing<'a>,
    kernel: Kernel,
    query: usize,
    rows: usize,
}

impl<'a> ColumnScorer<'a> {
    /// Measures from the given one of `queries`, which were made for this column's element and this metric.
    pub fn new(queries: &'a Queries, query: usize, column: &Column<'a>, metric: Metric) -> Self {
        assert!(query < queries.count());
        let pairing = Pairing::new(queries, column, None);
        let kernel = kernel(simd::active(), column.element, metric, false);
        ColumnScorer { pairing, kernel, query, rows: column.rows }
    }

    fn run(&self, rows: Rows, out: &mut [f32]) {
        // SAFETY: the level is available, the query exists, and the callers have checked the rows and the output.
        unsafe { (self.kernel)(&self.pairing, self.query..self.query + 1, rows, out) };
        for distance in out {
            *distance = canonical(*distance);
        }
    }
}

impl Scorer for ColumnScorer<'_> {
    fn score(&self, rows: &[u32], out: &mut [f32]) {
        assert!(rows.len() == out.len() && rows.iter().all(|&row| (row as usize) < self.rows));
        self.run(Rows::List(rows), out);
    }

    fn score_run(&self, first: u32, out: &mut [f32]) {
        assert!(first as usize + out.len() <= self.rows);
        let len = out.len();
        self.run(Rows::Run { first, len }, out);
    }
}
