//! Rows of a column without an index, from the nearest on.

use elanus_kernels::FlatStream as Stream;
use parking_lot::Mutex;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::call_limit::{Limit, within};
use crate::kernels::SparseRows;
use crate::vectors::{Batch, Bytes, Vectors, batch, metric_named, prepare};

/// Every kept row's exact distance to one query, and which rows have gone out.
#[pyclass(frozen, module = "elanus._native.core")]
struct FlatStream(Mutex<Stream>);

#[pymethods]
impl FlatStream {
    /// Measures the rows of a dense column.
    #[staticmethod]
    fn dense(
        py: Python<'_>,
        query: Vectors,
        base: Vectors,
        metric: &str,
        keep: Option<Bytes>,
        limit: Limit,
    ) -> PyResult<Self> {
        let (column, metric) = (base.column()?, metric_named(metric)?);
        let query = prepare(&query.column()?, &column, metric)?;
        one(query.count())?;
        let keep = keep.as_ref().map(|keep| keep.bitmap(column.rows())).transpose()?;
        let stream = within(py, &limit, |stop| Stream::dense(&query, &column, metric, keep, stop))?;
        Ok(FlatStream(Mutex::new(stream)))
    }

    /// Measures the rows of a sparse column that share an index with the query.
    #[staticmethod]
    fn sparse(
        py: Python<'_>,
        query: SparseRows,
        base: SparseRows,
        keep: Option<Bytes>,
        limit: Limit,
    ) -> PyResult<Self> {
        let (query, column) = (query.column()?, base.column()?);
        one(query.rows())?;
        let keep = keep.as_ref().map(|keep| keep.bitmap(column.rows())).transpose()?;
        let stream = within(py, &limit, |stop| Stream::sparse(&query, &column, keep, stop))?;
        Ok(FlatStream(Mutex::new(stream)))
    }

    fn num_rows(&self) -> usize {
        self.0.lock().rows()
    }

    /// The next rows and distances; fewer than `count` at the end only.
    fn next<'py>(&self, py: Python<'py>, count: usize) -> Batch<'py> {
        let hits = py.detach(|| {
            let (mut stream, mut hits) = (self.0.lock(), Vec::new());
            stream.next(count, &mut hits);
            hits
        });
        batch(py, &hits)
    }
}

fn one(queries: usize) -> PyResult<()> {
    if queries == 1 { Ok(()) } else { Err(PyValueError::new_err("a stream is of one query")) }
}

/// Adds the stream to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<FlatStream>()
}
