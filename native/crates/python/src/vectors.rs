//! Vectors, bitmaps and hits as they cross between Python and the native core.

use elanus_kernels::{Column, Element, Hit, Metric, Queries};
use numpy::{IntoPyArray, PyArray1, PyArray2, PyArrayMethods};
use pyo3::buffer::PyUntypedBuffer;
use pyo3::exceptions::{PyBufferError, PyMemoryError, PyOverflowError, PyValueError};
use pyo3::prelude::*;

/// Rows and distances, `[queries, k]` each.
pub(crate) type Found<'py> = (Bound<'py, PyArray2<i64>>, Bound<'py, PyArray2<f32>>);

/// Rows and distances of a stream.
pub(crate) type Batch<'py> = (Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<f32>>);

/// A buffer held exported, to be read with the interpreter released.
pub(crate) struct Bytes(PyUntypedBuffer);

impl FromPyObject<'_, '_> for Bytes {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        let buffer = PyUntypedBuffer::get(&object)?;
        if !buffer.is_c_contiguous() {
            return Err(PyBufferError::new_err("kernels read C-contiguous buffers only"));
        }
        Ok(Bytes(buffer))
    }
}

impl Bytes {
    pub(crate) fn get(&self) -> &[u8] {
        if self.0.len_bytes() == 0 {
            return &[];
        }
        // SAFETY: the buffer stays exported, contiguous and in place while `self` lives; callers don't write to rows
        // that they ask to be read.
        unsafe { std::slice::from_raw_parts(self.0.buf_ptr().cast(), self.0.len_bytes()) }
    }

    /// The buffer as numbers; fails, naming the section, where it does not hold whole ones at their alignment.
    pub(crate) fn numbers<T: numpy::Element + Copy>(&self, section: &str) -> PyResult<&[T]> {
        // SAFETY: only instantiated for integers and floats, of which every bit pattern is a value.
        let (before, numbers, after) = unsafe { self.get().align_to::<T>() };
        if before.is_empty() && after.is_empty() {
            return Ok(numbers);
        }
        Err(PyValueError::new_err(format!("section {section}: its bytes are no aligned numbers")))
    }

    pub(crate) fn bitmap(&self, rows: usize) -> PyResult<&[u8]> {
        let bytes = self.get();
        if bytes.len() < rows.div_ceil(8) {
            return Err(PyValueError::new_err(format!(
                "a bitmap of {} bytes is too short for {rows} rows",
                bytes.len()
            )));
        }
        Ok(bytes)
    }
}

/// Vectors in a buffer: data, rows, dimensions, element.
#[derive(FromPyObject)]
pub(crate) struct Vectors(Bytes, usize, usize, String);

impl Vectors {
    pub(crate) fn column(&self) -> PyResult<Column<'_>> {
        Column::new(self.0.get(), self.1, self.2, element_named(&self.3)?).map_err(PyValueError::new_err)
    }
}

pub(crate) fn element_named(name: &str) -> PyResult<Element> {
    match name {
        "f32" => Ok(Element::F32),
        "f16" => Ok(Element::F16),
        "bf16" => Ok(Element::Bf16),
        "i8" => Ok(Element::I8),
        "bit" => Ok(Element::Bit),
        other => Err(PyValueError::new_err(format!("no vectors of element {other:?}"))),
    }
}

pub(crate) fn element_name(element: Element) -> &'static str {
    match element {
        Element::F32 => "f32",
        Element::F16 => "f16",
        Element::Bf16 => "bf16",
        Element::I8 => "i8",
        Element::Bit => "bit",
    }
}

pub(crate) fn metric_name(metric: Metric) -> &'static str {
    match metric {
        Metric::L2 => "L2",
        Metric::Ip => "IP",
        Metric::Cosine => "COSINE",
        Metric::Hamming => "HAMMING",
        Metric::Jaccard => "JACCARD",
    }
}

pub(crate) fn metric_named(name: &str) -> PyResult<Metric> {
    match name {
        "L2" => Ok(Metric::L2),
        "IP" => Ok(Metric::Ip),
        "COSINE" => Ok(Metric::Cosine),
        "HAMMING" => Ok(Metric::Hamming),
        "JACCARD" => Ok(Metric::Jaccard),
        other => Err(PyValueError::new_err(format!("no metric {other:?}"))),
    }
}

pub(crate) fn prepare(queries: &Column, column: &Column, metric: Metric) -> PyResult<Queries> {
    if queries.dim() != column.dim() {
        let (given, needed) = (queries.dim(), column.dim());
        return Err(PyValueError::new_err(format!("queries of {given} dimensions for a column of {needed}")));
    }
    Queries::new(queries, column.element(), metric).map_err(PyValueError::new_err)
}

/// Memory that there may not be: how much of it comes from a request.
fn filled<T: Copy>(size: usize, value: T) -> PyResult<Vec<T>> {
    let mut values = Vec::new();
    values.try_reserve_exact(size).map_err(|_| PyMemoryError::new_err("too many results"))?;
    values.resize(size, value);
    Ok(values)
}

/// Hits as arrays of `[queries, k]`, padded with -1 and infinity.
pub(crate) fn padded<'py>(py: Python<'py>, found: &[Vec<Hit>], k: usize, first_row: i64) -> PyResult<Found<'py>> {
    let size = found.len().checked_mul(k).ok_or_else(|| PyOverflowError::new_err("too many results"))?;
    let (mut rows, mut distances) = (filled(size, -1)?, filled(size, f32::INFINITY)?);
    for (query, hits) in found.iter().enumerate() {
        for (position, hit) in hits.iter().enumerate() {
            rows[query * k + position] = i64::from(hit.row) + first_row;
            distances[query * k + position] = hit.distance;
        }
    }
    let shape = [found.len(), k];
    Ok((PyArray1::from_vec(py, rows).reshape(shape)?, PyArray1::from_vec(py, distances).reshape(shape)?))
}

/// Hits as two arrays.
pub(crate) fn batch<'py>(py: Python<'py>, hits: &[Hit]) -> Batch<'py> {
    let rows: Vec<i64> = hits.iter().map(|hit| i64::from(hit.row)).collect();
    let distances: Vec<f32> = hits.iter().map(|hit| hit.distance).collect();
    (rows.into_pyarray(py), distances.into_pyarray(py))
}
