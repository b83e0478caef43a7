//! Predicates over columns; every bitmap is uint8 `[ceil(rows / 8)]`.

use elanus_filter::{
    Bound as End, Comparison, FloatSet, IntSet, Interval, JsonNumbers, Like, Op, Part, Scalar, Step, TextInterval,
    TextSet, Texts, Whole,
};
use numpy::{
    Element, IntoPyArray, PyArray1, PyArrayDescrMethods, PyReadonlyArray1, PyUntypedArray, PyUntypedArrayMethods,
};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;
use pyo3::types::{PyFloat, PyString};

type Bits<'py> = Bound<'py, PyArray1<u8>>;

fn refused(error: impl std::fmt::Display) -> PyErr {
    PyValueError::new_err(error.to_string())
}

/// A vector that Rust can read as a slice; the few that lie askew or with gaps are copied.
struct Column<'py, T: Element>(PyReadonlyArray1<'py, T>);

impl<T: Element> Column<'_, T> {
    fn slice(&self) -> PyResult<&[T]> {
        self.0.as_slice().map_err(refused)
    }
}

impl<'py, T: Element + 'py> FromPyObject<'_, 'py> for Column<'py, T> {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let array = object.cast::<PyArray1<T>>()?;
        if array.is_aligned() && array.is_c_contiguous() {
            return Ok(Self(array.extract()?));
        }
        Ok(Self(array.call_method0("copy")?.extract()?))
    }
}

/// A number column of any type.
enum Numbers<'py> {
    I8(Column<'py, i8>),
    I16(Column<'py, i16>),
    I32(Column<'py, i32>),
    I64(Column<'py, i64>),
    F32(Column<'py, f32>),
    F64(Column<'py, f64>),
}

impl<'py> FromPyObject<'_, 'py> for Numbers<'py> {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let dtype = object.cast::<PyUntypedArray>()?.dtype();
        Ok(match (dtype.kind(), dtype.itemsize()) {
            (b'i', 1) => Self::I8(object.extract()?),
            (b'i', 2) => Self::I16(object.extract()?),
            (b'i', 4) => Self::I32(object.extract()?),
            (b'i', 8) => Self::I64(object.extract()?),
            (b'f', 4) => Self::F32(object.extract()?),
            (b'f', 8) => Self::F64(object.extract()?),
            _ => return Err(PyTypeError::new_err(format!("no filter reads a column of {dtype}"))),
        })
    }
}

/// Runs an expression over the slice of a number column of whatever type, with the interpreter released.
macro_rules! over {
    ($py:ident, $numbers:expr, $slice:ident => $result:expr) => {
        match $numbers {
            Numbers::I8(column) => over!(@ $py, column, $slice => $result),
            Numbers::I16(column) => over!(@ $py, column, $slice => $result),
            Numbers::I32(column) => over!(@ $py, column, $slice => $result),
            Numbers::I64(column) => over!(@ $py, column, $slice => $result),
            Numbers::F32(column) => over!(@ $py, column, $slice => $result),
            Numbers::F64(column) => over!(@ $py, column, $slice => $result),
        }
    };
    (@ $py:ident, $column:ident, $slice:ident => $result:expr) => {{
        let $slice = $column.slice()?;
        $py.detach(|| $result)
    }};
}

/// As `over`, of integers alone.
macro_rules! over_ints {
    ($py:ident, $numbers:expr, $slice:ident => $result:expr) => {
        match $numbers {
            Numbers::I8(column) => over!(@ $py, column, $slice => $result),
            Numbers::I16(column) => over!(@ $py, column, $slice => $result),
            Numbers::I32(column) => over!(@ $py, column, $slice => $result),
            Numbers::I64(column) => over!(@ $py, column, $slice => $result),
            Numbers::F32(_) | Numbers::F64(_) => return Err(PyTypeError::new_err("a set of integers holds no floats")),
        }
    };
}

/// As `over`, of floats alone.
macro_rules! over_floats {
    ($py:ident, $numbers:expr, $slice:ident => $result:expr) => {
        match $numbers {
            Numbers::F32(column) => over!(@ $py, column, $slice => $result),
            Numbers::F64(column) => over!(@ $py, column, $slice => $result),
            _ => return Err(PyTypeError::new_err("a set of floats holds no integers")),
        }
    };
}

struct Constant(Scalar);

impl<'py> FromPyObject<'_, 'py> for Constant {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if object.is_instance_of::<PyFloat>() {
            return Ok(Self(Scalar::Float(object.extract()?)));
        }
        Ok(Self(Scalar::Int(object.extract()?)))
    }
}

/// An interval as Python writes it: low, high, whether each is left out itself.
#[derive(FromPyObject)]
struct PyInterval<T>(Option<T>, Option<T>, bool, bool);

impl From<PyInterval<Constant>> for Interval {
    fn from(PyInterval(low, high, low_open, high_open): PyInterval<Constant>) -> Self {
        let end = |constant: Option<Constant>, open| constant.map(|Constant(value)| End { value, open });
        Interval { low: end(low, low_open), high: end(high, high_open) }
    }
}

/// A step as Python writes it: operator, constant.
#[derive(FromPyObject)]
struct PyStep(PyBackedStr, Constant);

impl TryFrom<PyStep> for Step {
    type Error = PyErr;

    fn try_from(PyStep(op, Constant(constant)): PyStep) -> PyResult<Self> {
        let op = Op::named(&op).ok_or_else(|| refused(format!("no arithmetic is written {op:?}")))?;
        Ok(Step { op, constant })
    }
}

fn comparison(op: &str) -> PyResult<Comparison> {
    Comparison::named(op).ok_or_else(|| refused(format!("no comparison is written {op:?}")))
}

// --- numbers ---

#[pyfunction]
fn filter_within<'py>(py: Python<'py>, values: Numbers<'py>, interval: PyInterval<Constant>) -> PyResult<Bits<'py>> {
    let interval = interval.into();
    let bits = over!(py, values, slice => elanus_filter::within(slice, &interval));
    Ok(bits.into_pyarray(py))
}

#[pyfunction]
fn filter_stepped_within<'py>(
    py: Python<'py>,
    values: Numbers<'py>,
    step: PyStep,
    interval: PyInterval<Constant>,
) -> PyResult<Bits<'py>> {
    let (step, interval) = (step.try_into()?, interval.into());
    let bits = over!(py, values, slice => Whole::stepped_within(slice, step, &interval));
    Ok(bits.map_err(refused)?.into_pyarray(py))
}

#[pyfunction]
fn filter_compare_columns<'py>(
    py: Python<'py>,
    left: Numbers<'py>,
    right: Bound<'py, PyAny>,
    op: &str,
) -> PyResult<Bits<'py>> {
    let comparison = comparison(op)?;
    macro_rules! compare {
        ($left:ident) => {{
            let right: Column<'py, _> = right.extract()?;
            let (left, right) = ($left.slice()?, right.slice()?);
            if left.len() != right.len() {
                return Err(refused("columns of different lengths"));
            }
            py.detach(|| elanus_filter::compare_columns(left, right, comparison))
        }};
    }
    let bits = match left {
        Numbers::I8(left) => compare!(left),
        Numbers::I16(left) => compare!(left),
        Numbers::I32(left) => compare!(left),
        Numbers::I64(left) => compare!(left),
        Numbers::F32(left) => compare!(left),
        Numbers::F64(left) => compare!(left),
    };
    Ok(bits.into_pyarray(py))
}

#[pyclass(name = "IntSet", module = "elanus._native.core", frozen)]
struct PyIntSet(IntSet);

#[pymethods]
impl PyIntSet {
    #[new]
    fn new<'py>(py: Python<'py>, values: Column<'py, i64>) -> PyResult<Self> {
        let values = values.slice()?;
        Ok(Self(py.detach(|| IntSet::new(values))))
    }
}

#[pyclass(name = "FloatSet", module = "elanus._native.core", frozen)]
struct PyFloatSet(FloatSet);

#[pymethods]
impl PyFloatSet {
    #[new]
    fn new<'py>(py: Python<'py>, values: Column<'py, f64>) -> PyResult<Self> {
        let values = values.slice()?;
        Ok(Self(py.detach(|| FloatSet::new(values))))
    }
}

#[pyfunction]
fn filter_in_ints<'py>(py: Python<'py>, values: Numbers<'py>, set: &PyIntSet) -> PyResult<Bits<'py>> {
    let PyIntSet(set) = set;
    let bits = over_ints!(py, values, slice => elanus_filter::in_ints(slice, set));
    Ok(bits.into_pyarray(py))
}

#[pyfunction]
fn filter_stepped_in_ints<'py>(
    py: Python<'py>,
    values: Numbers<'py>,
    step: PyStep,
    set: &PyIntSet,
) -> PyResult<Bits<'py>> {
    let (step, PyIntSet(set)) = (step.try_into()?, set);
    let bits = over_ints!(py, values, slice => Whole::stepped_in(slice, step, set));
    Ok(bits.map_err(refused)?.into_pyarray(py))
}

#[pyfunction]
fn filter_stepped_in_floats<'py>(
    py: Python<'py>,
    values: Numbers<'py>,
    step: PyStep,
    set: &PyFloatSet,
) -> PyResult<Bits<'py>> {
    let (step, PyFloatSet(set)) = (step.try_into()?, set);
    let bits = over_floats!(py, values, slice => Whole::stepped_in(slice, step, set));
    Ok(bits.map_err(refused)?.into_pyarray(py))
}

#[pyfunction]
fn filter_in_floats<'py>(py: Python<'py>, values: Numbers<'py>, set: &PyFloatSet) -> PyResult<Bits<'py>> {
    let PyFloatSet(set) = set;
    let bits = over_floats!(py, values, slice => elanus_filter::in_floats(slice, set));
    Ok(bits.into_pyarray(py))
}

// --- texts ---

/// Texts as Python writes them: offsets, bytes.
#[derive(FromPyObject)]
struct PyTexts<'py>(Column<'py, i64>, Column<'py, u8>);

impl PyTexts<'_> {
    fn get(&self) -> PyResult<Texts<'_>> {
        Texts::new(self.0.slice()?, self.1.slice()?).map_err(refused)
    }
}

#[derive(Clone, Copy)]
enum Place {
    Whole,
    Start,
    End,
    Anywhere,
}

fn place(name: &str) -> PyResult<Place> {
    Ok(match name {
        "whole" => Place::Whole,
        "prefix" => Place::Start,
        "suffix" => Place::End,
        "contains" => Place::Anywhere,
        other => return Err(refused(format!("texts are not looked for by {other:?}"))),
    })
}

#[pyfunction]
fn filter_texts_with<'py>(py: Python<'py>, texts: PyTexts<'py>, matching: &str, text: &str) -> PyResult<Bits<'py>> {
    let (texts, place, text) = (texts.get()?, place(matching)?, text.as_bytes());
    let bits = py.detach(|| match place {
        Place::Whole => texts.equal(text),
        Place::Start => texts.starting_with(text),
        Place::End => texts.ending_with(text),
        Place::Anywhere => texts.containing(text),
    });
    Ok(bits.into_pyarray(py))
}

#[pyfunction]
fn filter_texts_within<'py>(
    py: Python<'py>,
    texts: PyTexts<'py>,
    interval: PyInterval<PyBackedStr>,
) -> PyResult<Bits<'py>> {
    let (texts, PyInterval(low, high, low_open, high_open)) = (texts.get()?, interval);
    let bits = py.detach(|| {
        let low = low.as_ref().map(|text| (text.as_bytes(), low_open));
        let high = high.as_ref().map(|text| (text.as_bytes(), high_open));
        texts.within(&TextInterval { low, high })
    });
    Ok(bits.into_pyarray(py))
}

#[pyfunction]
fn filter_compare_texts<'py>(
    py: Python<'py>,
    left: PyTexts<'py>,
    right: PyTexts<'py>,
    op: &str,
) -> PyResult<Bits<'py>> {
    let (left, right, comparison) = (left.get()?, right.get()?, comparison(op)?);
    if left.rows() != right.rows() {
        return Err(refused("columns of different lengths"));
    }
    Ok(py.detach(|| left.compare(right, comparison)).into_pyarray(py))
}

/// A part of a LIKE pattern as Python writes it: a text, True for any run, False for any code point.
struct PyPart(Part);

impl<'py> FromPyObject<'_, 'py> for PyPart {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(text) = object.cast::<PyString>() {
            return Ok(Self(Part::Text(text.to_str()?.as_bytes().to_vec())));
        }
        Ok(Self(if object.extract()? { Part::Run } else { Part::Character }))
    }
}

#[pyfunction]
fn filter_texts_like<'py>(py: Python<'py>, texts: PyTexts<'py>, parts: Vec<PyPart>) -> PyResult<Bits<'py>> {
    let (texts, parts) = (texts.get()?, parts.into_iter().map(|PyPart(part)| part).collect::<Vec<_>>());
    Ok(py.detach(|| texts.like(&Like::new(&parts))).into_pyarray(py))
}

#[pyclass(name = "TextSet", module = "elanus._native.core", frozen)]
struct PyTextSet(TextSet);

#[pymethods]
impl PyTextSet {
    #[new]
    fn new(values: Vec<PyBackedStr>) -> PyResult<Self> {
        let texts: Vec<&[u8]> = values.iter().map(|text| text.as_bytes()).collect();
        TextSet::new(&texts).map(Self).map_err(refused)
    }
}

#[pyfunction]
fn filter_in_texts<'py>(py: Python<'py>, texts: PyTexts<'py>, set: &PyTextSet) -> PyResult<Bits<'py>> {
    let (texts, PyTextSet(set)) = (texts.get()?, set);
    Ok(py.detach(|| texts.in_set(set)).into_pyarray(py))
}

// --- JSON ---

type Answer<'py> = (Bits<'py>, Bits<'py>);

/// Numbers of a JSON column as Python writes them: kinds, numbers.
#[derive(FromPyObject)]
struct PyJsonNumbers<'py>(Column<'py, u8>, Column<'py, i64>);

impl PyJsonNumbers<'_> {
    fn get(&self) -> PyResult<JsonNumbers<'_>> {
        JsonNumbers::new(self.0.slice()?, self.1.slice()?).map_err(refused)
    }
}

#[pyfunction]
fn filter_json_kinds<'py>(py: Python<'py>, kinds: Column<'py, u8>, mask: u8, low: u8, high: u8) -> PyResult<Bits<'py>> {
    let kinds = kinds.slice()?;
    Ok(py.detach(|| elanus_filter::kinds_within(kinds, mask, low, high)).into_pyarray(py))
}

#[pyfunction]
fn filter_json_within<'py>(
    py: Python<'py>,
    numbers: PyJsonNumbers<'py>,
    step: Option<PyStep>,
    interval: PyInterval<Constant>,
) -> PyResult<Answer<'py>> {
    let (numbers, interval) = (numbers.get()?, interval.into());
    let step = step.map(Step::try_from).transpose()?;
    let (value, known) = py.detach(|| numbers.within(step, &interval)).map_err(refused)?;
    Ok((value.into_pyarray(py), known.into_pyarray(py)))
}

#[pyfunction]
fn filter_json_in<'py>(
    py: Python<'py>,
    numbers: PyJsonNumbers<'py>,
    step: Option<PyStep>,
    ints: Option<&PyIntSet>,
    floats: &PyFloatSet,
) -> PyResult<Answer<'py>> {
    let (numbers, ints, floats) = (numbers.get()?, ints.map(|set| &set.0), &floats.0);
    let step = step.map(Step::try_from).transpose()?;
    let (value, known) = py.detach(|| numbers.in_set(step, ints, floats)).map_err(refused)?;
    Ok((value.into_pyarray(py), known.into_pyarray(py)))
}

// --- lists ---

#[pyfunction]
fn filter_any_in_runs<'py>(py: Python<'py>, offsets: Column<'py, i64>, bits: Column<'py, u8>) -> PyResult<Bits<'py>> {
    let (offsets, bits) = (offsets.slice()?, bits.slice()?);
    Ok(py.detach(|| elanus_filter::any_in_runs(offsets, bits)).map_err(refused)?.into_pyarray(py))
}

#[pyfunction]
fn filter_count_in_runs<'py>(
    py: Python<'py>,
    offsets: Column<'py, i64>,
    bits: Column<'py, u8>,
    low: u64,
    high: u64,
) -> PyResult<Bits<'py>> {
    let (offsets, bits) = (offsets.slice()?, bits.slice()?);
    let found = py.detach(|| elanus_filter::count_in_runs(offsets, bits, &(low..=high)));
    Ok(found.map_err(refused)?.into_pyarray(py))
}

/// Adds this topic's functions to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<PyIntSet>()?;
    module.add_class::<PyFloatSet>()?;
    module.add_class::<PyTextSet>()?;
    module.add_function(wrap_pyfunction!(filter_within, module)?)?;
    module.add_function(wrap_pyfunction!(filter_stepped_within, module)?)?;
    module.add_function(wrap_pyfunction!(filter_compare_columns, module)?)?;
    module.add_function(wrap_pyfunction!(filter_in_ints, module)?)?;
    module.add_function(wrap_pyfunction!(filter_in_floats, module)?)?;
    module.add_function(wrap_pyfunction!(filter_stepped_in_ints, module)?)?;
    module.add_function(wrap_pyfunction!(filter_stepped_in_floats, module)?)?;
    module.add_function(wrap_pyfunction!(filter_texts_with, module)?)?;
    module.add_function(wrap_pyfunction!(filter_texts_within, module)?)?;
    module.add_function(wrap_pyfunction!(filter_compare_texts, module)?)?;
    module.add_function(wrap_pyfunction!(filter_texts_like, module)?)?;
    module.add_function(wrap_pyfunction!(filter_in_texts, module)?)?;
    module.add_function(wrap_pyfunction!(filter_json_kinds, module)?)?;
    module.add_function(wrap_pyfunction!(filter_json_within, module)?)?;
    module.add_function(wrap_pyfunction!(filter_json_in, module)?)?;
    module.add_function(wrap_pyfunction!(filter_any_in_runs, module)?)?;
    module.add_function(wrap_pyfunction!(filter_count_in_runs, module)?)
}
