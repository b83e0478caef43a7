//! JSON columns without a tree: a path's value of every row, many paths' values in one walk, the elements of arrays,
//! strict validation, top-level keys.
//!
//! Rows come as Arrow's large binaries do: `offsets` with one more entry than there are rows, and the bytes. The reading
//! functions trust rows to have been validated and never look behind the value they seek; where a row turns out not to
//! be JSON, they take the value as missing.

#![forbid(unsafe_code)]

mod extract;
mod keys;
mod locate;
mod number;
mod rows;
mod scan;
mod shred;
mod text;
mod validate;
mod values;

pub use extract::{explode, extract_path};
pub use keys::{Kept, find_key, merge_objects, project_keys, without_key};
pub use locate::Step;
pub use rows::{BadOffsets, Rows};
pub use shred::{Found, Limits, Paths};
pub use validate::{MAX_DEPTH, first_invalid};
pub use values::{HOLLOW, Kind, Values};
