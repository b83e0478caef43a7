//! HNSW indexes over buffers: built into arrays, opened from arrays, searched and streamed.

use std::sync::Arc;

use elanus_graph::{BuildSettings, Keep, Report, Request, Stopped, Strategy, Stream};
use elanus_hnsw::{Among, Arrays, COSTS, Done, Facts, Hnsw, Made, Query, Storage, costs, make, tuning_of};
use elanus_kernels::{Column, Hit};
use numpy::IntoPyArray;
use parking_lot::Mutex;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::call_limit::{Limit, within};
use crate::column_graph::ColumnGraph;
use crate::vectors::{
    Batch, Bytes, Found, Vectors, batch, element_name, element_named, metric_name, metric_named, padded,
};

/// What a search did: strategy, hops, scored, scanned, switched.
type Did = (&'static str, usize, usize, usize, bool);

pub(crate) fn refused(problem: impl ToString) -> PyErr {
    PyValueError::new_err(problem.to_string())
}

/// How an index is built: storage, M, efConstruction, threads, seed.
#[derive(FromPyObject)]
struct Settings(String, usize, usize, usize, u64);

/// Builds an index of the kept rows and returns its facts and arrays, None when `stop` said so.
#[pyfunction]
fn graph_build<'py>(
    py: Python<'py>,
    base: Vectors,
    metric: &str,
    settings: Settings,
    keep: Option<Bytes>,
    stop: Option<Py<PyAny>>,
) -> PyResult<Option<(Bound<'py, PyDict>, Bound<'py, PyDict>)>> {
    let (column, metric) = (base.column()?, metric_named(metric)?);
    let Settings(storage, m, ef_construction, threads, seed) = settings;
    let storage = Storage::named(&storage).ok_or_else(|| refused(format!("no codes {storage:?}")))?;
    storage.takes(&column, metric).map_err(refused)?;
    let keep = kept(keep.as_ref(), column.rows())?;
    let settings = BuildSettings { m, ef_construction, threads, seed };
    let failure = Mutex::new(None);
    let progress = |_done: usize| Python::attach(|py| goes_on(py, stop.as_ref(), &failure));
    let made = py.detach(|| make(&column, metric, storage, keep, &settings, &progress));
    match failure.into_inner() {
        Some(error) => Err(error),
        None => made.map(|made| described(py, made)).transpose(),
    }
}

/// Whether a build goes on: no signal came, and `stop` does not say otherwise.
pub(crate) fn goes_on(py: Python<'_>, stop: Option<&Py<PyAny>>, failure: &Mutex<Option<PyErr>>) -> bool {
    let asked = py.check_signals().and_then(|()| match stop {
        Some(stop) => stop.call0(py)?.extract::<bool>(py),
        None => Ok(false),
    });
    match asked {
        Ok(stops) => !stops,
        Err(error) => {
            failure.lock().get_or_insert(error);
            false
        }
    }
}

pub(crate) fn kept(keep: Option<&Bytes>, rows: usize) -> PyResult<Option<Keep<'_>>> {
    keep.map(|keep| Ok(Keep::new(keep.bitmap(rows)?, rows).expect("the bitmap was measured"))).transpose()
}

fn described(py: Python<'_>, made: Made) -> PyResult<(Bound<'_, PyDict>, Bound<'_, PyDict>)> {
    let sections = PyDict::new(py);
    sections.set_item("base", made.base.into_pyarray(py))?;
    sections.set_item("upper_rows", made.upper_rows.into_pyarray(py))?;
    sections.set_item("upper_ends", made.upper_ends.into_pyarray(py))?;
    sections.set_item("upper_links", made.upper_links.into_pyarray(py))?;
    sections.set_item("codes", made.codes.into_pyarray(py))?;
    sections.set_item("tails", made.tails.into_pyarray(py))?;
    sections.set_item("mean", made.mean.into_pyarray(py))?;
    Ok((facts_to_python(py, &made.facts)?, sections))
}

fn facts_to_python<'py>(py: Python<'py>, facts: &Facts) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("rows", facts.rows)?;
    dict.set_item("dim", facts.dim)?;
    dict.set_item("metric", metric_name(facts.metric))?;
    dict.set_item("element", element_name(facts.element))?;
    dict.set_item("code", facts.storage.name())?;
    dict.set_item("width", facts.width)?;
    dict.set_item("upper_width", facts.upper_width)?;
    dict.set_item("entry", facts.entry)?;
    for (name, value) in COSTS.into_iter().zip(costs(&facts.tuning)) {
        dict.set_item(format!("cost_{name}"), value)?;
    }
    Ok(dict)
}

fn facts_of(facts: &Bound<'_, PyDict>) -> PyResult<Facts> {
    let item = |name: &str| facts.get_item(name)?.ok_or_else(|| refused(format!("facts: {name} is missing")));
    let size = |name: &str| item(name)?.extract::<u32>().map_err(|_| refused(format!("facts: {name} is no size")));
    let text = |name: &str| item(name)?.extract::<String>().map_err(|_| refused(format!("facts: {name} is no text")));
    let cost = |name: &str| {
        let value = item(&format!("cost_{name}"))?.extract::<f32>();
        value.map_err(|_| refused(format!("facts: cost_{name} is no number")))
    };
    let mut costs = [0.0; COSTS.len()];
    for (value, name) in costs.iter_mut().zip(COSTS) {
        *value = cost(name)?;
    }
    Ok(Facts {
        rows: size("rows")? as usize,
        dim: size("dim")? as usize,
        metric: metric_named(&text("metric")?)?,
        element: element_named(&text("element")?)?,
        storage: Storage::named(&text("code")?).ok_or_else(|| refused("facts: no such code"))?,
        width: size("width")? as usize,
        upper_width: size("upper_width")? as usize,
        entry: size("entry")?,
        tuning: tuning_of(costs).ok_or_else(|| refused("facts: costs must be positive numbers"))?,
    })
}

/// The arrays of an index as Python hands them over: buffers that stay exported and in place.
struct Buffers([Bytes; 7]);

const SECTIONS: [&str; 7] = ["base", "upper_rows", "upper_ends", "upper_links", "codes", "tails", "mean"];

impl Buffers {
    fn of(sections: &Bound<'_, PyDict>) -> PyResult<Self> {
        let mut buffers = Vec::with_capacity(SECTIONS.len());
        for name in SECTIONS {
            let section = sections.get_item(name)?.ok_or_else(|| refused(format!("section {name}: it is missing")))?;
            buffers.push(section.extract::<Bytes>()?);
        }
        Ok(Buffers(buffers.try_into().map_err(|_| refused("sections are missing"))?))
    }

    fn arrays(&self) -> PyResult<Arrays<'_>> {
        let Buffers([base, upper_rows, upper_ends, upper_links, codes, tails, mean]) = self;
        Ok(Arrays {
            base: base.numbers("base")?,
            upper_rows: upper_rows.numbers("upper_rows")?,
            upper_ends: upper_ends.numbers("upper_ends")?,
            upper_links: upper_links.numbers("upper_links")?,
            codes: codes.get(),
            tails: tails.numbers("tails")?,
            mean: mean.numbers("mean")?,
        })
    }
}

/// An opened index. The field order matters: the view goes before the buffers that it looks into.
#[pyclass(frozen, module = "elanus._native.core")]
pub(crate) struct GraphIndex {
    pub(crate) hnsw: Hnsw<'static>,
    _buffers: Arc<Buffers>,
}

#[pymethods]
impl GraphIndex {
    #[new]
    fn new(py: Python<'_>, facts: &Bound<'_, PyDict>, sections: &Bound<'_, PyDict>) -> PyResult<Self> {
        let (facts, buffers) = (facts_of(facts)?, Arc::new(Buffers::of(sections)?));
        let arrays = buffers.arrays()?;
        // SAFETY: the arrays lie in buffers that stay exported and in place while `_buffers` lives; the index is dropped
        // before them, and hands out nothing that borrows from them.
        let arrays = unsafe { std::mem::transmute::<Arrays<'_>, Arrays<'static>>(arrays) };
        let hnsw = py.detach(|| Hnsw::open(facts, arrays)).map_err(refused)?;
        Ok(GraphIndex { hnsw, _buffers: buffers })
    }

    /// The k nearest kept rows of each query, and what was done: request is k, ef, refine, strategy, the call's limit.
    ///
    /// `among` are graphs of a column and the values of which every kept row has one.
    fn search<'py>(
        &self,
        py: Python<'py>,
        queries: Vectors,
        base: Vectors,
        request: (usize, usize, usize, String, Limit),
        keep: Option<Bytes>,
        among: Option<(PyRef<'py, ColumnGraph>, Vec<u32>)>,
    ) -> PyResult<(Found<'py>, Did)> {
        let (k, ef, refine, strategy, limit) = request;
        let forced = strategy == COLUMN;
        let strategy = if forced { Strategy::Auto } else { strategy_named(&strategy)? };
        let column = self.column(&base)?;
        let query = Query::new(&queries.column()?, &column, self.hnsw.facts().metric).map_err(refused)?;
        let keep = kept(keep.as_ref(), column.rows())?;
        let among = among.as_ref().map(|(column, values)| Among { graph: &column.graph, values, forced });
        if among.is_some_and(|among| among.graph.rows() != column.rows()) {
            return Err(refused("graphs of a column of other rows"));
        }
        let (hits, report) = within(py, &limit, |stop| {
            let request = Request { k, ef, refine, strategy, keep, stop };
            self.search_all(&query, &column, &request, among.as_ref())
        })?;
        Ok((padded(py, &hits, k, 0)?, report))
    }

    /// A stream of the rows nearest to one query.
    fn stream(&self, queries: Vectors, base: Vectors, ef: usize, keep: Option<Bytes>) -> PyResult<GraphStream> {
        let column = self.column(&base)?;
        let query = Query::new(&queries.column()?, &column, self.hnsw.facts().metric).map_err(refused)?;
        if query.count() != 1 {
            return Err(refused("a stream is of one query"));
        }
        kept(keep.as_ref(), column.rows())?;
        Ok(GraphStream { query, keep, state: Mutex::new(Stream::new(column.rows(), ef)) })
    }
}

impl GraphIndex {
    pub(crate) fn column<'a>(&self, base: &'a Vectors) -> PyResult<Column<'a>> {
        let column = base.column()?;
        self.hnsw.fits(&column).map_err(refused)?;
        Ok(column)
    }

    fn search_all(
        &self,
        query: &Query,
        column: &Column,
        request: &Request,
        among: Option<&Among>,
    ) -> Result<(Vec<Vec<Hit>>, Did), Stopped> {
        let (mut found, mut total) = (Vec::with_capacity(query.count()), None);
        for number in 0..query.count() {
            let mut hits = Vec::with_capacity(request.k.min(column.rows()));
            let did = match among {
                Some(among) => match self.hnsw.search_among(query, number, column, (among, request), &mut hits)? {
                    Done::ByGraph(report) => did(&report),
                    Done::ByColumn(report) => (COLUMN, report.hops, report.scored, report.scanned, false),
                },
                None => did(&self.hnsw.search(query, number, column, request, &mut hits)?),
            };
            total = Some(total.map_or(did, |before| together(before, did)));
            found.push(hits);
        }
        Ok((found, total.unwrap_or((AUTO, 0, 0, 0, false))))
    }
}

/// The name of a search in the graphs of a column, which is no strategy of the graph of all rows.
const COLUMN: &str = "column";
const AUTO: &str = "auto";

const STRATEGIES: [(&str, Strategy); 6] = [
    (AUTO, Strategy::Auto),
    ("plain", Strategy::Plain),
    ("alpha", Strategy::Alpha),
    ("mix", Strategy::Mix),
    ("bridge", Strategy::Bridge),
    ("scan", Strategy::Scan),
];

fn strategy_named(name: &str) -> PyResult<Strategy> {
    let found = STRATEGIES.into_iter().find(|(known, _)| *known == name);
    found.map(|(_, strategy)| strategy).ok_or_else(|| refused(format!("no strategy {name:?}")))
}

fn together(before: Did, did: Did) -> Did {
    let (strategy, hops, scored, scanned, switched) = did;
    (strategy, before.1 + hops, before.2 + scored, before.3 + scanned, before.4 || switched)
}

fn did(report: &Report) -> Did {
    let name = STRATEGIES.into_iter().find_map(|(name, strategy)| (strategy == report.strategy).then_some(name));
    (name.unwrap_or_default(), report.hops, report.scored, report.scanned, report.switched)
}

/// A search that goes on where it stopped; of one index and one query.
#[pyclass(frozen, module = "elanus._native.core")]
struct GraphStream {
    query: Query,
    keep: Option<Bytes>,
    state: Mutex<Stream>,
}

#[pymethods]
impl GraphStream {
    /// The next rows and distances; fewer than `count` at the end only.
    fn next<'py>(
        &self,
        py: Python<'py>,
        index: PyRef<'py, GraphIndex>,
        base: Vectors,
        count: usize,
        limit: Limit,
    ) -> PyResult<Batch<'py>> {
        let (index, column) = (&*index, index.column(&base)?);
        let keep = kept(self.keep.as_ref(), column.rows())?;
        let mut hits = Vec::with_capacity(count.min(column.rows()));
        within(py, &limit, |stop| {
            index.hnsw.pull(&mut self.state.lock(), &self.query, &column, (keep, count, stop), &mut hits)
        })?;
        Ok(batch(py, &hits))
    }
}

/// Adds the index, its stream and its builder to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<GraphIndex>()?;
    module.add_class::<GraphStream>()?;
    module.add_function(wrap_pyfunction!(graph_build, module)?)
}
