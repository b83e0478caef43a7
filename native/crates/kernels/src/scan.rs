//! Exact search: every kept row of a column is compared with every query.

use std::ops::Range;

use crate::bitmap::{MAX_BLOCK, for_each_block};
use crate::column::{Column, Metric};
use crate::distance::{Kernel, Pairing, Rows, kernel};
use crate::queries::Queries;
use crate::simd;
use crate::topk::{Hit, Nearest, Window};

/// What is searched, and for what.
pub struct Scan<'a> {
    /// Query vectors, made for this column's element and this metric.
    pub queries: &'a Queries,
    /// The rows.
    pub column: Column<'a>,
    /// The distance.
    pub metric: Metric,
    /// The length of each row, for COSINE over floats where known.
    pub lengths: Option<&'a [f32]>,
    /// The rows that may be found, one bit each; none for all.
    pub keep: Option<&'a [u8]>,
    /// Most rows to return for a query.
    pub k: usize,
    /// Distances that count.
    pub window: Window,
    /// Threads to share the rows.
    pub threads: usize,
}

/// Queries whose distances are computed before any are collected.
const QUERY_GROUP: usize = 16;

/// Bytes of rows that stay in the second-level cache while every query passes over them.
const CACHED_BYTES: usize = 256 * 1024;

/// Returns, for each query, the nearest kept rows, ascending by distance, then row.
///
/// Cost: one pass over the kept rows from memory, whatever the number of queries.
pub fn scan(scan: &Scan) -> Vec<Vec<Hit>> {
    let pairing = Pairing::new(scan.queries, &scan.column, scan.lengths);
    let kernel = kernel(simd::active(), scan.column.element, scan.metric, scan.lengths.is_some());
    let parts = parts(scan.column.rows, scan.threads);
    let collected = each_part(&parts, |part| scan_part(scan, &pairing, kernel, part));
    merge(collected).into_iter().map(Nearest::into_hits).collect()
}

/// Splits rows into at most `threads` ranges that start at multiples of 64.
pub(crate) fn parts(rows: usize, threads: usize) -> Vec<Range<usize>> {
    let each = rows.div_ceil(threads.max(1)).next_multiple_of(64).max(64);
    (0..rows.max(1)).step_by(each).map(|first| first..(first + each).min(rows)).collect()
}

/// Runs `work` on each part, all but the first on threads of their own.
pub(crate) fn each_part<T: Send>(parts: &[Range<usize>], work: impl Fn(Range<usize>) -> T + Sync) -> Vec<T> {
    let Some((first, others)) = parts.split_first() else { return Vec::new() };
    std::thread::scope(|scope| {
        let work = &work;
        let handles: Vec<_> = others.iter().map(|part| scope.spawn(move || work(part.clone()))).collect();
        let mut results = vec![work(first.clone())];
        for handle in handles {
            results.push(handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        results
    })
}

/// Brings together what the parts found for each query.
pub(crate) fn merge(parts: Vec<Vec<Nearest>>) -> Vec<Nearest> {
    let mut parts = parts.into_iter();
    let mut merged = parts.next().unwrap_or_default();
    for part in parts {
        for (whole, found) in merged.iter_mut().zip(&part) {
            whole.absorb(found);
        }
    }
    merged
}

fn scan_part(scan: &Scan, pairing: &Pairing, kernel: Kernel, part: Range<usize>) -> Vec<Nearest> {
    let count = scan.queries.count();
    let mut nearest: Vec<Nearest> = (0..count).map(|_| Nearest::new(scan.k, scan.column.rows, scan.window)).collect();
    let mut distances = vec![0.0; QUERY_GROUP.min(count) * MAX_BLOCK];
    let size = (CACHED_BYTES / scan.column.row_bytes() / 64 * 64).clamp(64, MAX_BLOCK);
    for_each_block(part, scan.keep, size, |rows| {
        for (group, nearest) in nearest.chunks_mut(QUERY_GROUP).enumerate() {
            let first = group * QUERY_GROUP;
            // SAFETY: the level is available, rows are below the column's, the queries exist, and the buffer holds a
            // group's distances to the largest block; `Scan` asks for a length of every row.
            unsafe { kernel(pairing, first..first + nearest.len(), rows, &mut distances) };
            for (nearest, distances) in nearest.iter_mut().zip(distances.chunks_exact(rows.len())) {
                collect(nearest, distances, rows);
            }
        }
    });
    nearest
}

fn collect(nearest: &mut Nearest, distances: &[f32], rows: Rows) {
    for (position, &distance) in distances.iter().enumerate() {
        if nearest.admits(distance) {
            nearest.offer(distance, rows.at(position));
        }
    }
}
