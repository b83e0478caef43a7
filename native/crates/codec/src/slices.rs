//! Borrowed values of one kind, and how they are written as the arm of a oneof.

use std::fmt;
use std::ops::Range;

use crate::kind::Shape;
use crate::writer::{field_len, put_bytes, put_head, put_varint, varint_len};

/// What does not fit together in a column that was to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncodeError(pub &'static str);

impl fmt::Display for EncodeError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.0)
    }
}

impl std::error::Error for EncodeError {}

/// Borrowed values of one kind; `Text` rows are `data[offsets[i]..offsets[i + 1]]`, and need not start at 0.
#[derive(Clone, Copy, Debug)]
pub enum Slices<'a> {
    /// No values.
    Empty,
    /// One byte a boolean, 0 for false.
    Bool(&'a [u8]),
    /// 32-bit integers.
    Int(&'a [i32]),
    /// 64-bit integers.
    Long(&'a [i64]),
    /// Single precision.
    Float(&'a [f32]),
    /// Double precision.
    Double(&'a [f64]),
    /// Fixed width rows as bytes.
    Byte(&'a [u8]),
    /// Rows of bytes.
    Text(&'a [i64], &'a [u8]),
}

impl Slices<'_> {
    pub(crate) fn shape(&self) -> Shape {
        match self {
            Self::Empty => Shape::Empty,
            Self::Bool(_) => Shape::Bool,
            Self::Int(_) => Shape::Int,
            Self::Long(_) => Shape::Long,
            Self::Float(_) => Shape::Float,
            Self::Double(_) => Shape::Double,
            Self::Byte(_) => Shape::Byte,
            Self::Text(..) => Shape::Text,
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Empty => 0,
            Self::Int(values) => values.len(),
            Self::Long(values) => values.len(),
            Self::Float(values) => values.len(),
            Self::Double(values) => values.len(),
            Self::Bool(values) | Self::Byte(values) => values.len(),
            Self::Text(offsets, _) => offsets.len().saturating_sub(1),
        }
    }

    pub(crate) fn check(&self) -> Result<(), EncodeError> {
        match self {
            Self::Text(offsets, data) => check_offsets(offsets, data.len()),
            _ => Ok(()),
        }
    }

    /// Bytes of the packed payload, without tag and length.
    pub(crate) fn packed_len(&self, range: Range<usize>) -> usize {
        match self {
            Self::Int(values) => values[range].iter().map(|&value| varint_len(i64::from(value) as u64)).sum(),
            Self::Long(values) => values[range].iter().map(|&value| varint_len(value as u64)).sum(),
            Self::Float(_) => range.len() * 4,
            Self::Double(_) => range.len() * 8,
            Self::Bool(_) | Self::Byte(_) => range.len(),
            Self::Empty | Self::Text(..) => 0,
        }
    }

    pub(crate) fn put_packed(&self, range: Range<usize>, out: &mut Vec<u8>) {
        match self {
            Self::Int(values) => values[range].iter().for_each(|&value| put_varint(out, i64::from(value) as u64)),
            Self::Long(values) => values[range].iter().for_each(|&value| put_varint(out, value as u64)),
            Self::Float(values) => out.extend_from_slice(bytemuck::cast_slice(&values[range])),
            Self::Double(values) => out.extend_from_slice(bytemuck::cast_slice(&values[range])),
            Self::Bool(values) => out.extend(values[range].iter().map(|&value| u8::from(value != 0))),
            Self::Byte(values) => out.extend_from_slice(&values[range]),
            Self::Empty | Self::Text(..) => {}
        }
    }

    /// Bytes of the arm: an `...Array` message with the values as its field 1, or plain bytes.
    pub(crate) fn arm_len(&self, range: Range<usize>) -> usize {
        match self {
            Self::Byte(_) => range.len(),
            Self::Text(offsets, _) => {
                offsets[range.start..=range.end].windows(2).map(|pair| field_len(1, (pair[1] - pair[0]) as usize)).sum()
            }
            _ if range.is_empty() => 0,
            _ => field_len(1, self.packed_len(range)),
        }
    }

    pub(crate) fn put_arm(&self, range: Range<usize>, out: &mut Vec<u8>) {
        match self {
            Self::Byte(values) => out.extend_from_slice(&values[range]),
            Self::Text(offsets, data) => {
                for pair in offsets[range.start..=range.end].windows(2) {
                    put_bytes(out, 1, &data[pair[0] as usize..pair[1] as usize]);
                }
            }
            _ if range.is_empty() => {}
            _ => {
                put_head(out, 1, self.packed_len(range.clone()));
                self.put_packed(range, out);
            }
        }
    }
}

/// Checks that offsets ascend and end within `limit`.
pub(crate) fn check_offsets(offsets: &[i64], limit: usize) -> Result<(), EncodeError> {
    let (Some(&first), Some(&last)) = (offsets.first(), offsets.last()) else {
        return Err(EncodeError("offsets need one more entry than there are rows"));
    };
    if first < 0 || last as u64 > limit as u64 || offsets.windows(2).any(|pair| pair[0] > pair[1]) {
        return Err(EncodeError("offsets must ascend and end within the data"));
    }
    Ok(())
}
