//! The response body of a gRPC call: a framed message and its trailers, or nothing.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::{Body, Frame, SizeHint};

use crate::frame;

pub(crate) const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
pub(crate) const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// Messages up to this size are copied behind their prefix, which saves a frame; larger ones follow it uncopied.
const COPY_UP_TO_BYTES: usize = 16 * 1024;

/// What is still to be sent, in this order.
#[derive(Default)]
pub(crate) struct ReplyBody {
    head: Option<Bytes>,
    rest: Option<Bytes>,
    trailers: bool,
}

impl ReplyBody {
    /// A body without bytes or trailers, for answers that fit in the headers.
    pub(crate) fn empty() -> Self {
        Self::default()
    }

    /// Plain text, for answers that are not gRPC.
    pub(crate) fn text(text: &'static str) -> Self {
        Self { head: Some(Bytes::from_static(text.as_bytes())), ..Self::default() }
    }

    /// A framed message with the trailers of success.
    pub(crate) fn message(message: Bytes) -> Self {
        let prefix = frame::prefix(message.len() as u32);
        if message.len() > COPY_UP_TO_BYTES {
            return Self { head: Some(Bytes::copy_from_slice(&prefix)), rest: Some(message), trailers: true };
        }
        let mut framed = BytesMut::with_capacity(prefix.len() + message.len());
        framed.extend_from_slice(&prefix);
        framed.extend_from_slice(&message);
        Self { head: Some(framed.freeze()), rest: None, trailers: true }
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(data) = self.head.take().or_else(|| self.rest.take()) {
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        if !std::mem::take(&mut self.trailers) {
            return Poll::Ready(None);
        }
        let mut trailers = HeaderMap::with_capacity(1);
        trailers.insert(GRPC_STATUS, HeaderValue::from_static("0"));
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.head.is_none() && self.rest.is_none() && !self.trailers
    }

    fn size_hint(&self) -> SizeHint {
        // An exact hint would add a content-length header, which gRPC answers do not carry.
        if self.is_end_stream() { SizeHint::with_exact(0) } else { SizeHint::new() }
    }
}
