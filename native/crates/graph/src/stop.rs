//! When to give up: cancelled by the caller, or past a deadline.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

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

/// Expansions between two looks; one takes about a microsecond.
const EVERY: usize = 64;

impl Stop<'_> {
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
}
