//! The extension module `elanus._native.core`: bindings only, a file a topic.
//!
//! Each binding checks dtype and shape, detaches from the interpreter, calls, and hands arrays back.

use pyo3::prelude::*;

mod bloom;
mod call_limit;
mod checksum;
mod codec;
mod column_graph;
mod direct;
mod fastscan;
mod filter;
mod graph;
mod growing;
mod json;
mod kernels;
mod keys;
mod max_sim;
mod merge;
mod ngram;
mod postings;
mod rtree;
mod streams;
mod time;
mod vectors;
mod wire;

#[pymodule]
fn core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    bloom::register(module)?;
    call_limit::register(module)?;
    checksum::register(module)?;
    codec::register(module)?;
    column_graph::register(module)?;
    direct::register(module)?;
    fastscan::register(module)?;
    filter::register(module)?;
    graph::register(module)?;
    growing::register(module)?;
    json::register(module)?;
    kernels::register(module)?;
    keys::register(module)?;
    max_sim::register(module)?;
    merge::register(module)?;
    ngram::register(module)?;
    postings::register(module)?;
    rtree::register(module)?;
    streams::register(module)?;
    time::register(module)?;
    wire::register(module)
}
