//! The extension module `elanus._native.core`: bindings only, a file a topic.
//!
//! Each binding checks dtype and shape, detaches from the interpreter, calls, and hands arrays back.

use pyo3::prelude::*;

mod bloom;
mod checksum;
mod codec;
mod column_graph;
mod fastscan;
mod filter;
mod graph;
mod json;
mod kernels;
mod keys;
mod ngram;
mod postings;
mod rtree;
mod time;
mod vectors;
mod wire;

#[pymodule]
fn core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    bloom::register(module)?;
    checksum::register(module)?;
    codec::register(module)?;
    column_graph::register(module)?;
    fastscan::register(module)?;
    filter::register(module)?;
    graph::register(module)?;
    json::register(module)?;
    kernels::register(module)?;
    keys::register(module)?;
    ngram::register(module)?;
    postings::register(module)?;
    rtree::register(module)?;
    time::register(module)?;
    wire::register(module)
}
