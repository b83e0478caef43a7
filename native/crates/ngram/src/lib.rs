//! N-gram postings over texts: which rows may match a LIKE pattern or a regular expression.
//!
//! A gram is a run of `min` to `max` code points of a text. Whatever text a match must contain, all grams of that text
//! are in the row, so the rows with all of them are the candidates; the evaluator looks at each. Grams are known by a
//! hash: two that share one only add candidates.

#![forbid(unsafe_code)]

mod build;
mod codes;
mod grams;
mod need;
mod postings;
mod query;
mod regex;
mod select;

pub use build::{Built, Refused, WORKING_BYTES, build};
pub use grams::Lengths;
pub use need::Need;
pub use postings::{Damaged, Postings};
pub use query::Query;
pub use regex::required;
