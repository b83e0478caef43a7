//! Four-bit product codes, scanned in blocks of 64 rows with byte shuffles, under a bitmap, and re-ranked exactly.
//!
//! A vector is cut into sub-spaces of a few dimensions, and each part is named by the nearest of 16 centroids. A query
//! turns into one table of 16 small integers a sub-space, which fits a register: a byte shuffle looks up 64 rows at
//! once. The sums only choose candidates; the distances returned are exact, from the caller's own scorer. The sums are
//! integers, and equal whatever the instruction set.

mod arrays;
mod blocks;
mod codebook;
mod collect;
mod kernel;
mod level;
mod nearest;
mod random;
mod search;
mod table;
mod tile;
mod train;

pub use arrays::{Arrays, Facts};
pub use blocks::FastScan;
pub use search::{Question, Request};
pub use train::Settings;
