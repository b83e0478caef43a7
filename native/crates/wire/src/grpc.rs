//! A gRPC request becomes a queued call; its answer becomes a response.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request as HttpRequest, Response, StatusCode};
use http_body::Body;
use hyper::body::Incoming;
use tokio::time::timeout_at;

use crate::body::{GRPC_MESSAGE, GRPC_STATUS, ReplyBody};
use crate::call::{Answer, Protocol, Request};
use crate::frame::{Assembler, Encoding, inflate};
use crate::hub::Hub;
use crate::payload::Payload;
use crate::status::{Code, Status};
use crate::timeout;

const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
const GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
const GRPC_ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");
const GRPC_CONTENT_TYPE: HeaderValue = HeaderValue::from_static("application/grpc");

/// Answers one HTTP/2 request.
pub(crate) async fn reply(hub: Arc<Hub>, request: HttpRequest<Incoming>, peer: Arc<str>) -> Response<ReplyBody> {
    if let Some(refusal) = refusal(&request) {
        return refusal;
    }
    match answer(&hub, request, peer).await {
        Ok(message) => with_grpc_type(Response::new(ReplyBody::message(message))),
        Err(status) => failure(&status),
    }
}

/// The answer to a request that is not gRPC at all.
fn refusal<B>(request: &HttpRequest<B>) -> Option<Response<ReplyBody>> {
    if !is_grpc(request.headers()) {
        let text = "This port speaks gRPC: content-type application/grpc.\n";
        return Some(plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, text));
    }
    if request.method() != Method::POST {
        let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "gRPC calls are POST requests.\n");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        return Some(response);
    }
    None
}

fn is_grpc(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).map_or(b"".as_slice(), HeaderValue::as_bytes);
    let subtype = value.strip_prefix(b"application/grpc".as_slice());
    subtype.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}

/// Reads, queues and waits, all within the client's deadline.
async fn answer(hub: &Hub, request: HttpRequest<Incoming>, peer: Arc<str>) -> Answer {
    match deadline(request.headers())? {
        None => run(hub, request, peer, None).await,
        Some(deadline) => timeout_at(deadline.into(), run(hub, request, peer, Some(deadline)))
            .await
            .unwrap_or_else(|_| Err(Status::new(Code::DeadlineExceeded, "the deadline passed before the answer"))),
    }
}

fn deadline(headers: &HeaderMap) -> Result<Option<Instant>, Status> {
    let Some(value) = headers.get(GRPC_TIMEOUT) else { return Ok(None) };
    let timeout = timeout::parse(value.as_bytes())
        .ok_or_else(|| Status::new(Code::InvalidArgument, "the grpc-timeout header can't be read"))?;
    // A timeout beyond the clock's range is no limit.
    Ok(Instant::now().checked_add(timeout))
}

async fn run(hub: &Hub, request: HttpRequest<Incoming>, peer: Arc<str>, deadline: Option<Instant>) -> Answer {
    let (parts, body) = request.into_parts();
    let encoding = Encoding::from_header(parts.headers.get(GRPC_ENCODING).map(HeaderValue::as_bytes))?;
    let payload = read_message(body, encoding, hub.max_request_bytes).await?;
    let lane = hub.lane_of(parts.uri.path());
    let method = parts.uri.path().to_owned();
    let (protocol, headers) = (Protocol::Grpc, parts.headers);
    let message = lane.submit(Request { protocol, method, headers, peer, payload, deadline })?.wait().await?;
    if message.len() > hub.max_response_bytes {
        let (len, max) = (message.len(), hub.max_response_bytes);
        let text = format!("grpc: trying to send message larger than max ({len} vs. {max} bytes)");
        return Err(Status::new(Code::ResourceExhausted, text));
    }
    Ok(message)
}

async fn read_message(mut body: Incoming, encoding: Encoding, max_bytes: usize) -> Result<Payload, Status> {
    let mut assembler = Assembler::new(max_bytes);
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let frame =
            frame.map_err(|error| Status::new(Code::InvalidArgument, format!("the request broke off: {error}")))?;
        if let Ok(data) = frame.into_data() {
            assembler.push(data)?;
        }
    }
    match (assembler.finish()?, encoding) {
        ((payload, false), _) => Ok(payload),
        ((payload, true), Encoding::Gzip) => unpacked(payload, max_bytes).await,
        ((_, true), Encoding::Identity) => {
            Err(Status::new(Code::InvalidArgument, "a compressed message came without a grpc-encoding header"))
        }
    }
}

/// Unpacks on a thread of its own: a large message would hold up the other connections of this one.
fn unpacked(payload: Payload, max_bytes: usize) -> impl Future<Output = Result<Payload, Status>> {
    let task = tokio::task::spawn_blocking(move || inflate(payload, max_bytes));
    async { task.await.unwrap_or_else(|_| Err(Status::new(Code::Internal, "the message can't be unpacked"))) }
}

/// A response of headers only.
fn failure(status: &Status) -> Response<ReplyBody> {
    let mut response = with_grpc_type(Response::new(ReplyBody::empty()));
    let headers = response.headers_mut();
    headers.insert(GRPC_STATUS, status.code_header());
    headers.insert(GRPC_MESSAGE, status.message_header());
    if status.code() == Code::Unimplemented as u8 {
        headers.insert(GRPC_ACCEPT_ENCODING, HeaderValue::from_static("identity,gzip"));
    }
    response
}

fn with_grpc_type(mut response: Response<ReplyBody>) -> Response<ReplyBody> {
    response.headers_mut().insert(CONTENT_TYPE, GRPC_CONTENT_TYPE);
    response
}

fn plain(code: StatusCode, text: &'static str) -> Response<ReplyBody> {
    let mut response = Response::new(ReplyBody::text(text));
    *response.status_mut() = code;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: Method, content_type: &'static str) -> HttpRequest<()> {
        HttpRequest::builder().method(method).header(CONTENT_TYPE, content_type).body(()).unwrap()
    }

    #[test]
    fn only_posts_of_grpc_content_pass() {
        for content_type in ["application/grpc", "application/grpc+proto", "application/grpc;charset=utf-8"] {
            assert!(refusal(&request(Method::POST, content_type)).is_none(), "{content_type}");
        }
        for content_type in ["application/grpc-web", "application/json", ""] {
            let response = refusal(&request(Method::POST, content_type)).unwrap();
            assert_eq!(response.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
        }
        let response = refusal(&request(Method::GET, "application/grpc")).unwrap();
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    }

    #[test]
    fn failures_ride_in_the_headers() {
        let response = failure(&Status::new(Code::ResourceExhausted, "50% full"));
        assert_eq!(response.headers()[GRPC_STATUS], "8");
        assert_eq!(response.headers()[GRPC_MESSAGE], "50%25 full");
        assert!(response.body().is_end_stream());
    }

    #[test]
    fn a_bad_timeout_is_the_callers_fault() {
        let mut headers = HeaderMap::new();
        assert_eq!(deadline(&headers), Ok(None));
        headers.insert(GRPC_TIMEOUT, HeaderValue::from_static("soon"));
        assert_eq!(deadline(&headers).unwrap_err().code(), Code::InvalidArgument as u8);
    }
}
