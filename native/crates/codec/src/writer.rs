//! Protobuf's wire format, written; lengths are known before anything is written, so nothing is copied twice.

const VARINT: u64 = 0;
const DELIMITED: u64 = 2;

/// Bytes that a varint takes: 1 to 10.
pub(crate) fn varint_len(value: u64) -> usize {
    let bits = 64 - (value | 1).leading_zeros() as usize;
    bits.div_ceil(7)
}

/// Bytes that a length-delimited field takes, tag and length included.
pub(crate) fn field_len(number: u32, length: usize) -> usize {
    varint_len(u64::from(number) << 3) + varint_len(length as u64) + length
}

/// Bytes that a varint field takes; 0 when it is 0 and therefore left out.
pub(crate) fn number_len(number: u32, value: u64) -> usize {
    if value == 0 { 0 } else { varint_len(u64::from(number) << 3) + varint_len(value) }
}

pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Tag and length of a field whose `length` bytes the caller writes next.
pub(crate) fn put_head(out: &mut Vec<u8>, number: u32, length: usize) {
    put_varint(out, u64::from(number) << 3 | DELIMITED);
    put_varint(out, length as u64);
}

pub(crate) fn put_bytes(out: &mut Vec<u8>, number: u32, bytes: &[u8]) {
    put_head(out, number, bytes.len());
    out.extend_from_slice(bytes);
}

/// A varint field; 0 is the default and left out.
pub(crate) fn put_number(out: &mut Vec<u8>, number: u32, value: u64) {
    if value != 0 {
        put_varint(out, u64::from(number) << 3 | VARINT);
        put_varint(out, value);
    }
}
