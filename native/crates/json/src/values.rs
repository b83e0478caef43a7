//! Values of many rows in columns: a kind, a number and a text each.

use crate::number::{self, Number};
use crate::{scan, text};

/// What a value is; the numbers are part of the binding's contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// No value at the path, or the row is not JSON.
    Missing = 0,
    /// JSON null.
    Null = 1,
    /// `true` (number 1) or `false` (number 0).
    Bool = 2,
    /// A number inside int64, written without fraction and exponent.
    Int = 3,
    /// Every other number, its IEEE bits in the number column.
    Double = 4,
    /// A string, its text resolved.
    String = 5,
    /// An array, its JSON text in the text column.
    Array = 6,
    /// An object, without a text: what is in it has paths of its own.
    Object = 7,
}

impl Kind {
    /// The kind of the value whose whole text is `span`; a text that is not JSON may count as what it begins like.
    pub fn of(span: &[u8]) -> Self {
        match span {
            [b'"', ..] => Self::String,
            [b'[', ..] => Self::Array,
            [b'{', ..] => Self::Object,
            b"null" => Self::Null,
            b"true" | b"false" => Self::Bool,
            _ => match number::parse(span) {
                Some(Number::Int(_)) => Self::Int,
                Some(Number::Double(_)) => Self::Double,
                None => Self::Missing,
            },
        }
    }
}

/// Added to the kind of an array or object that holds nothing but nulls and values of its own sort, at any depth.
pub const HOLLOW: u8 = 0x10;

/// Values as columns of equal length; `offsets` has one more entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Values {
    /// `Kind`, with `HOLLOW` added for empty containers.
    pub kinds: Vec<u8>,
    /// An integer, a boolean, or a double's bits; zero for other kinds.
    pub numbers: Vec<i64>,
    /// Where each text ends in `text`, after a leading zero.
    pub offsets: Vec<i64>,
    /// The texts of strings and arrays.
    pub text: Vec<u8>,
}

impl Values {
    /// Makes room for `rows` values.
    pub fn with_capacity(rows: usize) -> Self {
        let mut offsets = Vec::with_capacity(rows + 1);
        offsets.push(0);
        Self { kinds: Vec::with_capacity(rows), numbers: Vec::with_capacity(rows), offsets, text: Vec::new() }
    }

    /// Adds a missing value.
    #[inline]
    pub fn push_missing(&mut self) {
        self.push(Kind::Missing as u8, 0);
    }

    /// Adds the value whose whole text is `span`.
    #[inline]
    pub fn push_span(&mut self, span: &[u8]) {
        match span.first() {
            Some(b'"') => self.push_string(span),
            Some(b'[') => self.push_array(span),
            Some(b'{') => self.push_object(is_hollow(span)),
            _ => self.push_word(span),
        }
    }

    /// Adds an object.
    #[inline]
    pub(crate) fn push_object(&mut self, hollow: bool) {
        self.push(Kind::Object as u8 | if hollow { HOLLOW } else { 0 }, 0);
    }

    /// Adds missing values until there are `rows`.
    #[inline]
    pub(crate) fn pad(&mut self, rows: usize) {
        if self.kinds.len() < rows {
            self.kinds.resize(rows, Kind::Missing as u8);
            self.numbers.resize(rows, 0);
            self.offsets.resize(rows + 1, self.text.len() as i64);
        }
    }

    fn push(&mut self, kind: u8, number: i64) {
        self.kinds.push(kind);
        self.numbers.push(number);
        self.offsets.push(self.text.len() as i64);
    }

    fn push_string(&mut self, span: &[u8]) {
        let start = self.text.len();
        let closed = span.len() >= 2 && text::unescape(&span[1..span.len() - 1], &mut self.text);
        if closed {
            self.push(Kind::String as u8, 0);
        } else {
            self.text.truncate(start);
            self.push_missing();
        }
    }

    fn push_array(&mut self, span: &[u8]) {
        self.text.extend_from_slice(span);
        let hollow = if is_hollow(span) { HOLLOW } else { 0 };
        self.push(Kind::Array as u8 | hollow, 0);
    }

    fn push_word(&mut self, word: &[u8]) {
        match word {
            b"null" => self.push(Kind::Null as u8, 0),
            b"true" => self.push(Kind::Bool as u8, 1),
            b"false" => self.push(Kind::Bool as u8, 0),
            _ => match number::parse(word) {
                Some(Number::Int(value)) => self.push(Kind::Int as u8, value),
                Some(Number::Double(value)) => self.push(Kind::Double as u8, value.to_bits().cast_signed()),
                None => self.push_missing(),
            },
        }
    }
}

/// Whether no scalar but null stands anywhere in the value `span`.
pub(crate) fn is_hollow(span: &[u8]) -> bool {
    if span.first() == Some(&b'"') {
        return false;
    }
    let mut at = 0;
    while let Some(byte) = span.get(at) {
        at = match byte {
            b'"' => {
                let Some(end) = scan::string(span, at) else {
                    return false;
                };
                let after = scan::space(span, end);
                if span.get(after) != Some(&b':') {
                    return false;
                }
                after + 1
            }
            b't' | b'f' | b'-' | b'0'..=b'9' => return false,
            _ => at + 1,
        };
    }
    true
}
