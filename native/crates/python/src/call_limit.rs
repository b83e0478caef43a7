//! Until when a call is worth its work: set by the wire, handed to every search.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use elanus_kernels::{Stop, Stopped};
use elanus_wire::Fate;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

pyo3::import_exception!(elanus.model.deadline, Cancelled);
pyo3::import_exception!(elanus.model.deadline, Expired);

/// Until when a call is worth its work. Any thread may look at it, and cancel it.
#[pyclass(frozen, module = "elanus._native.core")]
pub(crate) struct CallLimit(Fate);

#[pymethods]
impl CallLimit {
    #[new]
    #[pyo3(signature = (remaining_s = None))]
    fn new(remaining_s: Option<f64>) -> PyResult<Self> {
        let left = remaining_s.map(|seconds| {
            let seconds = if seconds < 0.0 { 0.0 } else { seconds };
            Duration::try_from_secs_f64(seconds)
                .map_err(|error| PyValueError::new_err(format!("{seconds} seconds: {error}")))
        });
        // A deadline beyond the clock's range is none.
        let deadline = left.transpose()?.and_then(|left| Instant::now().checked_add(left));
        Ok(CallLimit(Fate { deadline, ..Fate::default() }))
    }

    fn cancel(&self) {
        self.0.cancelled.store(true, Ordering::Relaxed);
    }

    #[getter]
    fn cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::Relaxed)
    }

    #[getter]
    fn remaining_s(&self) -> Option<f64> {
        self.0.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()).as_secs_f64())
    }

    fn check(&self) -> PyResult<()> {
        self.stop().look().map_err(|stopped| self.over(stopped))
    }
}

impl CallLimit {
    pub(crate) fn of(fate: &Fate) -> Self {
        CallLimit(fate.clone())
    }

    fn stop(&self) -> Stop<'_> {
        Stop { cancelled: Some(&self.0.cancelled), deadline: self.0.deadline }
    }

    /// What to raise: who misses the deadline has cancelled too.
    fn over(&self, _stopped: Stopped) -> PyErr {
        match self.0.deadline {
            Some(deadline) if Instant::now() >= deadline => Expired::new_err("the call's deadline has passed"),
            _ => Cancelled::new_err("the call was cancelled"),
        }
    }
}

/// The limit of the call that a search belongs to; none outside of calls.
pub(crate) type Limit = Option<Py<CallLimit>>;

/// Runs `search` with the interpreter released, until the call is over.
pub(crate) fn within<T: Send>(
    py: Python<'_>,
    limit: &Limit,
    search: impl FnOnce(Stop) -> Result<T, Stopped> + Send,
) -> PyResult<T> {
    match limit.as_ref().map(Py::get) {
        Some(limit) => py.detach(|| search(limit.stop())).map_err(|stopped| limit.over(stopped)),
        None => Ok(py.detach(|| search(Stop::default())).expect("nothing stops it")),
    }
}

/// Adds the limit to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<CallLimit>()
}
