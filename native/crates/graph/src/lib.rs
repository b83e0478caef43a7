//! Neighbour graphs over rows that a [`elanus_kernels::Scorer`] measures: walked under filters, streamed, built.
//!
//! The graph knows rows and distances, never vectors: the same code walks over scalar codes, half floats, bits or whole
//! vectors. A base layer holds every row's links, layers above it lead to a good start.

mod keep;
mod links;
mod pool;
mod scratch;
mod stop;
mod visited;
mod walk;

pub use keep::Keep;
pub use links::{Damage, Layer, Links, NONE};
pub use pool::{Candidate, Pool};
pub use scratch::{Scratch, with_scratch};
pub use stop::{Stop, Stopped};
pub use visited::Visited;
pub use walk::{Walked, descend, walk};
