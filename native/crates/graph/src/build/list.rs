//! One row's links while they change: written under a lock, read without one.

use super::sync::{AtomicU32, Ordering, pause};

/// Words before the links: how many there are, the lock, how many of them are settled.
const HEAD: usize = 3;
const COUNT: usize = 0;
const LOCK: usize = 1;
const SETTLED: usize = 2;

/// A row's links, and how far each linked row is.
///
/// Links only ever move towards the front: new ones go to the end, and taking some out closes the gaps. Readers go from
/// the last to the first, so a link that stays in the list is never missed, whatever is added and taken out meanwhile;
/// it may be seen twice, and so may links that were just taken out.
#[derive(Clone, Copy)]
pub struct NeighbourList<'a> {
    words: &'a [AtomicU32],
}

impl<'a> NeighbourList<'a> {
    /// How many words a list of at most `capacity` links takes; they start as zeros.
    pub const fn num_words(capacity: usize) -> usize {
        HEAD + 2 * capacity
    }

    /// A list over words of which there are as many as [`NeighbourList::num_words`] said.
    #[inline]
    pub fn new(words: &'a [AtomicU32]) -> Self {
        NeighbourList { words }
    }

    /// Shows the links, last first, without waiting.
    #[inline]
    pub fn read(self, mut show: impl FnMut(u32)) {
        let count = self.words[COUNT].load(Ordering::Acquire) as usize;
        for word in self.words[HEAD..HEAD + count].iter().rev() {
            // Whoever sees a link that moved here also sees, further to the front, the one that it replaced.
            show(word.load(Ordering::Acquire));
        }
    }

    /// Waits until nobody else changes the list.
    pub fn lock(self) -> LockedList<'a> {
        let lock = &self.words[LOCK];
        while lock.compare_exchange_weak(0, 1, Ordering::Acquire, Ordering::Relaxed).is_err() {
            pause();
        }
        LockedList { list: self }
    }

    /// Asks for what [`NeighbourList::read`] looks at to be brought near.
    #[inline]
    pub fn prefetch(self) {
        let capacity = (self.words.len() - HEAD) / 2;
        elanus_kernels::simd::prefetch(self.words.as_ptr().cast(), 4 * (HEAD + capacity));
    }
}

/// A list that nobody else changes; let go when dropped.
pub struct LockedList<'a> {
    list: NeighbourList<'a>,
}

impl LockedList<'_> {
    fn word(&self, place: usize) -> &AtomicU32 {
        &self.list.words[place]
    }

    fn distance_word(&self, place: usize) -> &AtomicU32 {
        self.word(HEAD + self.capacity() + place)
    }

    /// Most links that fit.
    pub fn capacity(&self) -> usize {
        (self.list.words.len() - HEAD) / 2
    }

    /// How many links there are.
    pub fn len(&self) -> usize {
        self.word(COUNT).load(Ordering::Relaxed) as usize
    }

    /// How many of them, from the first, have been chosen beside each other.
    pub fn num_settled(&self) -> usize {
        self.word(SETTLED).load(Ordering::Relaxed) as usize
    }

    /// Says that all links have been chosen beside each other.
    pub fn settle(&self) {
        self.word(SETTLED).store(self.len() as u32, Ordering::Relaxed);
    }

    /// The linked rows and their distances, in the order of their coming.
    pub fn links(&self) -> impl Iterator<Item = (u32, f32)> + '_ {
        (0..self.len()).map(|place| {
            let row = self.word(HEAD + place).load(Ordering::Relaxed);
            (row, f32::from_bits(self.distance_word(place).load(Ordering::Relaxed)))
        })
    }

    /// Adds a link at the end, unless the row is linked already; the list is not full. Returns whether it was added.
    pub fn push(&self, row: u32, distance: f32) -> bool {
        if self.links().any(|(linked, _)| linked == row) {
            return false;
        }
        let len = self.len();
        assert!(len < self.capacity());
        self.distance_word(len).store(distance.to_bits(), Ordering::Relaxed);
        self.word(HEAD + len).store(row, Ordering::Release);
        self.word(COUNT).store(len as u32 + 1, Ordering::Release);
        true
    }

    /// Takes out the links that are not to stay, given their places, and calls the rest settled.
    pub fn retain(&self, stays: impl Fn(usize) -> bool) {
        let mut kept = 0;
        for place in (0..self.len()).filter(|&place| stays(place)) {
            if kept < place {
                let row = self.word(HEAD + place).load(Ordering::Relaxed);
                self.word(HEAD + kept).store(row, Ordering::Release);
                self.distance_word(kept).store(self.distance_word(place).load(Ordering::Relaxed), Ordering::Relaxed);
            }
            kept += 1;
        }
        self.word(COUNT).store(kept as u32, Ordering::Release);
        self.settle();
    }
}

impl Drop for LockedList<'_> {
    fn drop(&mut self) {
        self.word(LOCK).store(0, Ordering::Release);
    }
}
