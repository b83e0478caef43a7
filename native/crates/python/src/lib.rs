//! The extension module `elanus._native.core`: bindings only, a file a topic.
//!
//! Each binding checks dtype and shape, detaches from the interpreter, calls, and hands arrays back.

use pyo3::prelude::*;

mod checksum;
mod codec;
mod json;
mod kernels;
mod keys;
mod wire;

#[pymodule]
fn core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    checksum::register(module)?;
    codec::register(module)?;
    json::register(module)?;
    kernels::register(module)?;
    keys::register(module)?;
    wire::register(module)
}
