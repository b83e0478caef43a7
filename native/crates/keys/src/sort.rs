//! The order of string keys.

use crate::strings::{BadOffsets, Strings};

/// Returns the rows in ascending order of their bytes; equal rows keep their order.
///
/// The first 8 bytes of every row are compared as one number, which settles most comparisons without touching the data.
pub fn argsort_strings(keys: Strings<'_>) -> Result<Vec<i64>, BadOffsets> {
    let mut order = Vec::with_capacity(keys.len());
    for (row, key) in keys.rows().enumerate() {
        let key = key?;
        order.push((prefix(key), row, key));
    }
    order.sort_unstable_by(|left, right| (left.0, left.2, left.1).cmp(&(right.0, right.2, right.1)));
    Ok(order.into_iter().map(|(_, row, _)| row as i64).collect())
}

/// The first 8 bytes, big endian; zero is the lowest byte, so padding with it never reorders unequal prefixes.
fn prefix(key: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    let length = key.len().min(8);
    bytes[..length].copy_from_slice(&key[..length]);
    u64::from_be_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_sort_by_bytes_and_equal_rows_keep_their_order() {
        let data = b"b\0bb\0abcdefghiabcdefgh";
        assert_eq!(argsort_strings(Strings::new(&[0, 2, 3, 5, 14, 22, 22], data)), Ok(vec![5, 4, 3, 1, 0, 2]));
    }

    #[test]
    fn bad_offsets_are_named() {
        assert_eq!(argsort_strings(Strings::new(&[0, 1, 0], b"ab")), Err(BadOffsets(1)));
    }
}
