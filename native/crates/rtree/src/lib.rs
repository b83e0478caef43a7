//! Bounding boxes read straight out of WKB, and a packed R-tree over them that lies in flat arrays.
//!
//! A box is a promise about candidates: whatever a geometry touches lies inside its box, so a tree that finds the boxes
//! near a window finds every geometry there, and some more.

#![forbid(unsafe_code)]

mod bounds;
mod boxes;
mod hilbert;
mod query;
mod tree;
mod wkb;

pub use bounds::Bounds;
pub use boxes::{BadGeometry, Boxes};
pub use query::{Damaged, Points, Test};
pub use tree::{NODE_SIZE, Packed, Tree};
pub use wkb::{Malformed, Measured, measure};
