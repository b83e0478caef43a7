//! Four-bit product codes, scanned under a bitmap and re-ranked exactly.

use elanus_fastscan::{Arrays, Facts, Question, Request, Settings};
use elanus_kernels::{ColumnScorer, Metric};
use numpy::{PyArray1, PyReadonlyArray1};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::call_limit::{Limit, within};
use crate::vectors::{Bytes, Found, Vectors, metric_named, padded, prepare};

/// Rows, dimensions, dimensions of a sub-space, metric.
type PlainFacts = (usize, usize, usize, String);

/// Codes, present, centroids, squares.
type Sections<'py> =
    (Bound<'py, PyArray1<u8>>, Bound<'py, PyArray1<u8>>, Bound<'py, PyArray1<f32>>, Bound<'py, PyArray1<f32>>);

/// What `Sections` becomes when it comes back.
type GivenSections<'py> =
    (PyReadonlyArray1<'py, u8>, PyReadonlyArray1<'py, u8>, PyReadonlyArray1<'py, f32>, PyReadonlyArray1<'py, f32>);

/// Product codes of a column's rows; any number of readers, one writer at a time.
#[pyclass(frozen, module = "elanus._native.core")]
struct FastScan(elanus_fastscan::FastScan);

#[pymethods]
impl FastScan {
    #[staticmethod]
    fn train(
        py: Python<'_>,
        base: Vectors,
        metric: &str,
        keep: Option<Bytes>,
        settings: (usize, usize, u64),
    ) -> PyResult<Self> {
        let (column, metric) = (base.column()?, metric_named(metric)?);
        let keep = keep.as_ref().map(|keep| keep.bitmap(column.rows())).transpose()?;
        let (width, threads, seed) = settings;
        let settings = Settings { width, threads, seed };
        let trained = py.detach(|| elanus_fastscan::FastScan::train(&column, metric, keep, &settings));
        trained.map(FastScan).map_err(PyValueError::new_err)
    }

    #[staticmethod]
    fn open(py: Python<'_>, facts: PlainFacts, sections: GivenSections<'_>) -> PyResult<Self> {
        let (rows, dim, width, metric) = facts;
        let facts = Facts { rows, dim, width, metric: metric_named(&metric)? };
        let (codes, present, centroids, squares) = sections;
        let arrays = Arrays {
            codes: codes.as_slice()?,
            present: present.as_slice()?,
            centroids: centroids.as_slice()?,
            squares: squares.as_slice()?,
        };
        py.detach(|| elanus_fastscan::FastScan::open(&facts, &arrays)).map(FastScan).map_err(PyValueError::new_err)
    }

    fn facts(&self) -> PlainFacts {
        let Facts { rows, dim, width, metric } = self.0.facts();
        let name = match metric {
            Metric::L2 => "L2",
            Metric::Ip => "IP",
            _ => "COSINE",
        };
        (rows, dim, width, name.to_owned())
    }

    fn sections<'py>(&self, py: Python<'py>) -> Sections<'py> {
        let arrays = py.detach(|| self.0.arrays());
        (
            PyArray1::from_vec(py, arrays.codes),
            PyArray1::from_vec(py, arrays.present),
            PyArray1::from_vec(py, arrays.centroids),
            PyArray1::from_vec(py, arrays.squares),
        )
    }

    fn num_rows(&self) -> usize {
        self.0.rows()
    }

    fn memory_bytes(&self) -> usize {
        self.0.memory_bytes()
    }

    fn append(&self, py: Python<'_>, base: Vectors, upto: usize, keep: Option<Bytes>, threads: usize) -> PyResult<()> {
        let column = base.column()?;
        let keep = keep.as_ref().map(|keep| keep.bitmap(upto)).transpose()?;
        py.detach(|| self.0.append(&column, keep, upto, threads)).map_err(PyValueError::new_err)
    }

    fn search<'py>(
        &self,
        py: Python<'py>,
        queries: Vectors,
        base: Vectors,
        counts: (usize, usize, usize),
        keep: Option<Bytes>,
        limit: Limit,
    ) -> PyResult<Found<'py>> {
        let (k, refine, threads) = counts;
        let (asked, column, metric) = (queries.column()?, base.column()?, self.0.metric());
        if column.dim() != self.0.dim() {
            let (dim, given) = (self.0.dim(), column.dim());
            return Err(PyValueError::new_err(format!("a column of {given} dimensions for codes of {dim}")));
        }
        if k == 0 || threads == 0 {
            let problem = format!("a search takes at least one row and one thread, not {k} and {threads}");
            return Err(PyValueError::new_err(problem));
        }
        let prepared = prepare(&asked, &column, metric)?;
        let keep = keep.as_ref().map(|keep| keep.bitmap(column.rows())).transpose()?;
        let found = within(py, &limit, |stop| {
            let request = Request { k, refine, rows: column.rows(), keep, threads, stop };
            let queries = 0..prepared.count();
            let vectors: Vec<_> = queries.clone().map(|query| asked.floats(query)).collect();
            let scorers: Vec<_> = queries.map(|query| ColumnScorer::new(&prepared, query, &column, metric)).collect();
            let questions = vectors.iter().zip(&scorers).map(|(vector, exact)| Question { vector, exact });
            self.0.search(&questions.collect::<Vec<_>>(), &request)
        })?;
        padded(py, &found, k, 0)
    }
}

/// Adds this topic's class to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<FastScan>()
}
