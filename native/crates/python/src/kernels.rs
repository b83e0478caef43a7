//! Exact search, re-ranking and row bitmaps over any contiguous buffers.

use elanus_kernels::simd::{self, Level};
use elanus_kernels::{Hit, Scan, SparseColumn, Window, bitmap};
use numpy::{PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::call_limit::{Limit, within};
use crate::vectors::{Bytes, Found, Vectors, metric_named, padded, prepare};

type FoundRagged<'py> = (Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<f32>>);

/// What every scan may be given: rows to keep, the number of the first row, threads, the limit of its call.
#[derive(FromPyObject)]
struct Options(Option<Bytes>, i64, usize, Limit);

impl Options {
    /// The bitmap of kept rows, once all that was given has been checked.
    fn checked(&self, rows: usize, k: usize) -> PyResult<Option<&[u8]>> {
        let Options(keep, _, threads, _) = self;
        if k == 0 || *threads == 0 {
            let problem = format!("a scan takes at least one row and one thread, not {k} and {threads}");
            return Err(PyValueError::new_err(problem));
        }
        keep.as_ref().map(|keep| keep.bitmap(rows)).transpose()
    }
}

/// What a range asks for: not nearer than, nearer than, most rows.
#[derive(FromPyObject)]
struct Range(Option<f32>, Option<f32>, Option<usize>);

impl Range {
    fn parts(&self) -> (usize, Window) {
        (self.2.unwrap_or(usize::MAX), Window { from: self.0, below: self.1 })
    }
}

/// Dense queries against a dense column.
struct Pair<'a> {
    queries: &'a Vectors,
    base: &'a Vectors,
    metric: &'a str,
    lengths: Option<&'a [f32]>,
}

impl Pair<'_> {
    fn scan(&self, py: Python<'_>, (k, window): (usize, Window), options: &Options) -> PyResult<Vec<Vec<Hit>>> {
        let (column, metric, lengths) = (self.base.column()?, metric_named(self.metric)?, self.lengths);
        let queries = prepare(&self.queries.column()?, &column, metric)?;
        if lengths.is_some_and(|lengths| lengths.len() < column.rows()) {
            return Err(PyValueError::new_err(format!("lengths of fewer than {} rows", column.rows())));
        }
        let (keep, threads) = (options.checked(column.rows(), k)?, options.2);
        within(py, &options.3, |stop| {
            elanus_kernels::scan(&Scan { queries: &queries, column, metric, lengths, keep, k, window, threads, stop })
        })
    }
}

/// Hits one query after another, with where each query's begin.
fn ragged<'py>(py: Python<'py>, found: &[Vec<Hit>], first_row: i64) -> FoundRagged<'py> {
    let mut offsets = vec![0];
    let mut total = 0;
    for hits in found {
        total += hits.len() as i64;
        offsets.push(total);
    }
    let rows = found.iter().flatten().map(|hit| i64::from(hit.row) + first_row).collect();
    let distances = found.iter().flatten().map(|hit| hit.distance).collect();
    (PyArray1::from_vec(py, offsets), PyArray1::from_vec(py, rows), PyArray1::from_vec(py, distances))
}

/// Return the k nearest kept rows of each query.
#[pyfunction]
fn scan<'py>(
    py: Python<'py>,
    queries: Vectors,
    base: Vectors,
    metric: &str,
    k: usize,
    lengths: Option<PyReadonlyArray1<'py, f32>>,
    options: Options,
) -> PyResult<Found<'py>> {
    let lengths = lengths.as_ref().map(PyReadonlyArray1::as_slice).transpose()?;
    let pair = Pair { queries: &queries, base: &base, metric, lengths };
    padded(py, &pair.scan(py, (k, Window::ALL), &options)?, k, options.1)
}

/// Return the kept rows of each query within a range of distances, nearest first.
#[pyfunction]
fn range_scan<'py>(
    py: Python<'py>,
    queries: Vectors,
    base: Vectors,
    metric: &str,
    range: Range,
    lengths: Option<PyReadonlyArray1<'py, f32>>,
    options: Options,
) -> PyResult<FoundRagged<'py>> {
    let lengths = lengths.as_ref().map(PyReadonlyArray1::as_slice).transpose()?;
    let pair = Pair { queries: &queries, base: &base, metric, lengths };
    Ok(ragged(py, &pair.scan(py, range.parts(), &options)?, options.1))
}

/// Sparse rows in buffers: byte offsets and entries.
#[derive(FromPyObject)]
pub(crate) struct SparseRows<'py>(PyReadonlyArray1<'py, i64>, Bytes);

impl SparseRows<'_> {
    pub(crate) fn column(&self) -> PyResult<SparseColumn<'_>> {
        SparseColumn::new(self.0.as_slice()?, self.1.get()).map_err(PyValueError::new_err)
    }

    fn scan(
        &self,
        py: Python<'_>,
        queries: &SparseRows,
        (k, window): (usize, Window),
        options: &Options,
    ) -> PyResult<Vec<Vec<Hit>>> {
        let (queries, column) = (queries.column()?, self.column()?);
        let (keep, threads) = (options.checked(column.rows(), k)?, options.2);
        within(py, &options.3, |stop| elanus_kernels::scan_sparse(&queries, &column, keep, k, window, threads, stop))
    }
}

/// Return the k kept sparse rows of greatest dot product among those that share an index with each query.
#[pyfunction]
fn scan_sparse<'py>(
    py: Python<'py>,
    queries: SparseRows<'py>,
    base: SparseRows<'py>,
    k: usize,
    options: Options,
) -> PyResult<Found<'py>> {
    padded(py, &base.scan(py, &queries, (k, Window::ALL), &options)?, k, options.1)
}

/// Return the kept sparse rows within a range of distances that share an index with each query.
#[pyfunction]
fn range_scan_sparse<'py>(
    py: Python<'py>,
    queries: SparseRows<'py>,
    base: SparseRows<'py>,
    range: Range,
    options: Options,
) -> PyResult<FoundRagged<'py>> {
    Ok(ragged(py, &base.scan(py, &queries, range.parts(), &options)?, options.1))
}

/// Return the distance of each query to its own rows; infinity for a row of -1.
#[pyfunction]
fn distances_of<'py>(
    py: Python<'py>,
    queries: Vectors,
    base: Vectors,
    rows: PyReadonlyArray2<'py, i64>,
    metric: &str,
) -> PyResult<Bound<'py, PyArray2<f32>>> {
    let (column, metric) = (base.column()?, metric_named(metric)?);
    let prepared = prepare(&queries.column()?, &column, metric)?;
    let [count, each] = [rows.as_array().nrows(), rows.as_array().ncols()];
    if count != prepared.count() {
        return Err(PyValueError::new_err(format!("rows of {count} queries for {}", prepared.count())));
    }
    let rows = rows.as_slice()?;
    let mut distances = vec![f32::INFINITY; rows.len()];
    py.detach(|| elanus_kernels::distances_of(&prepared, &column, metric, rows, each, &mut distances))
        .map_err(PyValueError::new_err)?;
    PyArray1::from_vec(py, distances).reshape([count, each])
}

/// Return the Euclidean length of each row.
#[pyfunction]
fn norms(py: Python<'_>, base: Vectors) -> PyResult<Bound<'_, PyArray1<f32>>> {
    let column = base.column()?;
    let lengths = py.detach(|| elanus_kernels::norms(&column)).map_err(PyValueError::new_err)?;
    Ok(PyArray1::from_vec(py, lengths))
}

/// Return how many of the first `rows` rows of a bitmap are set.
#[pyfunction]
fn popcount(bits: Bytes, rows: usize) -> PyResult<usize> {
    Ok(bitmap::count(bits.bitmap(rows)?, rows))
}

/// Return the set rows of the first `rows`, ascending.
#[pyfunction]
fn set_rows(py: Python<'_>, bits: Bytes, rows: usize) -> PyResult<Bound<'_, PyArray1<i64>>> {
    let bits = bits.bitmap(rows)?;
    let mut set = Vec::with_capacity(bitmap::count(bits, rows));
    bitmap::for_each(bits, rows, |row| set.push(row as i64));
    Ok(PyArray1::from_vec(py, set))
}

/// Return the name of the instruction set in use.
#[pyfunction]
fn simd_level() -> &'static str {
    simd::active().name()
}

/// Return the names of the instruction sets of this machine, narrowest first.
#[pyfunction]
fn simd_levels() -> Vec<&'static str> {
    Level::ALL.into_iter().filter(|level| level.is_available()).map(Level::name).collect()
}

/// Use the instruction set of that name from the next call on.
#[pyfunction]
fn set_simd_level(name: &str) -> PyResult<()> {
    if Level::named(name).is_some_and(simd::choose) {
        return Ok(());
    }
    Err(PyValueError::new_err(format!("SIMD level {name:?} is not one of {}", simd_levels().join(", "))))
}

/// Names the instruction set to use in place of the widest, to reproduce another machine's results.
const SIMD_VARIABLE: &str = "ELANUS_SIMD";

/// Adds this topic's functions to the module; fails where the environment asks for a level the machine lacks.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    if let Ok(name) = std::env::var(SIMD_VARIABLE) {
        set_simd_level(&name)?;
    }
    module.add_function(wrap_pyfunction!(scan, module)?)?;
    module.add_function(wrap_pyfunction!(range_scan, module)?)?;
    module.add_function(wrap_pyfunction!(scan_sparse, module)?)?;
    module.add_function(wrap_pyfunction!(range_scan_sparse, module)?)?;
    module.add_function(wrap_pyfunction!(distances_of, module)?)?;
    module.add_function(wrap_pyfunction!(norms, module)?)?;
    module.add_function(wrap_pyfunction!(popcount, module)?)?;
    module.add_function(wrap_pyfunction!(set_rows, module)?)?;
    module.add_function(wrap_pyfunction!(simd_level, module)?)?;
    module.add_function(wrap_pyfunction!(simd_levels, module)?)?;
    module.add_function(wrap_pyfunction!(set_simd_level, module)?)
}
