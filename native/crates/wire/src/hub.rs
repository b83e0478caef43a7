//! What all connections of one server share.

use std::collections::HashSet;
use std::sync::Arc;

use tokio::sync::watch;

use crate::census::Census;
use crate::lane::{Lane, LaneKind};

/// A server only moves forward through these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    Serving,
    /// No new connections; calls in flight finish.
    Draining,
    /// Everything is dropped.
    Closed,
}

pub(crate) struct Hub {
    pub(crate) max_request_bytes: usize,
    pub(crate) max_response_bytes: usize,
    pub(crate) census: Arc<Census>,
    slow_methods: HashSet<String>,
    lanes: [Arc<Lane>; 2],
    phase: watch::Sender<Phase>,
}

impl Hub {
    pub(crate) fn new(
        slow_methods: HashSet<String>,
        max_waiting: usize,
        max_request_bytes: usize,
        max_response_bytes: usize,
    ) -> Self {
        Self {
            max_request_bytes,
            max_response_bytes,
            census: Arc::default(),
            slow_methods,
            lanes: [Lane::new(max_waiting), Lane::new(max_waiting)],
            phase: watch::Sender::new(Phase::Serving),
        }
    }

    pub(crate) fn lane(&self, kind: LaneKind) -> &Arc<Lane> {
        &self.lanes[kind as usize]
    }

    pub(crate) fn lane_of(&self, method: &str) -> &Arc<Lane> {
        self.lane(if self.slow_methods.contains(method) { LaneKind::Slow } else { LaneKind::Fast })
    }

    /// Enters a later phase; an earlier one changes nothing.
    pub(crate) fn advance(&self, phase: Phase) {
        self.phase.send_if_modified(|current| {
            let later = phase > *current;
            *current = phase.max(*current);
            later
        });
        if phase == Phase::Closed {
            self.lanes.iter().for_each(|lane| lane.close());
            self.census.close();
        }
    }

    /// Returns once `phase` or a later one is reached.
    pub(crate) async fn reached(&self, phase: Phase) {
        // An error means that the sender is gone; it lives in `self`.
        drop(self.phase.subscribe().wait_for(|current| *current >= phase).await);
    }
}
