//! Which neighbours of a row are scored.

use crate::keep::Keep;
use crate::links::Links;
use crate::scratch::Scratch;
use crate::search::Strategy;
use crate::visited::Visited;

/// Failing neighbours that a mixed walk scores a hop: enough to cross ground where nothing passes.
const MIXED: usize = 4;

/// Passing rows an expansion should find; below that a bridge looks for a way over failing rows.
const FEW: usize = 2;

/// One failing neighbour in so many serves as such a way.
const STRIDE: usize = 8;

/// The share of an alpha walk's failing rows that are walked grows with the share that fails.
const ALPHA: f32 = 0.7;

/// Failing neighbours behind which a mixed walk looks for passing rows: reading links costs about as much as scoring.
const WAYS: usize = 12;

/// Share of neighbours that must pass for one hop to find enough.
const PLENTY: f32 = 0.25;

/// Which failing neighbours are scored.
#[derive(Clone, Copy, Debug)]
enum Failing {
    All,
    /// A counter grows by `step` for each, and lets one in when it reaches one.
    Share {
        step: f32,
        counter: f32,
    },
    AtMost(usize),
    /// None, but a few where hardly any neighbour passes.
    Fallback,
}

/// A way to pick rows among those around one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expansion {
    failing: Failing,
    /// Failing neighbours whose links are followed at most.
    ways: usize,
    /// Passing rows after which no further links are followed.
    most: usize,
}

/// What an expansion met.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Met {
    /// Links read.
    pub looked: usize,
    /// Neighbours not met before, and those of them that pass.
    pub neighbours: usize,
    pub passed: usize,
    /// Passing rows picked; they come first.
    pub passing: usize,
}

impl Expansion {
    /// The way of a strategy where a `share` of all rows passes and a row has up to `width` links.
    pub(crate) fn of(strategy: Strategy, share: f32, width: usize) -> Self {
        let (failing, ways, most) = match strategy {
            Strategy::Alpha => (Failing::Share { step: ALPHA * (1.0 - share), counter: 0.0 }, 0, width),
            Strategy::Mix => (Failing::AtMost(MIXED), WAYS, width / 2),
            Strategy::Bridge => (Failing::Fallback, width, width),
            Strategy::Auto | Strategy::Plain | Strategy::Scan => (Failing::All, 0, width),
        };
        Expansion { failing, ways, most }
    }

    /// Whether the walk stays among passing rows, and so needs to start from several.
    pub(crate) fn is_seeded(&self) -> bool {
        matches!(self.failing, Failing::Fallback)
    }

    /// Gives up looking behind failing neighbours where a `local` share of neighbours passes, if that is plenty.
    pub(crate) fn narrow(&mut self, local: f32) -> bool {
        let narrowed = self.ways > 0 && local >= PLENTY;
        if narrowed {
            self.ways = 0;
        }
        narrowed
    }

    /// Leaves in `scratch.rows` what is to be scored of the rows around `row`, passing ones first.
    pub(crate) fn pick(&mut self, links: &Links, row: u32, keep: Keep, scratch: &mut Scratch) -> Met {
        let Scratch { visited, rows, failing, .. } = scratch;
        let mut met = neighbours(links.of(row), keep, visited, rows, failing);
        let scored = self.admit(failing);
        let ways = &failing[scored..failing.len().min(scored + self.ways)];
        met.looked += self.look_behind(links, ways, keep, visited, rows);
        met.passing = rows.len();
        let mut score = |way: &&u32| visited.insert(**way);
        rows.extend(failing[..scored].iter().filter(&mut score));
        if self.is_seeded() && met.passing < FEW {
            rows.extend(failing.iter().step_by(STRIDE).filter(&mut score));
        }
        met
    }

    /// Adds to `rows` passing rows that are linked from failing ones; returns how many links were read.
    fn look_behind(
        &self,
        links: &Links,
        ways: &[u32],
        keep: Keep,
        visited: &mut Visited,
        rows: &mut Vec<u32>,
    ) -> usize {
        let mut looked = 0;
        for &way in ways {
            links.prefetch(way);
        }
        for &way in ways {
            if rows.len() >= self.most {
                break;
            }
            visited.insert(way);
            let around = links.of(way);
            looked += around.len();
            add_passing(around, keep, visited, rows);
        }
        looked
    }

    /// Moves the failing rows that are to be scored to the front; returns how many.
    fn admit(&mut self, failing: &mut [u32]) -> usize {
        match &mut self.failing {
            Failing::All => failing.len(),
            Failing::AtMost(most) => failing.len().min(*most),
            Failing::Fallback => 0,
            Failing::Share { step, counter } => {
                let mut admitted = 0;
                for at in 0..failing.len() {
                    *counter += *step;
                    if *counter >= 1.0 {
                        *counter -= 1.0;
                        failing.swap(admitted, at);
                        admitted += 1;
                    }
                }
                admitted
            }
        }
    }
}

/// Sorts the neighbours that were not met before into passing `rows`, now met, and `failing` ones.
fn neighbours(
    neighbours: &[u32],
    keep: Keep,
    visited: &mut Visited,
    rows: &mut Vec<u32>,
    failing: &mut Vec<u32>,
) -> Met {
    rows.clear();
    add_passing(neighbours, keep, visited, rows);
    failing.resize(neighbours.len(), 0);
    let mut len = 0;
    for &neighbour in neighbours {
        failing[len] = neighbour;
        len += usize::from(!visited.contains(neighbour) & !keep.contains(neighbour));
    }
    failing.truncate(len);
    let passed = rows.len();
    Met { looked: neighbours.len(), neighbours: passed + failing.len(), passed, passing: passed }
}

/// Adds to `rows` those of `links` that pass and were not met before.
///
/// Written without a branch, like all loops over links: whether a row passes and is new can't be predicted.
#[inline]
pub(crate) fn add_passing(links: &[u32], keep: Keep, visited: &mut Visited, rows: &mut Vec<u32>) {
    let mut len = rows.len();
    rows.resize(len + links.len(), 0);
    for &row in links {
        rows[len] = row;
        len += usize::from(visited.insert_if(row, keep.contains(row)));
    }
    rows.truncate(len);
}
