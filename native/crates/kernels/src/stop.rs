//! When to give up: cancelled by the caller, or past a deadline.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crate::scorer::Scorer;

/// What a search looks at every so often.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stop<'a> {
    /// Set when nobody waits for the answer any more.
    pub cancelled: Option<&'a AtomicBool>,
    /// When the answer would come too late.
    pub deadline: Option<Instant>,
}

/// The search was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped;

/// Expansions of a walk between two looks; one takes about a microsecond.
const EVERY: usize = 64;

impl<'a> Stop<'a> {
    /// Fails when the search is to be given up; looks at every 64th `step` only.
    #[inline]
    pub fn check(&self, step: usize) -> Result<(), Stopped> {
        if step.is_multiple_of(EVERY) { self.look() } else { Ok(()) }
    }

    /// Fails when the search is to be given up.
    pub fn look(&self) -> Result<(), Stopped> {
        let cancelled = self.cancelled.is_some_and(|flag| flag.load(Ordering::Relaxed));
        if cancelled || self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            Err(Stopped)
        } else {
            Ok(())
        }
    }

    /// Measures rows, with a look at the stop now and then.
    pub fn score(&self, scorer: &dyn Scorer, rows: &[u32], out: &mut [f32]) -> Result<(), Stopped> {
        let parts = rows.chunks(Watch::DISTANCES).zip(out.chunks_mut(Watch::DISTANCES));
        for (number, (rows, out)) in parts.enumerate() {
            if number > 0 {
                self.look()?;
            }
            scorer.score(rows, out);
        }
        Ok(())
    }

    /// Looks from time to time while rows are measured.
    pub fn watch(self) -> Watch<'a> {
        Watch { stop: self, left: 0 }
    }
}

/// Looks at a stop once in so many distances.
#[derive(Clone, Copy, Debug)]
pub struct Watch<'a> {
    stop: Stop<'a>,
    left: usize,
}

impl Watch<'_> {
    /// Distances between two looks: some microseconds at least, beside which a look at the clock costs nothing.
    pub const DISTANCES: usize = 4096;

    /// Fails when the search is to be given up; to be asked before so many distances are computed.
    #[inline]
    pub fn spend(&mut self, distances: usize) -> Result<(), Stopped> {
        if let Some(left) = self.left.checked_sub(distances) {
            self.left = left;
            return Ok(());
        }
        self.left = Self::DISTANCES;
        self.stop.look()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watch_looks_before_the_first_distance_and_once_in_so_many() {
        let flag = AtomicBool::new(true);
        let stop = Stop { cancelled: Some(&flag), deadline: None };
        let mut watch = stop.watch();
        assert_eq!(watch.spend(1), Err(Stopped));
        flag.store(false, Ordering::Relaxed);
        let mut watch = stop.watch();
        assert_eq!(watch.spend(64), Ok(()));
        flag.store(true, Ordering::Relaxed);
        let unseen = (0..1000).take_while(|_| watch.spend(64).is_ok()).count();
        assert_eq!(unseen, Watch::DISTANCES / 64);
    }

    #[test]
    fn a_deadline_that_has_come_stops() {
        let stop = Stop { cancelled: None, deadline: Some(Instant::now()) };
        assert_eq!((stop.look(), stop.check(64), stop.check(65)), (Err(Stopped), Err(Stopped), Ok(())));
        assert_eq!(Stop::default().look(), Ok(()));
    }
}
