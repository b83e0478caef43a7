//! HNSW indexes over a segment's vectors: codes to walk on and links to walk along, as arrays that may be mapped.
//!
//! An index holds no vectors. Whoever searches hands it the column it was built over, from which every distance that is
//! returned is measured.

mod columns;
mod facts;
mod growing;
mod index;
mod query;
mod slab;

pub use columns::{Among, Done};
pub use facts::{COSTS, Facts, Storage, costs, tuning_of};
pub use growing::{GrowingHnsw, GrowingReport};
pub use index::{Arrays, Damage, Hnsw, Made, make};
pub use query::Query;
