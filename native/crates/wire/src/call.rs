//! One request on its way through a worker.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::HeaderMap;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::payload::Payload;
use crate::status::{Code, Status};

/// What the client spoke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Protocol {
    /// A unary gRPC call over HTTP/2.
    Grpc,
}

impl Protocol {
    /// The protocol's name in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
        }
    }
}

/// What a worker sends back: one message, or a failure.
pub type Answer = Result<Bytes, Status>;

/// The call has its answer already.
#[derive(Debug, PartialEq, Eq)]
pub struct AlreadyAnswered;

/// Until when a call is worth its work: what both sides of it can see while it runs. Copies are of the same call.
#[derive(Clone, Debug, Default)]
pub struct Fate {
    /// Set when the client has gone or has cancelled, and once the answer has missed the deadline.
    pub cancelled: Arc<AtomicBool>,
    /// The client's deadline.
    pub deadline: Option<Instant>,
}

/// The parts of a request, before it is queued.
pub(crate) struct Request {
    pub(crate) protocol: Protocol,
    pub(crate) method: String,
    pub(crate) headers: HeaderMap,
    pub(crate) peer: Arc<str>,
    pub(crate) payload: Payload,
    pub(crate) deadline: Option<Instant>,
}

/// A request handed to a worker, to be answered exactly once.
///
/// Dropped unanswered it answers `Internal`, or `DeadlineExceeded` when it is too late for any answer.
pub struct Call {
    protocol: Protocol,
    method: String,
    headers: HeaderMap,
    peer: Arc<str>,
    payload: Mutex<Payload>,
    fate: Fate,
    answer: Mutex<Option<oneshot::Sender<Answer>>>,
}

impl Call {
    pub(crate) fn new(request: Request) -> (Self, Fate, oneshot::Receiver<Answer>) {
        let (sender, receiver) = oneshot::channel();
        let fate = Fate { cancelled: Arc::default(), deadline: request.deadline };
        let call = Self {
            protocol: request.protocol,
            method: request.method,
            headers: request.headers,
            peer: request.peer,
            payload: Mutex::new(request.payload),
            fate: fate.clone(),
            answer: Mutex::new(Some(sender)),
        };
        (call, fate, receiver)
    }

    /// What the client spoke.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// The path of the request, `/package.Service/Method` for gRPC.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The request's headers, names in lower case.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The other end: `address:port`, or `unix`.
    pub fn peer(&self) -> &str {
        &self.peer
    }

    /// Takes the message out; empty the second time.
    pub fn take_payload(&self) -> Payload {
        std::mem::take(&mut self.payload.lock())
    }

    /// Until when the call is worth its work.
    pub fn fate(&self) -> &Fate {
        &self.fate
    }

    /// Whether the client has gone, cancelled, or its deadline has passed.
    pub fn is_cancelled(&self) -> bool {
        self.fate.cancelled.load(Ordering::Relaxed) || self.remaining() == Some(Duration::ZERO)
    }

    /// Time until the client's deadline, zero when it has passed, `None` without one.
    pub fn remaining(&self) -> Option<Duration> {
        self.fate.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// Sends the answer; it is dropped silently when the client has gone.
    pub fn answer(&self, answer: Answer) -> Result<(), AlreadyAnswered> {
        let sender = self.answer.lock().take().ok_or(AlreadyAnswered)?;
        // A closed channel means that nobody waits any more: the client has cancelled or left.
        drop(sender.send(answer));
        Ok(())
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let status = if self.remaining() == Some(Duration::ZERO) {
            Status::new(Code::DeadlineExceeded, "the deadline passed before the answer")
        } else {
            Status::new(Code::Internal, "the call ended without an answer")
        };
        drop(self.answer(Err(status)));
    }
}
