//! All rows within a range of distances.

use elanus_kernels::{Hit, Window};

use super::queue::{key, unpack};
use super::settings::{StreamSettings, Streamed};
use super::sweep::sweep;
use super::{Source, Stream};
use crate::stop::Stopped;

/// Rows that must lie beyond the range, one after another, before it counts as left behind.
const MARGIN: usize = 32;

/// Rows of the first batch.
const FIRST_BATCH: usize = 64;

/// A range that holds more than one in so many passing rows is scanned.
const SCAN_FROM: usize = 5;

/// How a range was searched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ranged {
    /// Whether every passing row was measured exactly, so that nothing is missing.
    pub exhaustive: bool,
    /// What was done.
    pub report: Streamed,
}

/// Appends the `limit` nearest of the passing rows whose exact distance lies within `window`, ascending, ties by row.
///
/// Rows come out of a stream until `MARGIN` of them in a row lie beyond the range: what is missed then is what a walk
/// misses. All passing rows are measured exactly where few of them pass (`scan_below` of the settings), where the stream
/// came to scan what was left, and where a fifth of them has come out without reaching the end of the range.
pub fn range(
    source: &Source,
    settings: StreamSettings,
    window: Window,
    limit: usize,
    out: &mut Vec<Hit>,
) -> Result<Ranged, Stopped> {
    let mut nearest = Within { window, limit, keys: Vec::new() };
    if limit == 0 {
        return Ok(Ranged::default());
    }
    let passing = source.num_passing();
    let mut stream = Stream::with(source.links.rows(), settings);
    let mut batch = Vec::new();
    let mut exhaustive = passing <= settings.scan_below;
    while !exhaustive {
        batch.clear();
        stream.next(source, FIRST_BATCH.max(stream.report().emitted / 4), &mut batch)?;
        for hit in &batch {
            nearest.offer(hit.distance, hit.row);
        }
        let beyond = |end| batch.len() - batch.partition_point(|hit| hit.distance < end);
        if nearest.end().is_some_and(|end| beyond(end) >= MARGIN) {
            break;
        }
        exhaustive = stream.report().complete || stream.report().emitted > passing / SCAN_FROM;
    }
    let mut report = stream.report();
    if exhaustive {
        nearest.keys.clear();
        let found = |distance, row| nearest.offer(distance, row);
        report.scanned += sweep(source.exact, source.links.rows(), source.keep, source.stop, |_| true, found)?;
        report.complete = true;
    }
    report.emitted = nearest.emit(out);
    Ok(Ranged { exhaustive, report })
}

/// Collects the nearest rows within a window.
struct Within {
    window: Window,
    limit: usize,
    keys: Vec<u64>,
}

impl Within {
    fn offer(&mut self, distance: f32, row: u32) {
        let too_near = self.window.from.is_some_and(|from| distance < from);
        let near_enough = self.window.below.is_none_or(|below| distance < below);
        if !too_near && near_enough {
            self.keys.push(key(distance, row));
            if self.keys.len() >= self.limit.saturating_mul(2).max(1024) {
                self.select();
            }
        }
    }

    /// Rows at or past this distance are not wanted; none while all are.
    fn end(&mut self) -> Option<f32> {
        self.select();
        let farthest = self.keys.iter().max().filter(|_| self.keys.len() == self.limit);
        farthest.map(|&key| unpack(key).0).or(self.window.below)
    }

    fn select(&mut self) {
        if self.keys.len() > self.limit {
            self.keys.select_nth_unstable(self.limit);
            self.keys.truncate(self.limit);
        }
    }

    fn emit(mut self, out: &mut Vec<Hit>) -> usize {
        self.select();
        self.keys.sort_unstable();
        let hits = self.keys.iter().map(|&key| unpack(key)).map(|(distance, row)| Hit { row, distance });
        out.extend(hits);
        self.keys.len()
    }
}
