//! Distances between lists of vectors.

use numpy::{PyArray1, PyReadonlyArray1};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::vectors::{Vectors, metric_named, prepare};

/// Return how far the queries, taken as one list, are from the list of each row.
#[pyfunction]
fn max_sim<'py>(
    py: Python<'py>,
    queries: Vectors,
    base: Vectors,
    metric: &str,
    offsets: PyReadonlyArray1<'py, i64>,
    rows: PyReadonlyArray1<'py, i64>,
) -> PyResult<Bound<'py, PyArray1<f32>>> {
    let (column, metric) = (base.column()?, metric_named(metric)?);
    let prepared = prepare(&queries.column()?, &column, metric)?;
    let (offsets, rows) = (offsets.as_slice()?, rows.as_slice()?);
    let mut distances = vec![f32::INFINITY; rows.len()];
    py.detach(|| elanus_kernels::max_sim(&prepared, &column, metric, offsets, rows, &mut distances))
        .map_err(PyValueError::new_err)?;
    Ok(PyArray1::from_vec(py, distances))
}

/// Adds this topic's functions to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(max_sim, module)?)
}
