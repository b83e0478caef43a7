//! N-gram postings and what is asked of them.

use elanus_keys::Strings;
use elanus_ngram::{Lengths, Need, Postings, Query, WORKING_BYTES};
use numpy::{Element, IntoPyArray, PyArray1, PyReadonlyArray1};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

type Array<'py, T> = Bound<'py, PyArray1<T>>;
type BuiltArrays<'py> = (Array<'py, u64>, Array<'py, u32>, Array<'py, u64>, Array<'py, u8>);
type ReadPostings<'py> =
    (PyReadonlyArray1<'py, u64>, PyReadonlyArray1<'py, u32>, PyReadonlyArray1<'py, u64>, PyReadonlyArray1<'py, u8>);

fn refused(error: impl ToString) -> PyErr {
    PyValueError::new_err(error.to_string())
}

fn slice<'a, T: Element>(array: &'a PyReadonlyArray1<'_, T>) -> PyResult<&'a [T]> {
    array.as_slice().map_err(|_| refused("arrays must be contiguous and aligned"))
}

fn lengths(min_gram: usize, max_gram: usize) -> PyResult<Lengths> {
    Lengths::new(min_gram, max_gram).ok_or_else(|| refused("grams need lengths with 0 < min_gram <= max_gram"))
}

fn postings<'a>(arrays: &'a ReadPostings<'_>, num_rows: usize) -> PyResult<Postings<'a>> {
    let (hashes, counts, ends, rows) = (slice(&arrays.0)?, slice(&arrays.1)?, slice(&arrays.2)?, slice(&arrays.3)?);
    Postings::new(hashes, counts, ends, rows, num_rows).map_err(refused)
}

#[pyclass(frozen, module = "elanus._native.core")]
struct NgramQuery {
    query: Query,
}

#[pymethods]
impl NgramQuery {
    #[staticmethod]
    fn of_texts(texts: Vec<String>, min_gram: usize, max_gram: usize) -> PyResult<Option<Self>> {
        let need = Need::all(texts.into_iter().map(Need::Text));
        let query = Query::new(&need, lengths(min_gram, max_gram)?);
        Ok(query.map(|query| Self { query }))
    }

    #[staticmethod]
    fn of_regex(pattern: &str, min_gram: usize, max_gram: usize) -> PyResult<Option<Self>> {
        let lengths = lengths(min_gram, max_gram)?;
        let query = elanus_ngram::required(pattern).and_then(|need| Query::new(&need, lengths));
        Ok(query.map(|query| Self { query }))
    }
}

#[pyfunction]
#[pyo3(signature = (offsets, data, known, min_gram, max_gram, working_bytes = WORKING_BYTES))]
fn ngram_build<'py>(
    py: Python<'py>,
    offsets: PyReadonlyArray1<'py, i64>,
    data: PyReadonlyArray1<'py, u8>,
    known: Option<PyReadonlyArray1<'py, u8>>,
    min_gram: usize,
    max_gram: usize,
    working_bytes: usize,
) -> PyResult<BuiltArrays<'py>> {
    let (texts, lengths) = (Strings::new(slice(&offsets)?, slice(&data)?), lengths(min_gram, max_gram)?);
    let known = known.as_ref().map(slice).transpose()?;
    if known.is_some_and(|bits| bits.len() < texts.len().div_ceil(8)) {
        return Err(refused("known needs a bit for each row"));
    }
    let is_known = |row: usize| known.is_none_or(|bits| bits[row / 8] >> (row % 8) & 1 == 1);
    let built = py.detach(|| elanus_ngram::build(texts, is_known, lengths, working_bytes)).map_err(refused)?;
    Ok((
        built.hashes.into_pyarray(py),
        built.counts.into_pyarray(py),
        built.ends.into_pyarray(py),
        built.rows.into_pyarray(py),
    ))
}

#[pyfunction]
fn ngram_candidates<'py>(
    py: Python<'py>,
    arrays: ReadPostings<'py>,
    query: PyRef<'py, NgramQuery>,
    num_rows: usize,
) -> PyResult<Array<'py, u8>> {
    let (postings, query) = (postings(&arrays, num_rows)?, &query.query);
    Ok(py.detach(|| postings.candidates(query)).map_err(refused)?.into_pyarray(py))
}

#[pyfunction]
fn ngram_estimate(arrays: ReadPostings<'_>, query: PyRef<'_, NgramQuery>, num_rows: usize) -> PyResult<usize> {
    Ok(postings(&arrays, num_rows)?.estimate(&query.query))
}

#[pyfunction]
fn ngram_check(py: Python<'_>, arrays: ReadPostings<'_>, num_rows: usize) -> PyResult<()> {
    let postings = postings(&arrays, num_rows)?;
    py.detach(|| postings.check()).map_err(refused)
}

/// Adds this topic's class and functions to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<NgramQuery>()?;
    module.add_function(wrap_pyfunction!(ngram_build, module)?)?;
    module.add_function(wrap_pyfunction!(ngram_candidates, module)?)?;
    module.add_function(wrap_pyfunction!(ngram_estimate, module)?)?;
    module.add_function(wrap_pyfunction!(ngram_check, module)?)
}
