//! Sets of texts.

use std::fmt;
use std::hash::{BuildHasher, RandomState};

use crate::set::{Filter, folded};
use crate::texts::Spanned;

/// Texts of 4 GiB or more together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

impl fmt::Display for TooLong {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a set holds less than 4 GiB of text")
    }
}

impl std::error::Error for TooLong {}

/// A set of texts: open addressing over a power of two of slots, at most half of them full, behind a filter of bits.
pub struct TextSet {
    // Seeded a set: texts are chosen by users, and must not be choosable to collide.
    seeds: [u64; 2],
    filter: Filter,
    /// Bit `min(length, 63)` for every length there is: most other texts are told by theirs.
    lengths: u64,
    mask: usize,
    slots: Vec<Slot>,
    texts: Vec<u8>,
}

#[derive(Clone, Copy)]
struct Slot {
    hash: u64,
    start: u32,
    length: u32,
}

const FREE: Slot = Slot { hash: 0, start: 0, length: u32::MAX };

impl TextSet {
    /// Prepares a set; texts may repeat.
    pub fn new<T: AsRef<[u8]>>(texts: &[T]) -> Result<Self, TooLong> {
        let mask = (texts.len() * 2).next_power_of_two() - 1;
        let (random, filter) = (RandomState::new(), Filter::new(texts.len()));
        let seeds = [0, 1].map(|seed| random.hash_one(seed));
        let mut set = Self { seeds, filter, lengths: 0, mask, slots: vec![FREE; mask + 1], texts: Vec::new() };
        for text in texts {
            set.add(text.as_ref())?;
        }
        Ok(set)
    }

    fn add(&mut self, text: &[u8]) -> Result<(), TooLong> {
        let hash = self.hash(Spanned::new(text));
        let Err(at) = self.find(hash, text) else { return Ok(()) };
        let start = u32::try_from(self.texts.len()).map_err(|_| TooLong)?;
        let length = u32::try_from(text.len()).ok().filter(|length| *length < FREE.length).ok_or(TooLong)?;
        self.texts.extend_from_slice(text);
        self.slots[at] = Slot { hash, start, length };
        self.filter.add(hash);
        self.lengths |= length_bit(text.len());
        Ok(())
    }

    /// Whether a text is in the set.
    pub fn holds(&self, text: &[u8]) -> bool {
        self.find(self.hash(Spanned::new(text)), text).is_ok()
    }

    /// The hash of a text: up to 16 bytes are two words that overlap, read without a branch.
    #[inline(always)]
    pub(crate) fn hash(&self, text: Spanned) -> u64 {
        let [first_seed, last_seed] = self.seeds;
        let (length, last_at) = (text.length(), text.length().saturating_sub(8));
        let mut hash = folded(text.word(0) ^ first_seed, text.word(last_at) ^ last_seed.wrapping_add(length as u64));
        let mut at = 8;
        while at < last_at {
            hash = folded(hash ^ text.word(at), first_seed);
            at += 8;
        }
        hash
    }

    /// Whether a text of this length may be in the set.
    #[inline(always)]
    pub(crate) fn may_hold_length(&self, length: usize) -> bool {
        self.lengths & length_bit(length) != 0
    }

    /// Whether a text of this hash may be in the set; false for nearly all that are not, without a branch.
    #[inline(always)]
    pub(crate) fn may_hold(&self, hash: u64) -> bool {
        self.filter.may_hold(hash)
    }

    /// Whether a text of this hash is in the set.
    #[inline(always)]
    pub(crate) fn holds_hashed(&self, hash: u64, text: &[u8]) -> bool {
        self.find(hash, text).is_ok()
    }

    /// The text's slot, or the free one where it would be.
    #[inline(always)]
    fn find(&self, hash: u64, text: &[u8]) -> Result<usize, usize> {
        let mut at = hash as usize & self.mask;
        loop {
            let slot = self.slots[at];
            if slot.length == FREE.length {
                return Err(at);
            }
            if slot.hash == hash && self.texts[slot.start as usize..][..slot.length as usize] == *text {
                return Ok(at);
            }
            at = (at + 1) & self.mask;
        }
    }
}

#[inline(always)]
fn length_bit(length: usize) -> u64 {
    1 << length.min(63)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_found_and_others_not() {
        let wanted: Vec<String> = (0..500).map(|number| format!("{number:x}").repeat(number % 7)).collect();
        let set = TextSet::new(&wanted).unwrap();
        assert!(wanted.iter().all(|text| set.holds(text.as_bytes())));
        assert!(set.holds(b""));
        assert!((0..500).all(|number| !set.holds(format!("{number:x}z").as_bytes())));
    }

    #[test]
    fn no_texts_hold_nothing() {
        let set = TextSet::new::<&str>(&[]).unwrap();
        assert!(!set.holds(b"") && !set.holds(b"a"));
    }
}
