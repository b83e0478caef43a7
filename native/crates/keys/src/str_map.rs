//! String keys to rows; the strings lie one after the other in one arena.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use crate::MISSING;
use crate::strings::{BadOffsets, Strings};

/// The arena is rewritten once this much of it is garbage, and more than half.
const GARBAGE_WORTH_COMPACTING: usize = 1 << 16;

/// A key's place in the arena, and its row.
#[derive(Clone, Copy)]
struct Slot {
    start: usize,
    end: usize,
    row: i64,
}

impl Slot {
    fn key(self, arena: &[u8]) -> &[u8] {
        &arena[self.start..self.end]
    }
}

/// Maps string primary keys to rows; 25 bytes and the key's own an entry at full load.
#[derive(Default)]
pub struct StrKeyMap {
    // Seeded per map: keys are chosen by users, and must not be choosable to collide.
    seed: RandomState,
    table: HashTable<Slot>,
    arena: Vec<u8>,
    garbage: usize,
}

impl StrKeyMap {
    /// Puts key `i` at row `first_row + i` and returns the rows the keys had before.
    ///
    /// A key that occurs twice ends at the later row, and the later occurrence reports the earlier one's row. Nothing
    /// changes when the offsets are refused.
    pub fn put(&mut self, keys: Strings<'_>, first_row: i64) -> Result<Vec<i64>, BadOffsets> {
        keys.check()?;
        keys.rows().zip(first_row..).map(|(key, row)| Ok(self.put_one(key?, row))).collect()
    }

    fn put_one(&mut self, key: &[u8], row: i64) -> i64 {
        let (seed, arena) = (&self.seed, &mut self.arena);
        let is_key = |slot: &Slot| slot.key(arena) == key;
        match self.table.entry(seed.hash_one(key), is_key, |slot| seed.hash_one(slot.key(arena))) {
            Entry::Occupied(mut entry) => std::mem::replace(&mut entry.get_mut().row, row),
            Entry::Vacant(entry) => {
                let start = arena.len();
                entry.insert(Slot { start, end: start + key.len(), row });
                arena.extend_from_slice(key);
                MISSING
            }
        }
    }

    /// Returns the row of each key, -1 for those that are not there.
    pub fn find(&self, keys: Strings<'_>) -> Result<Vec<i64>, BadOffsets> {
        keys.rows().map(|key| key.map(|key| self.find_one(key))).collect()
    }

    fn find_one(&self, key: &[u8]) -> i64 {
        let found = self.table.find(self.seed.hash_one(key), |slot| slot.key(&self.arena) == key);
        found.map_or(MISSING, |slot| slot.row)
    }

    /// Removes keys and returns the rows they had, -1 for those that were not there.
    pub fn remove(&mut self, keys: Strings<'_>) -> Result<Vec<i64>, BadOffsets> {
        keys.check()?;
        let rows = keys.rows().map(|key| Ok(self.remove_one(key?))).collect();
        if self.garbage >= GARBAGE_WORTH_COMPACTING && self.garbage > self.arena.len() / 2 {
            self.compact();
        }
        rows
    }

    fn remove_one(&mut self, key: &[u8]) -> i64 {
        let arena = &self.arena;
        match self.table.find_entry(self.seed.hash_one(key), |slot| slot.key(arena) == key) {
            Ok(entry) => {
                self.garbage += key.len();
                entry.remove().0.row
            }
            Err(_) => MISSING,
        }
    }

    fn compact(&mut self) {
        let mut arena = Vec::with_capacity(self.arena.len() - self.garbage);
        for slot in &mut self.table {
            let start = arena.len();
            arena.extend_from_slice(slot.key(&self.arena));
            (slot.start, slot.end) = (start, arena.len());
        }
        (self.arena, self.garbage) = (arena, 0);
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
        size_of::<Self>() + self.table.allocation_size() + self.arena.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pack(keys: &[String]) -> (Vec<i64>, Vec<u8>) {
        let mut offsets = vec![0];
        for key in keys {
            offsets.push(offsets[offsets.len() - 1] + key.len() as i64);
        }
        (offsets, keys.concat().into_bytes())
    }

    #[test]
    fn empty_and_prefixed_keys_are_keys_of_their_own() {
        let mut map = StrKeyMap::default();
        let keys = Strings::new(&[0, 0, 1, 3], b"aaa");
        assert_eq!(map.put(keys, 5), Ok(vec![MISSING; 3]));
        assert_eq!(map.find(keys), Ok(vec![5, 6, 7]));
    }

    #[test]
    fn bad_offsets_change_nothing() {
        let mut map = StrKeyMap::default();
        assert_eq!(map.put(Strings::new(&[0, 1, 9], b"ab"), 0), Err(BadOffsets(1)));
        assert_eq!(map.remove(Strings::new(&[1, 0], b"ab")), Err(BadOffsets(0)));
        assert!(map.is_empty());
    }

    #[test]
    fn removing_most_keys_gives_their_bytes_back_and_keeps_the_rest() {
        let keys: Vec<String> = (0..5000).map(|key| format!("a rather long primary key, number {key}")).collect();
        let (offsets, data) = pack(&keys);
        let mut map = StrKeyMap::default();
        map.put(Strings::new(&offsets, &data), 0).unwrap();
        let full = map.memory_bytes();
        map.remove(Strings::new(&offsets[..4001], &data)).unwrap();
        assert!(map.memory_bytes() < full - data.len() / 2);
        let found = map.find(Strings::new(&offsets, &data)).unwrap();
        assert!(found[..4000].iter().all(|&row| row == MISSING));
        assert!(found[4000..].iter().copied().eq(4000..5000));
    }
}
