//! A graph that grows while it is searched.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use elanus_kernels::{Scorer, Space};

use super::finish::finish;
use super::insert::{LayerView, Work, distance_to};
use super::store::Store;
use super::{BuildSettings, Built, CHUNK_ROWS, on_threads};
use crate::keep::Keep;
use crate::pool::Candidate;
use crate::scratch::with_scratch;
use crate::stop::{Stop, Stopped};
use crate::walk::Walked;

/// A graph over the rows of a growing segment: one thread adds rows, any number search, nobody waits for another.
///
/// The rows' vectors are not held here: each call brings the space or the scorer that measures them.
pub struct Growing {
    store: Store,
    settings: BuildSettings,
    writer: Mutex<Writer>,
    /// Rows below are in the graph, or were left out of it.
    published: AtomicUsize,
}

#[derive(Default)]
struct Writer {
    work: Work,
    /// A bit for each published row: whether it is in the graph.
    is_in: Vec<u8>,
}

impl Growing {
    /// An empty graph with room for rows below `most_rows`; memory is taken for 16,384 rows at a time.
    pub fn new(settings: &BuildSettings, most_rows: usize) -> Self {
        Growing {
            store: Store::new(settings.shape(), most_rows, CHUNK_ROWS),
            settings: *settings,
            writer: Mutex::default(),
            published: AtomicUsize::new(0),
        }
    }

    /// How many rows have been added.
    pub fn rows(&self) -> usize {
        self.published.load(Ordering::Acquire)
    }

    /// Bytes of links, whether rows have come for them or not.
    pub fn memory_bytes(&self) -> usize {
        self.store.memory_bytes()
    }

    /// Adds the rows from [`Growing::rows`] up to `upto`, those that are in `keep`, and publishes them one by one.
    ///
    /// `space` measures between all rows below `upto`, which are at most as many as there is room for. A second writer
    /// waits. Cost: that of as many rows of [`super::build`] on one thread, on the calling thread.
    pub fn add(&self, space: &dyn Space, upto: usize, keep: Option<Keep>) {
        self.add_while(space, upto, keep, &|| true);
    }

    /// Adds rows as [`Growing::add`] does, on a thread of low priority, as long as `goes_on`, which is asked before each.
    pub fn add_aside(&self, space: &dyn Space, upto: usize, keep: Option<Keep>, goes_on: &(dyn Fn() -> bool + Sync)) {
        on_threads(1, || self.add_while(space, upto, keep, goes_on));
    }

    fn add_while(&self, space: &dyn Space, upto: usize, keep: Option<Keep>, goes_on: &dyn Fn() -> bool) {
        assert!(upto <= space.rows() && upto <= self.store.most_rows(), "{upto} rows are more than there is room for");
        let mut writer = self.writer.lock().expect("no writer has panicked");
        let Writer { work, is_in } = &mut *writer;
        let ef = self.settings.ef(self.store.most_rows());
        is_in.resize(is_in.len().max(upto.div_ceil(8)), 0);
        for row in self.rows()..upto {
            if !goes_on() {
                break;
            }
            self.store.reserve(row + 1);
            if keep.is_none_or(|keep| keep.contains(row as u32)) {
                self.store.insert(space, row as u32, ef, work);
                is_in[row / 8] |= 1 << (row % 8);
            }
            self.published.store(row + 1, Ordering::Release);
        }
    }

    /// Puts about the `ef` nearest rows below `upto` that are in `keep` into `out`, nearest first by the scorer's
    /// distances, which are for ordering.
    ///
    /// Rows at and past `upto` are neither found nor measured nor followed. With `keep`, of which the caller knows that
    /// a fair share passes (a scan is faster otherwise), the walk keeps as many more rows as fail.
    pub fn walk(
        &self,
        scorer: &dyn Scorer,
        ef: usize,
        upto: usize,
        keep: Option<Keep>,
        stop: Stop,
        out: &mut Vec<Candidate>,
    ) -> Result<Walked, Stopped> {
        out.clear();
        let upto = upto.min(self.rows());
        let ef = ef.min(upto);
        let passing = keep.map_or(upto, |keep| keep.count());
        let Some((entry, top)) = self.store.entry(upto as u32).filter(|_| passing > 0) else {
            return Ok(Walked::default());
        };
        let wide = if keep.is_some() { ef.saturating_mul(upto).div_ceil(passing).clamp(ef, upto.max(ef)) } else { ef };
        let view = |layer| LayerView { store: &self.store, layer, upto: upto as u32 };
        with_scratch(|scratch| {
            let mut walked = Walked { hops: 0, scored: 1 };
            let mut start = (entry, distance_to(scorer, entry));
            for layer in (1..=top).rev() {
                start = view(layer).descend(scorer, start, scratch, &mut walked);
            }
            scratch.visited.reset(upto);
            let below = view(0).beam(scorer, start, wide, scratch, stop)?;
            let passes = |found: &&Candidate| keep.is_none_or(|keep| keep.contains(found.row()));
            out.extend(scratch.pool.items().iter().filter(passes).take(ef));
            Ok(Walked { hops: walked.hops + below.hops, scored: walked.scored + below.scored })
        })
    }

    /// The graph over the rows added so far, as [`super::build`] gives it. Searches may go on; writers wait.
    ///
    /// Cost: a few percent of having added the rows.
    pub fn freeze(&self, space: &dyn Space) -> Built {
        let writer = self.writer.lock().expect("no writer has panicked");
        let is_in = |row: u32| writer.is_in[row as usize / 8] >> (row % 8) & 1 == 1;
        finish(&self.store, space, self.rows(), &is_in, self.settings.threads.max(1))
    }
}
