//! A graph that grows with a column while it is searched.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use elanus_graph::{BuildSettings, Request, Stopped, Strategy};
use elanus_hnsw::{GrowingHnsw, GrowingReport, Query};
use elanus_kernels::{Column, Hit};
use parking_lot::Mutex;
use pyo3::prelude::*;

use crate::call_limit::{Limit, within};
use crate::graph::{goes_on, kept, refused};
use crate::vectors::{Bytes, Found, Vectors, metric_named, padded};

/// What a search did: hops, scored, scanned, whether each walk found as many rows as were to be measured.
type Did = (usize, usize, usize, bool);

/// Between two questions of the thread that links whether it is to go on.
const ASK_EVERY: Duration = Duration::from_millis(10);

/// An index of the first rows of a column; it holds codes of its own, so that the column may move between calls.
#[pyclass(frozen, module = "elanus._native.core")]
struct GrowingGraph(GrowingHnsw);

#[pymethods]
impl GrowingGraph {
    /// An empty index for columns like `base`, whose kept rows give the mean; settings are M, efConstruction, seed.
    #[new]
    fn new(
        py: Python<'_>,
        base: Vectors,
        metric: &str,
        settings: (usize, usize, u64),
        most_rows: usize,
        keep: Option<Bytes>,
    ) -> PyResult<Self> {
        let (column, metric, (m, ef_construction, seed)) = (base.column()?, metric_named(metric)?, settings);
        let keep = kept(keep.as_ref(), column.rows())?;
        let settings = BuildSettings { m, ef_construction, threads: 1, seed };
        let index = py.detach(|| GrowingHnsw::new(&column, metric, keep, &settings, most_rows));
        index.map(GrowingGraph).map_err(refused)
    }

    /// How many rows have codes.
    fn coded(&self) -> usize {
        self.0.coded()
    }

    /// How many rows have links.
    fn linked(&self) -> usize {
        self.0.linked()
    }

    fn memory_bytes(&self) -> usize {
        self.0.memory_bytes()
    }

    /// Encodes the kept rows below `upto`.
    fn encode(&self, py: Python<'_>, base: Vectors, upto: usize, keep: Option<Bytes>) -> PyResult<()> {
        let column = self.column(&base)?;
        let keep = kept(keep.as_ref(), column.rows())?;
        py.detach(|| self.0.encode(&column, keep, upto));
        Ok(())
    }

    /// Links kept rows below `upto` that have codes, for so many seconds at most; ends within a hundredth of one once
    /// `stop` says so.
    fn link(
        &self,
        py: Python<'_>,
        upto: usize,
        keep: Option<Bytes>,
        seconds: f64,
        stop: Option<Py<PyAny>>,
    ) -> PyResult<()> {
        let keep = kept(keep.as_ref(), upto)?;
        let budget = Duration::try_from_secs_f64(seconds).map_err(refused)?;
        let (start, failure, asked) = (Instant::now(), Mutex::new(None), AtomicU64::new(0));
        let more = || {
            let spent = start.elapsed();
            let due = asked.load(Ordering::Relaxed) + ASK_EVERY.as_millis() as u64;
            if spent.as_millis() as u64 >= due {
                asked.store(spent.as_millis() as u64, Ordering::Relaxed);
                return spent < budget && Python::attach(|py| goes_on(py, stop.as_ref(), &failure));
            }
            spent < budget
        };
        py.detach(|| self.0.link(keep, upto, &more));
        failure.into_inner().map_or(Ok(()), Err)
    }

    /// About the k nearest kept rows of each query among the rows of `base`, which has no more than are coded; request
    /// is k, ef, refine, the call's limit.
    fn search<'py>(
        &self,
        py: Python<'py>,
        queries: Vectors,
        base: Vectors,
        request: (usize, usize, usize, Limit),
        keep: Option<Bytes>,
    ) -> PyResult<(Found<'py>, Did)> {
        let (k, ef, refine, limit) = request;
        let column = self.column(&base)?;
        if column.rows() > self.0.coded() {
            return Err(refused(format!("{} rows, of which {} have codes", column.rows(), self.0.coded())));
        }
        let query = Query::new(&queries.column()?, &column, self.0.metric()).map_err(refused)?;
        let keep = kept(keep.as_ref(), column.rows())?;
        let (found, did) = within(py, &limit, |stop| {
            let request = Request { k, ef, refine, strategy: Strategy::Plain, keep, stop };
            self.search_all(&query, &column, &request)
        })?;
        Ok((padded(py, &found, k, 0)?, did))
    }
}

impl GrowingGraph {
    fn column<'a>(&self, base: &'a Vectors) -> PyResult<Column<'a>> {
        let column = base.column()?;
        self.0.fits(&column).map_err(refused)?;
        Ok(column)
    }

    fn search_all(&self, query: &Query, column: &Column, request: &Request) -> Result<(Vec<Vec<Hit>>, Did), Stopped> {
        let (mut found, mut total) = (Vec::with_capacity(query.count()), (0, 0, 0, true));
        for number in 0..query.count() {
            let mut hits = Vec::with_capacity(request.k.min(column.rows()));
            let GrowingReport { hops, scored, scanned, is_full } =
                self.0.search(query, number, column, request, &mut hits)?;
            total = (total.0 + hops, total.1 + scored, total.2 + scanned, total.3 && is_full);
            found.push(hits);
        }
        Ok((found, total))
    }
}

/// Adds this topic's class to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<GrowingGraph>()
}
