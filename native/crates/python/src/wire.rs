//! The network front: a server whose calls are taken and answered by blocking Python threads.

use std::collections::HashSet;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use elanus_wire::{AlreadyAnswered, Answer, Bytes, Call, LaneKind, Payload, Server, Settings, Status};
use pyo3::exceptions::{PyKeyError, PyMemoryError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyList, PyString};

use crate::call_limit::CallLimit;

/// Above this size a body is copied with the interpreter released.
const DETACH_ABOVE_BYTES: usize = 64 * 1024;
/// Answers up to this size are copied, so that no Python object is left in the hands of an I/O thread.
const COPY_UP_TO_BYTES: usize = 16 * 1024;
/// How often a long wait looks for signals.
const SIGNAL_INTERVAL: Duration = Duration::from_millis(200);

/// Serves gRPC over HTTP/2 on TCP, a Unix socket, or both, from the moment it is made.
#[pyclass(frozen, module = "elanus._native.core")]
struct WireServer {
    server: Server,
}

#[pymethods]
impl WireServer {
    #[classattr]
    const FAST_LANE: u8 = 0;
    #[classattr]
    const SLOW_LANE: u8 = 1;

    #[new]
    #[pyo3(signature = (*, host, port, uds, slow_methods, io_threads, max_waiting, max_request_bytes, max_response_bytes))]
    #[expect(clippy::too_many_arguments, reason = "keywords of one constructor, named at each call")]
    fn new(
        py: Python<'_>,
        host: Option<String>,
        port: u16,
        uds: Option<PathBuf>,
        slow_methods: Vec<String>,
        io_threads: usize,
        max_waiting: usize,
        max_request_bytes: usize,
        max_response_bytes: usize,
    ) -> PyResult<Self> {
        if host.is_none() && uds.is_none() {
            return Err(PyValueError::new_err("a server needs a host, a Unix socket path, or both"));
        }
        let settings = Settings {
            tcp: host.map(|host| (host, port)),
            unix: uds,
            slow_methods: HashSet::from_iter(slow_methods),
            io_threads,
            max_waiting,
            max_request_bytes,
            max_response_bytes,
        };
        let server = py.detach(|| Server::start(settings)).map_err(os_error)?;
        Ok(Self { server })
    }

    /// The bound TCP host and port.
    #[getter]
    fn tcp_address(&self) -> Option<(String, u16)> {
        self.server.tcp_address().map(|address| (address.ip().to_string(), address.port()))
    }

    /// The path of the Unix socket.
    #[getter]
    fn unix_path(&self) -> Option<&PathBuf> {
        self.server.unix_path()
    }

    fn next_request(&self, py: Python<'_>, lane: u8) -> PyResult<Option<WireCall>> {
        let lane = lane_kind(lane)?;
        let call = py.detach(|| self.server.next_call(lane));
        Ok(call.map(|call| WireCall { call, body: PyOnceLock::new() }))
    }

    fn num_waiting(&self, lane: u8) -> PyResult<usize> {
        Ok(self.server.num_waiting(lane_kind(lane)?))
    }

    fn num_connections(&self) -> usize {
        self.server.num_connections()
    }

    #[pyo3(signature = (grace_s, first_timeout_s = None))]
    fn wait_until_unused(&self, py: Python<'_>, grace_s: f64, first_timeout_s: Option<f64>) -> PyResult<bool> {
        let grace = seconds(grace_s)?;
        let first_by = first_timeout_s.map(seconds).transpose()?.and_then(|limit| Instant::now().checked_add(limit));
        loop {
            let until = Instant::now() + SIGNAL_INTERVAL;
            if let Some(unused) = py.detach(|| self.server.wait_unused(grace, first_by, until)) {
                return Ok(unused);
            }
            py.check_signals()?;
        }
    }

    fn drain(&self, py: Python<'_>, timeout_s: f64) -> PyResult<bool> {
        let limit = seconds(timeout_s)?;
        Ok(py.detach(|| self.server.drain(limit)))
    }

    fn close(&self, py: Python<'_>) {
        py.detach(|| self.server.close());
    }
}

/// One request, to be answered exactly once.
#[pyclass(frozen, module = "elanus._native.core")]
struct WireCall {
    call: Call,
    body: PyOnceLock<Py<PyBytes>>,
}

#[pymethods]
impl WireCall {
    #[getter]
    fn protocol(&self) -> &'static str {
        self.call.protocol().name()
    }

    #[getter]
    fn method(&self) -> &str {
        self.call.method()
    }

    #[getter]
    fn peer(&self) -> &str {
        self.call.peer()
    }

    #[getter]
    fn body<'py>(&'py self, py: Python<'py>) -> PyResult<&'py Bound<'py, PyBytes>> {
        let body = self.body.get_or_try_init(py, || contiguous(py, self.call.take_payload()))?;
        Ok(body.bind(py))
    }

    #[getter]
    fn metadata(slf: Bound<'_, Self>) -> WireMetadata {
        WireMetadata { call: slf.unbind() }
    }

    #[getter]
    fn cancelled(&self) -> bool {
        self.call.is_cancelled()
    }

    #[getter]
    fn remaining_s(&self) -> Option<f64> {
        self.call.remaining().map(|left| left.as_secs_f64())
    }

    /// The two together, as searches take them.
    #[getter]
    fn limit(&self) -> CallLimit {
        CallLimit::of(self.call.fate())
    }

    fn respond(&self, body: Bound<'_, PyBytes>) -> PyResult<()> {
        let bytes = body.as_bytes();
        let answer = if bytes.len() <= COPY_UP_TO_BYTES {
            Bytes::copy_from_slice(bytes)
        } else {
            Bytes::from_owner(PyBackedBytes::from(body))
        };
        self.answer(Ok(answer))
    }

    fn fail(&self, code: u8, message: &Bound<'_, PyString>) -> PyResult<()> {
        let status = Status::from_number(code, message.to_string_lossy().into_owned())
            .ok_or_else(|| PyValueError::new_err(format!("{code} is not a gRPC failure code, which are 1 to 16")))?;
        self.answer(Err(status))
    }
}

impl WireCall {
    fn answer(&self, answer: Answer) -> PyResult<()> {
        self.call.answer(answer).map_err(|AlreadyAnswered| PyRuntimeError::new_err("the call has its answer already"))
    }
}

/// The ASCII headers of a call, read where they lie: a mapping from lower-case names to strings.
#[pyclass(frozen, mapping, module = "elanus._native.core")]
struct WireMetadata {
    call: Py<WireCall>,
}

#[pymethods]
impl WireMetadata {
    fn __getitem__(&self, key: &str) -> PyResult<&str> {
        self.find(key).ok_or_else(|| PyKeyError::new_err(key.to_owned()))
    }

    fn __contains__(&self, key: &Bound<'_, PyAny>) -> bool {
        key.extract::<String>().is_ok_and(|key| self.find(&key).is_some())
    }

    fn __len__(&self) -> usize {
        self.names().count()
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(self.keys(py)?.try_iter()?.into_any())
    }

    #[pyo3(signature = (key, default = None))]
    fn get<'py>(
        &'py self,
        py: Python<'py>,
        key: &str,
        default: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        match self.find(key) {
            Some(value) => Ok(value.into_pyobject(py)?.into_any()),
            None => Ok(default.unwrap_or_else(|| py.None().into_bound(py))),
        }
    }

    fn keys<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        PyList::new(py, self.names().collect::<Vec<_>>())
    }

    fn values<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        PyList::new(py, self.names().filter_map(|name| self.find(name)).collect::<Vec<_>>())
    }

    fn items<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        PyList::new(py, self.names().filter_map(|name| Some((name, self.find(name)?))).collect::<Vec<_>>())
    }
}

impl WireMetadata {
    /// The first value under the name; `-bin` headers and values that are not ASCII are as absent.
    fn find(&self, name: &str) -> Option<&str> {
        if name.ends_with("-bin") {
            return None;
        }
        self.call.get().call.headers().get(name)?.to_str().ok()
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.call.get().call.headers().keys().map(AsRef::<str>::as_ref).filter(|name| self.find(name).is_some())
    }
}

/// Makes one `bytes` object of the pieces.
fn contiguous(py: Python<'_>, payload: Payload) -> PyResult<Py<PyBytes>> {
    let len = isize::try_from(payload.len()).map_err(|_| PyMemoryError::new_err("message too large"))?;
    // SAFETY: a null source asks for an uninitialised object of `len` bytes; it is filled below before anybody sees it.
    let object =
        unsafe { Bound::from_owned_ptr_or_err(py, pyo3::ffi::PyBytes_FromStringAndSize(std::ptr::null(), len)) }?;
    // SAFETY: the object is the bytes object made above.
    let target = unsafe { pyo3::ffi::PyBytes_AsString(object.as_ptr()) } as usize;
    if payload.len() > DETACH_ABOVE_BYTES {
        py.detach(|| fill(target, &payload));
    } else {
        fill(target, &payload);
    }
    Ok(object.cast_into::<PyBytes>()?.unbind())
}

/// Copies the payload to the address, which must hold `payload.len()` bytes that nobody else reads or writes.
fn fill(target: usize, payload: &Payload) {
    let mut target = target as *mut u8;
    for piece in payload.pieces() {
        // SAFETY: the pieces add up to `payload.len()`, which is the size of the new object that `contiguous` passes and
        // alone knows.
        unsafe {
            std::ptr::copy_nonoverlapping(piece.as_ptr(), target, piece.len());
            target = target.add(piece.len());
        }
    }
}

fn lane_kind(lane: u8) -> PyResult<LaneKind> {
    match lane {
        WireServer::FAST_LANE => Ok(LaneKind::Fast),
        WireServer::SLOW_LANE => Ok(LaneKind::Slow),
        other => Err(PyValueError::new_err(format!("lane {other} is neither FAST_LANE nor SLOW_LANE"))),
    }
}

fn seconds(value: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(value).map_err(|error| PyValueError::new_err(format!("{value} seconds: {error}")))
}

/// Keeps the kind (`PermissionError`, ...) and the text that names the address.
fn os_error(error: io::Error) -> PyErr {
    if error.kind() == io::ErrorKind::InvalidInput { PyValueError::new_err(error.to_string()) } else { error.into() }
}

/// Adds the server and its calls to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<WireServer>()?;
    module.add_class::<WireCall>()?;
    module.add_class::<WireMetadata>()
}
