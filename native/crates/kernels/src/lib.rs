//! Exact distances and bounded top-k over contiguous vector columns.
//!
//! A column is raw bytes at any address, as a memory-mapped file gives it. Inside, a distance is `f32` and smaller is
//! nearer: squared Euclidean, negative dot product, negative cosine, differing bits, one minus Jaccard's similarity.
//! Every kernel is written once over [`simd::Lanes`] and instantiated for each instruction set. The distance of a pair
//! depends on the instruction set alone: a scan, a range, a batch and a re-rank give the same bits.

// Kernel bodies must end up inside the function that enables their instruction set.
#![allow(clippy::inline_always)]

pub mod bitmap;
mod column;
mod distance;
mod flat_stream;
mod max_sim;
mod queries;
mod rerank;
mod scan;
mod scorer;
pub mod simd;
mod sparse;
pub mod stop;
mod topk;

pub use column::{Column, Element, Metric};
pub use flat_stream::FlatStream;
pub use max_sim::max_sim;
pub use queries::Queries;
pub use rerank::{distances_of, norms};
pub use scan::{Scan, scan};
pub use scorer::{ColumnScorer, Scorer, Space};
pub use sparse::{SparseColumn, scan_sparse};
pub use stop::{Stop, Stopped};
pub use topk::{Hit, Window};
