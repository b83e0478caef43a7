//! Rows by distance, the nearest taken first; most are put in and never taken.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Entries that the heap starts with, and is filled up with at least.
const CHUNK: usize = 256;

/// A priority queue without a bound: a small heap of the nearest, and the rest in no order.
///
/// Putting in what is far costs one comparison and a push. When the heap runs dry, an eighth of the rest moves up by a
/// selection, so that an entry taken costs some eight comparisons beside the heap's. A row is put in once.
#[derive(Debug)]
pub(crate) struct Queue {
    near: BinaryHeap<Reverse<u64>>,
    far: Vec<u64>,
    /// Keys from here on are far.
    bound: u64,
    /// The heap is split when it holds more.
    most: usize,
}

impl Default for Queue {
    fn default() -> Self {
        Queue { near: BinaryHeap::new(), far: Vec::new(), bound: u64::MAX, most: 2 * CHUNK }
    }
}

impl Queue {
    /// Puts a row in.
    #[inline]
    pub(crate) fn push(&mut self, distance: f32, row: u32) {
        let key = key(distance, row);
        if key >= self.bound {
            self.far.push(key);
        } else {
            self.near.push(Reverse(key));
            if self.near.len() > self.most {
                self.split();
            }
        }
    }

    /// The nearest row, with its distance.
    #[inline]
    pub(crate) fn peek(&mut self) -> Option<(f32, u32)> {
        if self.near.is_empty() {
            self.refill();
        }
        self.near.peek().map(|&Reverse(key)| unpack(key))
    }

    /// Takes the nearest row out; equal ones in the order of rows.
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<(f32, u32)> {
        if self.near.is_empty() {
            self.refill();
        }
        self.near.pop().map(|Reverse(key)| unpack(key))
    }

    /// Takes the nearest row out where it is nearer than `limit`.
    #[inline]
    pub(crate) fn pop_below(&mut self, limit: f32) -> Option<(f32, u32)> {
        self.peek().filter(|&(distance, _)| distance < limit)?;
        self.pop()
    }

    /// How many rows are in.
    pub(crate) fn len(&self) -> usize {
        self.near.len() + self.far.len()
    }

    /// Leaves the nearer half of the heap where it is.
    fn split(&mut self) {
        let mut keys: Vec<u64> = std::mem::take(&mut self.near).into_iter().map(|Reverse(key)| key).collect();
        let half = keys.len() / 2;
        self.bound = *keys.select_nth_unstable(half).1;
        self.far.extend(keys.drain(half..));
        self.near = keys.into_iter().map(Reverse).collect();
    }

    #[cold]
    fn refill(&mut self) {
        let left = self.far.len().saturating_sub((self.far.len() / 8).max(CHUNK));
        if left > 0 {
            // Descending, so that what moves is the end.
            let (_, &mut nearest_left, _) = self.far.select_nth_unstable_by(left - 1, |a, b| b.cmp(a));
            self.bound = nearest_left;
        } else {
            self.bound = u64::MAX;
        }
        self.near = self.far.drain(left..).map(Reverse).collect();
        self.most = 2 * self.near.len().max(CHUNK);
    }
}

/// Orders as (distance, row) does; NaN is farthest, both zeros are one.
#[inline]
pub(crate) fn key(distance: f32, row: u32) -> u64 {
    let bits = if distance.is_nan() { f32::INFINITY } else { distance + 0.0 }.to_bits();
    let ordered = if bits >> 31 == 1 { !bits } else { bits | 1 << 31 };
    u64::from(ordered) << 32 | u64::from(row)
}

#[inline]
pub(crate) fn unpack(key: u64) -> (f32, u32) {
    let ordered = (key >> 32) as u32;
    let bits = if ordered >> 31 == 1 { ordered & !(1 << 31) } else { !ordered };
    (f32::from_bits(bits), key as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_nearest_of_what_is_in_whatever_the_order_of_puts_and_takes() {
        let mut state = 7_u64;
        let mut random = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as u32
        };
        for rounds in [10, 1000, 20_000] {
            let (mut queue, mut expected) = (Queue::default(), std::collections::BTreeSet::new());
            for row in 0..rounds {
                for copy in 0..random() % 4 {
                    // Few values, so that many are equal; both signs.
                    let (distance, row) = ((random() % 500) as f32 - 250.0, row * 4 + copy);
                    queue.push(distance, row);
                    expected.insert(key(distance, row));
                }
                if random() % 3 == 0 {
                    let nearest = expected.pop_first().map(unpack);
                    assert_eq!(queue.peek(), nearest);
                    assert_eq!(queue.pop(), nearest);
                }
                assert_eq!(queue.len(), expected.len());
            }
            while let Some(nearest) = expected.pop_first() {
                assert_eq!(queue.pop(), Some(unpack(nearest)));
            }
            assert_eq!(queue.pop(), None);
        }
    }

    #[test]
    fn only_what_is_nearer_than_the_limit_is_taken() {
        let mut queue = Queue::default();
        for (row, distance) in [2.0, -1.0, f32::NAN, 0.0, -0.0].into_iter().enumerate() {
            queue.push(distance, row as u32);
        }
        assert_eq!(queue.pop_below(-1.0), None);
        assert_eq!(queue.pop_below(0.5), Some((-1.0, 1)));
        assert_eq!([queue.pop_below(0.5), queue.pop_below(0.5)], [Some((0.0, 3)), Some((0.0, 4))]);
        assert_eq!(queue.pop_below(2.0), None);
        assert_eq!([queue.pop(), queue.pop()], [Some((2.0, 0)), Some((f32::INFINITY, 2))]);
    }
}
