//! Neighbour graphs over rows that a [`elanus_kernels::Scorer`] measures: walked under filters, streamed, built.
//!
//! The graph knows rows and distances, never vectors: the same code walks over scalar codes, half floats, bits or whole
//! vectors. A base layer holds every row's links, layers above it lead to a good start.

mod build;
mod columns;
mod filtered;
mod keep;
mod links;
mod plan;
mod pool;
mod scratch;
mod search;
mod seeds;
mod stream;
mod visited;
mod walk;

use elanus_kernels::stop;
pub use elanus_kernels::{Stop, Stopped};

pub use build::{BuildSettings, Built, BuiltLayer, Growing, build};
pub use columns::{BuiltColumn, ColumnArrays, ColumnGraph, ColumnReport, ColumnRequest, ColumnSettings, build_column};
pub use keep::Keep;
pub use links::{Damage, Layer, Links, NONE};
pub use plan::{Tuning, expected_cost, tune};
pub use pool::{Candidate, Pool};
pub use scratch::{Scratch, with_scratch};
pub use search::{Report, Request, Strategy, search};
pub use stream::{Source, Stream, StreamSettings, Streamed};
pub use visited::Visited;
pub use walk::{Walked, descend, walk};
