//! 64-bit keys to rows.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use crate::MISSING;

/// Maps 64-bit primary keys to rows; 17 bytes an entry at full load.
#[derive(Default)]
pub struct IntKeyMap {
    // Seeded per map: keys are chosen by users, and must not be choosable to collide.
    seed: RandomState,
    table: HashTable<(i64, i64)>,
}

impl IntKeyMap {
    /// Puts key `i` at row `first_row + i` and returns the rows the keys had before.
    ///
    /// A key that occurs twice ends at the later row, and the later occurrence reports the earlier one's row.
    pub fn put(&mut self, keys: &[i64], first_row: i64) -> Vec<i64> {
        let (seed, table) = (&self.seed, &mut self.table);
        let rows = keys.iter().zip(first_row..);
        rows.map(|(&key, row)| match table.entry(seed.hash_one(key), |old| old.0 == key, |old| seed.hash_one(old.0)) {
            Entry::Occupied(mut entry) => std::mem::replace(&mut entry.get_mut().1, row),
            Entry::Vacant(entry) => {
                entry.insert((key, row));
                MISSING
            }
        })
        .collect()
    }

    /// Returns the row of each key, -1 for those that are not there.
    pub fn find(&self, keys: &[i64]) -> Vec<i64> {
        let find = |&key: &i64| self.table.find(self.seed.hash_one(key), |entry| entry.0 == key);
        keys.iter().map(|key| find(key).map_or(MISSING, |entry| entry.1)).collect()
    }

    /// Removes keys and returns the rows they had, -1 for those that were not there.
    pub fn remove(&mut self, keys: &[i64]) -> Vec<i64> {
        let (seed, table) = (&self.seed, &mut self.table);
        let mut remove = |key: i64| match table.find_entry(seed.hash_one(key), |entry| entry.0 == key) {
            Ok(entry) => entry.remove().0.1,
            Err(_) => MISSING,
        };
        keys.iter().map(|&key| remove(key)).collect()
    }

    /// Returns the number of keys.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Tells whether there are no keys.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Returns the bytes held, the map itself included.
    pub fn memory_bytes(&self) -> usize {
        size_of::<Self>() + self.table.allocation_size()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_key_ends_at_the_later_row_and_reports_the_earlier() {
        let mut map = IntKeyMap::default();
        assert_eq!(map.put(&[7, i64::MIN, 7], 10), [MISSING, MISSING, 10]);
        assert_eq!(map.put(&[i64::MIN], 20), [11]);
        assert_eq!(map.find(&[7, i64::MIN, 1]), [12, 20, MISSING]);
        assert_eq!(map.len(), 2);
    }

    #[test]
    fn a_removed_key_is_gone_and_can_come_back() {
        let mut map = IntKeyMap::default();
        map.put(&[1, 2], 0);
        assert_eq!(map.remove(&[2, 2, 3]), [1, MISSING, MISSING]);
        assert_eq!(map.put(&[2], 9), [MISSING]);
        assert_eq!(map.find(&[1, 2]), [0, 9]);
    }

    #[test]
    fn memory_grows_with_the_keys() {
        let mut map = IntKeyMap::default();
        let empty = map.memory_bytes();
        map.put(&(0..1000).collect::<Vec<_>>(), 0);
        assert!(map.memory_bytes() >= empty + 16 * 1000);
    }
}
