//! Bloom filters over hashes, with the interpreter released.

use elanus_bloom::BadLength;
use numpy::{Element, IntoPyArray, PyArray1, PyReadonlyArray1};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

fn refused(error: BadLength) -> PyErr {
    PyValueError::new_err(error.to_string())
}

fn slice<'a, T: Element>(array: &'a PyReadonlyArray1<'_, T>) -> PyResult<&'a [T]> {
    array.as_slice().map_err(|_| PyValueError::new_err("arrays must be contiguous and aligned"))
}

#[pyfunction]
fn distinct_hashes<'py>(py: Python<'py>, hashes: PyReadonlyArray1<'py, u64>) -> PyResult<Bound<'py, PyArray1<u64>>> {
    let hashes = slice(&hashes)?;
    Ok(py.detach(|| elanus_bloom::distinct(hashes)).into_pyarray(py))
}

#[pyfunction]
fn bloom_build<'py>(
    py: Python<'py>,
    hashes: PyReadonlyArray1<'py, u64>,
    num_bytes: usize,
) -> PyResult<Bound<'py, PyArray1<u8>>> {
    let hashes = slice(&hashes)?;
    Ok(py.detach(|| elanus_bloom::build(hashes, num_bytes)).map_err(refused)?.into_pyarray(py))
}

#[pyfunction]
fn bloom_contains<'py>(
    py: Python<'py>,
    filter: PyReadonlyArray1<'py, u8>,
    hashes: PyReadonlyArray1<'py, u64>,
) -> PyResult<Bound<'py, PyArray1<bool>>> {
    let (filter, hashes) = (slice(&filter)?, slice(&hashes)?);
    Ok(py.detach(|| elanus_bloom::contains(filter, hashes)).map_err(refused)?.into_pyarray(py))
}

#[pyfunction]
fn bloom_contains_any(
    py: Python<'_>,
    filter: PyReadonlyArray1<'_, u8>,
    hashes: PyReadonlyArray1<'_, u64>,
) -> PyResult<bool> {
    let (filter, hashes) = (slice(&filter)?, slice(&hashes)?);
    py.detach(|| elanus_bloom::contains_any(filter, hashes)).map_err(refused)
}

/// Adds this topic's functions to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("BLOOM_BLOCK_BYTES", elanus_bloom::BLOCK_BYTES)?;
    module.add_function(wrap_pyfunction!(distinct_hashes, module)?)?;
    module.add_function(wrap_pyfunction!(bloom_build, module)?)?;
    module.add_function(wrap_pyfunction!(bloom_contains, module)?)?;
    module.add_function(wrap_pyfunction!(bloom_contains_any, module)?)
}
