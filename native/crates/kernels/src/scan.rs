//! Exact search: every kept row of a column is compared with every query.

use std::ops::Range;

use crate::bitmap::{MAX_BLOCK, for_each_block};
use crate::column::{Column, Metric};
use crate::distance::{Kernel, Pairing, Rows, kernel};
use crate::queries::Queries;
use crate::simd;
use crate::stop::{Stop, Stopped};
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
    /// When to give up.
    pub stop: Stop<'a>,
}

/// Queries whose distances are computed before any are collected.
const QUERY_GROUP: usize = 16;

/// Bytes of rows that stay in the second-level cache while every query passes over them.
const CACHED_BYTES: usize = 256 * 1024;

/// Returns, for each query, the nearest kept rows, ascending by distance, then row.
///
/// Cost: one pass over the kept rows from memory, whatever the number of queries.
pub fn scan(scan: &Scan) -> Result<Vec<Vec<Hit>>, Stopped> {
    let pairing = Pairing::new(scan.queries, &scan.column, scan.lengths);
    let kernel = kernel(simd::active(), scan.column.element, scan.metric, scan.lengths.is_some());
    let parts = parts(scan.column.rows, scan.threads);
    let collected = each_part(&parts, |part| scan_part(scan, &pairing, kernel, part));
    merge(collected)
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

/// Brings together what the parts found for each query; fails where one was given up.
pub(crate) fn merge(parts: Vec<Result<Vec<Nearest>, Stopped>>) -> Result<Vec<Vec<Hit>>, Stopped> {
    let mut parts = parts.into_iter();
    let mut merged = parts.next().transpose()?.unwrap_or_default();
    for part in parts {
        for (whole, found) in merged.iter_mut().zip(&part?) {
            whole.absorb(found);
        }
    }
    Ok(merged.into_iter().map(Nearest::into_hits).collect())
}

fn scan_part(scan: &Scan, pairing: &Pairing, kernel: Kernel, part: Range<usize>) -> Result<Vec<Nearest>, Stopped> {
    let count = scan.queries.count();
    let mut nearest: Vec<Nearest> = (0..count).map(|_| Nearest::new(scan.k, scan.column.rows, scan.window)).collect();
    let mut distances = vec![0.0; QUERY_GROUP.min(count) * MAX_BLOCK];
    let size = (CACHED_BYTES / scan.column.row_bytes() / 64 * 64).clamp(64, MAX_BLOCK);
    let mut watch = scan.stop.watch();
    for_each_block(part, scan.keep, size, |rows| {
        for (group, nearest) in nearest.chunks_mut(QUERY_GROUP).enumerate() {
            watch.spend(nearest.len() * rows.len())?;
            let first = group * QUERY_GROUP;
            // SAFETY: the level is available, rows are below the column's, the queries exist, and the buffer holds a
            // group's distances to the largest block; `Scan` asks for a length of every row.
            unsafe { kernel(pairing, first..first + nearest.len(), rows, &mut distances) };
            for (nearest, distances) in nearest.iter_mut().zip(distances.chunks_exact(rows.len())) {
                collect(nearest, distances, rows);
            }
        }
        Ok(())
    })?;
    Ok(nearest)
}

fn collect(nearest: &mut Nearest, distances: &[f32], rows: Rows) {
    for (position, &distance) in distances.iter().enumerate() {
        if nearest.admits(distance) {
            nearest.offer(distance, rows.at(position));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use super::*;
    use crate::column::Element;
    use crate::stop::Watch;

    const ROWS: usize = 100_000;
    const CANCELLED_AFTER: usize = 20_000;
    static MEASURED: AtomicUsize = AtomicUsize::new(0);
    static CANCELLED: AtomicBool = AtomicBool::new(false);

    /// Counts distances, and cancels the search after so many.
    unsafe fn counting(_: &Pairing, queries: Range<usize>, rows: Rows, out: &mut [f32]) {
        let distances = queries.len() * rows.len();
        let measured = MEASURED.fetch_add(distances, Ordering::Relaxed) + distances;
        CANCELLED.store(measured >= CANCELLED_AFTER, Ordering::Relaxed);
        out[..distances].fill(1.0);
    }

    #[test]
    fn a_cancelled_scan_measures_few_rows_more() {
        let (bytes, asked) = (vec![0; ROWS * 4], vec![0; 40 * 4]);
        let column = Column::new(&bytes, ROWS, 1, Element::F32).unwrap();
        let kept = vec![0xB7; ROWS / 8];
        for (count, keep) in [(1, None), (1, Some(&kept[..])), (40, None), (40, Some(&kept[..]))] {
            let asked = Column::new(&asked, count, 1, Element::F32).unwrap();
            let queries = Queries::new(&asked, Element::F32, Metric::L2).unwrap();
            let stop = Stop { cancelled: Some(&CANCELLED), deadline: None };
            let (metric, window) = (Metric::L2, Window::ALL);
            let scan = Scan { queries: &queries, column, metric, lengths: None, keep, k: 5, window, threads: 1, stop };
            MEASURED.store(0, Ordering::Relaxed);
            CANCELLED.store(false, Ordering::Relaxed);
            let found = scan_part(&scan, &Pairing::new(&queries, &column, None), counting, 0..ROWS);
            assert!(found.is_err());
            let late = MEASURED.load(Ordering::Relaxed) - CANCELLED_AFTER;
            assert!(late <= 2 * Watch::DISTANCES, "{late} distances after the search was cancelled");
        }
    }
}
