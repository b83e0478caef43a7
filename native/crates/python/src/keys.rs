//! Primary keys in batches; the interpreter is released before a map's lock is asked for.

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use elanus_keys::{BadOffsets, Strings};
use numpy::{Element, IntoPyArray, PyArray1, PyReadonlyArray1};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

type Rows<'py> = PyResult<Bound<'py, PyArray1<i64>>>;

fn refused(error: BadOffsets) -> PyErr {
    PyValueError::new_err(error.to_string())
}

fn slice<'a, T: Element>(array: &'a PyReadonlyArray1<'_, T>) -> PyResult<&'a [T]> {
    array.as_slice().map_err(|_| PyValueError::new_err("arrays must be contiguous and aligned"))
}

fn strings<'a>(offsets: &'a PyReadonlyArray1<'_, i64>, data: &'a PyReadonlyArray1<'_, u8>) -> PyResult<Strings<'a>> {
    if offsets.is_empty()? {
        return Err(PyValueError::new_err("offsets need one more entry than there are rows"));
    }
    Ok(Strings::new(slice(offsets)?, slice(data)?))
}

fn check_rows(first_row: i64, count: usize) -> PyResult<()> {
    if first_row >= 0 && first_row.checked_add(count as i64).is_some() {
        return Ok(());
    }
    Err(PyValueError::new_err(format!("rows from {first_row} on are not rows")))
}

/// A panic under the lock is a bug that was reported where it happened; the maps stay consistent, so reading goes on.
fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

#[pyclass(frozen, module = "elanus._native.core")]
#[derive(Default)]
struct IntKeyMap {
    map: RwLock<elanus_keys::IntKeyMap>,
}

#[pymethods]
impl IntKeyMap {
    #[new]
    fn new() -> Self {
        Self::default()
    }

    fn put<'py>(&self, py: Python<'py>, keys: PyReadonlyArray1<'py, i64>, first_row: i64) -> Rows<'py> {
        let keys = slice(&keys)?;
        check_rows(first_row, keys.len())?;
        Ok(py.detach(|| write(&self.map).put(keys, first_row)).into_pyarray(py))
    }

    fn find<'py>(&self, py: Python<'py>, keys: PyReadonlyArray1<'py, i64>) -> Rows<'py> {
        let keys = slice(&keys)?;
        Ok(py.detach(|| read(&self.map).find(keys)).into_pyarray(py))
    }

    fn remove<'py>(&self, py: Python<'py>, keys: PyReadonlyArray1<'py, i64>) -> Rows<'py> {
        let keys = slice(&keys)?;
        Ok(py.detach(|| write(&self.map).remove(keys)).into_pyarray(py))
    }

    fn memory_bytes(&self, py: Python<'_>) -> usize {
        py.detach(|| read(&self.map).memory_bytes())
    }

    fn __len__(&self, py: Python<'_>) -> usize {
        py.detach(|| read(&self.map).len())
    }
}

#[pyclass(frozen, module = "elanus._native.core")]
#[derive(Default)]
struct StrKeyMap {
    map: RwLock<elanus_keys::StrKeyMap>,
}

#[pymethods]
impl StrKeyMap {
    #[new]
    fn new() -> Self {
        Self::default()
    }

    fn put<'py>(
        &self,
        py: Python<'py>,
        offsets: PyReadonlyArray1<'py, i64>,
        data: PyReadonlyArray1<'py, u8>,
        first_row: i64,
    ) -> Rows<'py> {
        let keys = strings(&offsets, &data)?;
        check_rows(first_row, keys.len())?;
        Ok(py.detach(|| write(&self.map).put(keys, first_row)).map_err(refused)?.into_pyarray(py))
    }

    fn find<'py>(
        &self,
        py: Python<'py>,
        offsets: PyReadonlyArray1<'py, i64>,
        data: PyReadonlyArray1<'py, u8>,
    ) -> Rows<'py> {
        let keys = strings(&offsets, &data)?;
        Ok(py.detach(|| read(&self.map).find(keys)).map_err(refused)?.into_pyarray(py))
    }

    fn remove<'py>(
        &self,
        py: Python<'py>,
        offsets: PyReadonlyArray1<'py, i64>,
        data: PyReadonlyArray1<'py, u8>,
    ) -> Rows<'py> {
        let keys = strings(&offsets, &data)?;
        Ok(py.detach(|| write(&self.map).remove(keys)).map_err(refused)?.into_pyarray(py))
    }

    fn memory_bytes(&self, py: Python<'_>) -> usize {
        py.detach(|| read(&self.map).memory_bytes())
    }

    fn __len__(&self, py: Python<'_>) -> usize {
        py.detach(|| read(&self.map).len())
    }
}

#[pyfunction]
fn find_sorted_ints<'py>(
    py: Python<'py>,
    sorted: PyReadonlyArray1<'py, i64>,
    probes: PyReadonlyArray1<'py, i64>,
) -> Rows<'py> {
    let (sorted, probes) = (slice(&sorted)?, slice(&probes)?);
    Ok(py.detach(|| elanus_keys::find_sorted_ints(sorted, probes)).into_pyarray(py))
}

#[pyfunction]
fn find_sorted_strings<'py>(
    py: Python<'py>,
    offsets: PyReadonlyArray1<'py, i64>,
    data: PyReadonlyArray1<'py, u8>,
    probe_offsets: PyReadonlyArray1<'py, i64>,
    probe_data: PyReadonlyArray1<'py, u8>,
) -> Rows<'py> {
    let (sorted, probes) = (strings(&offsets, &data)?, strings(&probe_offsets, &probe_data)?);
    Ok(py.detach(|| elanus_keys::find_sorted_strings(sorted, probes)).map_err(refused)?.into_pyarray(py))
}

#[pyfunction]
fn argsort_strings<'py>(
    py: Python<'py>,
    offsets: PyReadonlyArray1<'py, i64>,
    data: PyReadonlyArray1<'py, u8>,
) -> Rows<'py> {
    let keys = strings(&offsets, &data)?;
    Ok(py.detach(|| elanus_keys::argsort_strings(keys)).map_err(refused)?.into_pyarray(py))
}

#[pyfunction]
fn hash_ints<'py>(py: Python<'py>, keys: PyReadonlyArray1<'py, i64>) -> PyResult<Bound<'py, PyArray1<u64>>> {
    let keys = slice(&keys)?;
    Ok(py.detach(|| elanus_keys::hash_ints(keys)).into_pyarray(py))
}

#[pyfunction]
fn hash_strings<'py>(
    py: Python<'py>,
    offsets: PyReadonlyArray1<'py, i64>,
    data: PyReadonlyArray1<'py, u8>,
) -> PyResult<Bound<'py, PyArray1<u64>>> {
    let keys = strings(&offsets, &data)?;
    Ok(py.detach(|| elanus_keys::hash_strings(keys)).map_err(refused)?.into_pyarray(py))
}

/// Adds this topic's functions and classes to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<IntKeyMap>()?;
    module.add_class::<StrKeyMap>()?;
    module.add_function(wrap_pyfunction!(find_sorted_ints, module)?)?;
    module.add_function(wrap_pyfunction!(find_sorted_strings, module)?)?;
    module.add_function(wrap_pyfunction!(argsort_strings, module)?)?;
    module.add_function(wrap_pyfunction!(hash_ints, module)?)?;
    module.add_function(wrap_pyfunction!(hash_strings, module)?)
}
