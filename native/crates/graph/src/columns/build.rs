//! Construction: one graph for each value that enough rows have, none for one that most rows have.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use elanus_kernels::Space;

use super::subset::Subset;
use super::{ColumnArrays, ColumnGraph};
use crate::build::{BuildSettings, Built, build};
use crate::keep::Keep;
use crate::links::NONE;

/// How to build the graphs of a column.
#[derive(Clone, Copy, Debug)]
pub struct ColumnSettings {
    /// Links of a row; even, at least 4.
    pub width: usize,
    /// Values of fewer rows have no graph: scanning them is as fast.
    pub min_rows: usize,
    /// Values of a larger share of the rows have no graph: the whole segment's serves them.
    pub max_share: f32,
    /// Places where walks over a value's rows start.
    pub entries: usize,
    /// Rows that the search for a row's neighbours keeps.
    pub ef_construction: usize,
    /// Threads that build.
    pub threads: usize,
    /// What is random goes by.
    pub seed: u64,
}

impl Default for ColumnSettings {
    fn default() -> Self {
        ColumnSettings {
            width: 16,
            min_rows: 2000,
            max_share: 0.5,
            entries: 8,
            ef_construction: 128,
            threads: 1,
            seed: 1,
        }
    }
}

/// The graphs of a column, as arrays to be saved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BuiltColumn {
    /// How many rows the segment has.
    pub rows: usize,
    /// Links of a row.
    pub width: usize,
    /// See [`ColumnArrays::values`].
    pub values: Vec<u32>,
    /// See [`ColumnArrays::ends`].
    pub ends: Vec<u32>,
    /// See [`ColumnArrays::members`].
    pub members: Vec<u32>,
    /// See [`ColumnArrays::entries`].
    pub entries: Vec<u32>,
    /// See [`ColumnArrays::links`].
    pub links: Vec<u32>,
}

impl BuiltColumn {
    /// The arrays.
    pub fn arrays(&self) -> ColumnArrays<'_> {
        let BuiltColumn { values, ends, members, entries, links, .. } = self;
        ColumnArrays { values, ends, members, entries, links }
    }

    /// The graphs, to be searched.
    pub fn graph(&self) -> ColumnGraph<'_> {
        ColumnGraph { rows: self.rows, width: self.width, arrays: self.arrays() }
    }

    /// Groups the rows that are in `keep` by their values.
    fn group(values: &[u32], keep: Option<Keep>, settings: &ColumnSettings) -> Self {
        let is_in = |&row: &u32| values[row as usize] != NONE && keep.is_none_or(|keep| keep.contains(row));
        let mut members: Vec<u32> = (0..values.len() as u32).filter(is_in).collect();
        // Stable: the rows of a value stay in order.
        members.sort_by_key(|&row| values[row as usize]);
        let mut column = BuiltColumn { rows: values.len(), width: settings.width, members, ..Default::default() };
        for list in column.members.chunk_by(|&a, &b| values[a as usize] == values[b as usize]) {
            column.values.push(values[list[0] as usize]);
            column.ends.push(column.ends.last().map_or(0, |&end| end) + list.len() as u32);
        }
        column
    }
}

/// Builds the graphs of a column over the rows of `space` that are in `keep`.
///
/// - `values`: the value of each row, [`NONE`] for a row without
/// - `progress` is told every so often how many rows are done, on any of the threads; when it returns false, building
///   ends and there is no graph
///
/// Cost: that of a graph over the same rows with half the links; `4 * width` bytes a row, while it is built about as
/// much again for each thread's value.
pub fn build_column(
    space: &dyn Space,
    values: &[u32],
    keep: Option<Keep>,
    settings: &ColumnSettings,
    progress: &(dyn Fn(usize) -> bool + Sync),
) -> Option<BuiltColumn> {
    assert_eq!(values.len(), space.rows(), "each row has a value, or none");
    assert!(settings.width >= 4 && settings.width.is_multiple_of(2) && settings.entries > 0, "{settings:?}");
    let mut column = BuiltColumn::group(values, keep, settings);
    let mut entries = vec![NONE; column.values.len() * settings.entries];
    let mut links = vec![NONE; values.len() * settings.width];
    let most = (values.len() as f64 * f64::from(settings.max_share)) as usize;
    let worth = |place: &usize| (settings.min_rows.max(1)..=most).contains(&column.graph().members(*place).len());
    let places: Vec<usize> = (0..column.values.len()).filter(worth).collect();
    let workers = settings.threads.clamp(1, places.len().max(1));
    let graphs = Graphs {
        space,
        settings: ColumnSettings { threads: (settings.threads / workers).max(1), ..*settings },
        places: &places,
        column: column.graph(),
        next: AtomicUsize::new(0),
        done: AtomicUsize::new(0),
        stopped: AtomicBool::new(false),
        progress,
        target: Mutex::new((&mut entries, &mut links)),
    };
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| while graphs.build_next() {});
        }
    });
    let stopped = graphs.stopped.into_inner();
    (column.entries, column.links) = (entries, links);
    (!stopped).then_some(column)
}

/// Values in the hands of several threads.
struct Graphs<'a> {
    space: &'a dyn Space,
    settings: ColumnSettings,
    /// The values that get a graph.
    places: &'a [usize],
    /// The rows of each value.
    column: ColumnGraph<'a>,
    next: AtomicUsize,
    /// Rows of the values that are finished.
    done: AtomicUsize,
    stopped: AtomicBool,
    progress: &'a (dyn Fn(usize) -> bool + Sync),
    /// Entries and links.
    target: Mutex<(&'a mut [u32], &'a mut [u32])>,
}

impl Graphs<'_> {
    /// Builds the graph of one more value; returns false when there is none left.
    fn build_next(&self) -> bool {
        let Some(&place) = self.places.get(self.next.fetch_add(1, Ordering::Relaxed)) else { return false };
        let subset = Subset { space: self.space, rows: self.column.members(place) };
        let settings = BuildSettings {
            m: self.settings.width / 2,
            ef_construction: self.settings.ef_construction,
            threads: self.settings.threads,
            seed: self.settings.seed,
        };
        let report = |rows: usize| {
            let goes_on = (self.progress)(self.done.load(Ordering::Relaxed) + rows);
            goes_on && !self.stopped.load(Ordering::Relaxed)
        };
        let Some(built) = build(&subset, None, &settings, &report) else {
            self.stopped.store(true, Ordering::Relaxed);
            return false;
        };
        let entries = spread(&subset, &built, self.settings.entries);
        self.take_over(place, &subset, &built, &entries);
        self.done.fetch_add(subset.rows.len(), Ordering::Relaxed);
        true
    }

    /// Writes a value's graph in terms of the segment's rows.
    fn take_over(&self, place: usize, subset: &Subset, built: &Built, entries: &[u32]) {
        let mut target = self.target.lock().expect("nothing panics while it holds the lock");
        let (all_entries, all_links) = &mut *target;
        for (to, &entry) in all_entries[place * self.settings.entries..].iter_mut().zip(entries) {
            *to = subset.rows[entry as usize];
        }
        let width = self.settings.width;
        for (links, &row) in built.base.chunks_exact(built.width).zip(subset.rows) {
            for (to, &link) in all_links[row as usize * width..][..width].iter_mut().zip(links) {
                *to = if link == NONE { NONE } else { subset.rows[link as usize] };
            }
        }
    }
}

/// Rows among which entries are chosen.
const SAMPLE: usize = 128;

/// Where to start: the graph's own entry, from which every row can be reached, then what lies farthest from the entries
/// chosen so far, out of a sample.
fn spread(subset: &Subset, built: &Built, count: usize) -> Vec<u32> {
    let rows = subset.rows.len();
    let sample: Vec<u32> = (0..rows as u32).step_by(rows.div_ceil(SAMPLE)).collect();
    let (mut away, mut distances) = (vec![f32::INFINITY; sample.len()], vec![0.0; sample.len()]);
    let mut entries = vec![built.entry];
    while entries.len() < count.min(rows) {
        subset.scorer_of(entries[entries.len() - 1]).score(&sample, &mut distances);
        for (away, &distance) in away.iter_mut().zip(&distances) {
            *away = away.min(distance);
        }
        let farthest = away.iter().zip(&sample).max_by(|a, b| a.0.total_cmp(b.0)).map(|(_, &row)| row);
        match farthest.filter(|row| !entries.contains(row)) {
            Some(row) => entries.push(row),
            None => break,
        }
    }
    entries
}
