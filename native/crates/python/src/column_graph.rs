//! Graphs of the rows that share a value, over buffers: built beside an index, opened from arrays.

use elanus_graph::{ColumnArrays, ColumnGraph as Graph, ColumnSettings};
use numpy::IntoPyArray;
use parking_lot::Mutex;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::graph::{GraphIndex, goes_on, kept, refused};
use crate::vectors::{Bytes, Vectors};

/// The arrays of a column's graphs as Python hands them over.
struct Buffers([Bytes; 5]);

const SECTIONS: [&str; 5] = ["column_values", "column_ends", "column_rows", "column_entries", "column_links"];

impl Buffers {
    fn arrays(&self) -> PyResult<ColumnArrays<'_>> {
        let Buffers([values, ends, members, entries, links]) = self;
        Ok(ColumnArrays {
            values: values.numbers(SECTIONS[0])?,
            ends: ends.numbers(SECTIONS[1])?,
            members: members.numbers(SECTIONS[2])?,
            entries: entries.numbers(SECTIONS[3])?,
            links: links.numbers(SECTIONS[4])?,
        })
    }
}

/// The opened graphs of a column. The field order matters: the view goes before the buffers that it looks into.
#[pyclass(frozen, module = "elanus._native.core")]
pub(crate) struct ColumnGraph {
    pub(crate) graph: Graph<'static>,
    _buffers: Box<Buffers>,
}

#[pymethods]
impl ColumnGraph {
    /// The graphs over `rows` rows of `width` links; the arrays are those of `SECTIONS`, in their order.
    #[new]
    fn new(py: Python<'_>, rows: usize, width: usize, arrays: [Bytes; 5]) -> PyResult<Self> {
        let buffers = Box::new(Buffers(arrays));
        let arrays = buffers.arrays()?;
        // SAFETY: the arrays lie in buffers that stay exported and in place while `_buffers` lives; the view is dropped
        // before them, and hands out nothing that borrows from them.
        let arrays = unsafe { std::mem::transmute::<ColumnArrays<'_>, ColumnArrays<'static>>(arrays) };
        let graph = py.detach(|| Graph::new(rows, width, arrays)).map_err(refused)?;
        Ok(ColumnGraph { graph, _buffers: buffers })
    }
}

/// How a column's graphs are built: width, rows that a value needs, share that it may have, efConstruction, threads.
#[derive(FromPyObject)]
struct Settings(usize, usize, f32, usize, usize);

/// Builds the graphs of a column's values over the kept rows and returns their arrays by name, None when `stop` said so.
///
/// `values` has the number of each row's value as `u32`, the largest one for a row without.
#[pyfunction]
fn column_graph_build<'py>(
    py: Python<'py>,
    index: PyRef<'py, GraphIndex>,
    base: Vectors,
    values: Bytes,
    settings: Settings,
    keep: Option<Bytes>,
    stop: Option<Py<PyAny>>,
) -> PyResult<Option<Bound<'py, PyDict>>> {
    let index = &*index;
    let column = index.column(&base)?;
    let values: &[u32] = values.numbers("values")?;
    let Settings(width, min_rows, max_share, ef_construction, threads) = settings;
    if values.len() != column.rows() || width < 4 || !width.is_multiple_of(2) {
        let (given, rows) = (values.len(), column.rows());
        return Err(refused(format!("no graphs of width {width} over {given} values of {rows} rows")));
    }
    let settings = ColumnSettings { width, min_rows, max_share, ef_construction, threads, ..ColumnSettings::default() };
    let keep = kept(keep.as_ref(), column.rows())?;
    let failure = Mutex::new(None);
    let progress = |_done: usize| Python::attach(|py| goes_on(py, stop.as_ref(), &failure));
    let built = py.detach(|| index.hnsw.build_column(&column, values, keep, &settings, &progress));
    if let Some(error) = failure.into_inner() {
        return Err(error);
    }
    let Some(built) = built else { return Ok(None) };
    let sections = PyDict::new(py);
    let arrays = [built.values, built.ends, built.members, built.entries, built.links];
    for (name, array) in SECTIONS.into_iter().zip(arrays) {
        sections.set_item(name, array.into_pyarray(py))?;
    }
    Ok(Some(sections))
}

/// Adds the graphs and their builder to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<ColumnGraph>()?;
    module.add_function(wrap_pyfunction!(column_graph_build, module)?)
}
