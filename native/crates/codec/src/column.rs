//! A decoded column: contiguous values, offsets where rows vary in length.

use crate::kind::{Kind, Shape};
use crate::packed::append_arrays;
use crate::reader::{DecodeError, Reader, Span, Value};

/// Rows of bytes: row `i` is `data[offsets[i]..offsets[i + 1]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Strings {
    /// One more than there are rows; starts at 0.
    pub offsets: Vec<i64>,
    /// All rows, one after the other.
    pub data: Vec<u8>,
}

impl Default for Strings {
    fn default() -> Self {
        Self { offsets: vec![0], data: Vec::new() }
    }
}

impl Strings {
    fn append(&mut self, body: &[u8], spans: &[Span]) -> Result<(), DecodeError> {
        if self.data.is_empty() {
            self.reserve(body, spans)?;
        }
        rows(body, spans, |row| {
            self.data.extend_from_slice(row);
            self.offsets.push(self.data.len() as i64);
        })
    }

    /// Counting first costs a jump a row and spares growing, which would copy everything again.
    fn reserve(&mut self, body: &[u8], spans: &[Span]) -> Result<(), DecodeError> {
        let (mut count, mut bytes) = (0, 0);
        rows(body, spans, |row| {
            count += 1;
            bytes += row.len();
        })?;
        self.offsets.reserve(count);
        self.data.reserve(bytes);
        Ok(())
    }

    /// Returns the first row that is not UTF-8.
    pub fn invalid_row(&self) -> Option<usize> {
        let starts_inside = |&start: &i64| self.data.get(start as usize).is_some_and(|byte| byte & 0xc0 == 0x80);
        if std::str::from_utf8(&self.data).is_ok() && !self.offsets.iter().any(starts_inside) {
            return None;
        }
        let valid = |pair: &[i64]| std::str::from_utf8(&self.data[pair[0] as usize..pair[1] as usize]).is_ok();
        self.offsets.windows(2).position(|pair| !valid(pair))
    }
}

/// Calls `each` with every length-delimited field 1 of the messages in `spans`.
fn rows(body: &[u8], spans: &[Span], mut each: impl FnMut(&[u8])) -> Result<(), DecodeError> {
    for &span in spans {
        let mut reader = Reader::new(body, span)?;
        while let Some(field) = reader.field()? {
            if let (1, Value::Bytes(row)) = (field.number, field.value) {
                each(row.of(body));
            }
        }
    }
    Ok(())
}

/// Values of one kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Elements {
    /// Booleans.
    Bool(Vec<bool>),
    /// 32-bit integers.
    Int(Vec<i32>),
    /// 64-bit integers.
    Long(Vec<i64>),
    /// Single precision.
    Float(Vec<f32>),
    /// Double precision.
    Double(Vec<f64>),
    /// Fixed width rows as bytes.
    Byte(Vec<u8>),
    /// Rows of bytes.
    Text(Strings),
}

impl Elements {
    /// Returns room for values of a kind, None for kinds that have none of their own.
    pub(crate) fn for_kind(kind: Kind) -> Option<Self> {
        Some(match kind.shape() {
            Shape::Empty => return None,
            Shape::Bool => Self::Bool(Vec::new()),
            Shape::Int => Self::Int(Vec::new()),
            Shape::Long => Self::Long(Vec::new()),
            Shape::Float => Self::Float(Vec::new()),
            Shape::Double => Self::Double(Vec::new()),
            Shape::Byte => Self::Byte(Vec::new()),
            Shape::Text => Self::Text(Strings::default()),
        })
    }

    /// Appends the arms in `spans`, which merge: arrays append, plain bytes replace.
    pub(crate) fn append(&mut self, body: &[u8], spans: &[Span]) -> Result<(), DecodeError> {
        match self {
            Self::Bool(values) => append_arrays(body, spans, values),
            Self::Int(values) => append_arrays(body, spans, values),
            Self::Long(values) => append_arrays(body, spans, values),
            Self::Float(values) => append_arrays(body, spans, values),
            Self::Double(values) => append_arrays(body, spans, values),
            Self::Text(strings) => strings.append(body, spans),
            Self::Byte(values) => {
                values.extend_from_slice(spans.last().map_or(&[], |span| span.of(body)));
                Ok(())
            }
        }
    }

    /// Returns how many values there are: numbers, bytes or rows of bytes.
    pub fn len(&self) -> usize {
        match self {
            Self::Bool(values) => values.len(),
            Self::Int(values) => values.len(),
            Self::Long(values) => values.len(),
            Self::Float(values) => values.len(),
            Self::Double(values) => values.len(),
            Self::Byte(values) => values.len(),
            Self::Text(strings) => strings.offsets.len() - 1,
        }
    }

    /// Tells whether there are no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What a payload holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Store {
    /// Nothing that was decoded.
    Empty,
    /// Values of the payload's kind.
    Elements(Elements),
    /// Lists: row `i` is `child[offsets[i]..offsets[i + 1]]`, counted in values of the child.
    Lists {
        /// One more than there are rows.
        offsets: Vec<i64>,
        /// `DataType` of the elements as sent, 0 when it was not.
        element_type: i32,
        /// All elements, one after the other.
        child: Box<Payload>,
    },
    /// Where the sub columns of a struct array lie in the body.
    Parts(Vec<Span>),
}

/// The values of a column, or of the elements of its lists.
#[derive(Clone, Debug, PartialEq)]
pub struct Payload {
    /// Which arm was set.
    pub kind: Kind,
    /// Dimension as sent; 0 for scalars.
    pub dim: i64,
    /// The values.
    pub store: Store,
}

/// One `FieldData` message.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Field name.
    pub name: String,
    /// `DataType` number as sent.
    pub data_type: i32,
    /// Field id, 0 when not sent.
    pub field_id: i64,
    /// Whether it carries the dynamic field.
    pub is_dynamic: bool,
    /// Which rows are not null; None when not sent.
    pub valid: Option<Vec<bool>>,
    /// The values.
    pub payload: Payload,
}
