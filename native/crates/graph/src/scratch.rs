//! What a walk needs besides the graph, kept by each thread so that searches allocate nothing.

use std::cell::RefCell;

use crate::pool::Pool;
use crate::visited::Visited;

/// The working memory of one walk.
#[derive(Debug, Default)]
pub struct Scratch {
    /// Rows met.
    pub visited: Visited,
    /// Rows to expand and to return.
    pub pool: Pool,
    /// A second pool, for walks that keep two.
    pub side: Pool,
    /// The links of one row, where they are copied out of a list that changes.
    pub links: Vec<u32>,
    /// Rows about to be scored.
    pub rows: Vec<u32>,
    /// Rows that fail the filter, met while the links of one row are followed.
    pub failing: Vec<u32>,
    /// The distances of `rows`.
    pub distances: Vec<f32>,
    /// Rows at their distances, for scans.
    pub best: Vec<(f32, u32)>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Runs `work` with this thread's scratch; a walk within a walk gets its own.
pub fn with_scratch<T>(work: impl FnOnce(&mut Scratch) -> T) -> T {
    SCRATCH.with(|cell| match cell.try_borrow_mut() {
        Ok(mut scratch) => work(&mut scratch),
        Err(_) => work(&mut Scratch::default()),
    })
}
