//! The first bytes of a connection say what the client speaks.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

use crate::authority::AuthorityRepair;

const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What the client speaks, with the bytes already read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Opening {
    /// The preface of HTTP/2, whole.
    Http2(Bytes),
    /// The start of an HTTP/1 request line.
    Http1(Bytes),
    /// Neither; or the client left.
    Unknown,
}

/// Reads until the protocol is certain, at most the 24 bytes of the HTTP/2 preface.
pub(crate) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Opening> {
    let mut first = [0; PREFACE.len()];
    let mut len = 0;
    while len < first.len() {
        let count = stream.read(&mut first[len..]).await?;
        if count == 0 {
            return Ok(Opening::Unknown);
        }
        len += count;
        if first[..len] != PREFACE[..len] {
            return Ok(other_than_http2(&first[..len]));
        }
    }
    Ok(Opening::Http2(Bytes::copy_from_slice(&first)))
}

/// A method of HTTP/1 is upper-case letters up to a space; a binary protocol breaks that in its first bytes.
fn other_than_http2(first: &[u8]) -> Opening {
    let letters = first.iter().take_while(|byte| byte.is_ascii_uppercase()).count();
    if letters > 0 && first.get(letters).is_none_or(|byte| *byte == b' ') {
        Opening::Http1(Bytes::copy_from_slice(first))
    } else {
        Opening::Unknown
    }
}

/// A stream whose first bytes were read already and are read again.
pub(crate) struct Rewound<S> {
    first: Bytes,
    stream: S,
    repair: Option<AuthorityRepair>,
}

impl<S> Rewound<S> {
    /// `repair` goes over all that follows the first bytes.
    pub(crate) fn new(first: Bytes, stream: S, repair: Option<AuthorityRepair>) -> Self {
        Self { first, stream, repair }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Rewound<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.first.is_empty() {
            let before = out.filled().len();
            let result = Pin::new(&mut self.stream).poll_read(context, out);
            if let Some(repair) = &mut self.repair {
                repair.apply(&mut out.filled_mut()[before..]);
            }
            return result;
        }
        let count = self.first.len().min(out.remaining());
        out.put_slice(&self.first[..count]);
        self.first.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Rewound<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, data)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, data)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opening(bytes: &[u8]) -> Opening {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut stream = bytes;
        runtime.block_on(read(&mut stream)).unwrap()
    }

    #[test]
    fn protocols_are_told_apart_by_their_first_bytes() {
        assert_eq!(opening(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nmore"), Opening::Http2(Bytes::from_static(PREFACE)));
        assert!(matches!(opening(b"GET / HTTP/1.1\r\n"), Opening::Http1(_)));
        assert!(matches!(opening(b"PROPFIND / HTTP/1.1\r\n"), Opening::Http1(_)));
        assert_eq!(opening(b"\x16\x03\x01\x02\x00"), Opening::Unknown);
        assert_eq!(opening(b"PRI * HTTP/2.0\r\n"), Opening::Unknown);
        assert_eq!(opening(b""), Opening::Unknown);
    }

    #[test]
    fn rewound_bytes_are_read_before_the_stream() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut stream = Rewound::new(Bytes::from_static(b"one "), b"two".as_slice(), None);
        let mut text = String::new();
        runtime.block_on(stream.read_to_string(&mut text)).unwrap();
        assert_eq!(text, "one two");
    }
}
