//! Protobuf's wire format, one field at a time, over bytes that nobody vouches for.

use std::fmt;

/// Groups may nest this deep before a message is refused; `FieldData` has none, hostile bytes may.
const GROUP_DEPTH: u32 = 64;
const VARINT_BITS: u32 = 70;
const LAST_FIELD_NUMBER: u64 = (1 << 29) - 1;

/// What is wrong with a message, and at which byte of the body it shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeError {
    /// What was found.
    pub what: &'static str,
    /// Offset in the body.
    pub at: usize,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} at byte {}", self.what, self.at)
    }
}

impl std::error::Error for DecodeError {}

/// Bytes `start..end` of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Span {
    /// Returns the bytes of `body` that the span names; empty when they lie outside.
    pub fn of(self, body: &[u8]) -> &[u8] {
        body.get(self.start..self.end).unwrap_or_default()
    }
}

/// A field's value; what the wire type says, no more.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value {
    Varint(u64),
    Fixed64(u64),
    Bytes(Span),
    Fixed32(u32),
    Group,
}

/// One field: its number, its value, and where it stands with its tag.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    pub number: u32,
    pub value: Value,
    pub whole: Span,
}

/// Reads fields of the message at `at..end` of a body; positions are those of the body.
pub(crate) struct Reader<'a> {
    body: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub fn new(body: &'a [u8], span: Span) -> Result<Self, DecodeError> {
        if span.start > span.end || span.end > body.len() {
            return Err(DecodeError { what: "message outside its body", at: span.start });
        }
        Ok(Self { body: &body[..span.end], at: span.start })
    }

    /// Returns the next field, or None at the end of the message.
    pub fn field(&mut self) -> Result<Option<Field>, DecodeError> {
        if self.at == self.body.len() {
            return Ok(None);
        }
        let start = self.at;
        let (number, wire) = self.tag()?;
        if number == 0 {
            return Err(DecodeError { what: "impossible field number", at: start });
        }
        let value = self.value(number, wire, start, 0)?;
        Ok(Some(Field { number, value, whole: Span { start, end: self.at } }))
    }

    pub fn is_done(&self) -> bool {
        self.at == self.body.len()
    }

    pub fn varint(&mut self) -> Result<u64, DecodeError> {
        let start = self.at;
        let mut value = 0;
        for shift in (0..VARINT_BITS).step_by(7) {
            let Some(&byte) = self.body.get(self.at) else {
                return Err(DecodeError { what: "message ends inside a varint", at: start });
            };
            self.at += 1;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(DecodeError { what: "varint longer than 10 bytes", at: start })
    }

    /// Number and wire type; 0 is no field's number, but passes within groups, which are skipped unread.
    fn tag(&mut self) -> Result<(u32, u32), DecodeError> {
        let start = self.at;
        let tag = self.varint()?;
        let number = tag >> 3;
        if number > LAST_FIELD_NUMBER {
            return Err(DecodeError { what: "impossible field number", at: start });
        }
        Ok((number as u32, (tag & 7) as u32))
    }

    fn value(&mut self, number: u32, wire: u32, start: usize, depth: u32) -> Result<Value, DecodeError> {
        match wire {
            0 => self.varint().map(Value::Varint),
            1 => self.fixed().map(|bytes| Value::Fixed64(u64::from_le_bytes(bytes))),
            2 => self.delimited().map(Value::Bytes),
            3 => self.group(number, start, depth),
            5 => self.fixed().map(|bytes| Value::Fixed32(u32::from_le_bytes(bytes))),
            4 => Err(DecodeError { what: "end of a group that never began", at: start }),
            _ => Err(DecodeError { what: "impossible wire type", at: start }),
        }
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let Some(bytes) = self.body[self.at..].first_chunk::<N>() else {
            return Err(DecodeError { what: "message ends inside a fixed width value", at: self.at });
        };
        self.at += N;
        Ok(*bytes)
    }

    fn delimited(&mut self) -> Result<Span, DecodeError> {
        let prefix = self.at;
        let length = self.varint()?;
        if length > (self.body.len() - self.at) as u64 {
            return Err(DecodeError { what: "length runs past the end of its message", at: prefix });
        }
        let start = self.at;
        self.at += length as usize;
        Ok(Span { start, end: self.at })
    }

    fn group(&mut self, number: u32, start: usize, depth: u32) -> Result<Value, DecodeError> {
        if depth == GROUP_DEPTH {
            return Err(DecodeError { what: "groups nested too deep", at: start });
        }
        loop {
            if self.is_done() {
                return Err(DecodeError { what: "message ends inside a group", at: start });
            }
            let inner = self.at;
            let (closing, wire) = self.tag()?;
            if wire != 4 {
                self.value(closing, wire, inner, depth + 1)?;
            } else if closing == number {
                return Ok(Value::Group);
            } else {
                return Err(DecodeError { what: "group ends with another's number", at: inner });
            }
        }
    }
}

/// Splits a message: what is left without field `number`, and where each occurrence's payload lies in `body`.
///
/// Only occurrences that are length-delimited count; anything else stays in the rest. One pass over the top level.
pub fn split(body: &[u8], number: u32) -> Result<(Vec<u8>, Vec<Span>), DecodeError> {
    let mut reader = Reader::new(body, Span { start: 0, end: body.len() })?;
    let (mut rest, mut parts, mut kept) = (Vec::new(), Vec::new(), 0);
    while let Some(field) = reader.field()? {
        if let Value::Bytes(span) = field.value
            && field.number == number
        {
            rest.extend_from_slice(&body[kept..field.whole.start]);
            kept = field.whole.end;
            parts.push(span);
        }
    }
    rest.extend_from_slice(&body[kept..]);
    Ok((rest, parts))
}
