//! Look-ups of scalar indexes over arrays that may be mapped from files.

use elanus_keys::Strings;
use elanus_postings::Rows;
use numpy::{Element, IntoPyArray, PyArray1, PyReadonlyArray1};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// One of the two.
type FewOrBits<'py> = (Option<Bound<'py, PyArray1<i64>>>, Option<Bound<'py, PyArray1<u8>>>);

fn refused(error: impl std::error::Error) -> PyErr {
    PyValueError::new_err(error.to_string())
}

fn slice<'a, T: Element>(array: &'a PyReadonlyArray1<'_, T>) -> PyResult<&'a [T]> {
    array.as_slice().map_err(|_| PyValueError::new_err("arrays must be contiguous and aligned"))
}

#[pyfunction]
fn postings_lower_bound(
    offsets: PyReadonlyArray1<'_, i64>,
    data: PyReadonlyArray1<'_, u8>,
    probe: &[u8],
) -> PyResult<i64> {
    elanus_postings::lower_bound(Strings::new(slice(&offsets)?, slice(&data)?), probe).map_err(refused)
}

#[pyfunction]
fn postings_lower_bounds<'py>(
    py: Python<'py>,
    offsets: PyReadonlyArray1<'py, i64>,
    data: PyReadonlyArray1<'py, u8>,
    probe_offsets: PyReadonlyArray1<'py, i64>,
    probe_data: PyReadonlyArray1<'py, u8>,
) -> PyResult<Bound<'py, PyArray1<i64>>> {
    let sorted = Strings::new(slice(&offsets)?, slice(&data)?);
    let probes = Strings::new(slice(&probe_offsets)?, slice(&probe_data)?);
    Ok(py.detach(|| elanus_postings::lower_bounds(sorted, probes)).map_err(refused)?.into_pyarray(py))
}

#[pyfunction]
fn postings_ascends(
    py: Python<'_>,
    offsets: PyReadonlyArray1<'_, i64>,
    data: PyReadonlyArray1<'_, u8>,
) -> PyResult<bool> {
    let rows = Strings::new(slice(&offsets)?, slice(&data)?);
    py.detach(|| elanus_postings::ascends(rows)).map_err(refused)
}

#[pyfunction]
fn postings_union<'py>(
    py: Python<'py>,
    rows: PyReadonlyArray1<'py, u32>,
    spans: PyReadonlyArray1<'py, i64>,
    num_rows: usize,
) -> PyResult<FewOrBits<'py>> {
    let (rows, spans) = (slice(&rows)?, slice(&spans)?);
    Ok(match py.detach(|| elanus_postings::union(rows, spans, num_rows)).map_err(refused)? {
        Rows::Few(rows) => (Some(rows.into_pyarray(py)), None),
        Rows::Bits(bits) => (None, Some(bits.into_pyarray(py))),
    })
}

/// Adds this topic's functions to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(postings_lower_bound, module)?)?;
    module.add_function(wrap_pyfunction!(postings_lower_bounds, module)?)?;
    module.add_function(wrap_pyfunction!(postings_ascends, module)?)?;
    module.add_function(wrap_pyfunction!(postings_union, module)?)
}
