//! Primary keys: hash maps for growing segments, binary search for sealed ones, and the hash that places rows.
//!
//! Strings come as Arrow's large strings do: `offsets` with one more entry than there are rows, and the bytes.

#![forbid(unsafe_code)]

mod hash;
mod int_map;
mod search;
mod sort;
mod str_map;
mod strings;

pub use hash::{hash_ints, hash_strings};
pub use int_map::IntKeyMap;
pub use search::{find_sorted_ints, find_sorted_strings};
pub use sort::argsort_strings;
pub use str_map::StrKeyMap;
pub use strings::{BadOffsets, Strings};

/// The row of a key that is not there.
pub const MISSING: i64 = -1;
