//! Columns to and from serialized `FieldData`; the interpreter is released while bytes are read or written.

use elanus_codec::{
    Column, DecodeError, Elements, EncodeError, Header, Kind, Payload, Shape, Slices, Source, Span, Store, Strings,
};
use numpy::{Element, IntoPyArray, PyReadonlyArray1};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyBytesMethods, PyDict};

const LAST_FIELD_NUMBER: u32 = (1 << 29) - 1;

/// What is left of a message, and the spans that were taken out.
type Split<'py> = (Bound<'py, PyBytes>, Vec<(usize, usize)>);

fn refused(error: DecodeError) -> PyErr {
    PyValueError::new_err(error.to_string())
}

fn unfit(error: EncodeError) -> PyErr {
    PyValueError::new_err(error.to_string())
}

fn check_number(number: u32) -> PyResult<()> {
    if (1..=LAST_FIELD_NUMBER).contains(&number) {
        return Ok(());
    }
    Err(PyValueError::new_err(format!("field number {number} is not in 1..={LAST_FIELD_NUMBER}")))
}

fn slice<'a, T: Element>(array: &'a PyReadonlyArray1<'_, T>) -> PyResult<&'a [T]> {
    array.as_slice().map_err(|_| PyValueError::new_err("arrays must be contiguous and aligned"))
}

#[pyfunction]
fn split_message<'py>(py: Python<'py>, body: &[u8], field_number: u32) -> PyResult<Split<'py>> {
    let (rest, parts) = py.detach(|| elanus_codec::split(body, field_number)).map_err(refused)?;
    Ok((PyBytes::new(py, &rest), parts.into_iter().map(|span| (span.start, span.end)).collect()))
}

/// Returns the attributes of a `RawColumn`; those that its kind does not have are left out.
#[pyfunction]
fn decode_field_data<'py>(py: Python<'py>, body: &[u8], start: usize, end: usize) -> PyResult<Bound<'py, PyDict>> {
    let (column, invalid) = py
        .detach(|| {
            let column = elanus_codec::decode(body, Span { start, end })?;
            let invalid = invalid_row(&column.payload);
            Ok((column, invalid))
        })
        .map_err(refused)?;
    let Column { name, data_type, field_id, is_dynamic, valid, payload } = column;
    let attributes = payload_attributes(py, payload, invalid)?;
    attributes.set_item("name", name)?;
    attributes.set_item("type", data_type)?;
    attributes.set_item("field_id", field_id)?;
    attributes.set_item("is_dynamic", is_dynamic)?;
    attributes.set_item("valid", valid.map(|rows| rows.into_pyarray(py)))?;
    Ok(attributes)
}

/// The first row, or for lists the first element, that should be UTF-8 and is not; -1 when there is none.
fn invalid_row(payload: &Payload) -> i64 {
    match &payload.store {
        Store::Elements(Elements::Text(strings)) if payload.kind.is_text() => {
            strings.invalid_row().map_or(-1, |row| row as i64)
        }
        Store::Lists { child, .. } => invalid_row(child),
        _ => -1,
    }
}

fn payload_attributes(py: Python<'_>, payload: Payload, invalid: i64) -> PyResult<Bound<'_, PyDict>> {
    let attributes = PyDict::new(py);
    attributes.set_item("kind", payload.kind.name())?;
    attributes.set_item("dim", payload.dim)?;
    match payload.store {
        Store::Empty => {}
        Store::Elements(elements) => element_attributes(&attributes, elements, invalid)?,
        Store::Parts(parts) => {
            let spans: Vec<_> = parts.into_iter().map(|span| (span.start, span.end)).collect();
            attributes.set_item("parts", spans)?;
        }
        Store::Lists { offsets, element_type, child } => {
            attributes.set_item("offsets", offsets.into_pyarray(py))?;
            attributes.set_item("element_type", element_type)?;
            attributes.set_item("child", payload_attributes(py, *child, invalid)?)?;
        }
    }
    Ok(attributes)
}

fn element_attributes(attributes: &Bound<'_, PyDict>, elements: Elements, invalid: i64) -> PyResult<()> {
    let py = attributes.py();
    match elements {
        Elements::Bool(values) => attributes.set_item("values", values.into_pyarray(py)),
        Elements::Int(values) => attributes.set_item("values", values.into_pyarray(py)),
        Elements::Long(values) => attributes.set_item("values", values.into_pyarray(py)),
        Elements::Float(values) => attributes.set_item("values", values.into_pyarray(py)),
        Elements::Double(values) => attributes.set_item("values", values.into_pyarray(py)),
        Elements::Byte(values) => attributes.set_item("values", values.into_pyarray(py)),
        Elements::Text(Strings { offsets, data }) => {
            attributes.set_item("offsets", offsets.into_pyarray(py))?;
            attributes.set_item("data", data.into_pyarray(py))?;
            attributes.set_item("invalid_utf8_row", invalid)
        }
    }
}

/// Arrays borrowed for the length of a call.
enum Held<'py> {
    Empty,
    Bool(PyReadonlyArray1<'py, u8>),
    Int(PyReadonlyArray1<'py, i32>),
    Long(PyReadonlyArray1<'py, i64>),
    Float(PyReadonlyArray1<'py, f32>),
    Double(PyReadonlyArray1<'py, f64>),
    Byte(PyReadonlyArray1<'py, u8>),
    Text(PyReadonlyArray1<'py, i64>, PyReadonlyArray1<'py, u8>),
}

impl<'py> Held<'py> {
    fn new(
        kind: Kind,
        values: Option<&Bound<'py, PyAny>>,
        offsets: Option<PyReadonlyArray1<'py, i64>>,
        data: Option<PyReadonlyArray1<'py, u8>>,
    ) -> PyResult<Self> {
        let shape = kind.shape();
        match (shape, values, offsets, data) {
            (Shape::Empty, ..) => Ok(Self::Empty),
            (Shape::Text, _, Some(offsets), Some(data)) => Ok(Self::Text(offsets, data)),
            (Shape::Text, ..) => Err(PyValueError::new_err(format!("{} needs offsets and data", kind.name()))),
            (_, None, ..) => Err(PyValueError::new_err(format!("{} needs values", kind.name()))),
            (_, Some(values), ..) => Self::fixed(shape, values),
        }
    }

    fn fixed(shape: Shape, values: &Bound<'py, PyAny>) -> PyResult<Self> {
        Ok(match shape {
            Shape::Bool => Self::Bool(values.extract()?),
            Shape::Int => Self::Int(values.extract()?),
            Shape::Long => Self::Long(values.extract()?),
            Shape::Float => Self::Float(values.extract()?),
            Shape::Double => Self::Double(values.extract()?),
            Shape::Byte => Self::Byte(values.extract()?),
            Shape::Empty | Shape::Text => Self::Empty,
        })
    }

    fn slices(&self) -> PyResult<Slices<'_>> {
        Ok(match self {
            Self::Empty => Slices::Empty,
            Self::Bool(values) => Slices::Bool(slice(values)?),
            Self::Int(values) => Slices::Int(slice(values)?),
            Self::Long(values) => Slices::Long(slice(values)?),
            Self::Float(values) => Slices::Float(slice(values)?),
            Self::Double(values) => Slices::Double(slice(values)?),
            Self::Byte(values) => Slices::Byte(slice(values)?),
            Self::Text(offsets, data) => Slices::Text(slice(offsets)?, slice(data)?),
        })
    }
}

fn kind_named(name: &str) -> PyResult<Kind> {
    Kind::named(name).ok_or_else(|| PyValueError::new_err(format!("unknown column kind {name:?}")))
}

/// Returns a serialized `FieldData`; `values`, `offsets` and `data` are those of the child when `lists` is given.
#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "a flat mirror of the message, called from one typed wrapper")]
fn encode_field_data<'py>(
    py: Python<'py>,
    name: &str,
    data_type: i32,
    field_id: i64,
    is_dynamic: bool,
    valid: Option<PyReadonlyArray1<'py, u8>>,
    kind: &str,
    dim: i64,
    values: Option<&Bound<'py, PyAny>>,
    offsets: Option<PyReadonlyArray1<'py, i64>>,
    data: Option<PyReadonlyArray1<'py, u8>>,
    lists: Option<PyReadonlyArray1<'py, i64>>,
    child_kind: &str,
    element_type: i32,
    parts: Vec<Bound<'py, PyBytes>>,
) -> PyResult<Bound<'py, PyBytes>> {
    let (kind, child_kind) = (kind_named(kind)?, kind_named(child_kind)?);
    let held = Held::new(if lists.is_some() { child_kind } else { kind }, values, offsets, data)?;
    let valid = valid.as_ref().map_or(Ok(&[][..]), slice)?;
    let header = Header { name, data_type, field_id, is_dynamic, valid };
    let lists = lists.as_ref().map_or(Ok(&[][..]), slice)?;
    let parts = parts.iter().map(PyBytesMethods::as_bytes).collect();
    let source = Source { kind, dim, values: held.slices()?, lists, child_kind, element_type, parts };
    let message = py.detach(|| elanus_codec::encode(&header, &source)).map_err(unfit)?;
    Ok(PyBytes::new(py, &message))
}

#[pyfunction]
fn wrap<'py>(py: Python<'py>, field_number: u32, payloads: Vec<Bound<'py, PyBytes>>) -> PyResult<Bound<'py, PyBytes>> {
    check_number(field_number)?;
    let payloads: Vec<_> = payloads.iter().map(PyBytesMethods::as_bytes).collect();
    let message = py.detach(|| elanus_codec::wrap(field_number, &payloads));
    Ok(PyBytes::new(py, &message))
}

#[pyfunction]
fn encode_int_ids<'py>(py: Python<'py>, values: PyReadonlyArray1<'py, i64>) -> PyResult<Bound<'py, PyBytes>> {
    let ids = Slices::Long(slice(&values)?);
    let message = py.detach(|| elanus_codec::encode_ids(&ids)).map_err(unfit)?;
    Ok(PyBytes::new(py, &message))
}

#[pyfunction]
fn encode_str_ids<'py>(
    py: Python<'py>,
    offsets: PyReadonlyArray1<'py, i64>,
    data: PyReadonlyArray1<'py, u8>,
) -> PyResult<Bound<'py, PyBytes>> {
    let ids = Slices::Text(slice(&offsets)?, slice(&data)?);
    let message = py.detach(|| elanus_codec::encode_ids(&ids)).map_err(unfit)?;
    Ok(PyBytes::new(py, &message))
}

#[pyfunction]
fn encode_floats<'py>(
    py: Python<'py>,
    field_number: u32,
    values: PyReadonlyArray1<'py, f32>,
) -> PyResult<Bound<'py, PyBytes>> {
    check_number(field_number)?;
    let values = slice(&values)?;
    let message = py.detach(|| elanus_codec::encode_floats(field_number, values));
    Ok(PyBytes::new(py, &message))
}

#[pyfunction]
fn encode_longs<'py>(
    py: Python<'py>,
    field_number: u32,
    values: PyReadonlyArray1<'py, i64>,
) -> PyResult<Bound<'py, PyBytes>> {
    check_number(field_number)?;
    let values = slice(&values)?;
    let message = py.detach(|| elanus_codec::encode_longs(field_number, values));
    Ok(PyBytes::new(py, &message))
}

/// Adds this topic's functions and classes to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(split_message, module)?)?;
    module.add_function(wrap_pyfunction!(decode_field_data, module)?)?;
    module.add_function(wrap_pyfunction!(encode_field_data, module)?)?;
    module.add_function(wrap_pyfunction!(wrap, module)?)?;
    module.add_function(wrap_pyfunction!(encode_int_ids, module)?)?;
    module.add_function(wrap_pyfunction!(encode_str_ids, module)?)?;
    module.add_function(wrap_pyfunction!(encode_floats, module)?)?;
    module.add_function(wrap_pyfunction!(encode_longs, module)?)
}
