//! The nearest rows of a query, with ties in row order.

use std::cmp::Ordering;

/// A row and its distance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hit {
    /// Number of the row in its column.
    pub row: u32,
    /// Smaller is nearer.
    pub distance: f32,
}

/// Distances that count: `from <= distance < below`.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// The least distance that counts, for "not nearer than"; none for all.
    pub from: Option<f32>,
    /// The first distance that is too far, for "nearer than"; none for all.
    pub below: Option<f32>,
}

impl Window {
    /// Every distance.
    pub const ALL: Window = Window { from: None, below: None };
}

/// Collects the `k` nearest of the rows offered.
///
/// Candidates gather in a buffer of about twice `k`; when it is full a selection keeps the `k` nearest and tightens the
/// bound, so that an offer costs one comparison as a rule and constant time at worst.
pub(crate) struct Nearest {
    keys: Vec<u64>,
    k: usize,
    capacity: usize,
    /// Keys from here on are too far.
    bound: u64,
    /// Distances above this are too far; NaN is compared as infinity.
    limit: f32,
    /// Keys below this are too near.
    floor: u64,
}

/// Least room beside the `k` kept: selections are rare for small `k`.
const SLACK: usize = 118;

impl Nearest {
    /// Collects `k` of at most `rows` rows within `window`.
    pub(crate) fn new(k: usize, rows: usize, window: Window) -> Self {
        let k = k.min(rows).max(1);
        Nearest {
            keys: Vec::new(),
            k,
            capacity: k + k.max(SLACK),
            bound: window.below.map_or(u64::MAX, |below| key(below, 0)),
            limit: window.below.unwrap_or(f32::INFINITY),
            floor: window.from.map_or(0, |from| key(from, 0)),
        }
    }

    /// Collects the `k` of at most `rows` rows that follow on `last`, from the nearest on without it.
    pub(crate) fn after(last: Option<Hit>, k: usize, rows: usize) -> Self {
        let floor = last.map_or(0, |last| key(last.distance, last.row) + 1);
        Nearest { floor, ..Nearest::new(k, rows, Window::ALL) }
    }

    /// Whether a row at `distance` may be among the nearest; cheap, to be asked before [`Nearest::offer`].
    #[inline(always)]
    pub(crate) fn admits(&self, distance: f32) -> bool {
        // NaN passes: the offer decides.
        distance.partial_cmp(&self.limit) != Some(Ordering::Greater)
    }

    /// Considers a row.
    #[inline]
    pub(crate) fn offer(&mut self, distance: f32, row: u32) {
        let key = key(distance, row);
        if key >= self.bound || key < self.floor {
            return;
        }
        self.keys.push(key);
        if self.keys.len() >= self.capacity {
            self.select();
        }
    }

    fn select(&mut self) {
        if self.keys.len() > self.k {
            let (_, &mut farthest, _) = self.keys.select_nth_unstable(self.k - 1);
            self.keys.truncate(self.k);
            self.bound = farthest;
            self.limit = hit(farthest).distance;
        }
    }

    /// Considers all that another collector holds.
    pub(crate) fn absorb(&mut self, other: &Nearest) {
        for &key in &other.keys {
            let hit = hit(key);
            self.offer(hit.distance, hit.row);
        }
    }

    /// Returns the nearest, ascending by distance, then row.
    pub(crate) fn into_hits(mut self) -> Vec<Hit> {
        self.select();
        self.keys.sort_unstable();
        self.keys.into_iter().map(hit).collect()
    }
}

/// Returns a distance as it is reported: NaN counts as infinity, and both zeros are one.
#[inline]
pub(crate) fn canonical(distance: f32) -> f32 {
    if distance.is_nan() { f32::INFINITY } else { distance + 0.0 }
}

/// Orders as (distance, row) does.
#[inline]
fn key(distance: f32, row: u32) -> u64 {
    let bits = canonical(distance).to_bits();
    let ordered = if bits >> 31 == 1 { !bits } else { bits | 1 << 31 };
    u64::from(ordered) << 32 | u64::from(row)
}

fn hit(key: u64) -> Hit {
    let ordered = (key >> 32) as u32;
    let bits = if ordered >> 31 == 1 { ordered & !(1 << 31) } else { !ordered };
    Hit { row: key as u32, distance: f32::from_bits(bits) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nearest(k: usize, window: Window, distances: &[f32]) -> Vec<(u32, f32)> {
        let mut nearest = Nearest::new(k, distances.len(), window);
        for (row, &distance) in distances.iter().enumerate() {
            if nearest.admits(distance) {
                nearest.offer(distance, row as u32);
            }
        }
        nearest.into_hits().into_iter().map(|hit| (hit.row, hit.distance)).collect()
    }

    #[test]
    fn keeps_the_nearest_in_order_of_distance_then_row() {
        let distances: Vec<f32> = (0..5000).map(|i| (i * 7919 % 1000) as f32 - 500.0).collect();
        let mut expected: Vec<(u32, f32)> = distances.iter().enumerate().map(|(r, &d)| (r as u32, d)).collect();
        expected.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
        for k in [1, 7, 118, 4999, 5000, 9000] {
            assert_eq!(nearest(k, Window::ALL, &distances), expected[..k.min(5000)]);
        }
    }

    #[test]
    fn a_window_has_its_near_end_and_not_its_far_end() {
        let window = Window { from: Some(-1.0), below: Some(2.0) };
        let found = nearest(10, window, &[2.0, 1.5, -1.0, -1.5, f32::NAN, f32::INFINITY]);
        assert_eq!(found, [(2, -1.0), (1, 1.5)]);
    }

    #[test]
    fn both_zeros_are_one_and_nan_comes_last() {
        let found = nearest(4, Window::ALL, &[-f32::NAN, 0.0, -0.0, 1.0]);
        assert_eq!(found, [(1, 0.0), (2, 0.0), (3, 1.0), (0, f32::INFINITY)]);
    }
}
