//! JSON columns; rows come as offsets int64 `[rows + 1]` into bytes.

use elanus_json::{Found, Kept, Limits, Paths, Rows, Step, Values};
use numpy::{Element, IntoPyArray, PyArray1, PyReadonlyArray1};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

type Array<'py, T> = Bound<'py, PyArray1<T>>;
type TextArrays<'py> = (Array<'py, i64>, Array<'py, u8>);
type ValueArrays<'py> = (Array<'py, u8>, Array<'py, i64>, Array<'py, i64>, Array<'py, u8>);

/// A step as Python writes it: a position or a key.
#[derive(FromPyObject)]
enum PyStep {
    Position(u64),
    Key(String),
}

impl From<PyStep> for Step {
    fn from(step: PyStep) -> Self {
        match step {
            PyStep::Position(position) => Step::index(usize::try_from(position).unwrap_or(usize::MAX)),
            PyStep::Key(key) => Step::Key(key.into_bytes()),
        }
    }
}

fn slice<'a, T: Element>(array: &'a PyReadonlyArray1<'_, T>) -> PyResult<&'a [T]> {
    array.as_slice().map_err(|_| PyValueError::new_err("arrays must be contiguous and aligned"))
}

fn rows<'a>(offsets: &'a PyReadonlyArray1<'_, i64>, data: &'a PyReadonlyArray1<'_, u8>) -> PyResult<Rows<'a>> {
    Rows::new(slice(offsets)?, slice(data)?).map_err(|error| PyValueError::new_err(error.to_string()))
}

fn arrays(py: Python<'_>, values: Values) -> ValueArrays<'_> {
    (
        values.kinds.into_pyarray(py),
        values.numbers.into_pyarray(py),
        values.offsets.into_pyarray(py),
        values.text.into_pyarray(py),
    )
}

fn texts(py: Python<'_>, kept: Kept) -> TextArrays<'_> {
    (kept.offsets.into_pyarray(py), kept.data.into_pyarray(py))
}

fn bytes(names: &[String]) -> Vec<&[u8]> {
    names.iter().map(String::as_bytes).collect()
}

#[pyfunction]
fn json_extract_path<'py>(
    py: Python<'py>,
    offsets: PyReadonlyArray1<'py, i64>,
    data: PyReadonlyArray1<'py, u8>,
    steps: Vec<PyStep>,
) -> PyResult<ValueArrays<'py>> {
    let rows = rows(&offsets, &data)?;
    let steps: Vec<Step> = steps.into_iter().map(Step::from).collect();
    Ok(arrays(py, py.detach(|| elanus_json::extract_path(rows, &steps))))
}

#[pyfunction]
fn json_explode<'py>(
    py: Python<'py>,
    kinds: PyReadonlyArray1<'py, u8>,
    offsets: PyReadonlyArray1<'py, i64>,
    data: PyReadonlyArray1<'py, u8>,
) -> PyResult<(Array<'py, i64>, ValueArrays<'py>)> {
    let (kinds, rows) = (slice(&kinds)?, rows(&offsets, &data)?);
    if kinds.len() != rows.len() {
        return Err(PyValueError::new_err("a kind and a text are needed for each row"));
    }
    let (ends, values) = py.detach(|| elanus_json::explode(kinds, rows));
    Ok((ends.into_pyarray(py), arrays(py, values)))
}

#[pyfunction]
fn json_first_invalid<'py>(
    py: Python<'py>,
    offsets: PyReadonlyArray1<'py, i64>,
    data: PyReadonlyArray1<'py, u8>,
    must_be_object: bool,
) -> PyResult<i64> {
    let rows = rows(&offsets, &data)?;
    Ok(py.detach(|| elanus_json::first_invalid(rows, must_be_object)).map_or(-1, |row| row as i64))
}

#[pyfunction]
fn json_find_key<'py>(
    py: Python<'py>,
    offsets: PyReadonlyArray1<'py, i64>,
    data: PyReadonlyArray1<'py, u8>,
    names: Vec<String>,
) -> PyResult<Option<(usize, usize)>> {
    let rows = rows(&offsets, &data)?;
    Ok(py.detach(|| elanus_json::find_key(rows, &bytes(&names))))
}

#[pyfunction]
fn json_project_keys<'py>(
    py: Python<'py>,
    offsets: PyReadonlyArray1<'py, i64>,
    data: PyReadonlyArray1<'py, u8>,
    keys: Vec<String>,
) -> PyResult<TextArrays<'py>> {
    let rows = rows(&offsets, &data)?;
    Ok(texts(py, py.detach(|| elanus_json::project_keys(rows, &bytes(&keys)))))
}

#[pyfunction]
fn json_without_key<'py>(
    py: Python<'py>,
    offsets: PyReadonlyArray1<'py, i64>,
    data: PyReadonlyArray1<'py, u8>,
    name: &str,
) -> PyResult<TextArrays<'py>> {
    let rows = rows(&offsets, &data)?;
    Ok(texts(py, py.detach(|| elanus_json::without_key(rows, name.as_bytes()))))
}

#[pyfunction]
fn json_merge_objects<'py>(
    py: Python<'py>,
    offsets: PyReadonlyArray1<'py, i64>,
    data: PyReadonlyArray1<'py, u8>,
    newer_offsets: PyReadonlyArray1<'py, i64>,
    newer_data: PyReadonlyArray1<'py, u8>,
) -> PyResult<TextArrays<'py>> {
    let (older, newer) = (rows(&offsets, &data)?, rows(&newer_offsets, &newer_data)?);
    if older.len() != newer.len() {
        return Err(PyValueError::new_err("objects are merged row by row, both sides must have equally many"));
    }
    Ok(texts(py, py.detach(|| elanus_json::merge_objects(older, newer))))
}

/// A path, how many rows have it and which kinds of value they hold, a bit each.
type PyFound = (Vec<String>, usize, u8);

fn found(paths: Vec<Found>) -> Vec<PyFound> {
    let text = |key: &Vec<u8>| String::from_utf8_lossy(key).into_owned();
    paths.iter().map(|path| (path.keys.iter().map(text).collect(), path.count, path.kinds)).collect()
}

#[pyclass(frozen, module = "elanus._native.core")]
struct JsonPaths {
    paths: Paths,
}

#[pymethods]
impl JsonPaths {
    #[new]
    fn new<'py>(
        py: Python<'py>,
        offsets: PyReadonlyArray1<'py, i64>,
        data: PyReadonlyArray1<'py, u8>,
        limits: (usize, usize, usize),
        least: usize,
        most: usize,
    ) -> PyResult<Self> {
        let rows = rows(&offsets, &data)?;
        let limits = Limits { paths: limits.0, depth: limits.1, key_bytes: limits.2 };
        let paths = py.detach(|| {
            let mut paths = Paths::discover(rows, limits);
            paths.keep(least, most);
            paths
        });
        Ok(Self { paths })
    }

    #[getter]
    fn complete(&self) -> bool {
        self.paths.complete()
    }

    fn kept(&self) -> Vec<PyFound> {
        found(self.paths.kept())
    }

    fn left_out(&self) -> Vec<PyFound> {
        found(self.paths.left_out())
    }

    fn read<'py>(
        &self,
        py: Python<'py>,
        offsets: PyReadonlyArray1<'py, i64>,
        data: PyReadonlyArray1<'py, u8>,
    ) -> PyResult<Vec<ValueArrays<'py>>> {
        let rows = rows(&offsets, &data)?;
        let columns = py.detach(|| self.paths.read(rows));
        Ok(columns.into_iter().map(|values| arrays(py, values)).collect())
    }
}

/// Adds this topic's classes and functions to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<JsonPaths>()?;
    module.add_function(wrap_pyfunction!(json_extract_path, module)?)?;
    module.add_function(wrap_pyfunction!(json_explode, module)?)?;
    module.add_function(wrap_pyfunction!(json_first_invalid, module)?)?;
    module.add_function(wrap_pyfunction!(json_find_key, module)?)?;
    module.add_function(wrap_pyfunction!(json_project_keys, module)?)?;
    module.add_function(wrap_pyfunction!(json_without_key, module)?)?;
    module.add_function(wrap_pyfunction!(json_merge_objects, module)?)
}
