//! The gRPC message frame: one flag byte, four length bytes, the message.

use std::io::Read;

use bytes::{Buf, Bytes};
use flate2::read::MultiGzDecoder;

use crate::payload::Payload;
use crate::status::{Code, Status};

/// Bytes before each message.
pub(crate) const PREFIX_BYTES: usize = 5;

/// How the client says that its messages are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Identity,
    Gzip,
}

impl Encoding {
    /// Reads the `grpc-encoding` header; an encoding that is not served is `Unimplemented`.
    pub(crate) fn from_header(value: Option<&[u8]>) -> Result<Self, Status> {
        match value {
            None | Some(b"identity") => Ok(Self::Identity),
            Some(b"gzip") => Ok(Self::Gzip),
            Some(other) => Err(Status::new(
                Code::Unimplemented,
                format!(
                    "message compression {:?} is not supported, use identity or gzip",
                    String::from_utf8_lossy(other)
                ),
            )),
        }
    }
}

/// Collects the one message of a unary request from DATA frames of any size.
pub(crate) struct Assembler {
    max_bytes: usize,
    prefix: [u8; PREFIX_BYTES],
    prefix_len: usize,
    message_len: usize,
    payload: Payload,
}

impl Assembler {
    pub(crate) fn new(max_bytes: usize) -> Self {
        Self { max_bytes, prefix: [0; PREFIX_BYTES], prefix_len: 0, message_len: 0, payload: Payload::default() }
    }

    /// Takes the next bytes; the announced length is checked before any of the message is kept.
    pub(crate) fn push(&mut self, mut data: Bytes) -> Result<(), Status> {
        if self.prefix_len < PREFIX_BYTES {
            let count = data.len().min(PREFIX_BYTES - self.prefix_len);
            data.copy_to_slice(&mut self.prefix[self.prefix_len..self.prefix_len + count]);
            self.prefix_len += count;
            if self.prefix_len < PREFIX_BYTES {
                return Ok(());
            }
            self.message_len = self.announced_len()?;
        }
        if self.payload.len() + data.len() > self.message_len {
            return Err(Status::new(Code::InvalidArgument, "a unary call takes one message, more bytes followed it"));
        }
        self.payload.push(data);
        Ok(())
    }

    fn announced_len(&self) -> Result<usize, Status> {
        let [flag, length @ ..] = self.prefix;
        if flag > 1 {
            return Err(Status::new(Code::InvalidArgument, format!("message flag {flag} is neither 0 nor 1")));
        }
        let len = u32::from_be_bytes(length) as usize;
        if len > self.max_bytes { Err(too_large(len, self.max_bytes)) } else { Ok(len) }
    }

    /// The message and whether its flag says that it is compressed.
    pub(crate) fn finish(self) -> Result<(Payload, bool), Status> {
        if self.prefix_len < PREFIX_BYTES {
            return Err(Status::new(Code::InvalidArgument, "the request ended before its message began"));
        }
        if self.payload.len() < self.message_len {
            let (got, announced) = (self.payload.len(), self.message_len);
            return Err(Status::new(
                Code::InvalidArgument,
                format!("the request ended after {got} of {announced} message bytes"),
            ));
        }
        Ok((self.payload, self.prefix[0] == 1))
    }
}

fn too_large(len: usize, max_bytes: usize) -> Status {
    Status::new(
        Code::ResourceExhausted,
        format!("grpc: received message larger than max ({len} vs. {max_bytes} bytes)"),
    )
}

/// Unpacks a gzip message; stops as soon as it grows past `max_bytes`.
pub(crate) fn inflate(payload: Payload, max_bytes: usize) -> Result<Payload, Status> {
    let mut message = Vec::new();
    MultiGzDecoder::new(payload.into_reader())
        .take(max_bytes as u64 + 1)
        .read_to_end(&mut message)
        .map_err(|error| Status::new(Code::InvalidArgument, format!("the gzip message can't be read: {error}")))?;
    if message.len() > max_bytes {
        return Err(Status::new(
            Code::ResourceExhausted,
            format!("grpc: received message after decompression larger than max ({max_bytes} bytes)"),
        ));
    }
    Ok(Payload::from(message))
}

/// The five bytes before a message of `len` bytes, uncompressed.
pub(crate) fn prefix(len: u32) -> [u8; PREFIX_BYTES] {
    let [a, b, c, d] = len.to_be_bytes();
    [0, a, b, c, d]
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn framed(flag: u8, message: &[u8]) -> Vec<u8> {
        let mut bytes = prefix(message.len() as u32).to_vec();
        bytes[0] = flag;
        bytes.extend_from_slice(message);
        bytes
    }

    fn assemble(bytes: &[u8], piece: usize, max_bytes: usize) -> Result<(Vec<u8>, bool), Status> {
        let mut assembler = Assembler::new(max_bytes);
        for part in bytes.chunks(piece) {
            assembler.push(Bytes::copy_from_slice(part))?;
        }
        let (payload, compressed) = assembler.finish()?;
        Ok((payload.pieces().flatten().copied().collect(), compressed))
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn any_split_gives_the_same_message() {
        let message: Vec<u8> = (0..=255).cycle().take(9000).collect();
        let bytes = framed(0, &message);
        for piece in [1, 2, 5, 6, 4096, 4101, bytes.len()] {
            assert_eq!(assemble(&bytes, piece, 9000).unwrap(), (message.clone(), false));
        }
        assert_eq!(assemble(&framed(1, b""), 5, 10).unwrap(), (Vec::new(), true));
    }

    #[test]
    fn announced_length_is_checked_before_the_message_arrives() {
        let mut assembler = Assembler::new(100);
        let status = assembler.push(Bytes::copy_from_slice(&framed(0, &[7; 101])[..5])).unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted as u8);
        assert!(status.message().contains("(101 vs. 100 bytes)"));
    }

    #[test]
    fn broken_frames_are_refused() {
        let cases: [&[u8]; 5] = [b"", &[0, 0], &[2, 0, 0, 0, 0], &[0, 0, 0, 0, 2, 9], &[0, 0, 0, 0, 1, 9, 9]];
        for bytes in cases {
            let status = assemble(bytes, 64, 100).unwrap_err();
            assert_eq!(status.code(), Code::InvalidArgument as u8, "{bytes:?}");
        }
    }

    #[test]
    fn gzip_is_unpacked_within_the_limit() {
        let packed = gzip(&[5; 5000]);
        let message = inflate(Payload::from(packed.clone()), 5000).unwrap();
        assert_eq!(message.pieces().flatten().copied().collect::<Vec<u8>>(), vec![5; 5000]);
        let status = inflate(Payload::from(packed.clone()), 4999).unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted as u8);
        let status = inflate(Payload::from(packed[..packed.len() / 2].to_vec()), 5000).unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument as u8);
    }

    #[test]
    fn unknown_encodings_are_unimplemented() {
        assert_eq!(Encoding::from_header(None), Ok(Encoding::Identity));
        assert_eq!(Encoding::from_header(Some(b"gzip")), Ok(Encoding::Gzip));
        let status = Encoding::from_header(Some(b"snappy")).unwrap_err();
        assert_eq!(status.code(), Code::Unimplemented as u8);
    }
}
