//! What a stream is told beforehand, and what it says afterwards.

use crate::plan::Tuning;

/// How thoroughly a stream walks, and when it scans instead.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StreamSettings {
    /// A row goes out once this many expansions in a row lay beyond it.
    pub window: usize,
    /// With at most this many passing rows nothing is walked.
    pub scan_below: usize,
    /// What the steps of a walk and of a scan cost: a walk that has cost as much as a scan ends in one.
    pub tuning: Tuning,
}

/// Entries of a walk's pool for each expansion that must lie beyond a row.
const EF_PER_WINDOW: usize = 2;

/// Hops of a walk for each entry of its pool.
const HOPS_PER_EF: f32 = 1.2;

/// Rows that a hop scores, under a filter, where lists of 32 links are common.
const SCORED_PER_HOP: f32 = 20.0;

impl StreamSettings {
    /// Settings with which the first batches have about the recall of a walk with a pool of `ef`.
    pub fn new(ef: usize, tuning: Tuning) -> Self {
        let hop = tuning.hop + 32.0 * tuning.link + SCORED_PER_HOP * tuning.scattered;
        StreamSettings {
            window: (ef / EF_PER_WINDOW).clamp(8, 4096),
            scan_below: (ef as f32 * HOPS_PER_EF * hop / tuning.list) as usize,
            tuning,
        }
    }
}

/// What a stream has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Streamed {
    /// Rows whose links were followed, those that were only passed through included.
    pub hops: usize,
    /// Rows that were scored where the walk met them.
    pub scored: usize,
    /// Rows that were measured in a scan.
    pub scanned: usize,
    /// Rows that went out.
    pub emitted: usize,
    /// Whether all passing rows have been found: what still waits is all there is.
    pub complete: bool,
}
