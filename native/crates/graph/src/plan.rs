//! What searching costs, by which the way to search is chosen.

mod tune;

use crate::keep::Keep;
use crate::links::Links;
use crate::search::Strategy;
use crate::walk::Walked;
pub use tune::tune;

/// Costs of the steps of a search, in nanoseconds; measured on an index once it is built.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tuning {
    /// A row scored in a run of neighbouring rows.
    pub run: f32,
    /// A row scored among rows that ascend with gaps.
    pub list: f32,
    /// A row scored among a few rows from anywhere.
    pub scattered: f32,
    /// A row measured exactly.
    pub exact: f32,
    /// A link read, and its row looked up.
    pub link: f32,
    /// A hop, beside the links that it reads and the rows that it scores.
    pub hop: f32,
}

impl Default for Tuning {
    /// As for scalar codes of 384 bytes.
    fn default() -> Self {
        Tuning { run: 12.0, list: 16.0, scattered: 35.0, exact: 60.0, link: 1.5, hop: 60.0 }
    }
}

/// Share of passing rows from which on a walk over all rows is right whatever it costs.
const MOST_PASS: f32 = 0.7;

/// Hops a walk makes for each row that it keeps in view, and those down the upper layers.
const HOPS: f32 = 1.15;
const DESCENT: f32 = 12.0;

/// Share of a row's neighbours that a walk has not met before.
const NEW: f32 = 0.45;

/// Links that a mixed walk reads a hop, and rows that it scores, each over the width.
const MIXED_LINKS: f32 = 6.0;
const MIXED_ROWS: f32 = 0.45;

/// How much nearer a mixed walk comes to the nearest rows with as many in view.
const MIXED_GAIN: f32 = 0.8;

impl Tuning {
    /// What a scan of `passing` rows of `rows` costs.
    pub(crate) fn scan(&self, passing: usize, rows: usize) -> f32 {
        let words = rows as f32 / 64.0;
        if passing == rows { rows as f32 * self.run } else { passing as f32 * self.list + words }
    }

    /// What a walk has cost.
    pub(crate) fn walked(&self, walked: &Walked, looked: usize) -> f32 {
        walked.hops as f32 * self.hop + looked as f32 * self.link + walked.scored as f32 * self.scattered
    }

    /// What a walk over all rows costs until `ef` rows were found of which a `share` passes.
    fn plain(&self, ef: usize, share: f32, width: f32) -> f32 {
        let hops = DESCENT + HOPS * ef as f32 / share;
        hops * (self.hop + width * (self.link + NEW * self.scattered))
    }

    /// What a mixed walk costs until `ef` rows were found, if the filter does not fight the query.
    fn mix(&self, ef: usize, width: f32) -> f32 {
        let hops = DESCENT + 2.0 * HOPS * ef as f32 * MIXED_GAIN;
        hops * (self.hop + width * (MIXED_LINKS * self.link + MIXED_ROWS * self.scattered))
    }
}

/// What [`crate::search`] with [`Strategy::Auto`] is expected to cost in nanoseconds.
pub fn expected_cost(tuning: &Tuning, links: &Links, keep: Option<Keep>, ef: usize) -> f32 {
    cheapest(tuning, links, keep, ef).1
}

/// Picks what should cost least, before anything is known of how the filter lies to the query.
pub(crate) fn choose(tuning: &Tuning, links: &Links, keep: Option<Keep>, ef: usize) -> Strategy {
    cheapest(tuning, links, keep, ef).0
}

/// What should cost least, and how much that is.
fn cheapest(tuning: &Tuning, links: &Links, keep: Option<Keep>, ef: usize) -> (Strategy, f32) {
    let (rows, width) = (links.rows(), links.width() as f32);
    let passing = keep.map_or(rows, |keep| keep.count());
    let share = passing as f32 / rows.max(1) as f32;
    let scan = tuning.scan(passing, rows);
    let plain = tuning.plain(ef, share, width);
    let mix = if share < MOST_PASS { tuning.mix(ef, width) } else { f32::INFINITY };
    if scan <= plain.min(mix) {
        (Strategy::Scan, scan)
    } else if plain <= mix {
        (Strategy::Plain, plain)
    } else {
        (Strategy::Mix, mix)
    }
}
