//! Arrays that grow at their end while their beginning is read.

use std::cell::UnsafeCell;
use std::collections::TryReserveError;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Room for values that never move: one thread at a time adds some, any number read those that are there.
///
/// The system gives memory for what is written, not for the room.
pub struct Slab<T> {
    room: Box<[UnsafeCell<MaybeUninit<T>>]>,
    /// Values below were written, and are not written again.
    len: AtomicUsize,
}

// SAFETY: values are written once, by `&mut self` in effect (see `append`), and read only after their number was
// published.
unsafe impl<T: Copy + Send + Sync> Sync for Slab<T> {}

impl<T: Copy> Slab<T> {
    /// Room for `most` values; fails where that is more than there can be.
    pub fn new(most: usize) -> Result<Self, TryReserveError> {
        let mut room = Vec::new();
        room.try_reserve_exact(most)?;
        // SAFETY: there is room for as many, and each may be uninitialized.
        unsafe { room.set_len(most) };
        Ok(Slab { room: room.into_boxed_slice(), len: AtomicUsize::new(0) })
    }

    /// How many values were added.
    pub fn len(&self) -> usize {
        self.len.load(Ordering::Acquire)
    }

    /// The first `len` values, which were added.
    pub fn head(&self, len: usize) -> &[T] {
        assert!(len <= self.len(), "values that are not there yet");
        // SAFETY: values below the published length are initialized and never written again; cells have the layout of
        // what they hold.
        unsafe { std::slice::from_raw_parts(self.room.as_ptr().cast::<T>(), len) }
    }

    /// Adds values, for which there must be room.
    ///
    /// # Safety
    /// No other thread adds values meanwhile.
    pub unsafe fn append(&self, values: &[T]) {
        let len = self.len();
        let room = &self.room[len..len + values.len()];
        for (cell, &value) in room.iter().zip(values) {
            // SAFETY: nobody reads past the published length, and nobody else writes.
            unsafe { (*cell.get()).write(value) };
        }
        self.len.store(len + values.len(), Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_beside_a_writer_see_whole_prefixes_that_stay() {
        const PARTS: usize = 40;
        let slab = Slab::new(PARTS * 3).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let mut seen: &[usize] = &[];
                    while seen.len() < PARTS * 3 {
                        let now = slab.head(slab.len());
                        assert!(now.len() >= seen.len() && now.len() % 3 == 0);
                        assert!(now.iter().enumerate().all(|(place, &value)| value == place));
                        assert!(now.starts_with(seen));
                        seen = now;
                        std::thread::yield_now();
                    }
                });
            }
            for first in (0..PARTS * 3).step_by(3) {
                // SAFETY: no other thread adds values.
                unsafe { slab.append(&[first, first + 1, first + 2]) };
                std::thread::yield_now();
            }
        });
    }

    #[test]
    #[should_panic(expected = "not there yet")]
    fn values_that_were_not_added_are_not_read() {
        Slab::<u8>::new(8).unwrap().head(1);
    }

    #[test]
    fn no_more_is_added_than_there_is_room_for() {
        let slab = Slab::new(3).unwrap();
        // SAFETY: there is one thread.
        unsafe { slab.append(&[1, 2]) };
        // SAFETY: there is one thread.
        let added = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| unsafe { slab.append(&[3, 4]) }));
        assert!(added.is_err());
        assert_eq!(slab.head(slab.len()), [1, 2]);
        assert!(Slab::<u64>::new(usize::MAX).is_err());
    }
}
