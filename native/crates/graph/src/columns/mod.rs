//! Graphs of the rows that share a value of a column: for equality and IN, without a filtered walk.

mod build;
mod check;
mod search;
mod subset;

pub use build::{BuiltColumn, ColumnSettings, build_column};
pub use search::{ColumnReport, ColumnRequest};

use crate::links::{Damage, NONE};
use crate::plan::Tuning;

/// The arrays of a column's graphs, which may lie in a mapped file.
#[derive(Clone, Copy, Debug, Default)]
pub struct ColumnArrays<'a> {
    /// Section `column_values`: the values that rows have, ascending.
    pub values: &'a [u32],
    /// Section `column_ends`: where the rows of each value end in `members`.
    pub ends: &'a [u32],
    /// Section `column_rows`: the rows of the first value, ascending, then those of the next.
    pub members: &'a [u32],
    /// Section `column_entries`: where walks start, equally many places for each value, padded with [`NONE`]; a value
    /// without a first entry has no graph.
    pub entries: &'a [u32],
    /// Section `column_links`: `width` links of each row of the segment to rows with the same value, padded with [`NONE`].
    pub links: &'a [u32],
}

/// A column's graphs: each row is linked to rows with its own value; checked once, then read without checks.
#[derive(Clone, Copy, Debug)]
pub struct ColumnGraph<'a> {
    rows: usize,
    width: usize,
    arrays: ColumnArrays<'a>,
}

/// Hops of a walk for each entry of its pool.
const HOPS_PER_EF: f32 = 1.15;

/// Hops from the entries to the query's surroundings.
const APPROACH: f32 = 12.0;

/// Share of a row's links that lead to rows not met before.
const NEW_SHARE: f32 = 0.6;

/// Nanoseconds to look whether a row passes.
const LOOK: f32 = 1.0;

impl<'a> ColumnGraph<'a> {
    /// Takes the arrays of a column over `rows` rows with `width` links each.
    ///
    /// Fails for arrays of other lengths, rows that lie in two lists or past the end, links and entries that leave their
    /// value; a walk over what is accepted meets rows of its value only. Cost: two passes over the links.
    pub fn new(rows: usize, width: usize, arrays: ColumnArrays<'a>) -> Result<Self, Damage> {
        check::check(rows, width, &arrays)?;
        Ok(ColumnGraph { rows, width, arrays })
    }

    /// How many rows the segment has.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The rows that have a value, ascending; none for a value that no row has.
    pub fn rows_of(&self, value: u32) -> &'a [u32] {
        self.arrays.values.binary_search(&value).map_or(&[], |place| self.members(place))
    }

    /// Whether a value's rows have a graph.
    pub fn has_graph(&self, value: u32) -> bool {
        self.arrays.values.binary_search(&value).is_ok_and(|place| !self.entries(place).is_empty())
    }

    /// What [`ColumnGraph::search_values`] costs in nanoseconds.
    ///
    /// - `ef`: how many rows a walk keeps in view
    /// - `share`: of a value's rows, those that pass the further conditions
    pub fn cost(&self, values: &[u32], ef: usize, share: f32, tuning: &Tuning) -> f32 {
        let places = self.places(values);
        places
            .into_iter()
            .map(|place| self.walk_cost(place, ef, share, tuning).min(self.scan_cost(place, share, tuning)))
            .sum()
    }

    /// What a walk over a value's rows costs; without end where they have no graph.
    fn walk_cost(&self, place: usize, ef: usize, share: f32, tuning: &Tuning) -> f32 {
        if self.entries(place).is_empty() {
            return f32::INFINITY;
        }
        let hop = tuning.hop + self.width as f32 * (tuning.link + NEW_SHARE * tuning.scattered);
        let view = (ef as f32 / share.max(f32::MIN_POSITIVE)).min(self.members(place).len() as f32);
        (view * HOPS_PER_EF + APPROACH) * hop
    }

    /// What a scan of a value's rows costs.
    fn scan_cost(&self, place: usize, share: f32, tuning: &Tuning) -> f32 {
        self.members(place).len() as f32 * (LOOK + share * tuning.list)
    }

    /// Where the values lie in the arrays, each once; values that no row has are left out.
    fn places(&self, values: &[u32]) -> Vec<usize> {
        let mut places: Vec<usize> =
            values.iter().filter_map(|value| self.arrays.values.binary_search(value).ok()).collect();
        places.sort_unstable();
        places.dedup();
        places
    }

    fn members(&self, place: usize) -> &'a [u32] {
        let first = if place == 0 { 0 } else { self.arrays.ends[place - 1] as usize };
        &self.arrays.members[first..self.arrays.ends[place] as usize]
    }

    fn entries(&self, place: usize) -> &'a [u32] {
        let each = self.arrays.entries.len() / self.arrays.values.len();
        until_none(&self.arrays.entries[place * each..(place + 1) * each])
    }

    /// The rows that a row is linked to.
    #[inline]
    fn of(&self, row: u32) -> &'a [u32] {
        let first = row as usize * self.width;
        until_none(&self.arrays.links[first..first + self.width])
    }

    /// Asks for a row's links to be brought near.
    #[inline]
    fn prefetch(&self, row: u32) {
        let links = self.arrays.links.as_ptr().wrapping_add(row as usize * self.width);
        elanus_kernels::simd::prefetch(links.cast(), self.width * 4);
    }
}

/// The links before the padding.
#[inline]
fn until_none(links: &[u32]) -> &[u32] {
    let len = links.iter().position(|&link| link == NONE).unwrap_or(links.len());
    &links[..len]
}
