//! Vectors in fewer bits, and distances to them.
//!
//! A code is a row's vector in 8 or 4 bits an element or in half floats, with a tail of a few floats. Whatever the
//! metric, the distance to a row is `aux * alpha + beta * <query, row> + gamma`, where `aux` is the row's and the
//! Greek letters are the query's:
//!
//! | metric | what is encoded | `aux` | distance to a query | distance between rows |
//! |---|---|---|---|---|
//! | L2 | vector - mean | squared length | squared Euclidean | squared Euclidean |
//! | COSINE | unit vector - mean | squared length | squared Euclidean of unit vectors | the same |
//! | IP | vector | squared length | - dot product | the same |
//!
//! So distances order as the metric does. What is subtracted from both sides of a squared distance changes nothing and
//! leaves more bits for the rest. Rows under IP are measured as they are: giving all the same length by one more element
//! would make true distances of the products, but where lengths differ much that element outweighs the others, and a
//! graph over them finds a third of what this one does.

// Kernel bodies must end up inside the function that enables their instruction set.
#![allow(clippy::inline_always)]

mod code;
mod codes;
mod column_space;
mod distance;
mod encode;
mod lines;
mod query;
mod scorer;

pub use code::Code;
pub use codes::Codes;
pub use column_space::ColumnSpace;
pub use encode::{Encoded, encode, encode_rows, mean_of};
pub use query::CodeQuery;
pub use scorer::CodeScorer;
