//! One client connection, from its first byte to its last.

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use crate::authority::AuthorityRepair;
use crate::grpc;
use crate::hub::{Hub, Phase};
use crate::opening::{self, Opening, Rewound};

const MIB: u32 = 1024 * 1024;
/// A client that says nothing for this long is not one.
const OPENING_LIMIT: Duration = Duration::from_secs(10);
/// Longest that a refused HTTP/1 client may take to send its head and read the answer.
const REFUSAL_LIMIT: Duration = Duration::from_secs(2);
const MAX_HTTP1_HEAD_BYTES: usize = 16 * 1024;
const MAX_HTTP1_LINGER_BYTES: usize = 64 * 1024 * 1024;
/// Idle time after which the server asks whether the client is still there, and how long it waits for the answer.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(60);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(10);
const MAX_STREAMS: u32 = 2048;

/// Serves until the client leaves or the server closes; `repair` is for clients of a Unix socket.
pub(crate) async fn serve<S>(hub: Arc<Hub>, mut stream: S, peer: Arc<str>, repair: Option<AuthorityRepair>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let opening = tokio::select! {
        opening = timeout(OPENING_LIMIT, opening::read(&mut stream)) => opening,
        () = hub.reached(Phase::Draining) => return,
    };
    match opening {
        Ok(Ok(Opening::Http2(first))) => serve_http2(hub, Rewound::new(first, stream, repair), peer).await,
        Ok(Ok(Opening::Http1(first))) => drop(timeout(REFUSAL_LIMIT, refuse_http1(stream, first)).await),
        Ok(Ok(Opening::Unknown) | Err(_)) | Err(_) => {}
    }
}

async fn serve_http2<S>(hub: Arc<Hub>, stream: S, peer: Arc<str>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let _presence = hub.census.enter();
    let service = service_fn({
        let hub = Arc::clone(&hub);
        move |request| {
            let reply = grpc::reply(Arc::clone(&hub), request, Arc::clone(&peer));
            async move { Ok::<_, Infallible>(reply.await) }
        }
    });
    let mut connection = pin!(http2_settings().serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        // An error here is the client's: a broken frame, a reset socket. It ends this connection only.
        _ = connection.as_mut() => return,
        () = hub.reached(Phase::Draining) => connection.as_mut().graceful_shutdown(),
    }
    tokio::select! {
        _ = connection.as_mut() => {}
        () = hub.reached(Phase::Closed) => {}
    }
}

fn http2_settings() -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .auto_date_header(false)
        .initial_stream_window_size(8 * MIB)
        .initial_connection_window_size(16 * MIB)
        .max_frame_size(MIB)
        .max_send_buf_size(MIB as usize)
        .max_concurrent_streams(MAX_STREAMS)
        // A client may cancel all its calls at once; beyond that it is a reset flood.
        .max_pending_accept_reset_streams(MAX_STREAMS as usize)
        .max_header_list_size(64 * 1024)
        .keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT);
    builder
}

/// Tells an HTTP/1 client what this port speaks.
async fn refuse_http1<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, first: Bytes) -> io::Result<()> {
    const TEXT: &str = "This port speaks gRPC over HTTP/2; HTTP/1 requests are not served here.\n";
    let mut head = first.to_vec();
    while !ends_head(&head) && head.len() < MAX_HTTP1_HEAD_BYTES {
        if stream.read_buf(&mut head).await? == 0 {
            break;
        }
    }
    let answer = format!(
        "HTTP/1.1 501 Not Implemented\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{TEXT}",
        TEXT.len()
    );
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await?;
    linger(stream).await
}

fn ends_head(head: &[u8]) -> bool {
    head.windows(4).any(|end| end == b"\r\n\r\n")
}

/// Reads on until the client closes: closing with unread bytes would reset the answer away.
async fn linger<S: AsyncRead + Unpin>(mut stream: S) -> io::Result<()> {
    let mut discarded = [0; 8192];
    let mut total = 0;
    while total < MAX_HTTP1_LINGER_BYTES {
        match stream.read(&mut discarded).await? {
            0 => break,
            count => total += count,
        }
    }
    Ok(())
}
