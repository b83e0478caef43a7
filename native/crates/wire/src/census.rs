//! How many clients are connected, and waiting for that to change.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

#[derive(Default)]
struct State {
    open: usize,
    /// When the last connection left; `None` before the first one came and while any is open.
    empty_since: Option<Instant>,
    closed: bool,
}

/// Counts connections that have shown themselves to be a client's.
#[derive(Default)]
pub(crate) struct Census {
    state: Mutex<State>,
    change: Condvar,
}

impl Census {
    pub(crate) fn enter(self: &Arc<Self>) -> Presence {
        let mut state = self.state.lock();
        state.open += 1;
        state.empty_since = None;
        drop(state);
        self.change.notify_all();
        Presence(Arc::clone(self))
    }

    pub(crate) fn num_open(&self) -> usize {
        self.state.lock().open
    }

    /// Ends every wait.
    pub(crate) fn close(&self) {
        self.state.lock().closed = true;
        self.change.notify_all();
    }

    /// Blocks until no connection is open; false when `until` comes first.
    pub(crate) fn wait_empty(&self, until: Instant) -> bool {
        let mut state = self.state.lock();
        while state.open > 0 {
            if self.change.wait_until(&mut state, until).timed_out() {
                return state.open == 0;
            }
        }
        true
    }

    /// Blocks until the server is unused (true), closed (false) or `until` has come (`None`).
    ///
    /// Unused means that every connection has been gone for `grace`, or that none came before `first_by`.
    pub(crate) fn wait_unused(&self, grace: Duration, first_by: Option<Instant>, until: Instant) -> Option<bool> {
        let mut state = self.state.lock();
        loop {
            if state.closed {
                return Some(false);
            }
            let unused_at = match (state.open, state.empty_since) {
                (0, Some(since)) => since.checked_add(grace),
                (0, None) => first_by,
                _ => None,
            };
            let now = Instant::now();
            if unused_at.is_some_and(|at| at <= now) {
                return Some(true);
            }
            if until <= now {
                return None;
            }
            self.change.wait_until(&mut state, unused_at.map_or(until, |at| at.min(until)));
        }
    }
}

/// One connection in the count, until dropped.
pub(crate) struct Presence(Arc<Census>);

impl Drop for Presence {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.open -= 1;
        if state.open == 0 {
            state.empty_since = Some(Instant::now());
        }
        drop(state);
        self.0.change.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unused_now(census: &Census, first_by: Option<Instant>) -> Option<bool> {
        census.wait_unused(Duration::ZERO, first_by, Instant::now())
    }

    #[test]
    fn unused_only_after_the_last_of_at_least_one_connection() {
        let census = Arc::new(Census::default());
        assert_eq!(unused_now(&census, None), None);
        let (first, second) = (census.enter(), census.enter());
        assert_eq!(census.num_open(), 2);
        drop(first);
        assert_eq!(unused_now(&census, Some(Instant::now())), None);
        assert!(!census.wait_empty(Instant::now()));
        drop(second);
        assert_eq!(unused_now(&census, None), Some(true));
        assert!(census.wait_empty(Instant::now()));
        assert_eq!(census.wait_unused(Duration::from_secs(3600), None, Instant::now()), None);
    }

    #[test]
    fn unused_when_nobody_ever_comes_and_false_once_closed() {
        let census = Arc::new(Census::default());
        assert_eq!(unused_now(&census, Some(Instant::now())), Some(true));
        census.close();
        assert_eq!(unused_now(&census, Some(Instant::now())), Some(false));
    }
}
