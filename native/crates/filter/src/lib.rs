//! Predicates over whole columns, straight to bitmaps: numbers, texts, JSON values, lists.
//!
//! A bitmap has one bit a row, bit `r % 8` of byte `r / 8`, bits past the last row zero: the order of Arrow. Kernels see
//! 64 rows at a time, are written once as plain loops, and are compiled for each instruction set ([`level`]).

// Kernel bodies must end up inside the function that enables their instruction set.
#![allow(clippy::inline_always)]
// Conditions without a branch vectorise, and cost no wrong guess where rows differ.
#![allow(clippy::needless_bitwise_bool)]

mod bits;
mod interval;
mod json;
mod level;
mod like;
mod numbers;
mod offsets;
mod runs;
mod set;
mod step;
mod text_set;
mod texts;

pub use interval::{Bound, Interval, Number, Range, Scalar};
pub use json::{BadLengths, JsonNumbers, kinds_within};
pub use like::{Like, Part};
pub use numbers::{Comparison, Whole, compare_columns, in_floats, in_ints, within};
pub use offsets::BadOffsets;
pub use runs::{any_in_runs, count_in_runs};
pub use set::{FloatSet, IntSet};
pub use step::{BadStep, Op, Step};
pub use text_set::{TextSet, TooLong};
pub use texts::{TextInterval, Texts};
