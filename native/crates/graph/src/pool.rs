//! The nearest rows seen so far, sorted, with which of them have been expanded.

/// A row at a distance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// Smaller is nearer.
    pub distance: f32,
    /// The row, below 2^31; the top bit says that its links have been followed.
    marked: u32,
}

const EXPANDED: u32 = 1 << 31;

impl Candidate {
    /// A row that has not been expanded.
    pub fn new(distance: f32, row: u32) -> Self {
        debug_assert!(row < EXPANDED);
        Candidate { distance, marked: row }
    }

    /// The row.
    #[inline]
    pub fn row(self) -> u32 {
        self.marked & !EXPANDED
    }

    /// Whether its links have been followed.
    #[inline]
    pub fn is_expanded(self) -> bool {
        self.marked & EXPANDED != 0
    }
}

/// At most `capacity` candidates in ascending order; farther ones fall off the end.
///
/// Insertion moves memory, which below a few hundred entries is faster than two heaps.
#[derive(Debug, Default)]
pub struct Pool {
    items: Vec<Candidate>,
    capacity: usize,
    /// No entry before this one waits to be expanded.
    cursor: usize,
}

impl Pool {
    /// Forgets everything and makes room.
    pub fn reset(&mut self, capacity: usize) {
        self.items.clear();
        self.items.reserve(capacity + 1);
        self.capacity = capacity;
        self.cursor = 0;
    }

    /// What is at or past this distance would not enter.
    #[inline]
    pub fn bound(&self) -> f32 {
        if self.items.len() < self.capacity { f32::INFINITY } else { self.items[self.items.len() - 1].distance }
    }

    /// Whether there are as many entries as fit.
    pub fn is_full(&self) -> bool {
        self.items.len() >= self.capacity
    }

    /// Puts a row in its place among equals the last; returns false where it is too far. A row is given once.
    #[inline]
    pub fn insert(&mut self, distance: f32, row: u32) -> bool {
        if self.is_full() {
            if self.items.last().is_none_or(|last| distance >= last.distance) {
                return false;
            }
            self.items.pop();
        }
        let place = self.items.partition_point(|item| item.distance <= distance);
        self.items.insert(place, Candidate::new(distance, row));
        self.cursor = self.cursor.min(place);
        true
    }

    /// Takes the nearest row that has not been expanded, and marks it as expanded.
    #[inline]
    pub fn take_nearest(&mut self) -> Option<Candidate> {
        while self.cursor < self.items.len() {
            let item = &mut self.items[self.cursor];
            self.cursor += 1;
            if !item.is_expanded() {
                let found = *item;
                item.marked |= EXPANDED;
                return Some(found);
            }
        }
        None
    }

    /// The row that [`Pool::take_nearest`] would take as things stand.
    #[inline]
    pub fn peek(&self) -> Option<u32> {
        self.waiting().map(Candidate::row)
    }

    /// What [`Pool::take_nearest`] would take as things stand, with its distance.
    #[inline]
    pub fn waiting(&self) -> Option<Candidate> {
        self.items[self.cursor.min(self.items.len())..].iter().find(|item| !item.is_expanded()).copied()
    }

    /// All entries, nearest first.
    pub fn items(&self) -> &[Candidate] {
        &self.items
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_nearest_in_order_and_hands_each_out_once() {
        let mut pool = Pool::default();
        pool.reset(4);
        for (row, distance) in [5.0, 1.0, 3.0, 4.0, 2.0, 9.0].into_iter().enumerate() {
            pool.insert(distance, row as u32);
        }
        let rows = |pool: &Pool| pool.items().iter().map(|item| item.row()).collect::<Vec<_>>();
        assert_eq!(rows(&pool), [1, 4, 2, 3]);
        assert_eq!(pool.peek(), Some(1));
        assert_eq!([pool.take_nearest(), pool.take_nearest()].map(|item| item.unwrap().row()), [1, 4]);
        assert!(pool.insert(0.5, 6) && !pool.insert(4.0, 7));
        assert_eq!(pool.take_nearest().unwrap().row(), 6, "a nearer row that comes later is handed out next");
        assert_eq!(pool.take_nearest().unwrap().row(), 2);
        assert_eq!(pool.take_nearest(), None, "the row that was pushed out is not handed out");
        assert_eq!(rows(&pool), [6, 1, 4, 2]);
    }

    #[test]
    fn a_pool_without_room_takes_nothing() {
        let mut pool = Pool::default();
        pool.reset(0);
        assert!(!pool.insert(1.0, 1));
        assert_eq!(pool.take_nearest(), None);
    }
}
