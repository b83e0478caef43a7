//! The rows that a stream's walk has met and not expanded, and how it goes on from the nearest of them.

use super::Source;
use super::queue::Queue;
use super::settings::Streamed;
use super::trail::Trail;
use crate::keep::Keep;
use crate::scratch::with_scratch;
use crate::seeds;
use crate::visited::Visited;
use crate::walk::{Walked, descend};

/// What is scored of the rows that an expansion finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Everything.
    All,
    /// Passing rows, those behind failing neighbours too, and a few failing ones as a way towards the query.
    Mix,
    /// Passing rows only: where the filter keeps what is far from the query, failing rows lead away from it.
    Bridge,
}

/// Below this share of passing rows, failing ones are hopped over.
const MIX_BELOW: f32 = 0.5;

/// Failing neighbours that an expansion scores in [`Mode::Mix`].
const FAILING_SCORED: usize = 4;

/// Neighbours met between two looks at the share of them that passes.
const SAMPLE: usize = 256;

/// Walks on from the nearest row that it has met.
#[derive(Debug)]
pub(crate) struct Frontier {
    queue: Queue,
    trail: Trail,
    /// None before the first step.
    mode: Option<Mode>,
    /// Neighbours met since the last look, and how many of them pass.
    met: usize,
    passed: usize,
    rows: Vec<u32>,
    distances: Vec<f32>,
}

impl Frontier {
    pub(crate) fn new(window: usize) -> Self {
        Frontier {
            queue: Queue::default(),
            trail: Trail::new(window),
            mode: None,
            met: 0,
            passed: 0,
            rows: Vec::new(),
            distances: Vec::new(),
        }
    }

    /// What is nearer than this has been left behind.
    #[inline]
    pub(crate) fn passed(&mut self) -> f32 {
        let ahead = self.queue.peek().map_or(f32::INFINITY, |(distance, _)| distance);
        self.trail.passed().min(ahead)
    }

    /// Forgets the rows met.
    pub(crate) fn clear(&mut self) {
        self.queue = Queue::default();
    }

    /// Expands the nearest row, or starts; gives each new row that passes to `found`. Returns false where no row is left.
    pub(crate) fn advance(
        &mut self,
        source: &Source,
        visited: &mut Visited,
        report: &mut Streamed,
        mut found: impl FnMut(f32, u32),
    ) -> bool {
        self.rows.clear();
        match (self.mode, source.keep) {
            (None, keep) => self.start(source, keep, visited, report),
            (Some(mode), keep) => {
                let Some(row) = self.take(mode, source) else { return false };
                report.hops += 1;
                match (mode, keep) {
                    (Mode::Mix | Mode::Bridge, Some(keep)) => self.look_over(row, mode, source, keep, visited, report),
                    _ => self.look_around(row, source, visited),
                }
            }
        }
        self.score(source, report, &mut found);
        if self.is_led_away(source) {
            self.mode = Some(Mode::Bridge);
            self.rows.clear();
            source.keep.iter().for_each(|&keep| seeds::collect(keep, visited, &mut self.rows));
            self.score(source, report, &mut found);
        }
        true
    }

    /// The nearest row, out of those that the mode walks.
    fn take(&mut self, mode: Mode, source: &Source) -> Option<u32> {
        loop {
            let (distance, row) = self.queue.pop()?;
            if mode != Mode::Bridge || source.passes(row) {
                self.trail.push(distance);
                return Some(row);
            }
        }
    }

    /// Collects where the walk starts.
    fn start(&mut self, source: &Source, keep: Option<Keep>, visited: &mut Visited, report: &mut Streamed) {
        let share = share(source);
        self.mode = Some(if share < MIX_BELOW { Mode::Mix } else { Mode::All });
        let mut walked = Walked::default();
        let entry = with_scratch(|scratch| descend(source.links, source.walk, scratch, &mut walked));
        report.hops += walked.hops;
        report.scored += walked.scored;
        self.rows.extend(entry.map(|(row, _)| row).filter(|&row| visited.insert(row)));
        if let Some(keep) = keep.filter(|_| share < MIX_BELOW) {
            seeds::collect(keep, visited, &mut self.rows);
        }
    }

    /// Collects the neighbours of a row.
    #[inline]
    fn look_around(&mut self, row: u32, source: &Source, visited: &mut Visited) {
        let new = source.links.of(row).iter().copied().filter(|&neighbour| visited.insert(neighbour));
        self.rows.extend(new);
        if let Some(keep) = source.keep {
            self.met += self.rows.len();
            self.passed += self.rows.iter().filter(|&&row| keep.contains(row)).count();
        }
    }

    /// Collects the passing neighbours of a row, and those behind failing neighbours.
    fn look_over(
        &mut self,
        row: u32,
        mode: Mode,
        source: &Source,
        keep: Keep,
        visited: &mut Visited,
        report: &mut Streamed,
    ) {
        let neighbours = source.links.of(row);
        for &neighbour in neighbours {
            if keep.contains(neighbour) {
                self.passed += 1;
                self.rows.extend(visited.insert(neighbour).then_some(neighbour));
            } else {
                source.links.prefetch(neighbour);
            }
        }
        self.met += neighbours.len();
        let mut failing_left = if mode == Mode::Mix { FAILING_SCORED } else { 0 };
        for &failing in neighbours.iter().filter(|&&neighbour| !keep.contains(neighbour)) {
            if self.rows.len() >= source.links.width() {
                break;
            }
            if !visited.insert(failing) {
                continue;
            }
            report.hops += 1;
            let behind = source.links.of(failing).iter().copied().filter(|&next| keep.contains(next));
            self.rows.extend(behind.filter(|&next| visited.insert(next)));
            if failing_left > 0 {
                failing_left -= 1;
                self.rows.push(failing);
            }
        }
    }

    /// Measures what was collected.
    #[inline]
    fn score(&mut self, source: &Source, report: &mut Streamed, found: &mut impl FnMut(f32, u32)) {
        if let Some((_, next)) = self.queue.peek() {
            source.links.prefetch(next);
        }
        self.distances.resize(self.rows.len(), 0.0);
        source.walk.score(&self.rows, &mut self.distances);
        report.scored += self.rows.len();
        for (&row, &distance) in self.rows.iter().zip(&self.distances) {
            self.queue.push(distance, row);
            if source.passes(row) {
                found(distance, row);
            }
        }
    }

    /// Whether far fewer rows pass around the query than elsewhere; looked at every so often.
    fn is_led_away(&mut self, source: &Source) -> bool {
        if self.met < SAMPLE {
            return false;
        }
        let around = self.passed as f32 / self.met as f32;
        (self.met, self.passed) = (0, 0);
        self.mode != Some(Mode::Bridge) && around < share(source) / 4.0
    }
}

/// Share of the rows that passes.
fn share(source: &Source) -> f32 {
    source.num_passing() as f32 / source.links.rows().max(1) as f32
}
