//! Repeated numbers: packed and unpacked, varint and fixed width.

use crate::reader::{DecodeError, Reader, Span, Value};

/// A number that can stand in a repeated field.
pub(crate) trait Packed: Sized {
    /// Returns the number of an unpacked field, None when the wire type is another's.
    fn one(value: Value) -> Option<Self>;
    /// Appends the numbers of a packed field.
    fn many(body: &[u8], span: Span, out: &mut Vec<Self>) -> Result<(), DecodeError>;
}

/// Appends what one occurrence of a repeated field holds; an alien wire type is an unknown field, which is skipped.
pub(crate) fn append<T: Packed>(body: &[u8], value: Value, out: &mut Vec<T>) -> Result<(), DecodeError> {
    if let Value::Bytes(span) = value {
        return T::many(body, span, out);
    }
    out.extend(T::one(value));
    Ok(())
}

/// Appends field 1 of every message in `spans`: `BoolArray`, `IntArray`, `LongArray`, `FloatArray`, `DoubleArray`.
pub(crate) fn append_arrays<T: Packed>(body: &[u8], spans: &[Span], out: &mut Vec<T>) -> Result<(), DecodeError> {
    for &span in spans {
        let mut reader = Reader::new(body, span)?;
        while let Some(field) = reader.field()? {
            if field.number == 1 {
                append(body, field.value, out)?;
            }
        }
    }
    Ok(())
}

fn varints<T>(body: &[u8], span: Span, out: &mut Vec<T>, cast: impl Fn(u64) -> T) -> Result<(), DecodeError> {
    // Each varint ends with its one byte below 0x80, so this is the exact count.
    out.reserve(span.of(body).iter().filter(|&&byte| byte < 0x80).count());
    let mut reader = Reader::new(body, span)?;
    while !reader.is_done() {
        out.push(cast(reader.varint()?));
    }
    Ok(())
}

/// Integers and booleans: any 64-bit varint, cut to the width that the field declares.
macro_rules! varint_packed {
    ($($type:ty, $cast:expr);*) => {$(
        impl Packed for $type {
            fn one(value: Value) -> Option<Self> {
                match value {
                    Value::Varint(number) => Some($cast(number)),
                    _ => None,
                }
            }

            fn many(body: &[u8], span: Span, out: &mut Vec<Self>) -> Result<(), DecodeError> {
                varints(body, span, out, $cast)
            }
        }
    )*};
}

varint_packed!(bool, |number| number != 0; i32, |number| number as i32; i64, |number| number as i64);

/// Floats: little endian, copied in one sweep.
macro_rules! fixed_packed {
    ($($type:ty, $wire:ident, $width:literal);*) => {$(
        impl Packed for $type {
            fn one(value: Value) -> Option<Self> {
                match value {
                    Value::$wire(bits) => Some(Self::from_bits(bits)),
                    _ => None,
                }
            }

            fn many(body: &[u8], span: Span, out: &mut Vec<Self>) -> Result<(), DecodeError> {
                let (values, ragged) = span.of(body).as_chunks::<$width>();
                if !ragged.is_empty() {
                    return Err(DecodeError { what: "packed floats end inside a value", at: span.end });
                }
                out.extend(values.iter().map(|&bytes| Self::from_le_bytes(bytes)));
                Ok(())
            }
        }
    )*};
}

fixed_packed!(f32, Fixed32, 4; f64, Fixed64, 8);
