//! The bytes of one message, kept in the pieces in which they came.

use std::io::{self, Read};

use bytes::{Buf, Bytes};

/// Pieces below this size are joined, so that a stream of tiny frames costs no more memory than its bytes.
const JOIN_BELOW_BYTES: usize = 4096;

/// A message in one or more pieces; copied once, by whoever needs it contiguous.
#[derive(Debug, Default)]
pub struct Payload {
    pieces: Vec<Bytes>,
    tail: Vec<u8>,
    len: usize,
}

impl Payload {
    /// Total bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The pieces in order; their lengths add up to `len()`.
    pub fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        let tail = (!self.tail.is_empty()).then_some(self.tail.as_slice());
        self.pieces.iter().map(AsRef::as_ref).chain(tail)
    }

    pub(crate) fn push(&mut self, piece: Bytes) {
        self.len += piece.len();
        if piece.is_empty() {
            return;
        }
        if piece.len() < JOIN_BELOW_BYTES && !self.pieces.is_empty() {
            self.tail.extend_from_slice(&piece);
            return;
        }
        if !self.tail.is_empty() {
            self.pieces.push(Bytes::from(std::mem::take(&mut self.tail)));
        }
        self.pieces.push(piece);
    }

    pub(crate) fn into_reader(mut self) -> PayloadReader {
        let tail = std::mem::take(&mut self.tail);
        self.pieces.push(Bytes::from(tail));
        PayloadReader { pieces: self.pieces.into_iter(), current: Bytes::new() }
    }
}

impl From<Vec<u8>> for Payload {
    fn from(bytes: Vec<u8>) -> Self {
        let mut payload = Self::default();
        payload.push(Bytes::from(bytes));
        payload
    }
}

/// Reads the pieces of a payload one after the other.
pub(crate) struct PayloadReader {
    pieces: std::vec::IntoIter<Bytes>,
    current: Bytes,
}

impl Read for PayloadReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.pieces.next() {
                Some(piece) => self.current = piece,
                None => return Ok(0),
            }
        }
        let count = self.current.len().min(out.len());
        self.current.copy_to_slice(&mut out[..count]);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(payload: &Payload) -> Vec<u8> {
        payload.pieces().flatten().copied().collect()
    }

    #[test]
    fn order_survives_joining_of_small_pieces() {
        let pieces = [vec![1; 10], vec![2; 3], vec![3; 5000], vec![4; 1], vec![5; 4096], vec![6; 2], vec![7; 2]];
        let mut payload = Payload::default();
        for piece in &pieces {
            payload.push(Bytes::from(piece.clone()));
        }
        assert_eq!(joined(&payload), pieces.concat());
        assert_eq!(payload.len(), pieces.concat().len());
        let mut read = Vec::new();
        payload.into_reader().read_to_end(&mut read).unwrap();
        assert_eq!(read, pieces.concat());
    }

    #[test]
    fn a_stream_of_single_bytes_takes_two_pieces() {
        let mut payload = Payload::default();
        for byte in 0..=255 {
            payload.push(Bytes::from(vec![byte]));
        }
        assert_eq!(payload.pieces().count(), 2);
        assert_eq!(joined(&payload), (0..=255).collect::<Vec<u8>>());
    }
}
