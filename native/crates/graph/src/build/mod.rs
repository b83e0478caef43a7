//! Construction of graphs: rows are inserted one by one, by several threads at once, beside readers.

mod connect;
mod finish;
mod growing;
mod insert;
mod list;
mod pages;
mod priority;
mod select;
mod store;

/// What [`list`] is built on; its model check puts a checked kind in the place of it.
mod sync {
    pub use std::sync::atomic::{AtomicU32, Ordering};

    /// Lets the holder of a lock go on.
    pub fn pause() {
        std::hint::spin_loop();
        // The holder may have a lower share of the cores and wait for one.
        std::thread::yield_now();
    }
}

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use elanus_kernels::Space;

pub use growing::Growing;

use crate::keep::Keep;
use crate::links::{Layer, Links};
use insert::Work;
use store::{Shape, Store};

/// How to build a graph.
#[derive(Clone, Copy, Debug)]
pub struct BuildSettings {
    /// Links of a row on an upper layer, at least 2; on the base layer it has up to twice as many.
    pub m: usize,
    /// Rows that the search for a row's neighbours keeps: more make a better graph, slower.
    pub ef_construction: usize,
    /// Threads that build; with one, equal rows and settings give an equal graph.
    pub threads: usize,
    /// What the rows' layers are drawn by.
    pub seed: u64,
}

impl BuildSettings {
    fn shape(&self) -> Shape {
        Shape { m: self.m.max(2), seed: self.seed }
    }

    /// Fewer than `m` candidates would leave lists empty; there are never more than rows.
    fn ef(&self, most_rows: usize) -> usize {
        self.ef_construction.min(most_rows).max(self.m)
    }
}

/// A layer above the base, as [`Layer`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BuiltLayer {
    /// The rows of the layer, ascending.
    pub rows: Vec<u32>,
    /// Links of each, padded with [`crate::NONE`].
    pub links: Vec<u32>,
}

/// The arrays of a finished graph, as [`Links::new`] takes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Built {
    /// How many rows there are, those that are not in the graph among them.
    pub rows: usize,
    /// Most links of a row on the base layer.
    pub width: usize,
    /// `width` links of each row, nearest first, padded with [`crate::NONE`].
    pub base: Vec<u32>,
    /// Most links of a row on an upper layer.
    pub upper_width: usize,
    /// The layers above the base, the lowest first.
    pub upper: Vec<BuiltLayer>,
    /// Where a walk starts; [`crate::NONE`] for a graph without rows.
    pub entry: u32,
}

impl Built {
    /// The graph, to be walked.
    pub fn links(&self) -> Links<'_> {
        let upper = self.upper.iter().map(|layer| Layer { rows: &layer.rows, links: &layer.links }).collect();
        Links::new(self.rows, self.width, &self.base, self.upper_width, upper, self.entry)
            .expect("the builder makes whole graphs")
    }
}

/// Rows of a growing graph whose lists lie together.
const CHUNK_ROWS: usize = 1 << 14;

/// The first rows are inserted by one thread: many at once would not find each other.
const ALONE: usize = 1_000;

/// Rows that a thread takes at a time.
const BATCH: usize = 32;

/// Rows between two calls of `progress`.
const REPORT_EVERY: usize = 256;

/// Builds a graph over the rows of `space` that are in `keep`, on threads of low priority.
///
/// - `progress` is told about every 256 rows how many are done, on any of the threads; when it returns false, building
///   ends and there is no graph
///
/// Every row in `keep` can be reached from the entry along the base layer. Cost: `n log n` distances, at `m` 16 and
/// `ef_construction` 200 about 2,000 a row; until it ends, `4 m` words a row more than the graph itself.
pub fn build(
    space: &dyn Space,
    keep: Option<Keep>,
    settings: &BuildSettings,
    progress: &(dyn Fn(usize) -> bool + Sync),
) -> Option<Built> {
    let rows = space.rows();
    let store = Store::new(settings.shape(), rows, rows.max(1));
    store.reserve(rows);
    let is_in = |row: u32| keep.is_none_or(|keep| keep.contains(row));
    let job = Job {
        store: &store,
        space,
        is_in: &is_in,
        ef: settings.ef(rows),
        progress,
        next: AtomicUsize::new(0),
        done: AtomicUsize::new(0),
        stopped: AtomicBool::new(false),
    };
    let threads = settings.threads.max(1);
    on_threads(1, || job.insert_upto(rows.min(ALONE)));
    on_threads(threads, || job.insert_upto(rows));
    (!job.stopped.into_inner()).then(|| finish::finish(&store, space, rows, &is_in, threads))
}

/// The insertion of rows by several threads.
struct Job<'a> {
    store: &'a Store,
    space: &'a dyn Space,
    is_in: &'a (dyn Fn(u32) -> bool + Sync),
    ef: usize,
    progress: &'a (dyn Fn(usize) -> bool + Sync),
    next: AtomicUsize,
    done: AtomicUsize,
    stopped: AtomicBool,
}

impl Job<'_> {
    /// Inserts rows below `end` until none is left, here or on other threads.
    fn insert_upto(&self, end: usize) {
        let mut work = Work::default();
        while let Some(first) = self.take(end) {
            let rows = first..(first + BATCH).min(end);
            for row in rows.clone().map(|row| row as u32).filter(|&row| (self.is_in)(row)) {
                self.store.insert(self.space, row, self.ef, &mut work);
            }
            self.report(rows.len());
        }
    }

    /// The first of the next rows.
    fn take(&self, end: usize) -> Option<usize> {
        let take = |next: usize| (next < end).then(|| (next + BATCH).min(end));
        let running = !self.stopped.load(Ordering::Relaxed);
        running.then(|| self.next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).ok()).flatten()
    }

    fn report(&self, rows: usize) {
        let before = self.done.fetch_add(rows, Ordering::Relaxed);
        let done = before + rows;
        if before / REPORT_EVERY != done / REPORT_EVERY && !(self.progress)(done) {
            self.stopped.store(true, Ordering::Relaxed);
        }
    }
}

/// Runs `work` on so many threads of low priority, and waits for them.
fn on_threads(threads: usize, work: impl Fn() + Sync) {
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                priority::yield_to_searches();
                work();
            });
        }
    });
}
