//! The hash that places rows in shards and partitions. It decides where data lies at rest: it never changes.

use crate::strings::{BadOffsets, Strings};
use xxhash_rust::xxh3::xxh3_64;

/// Returns XXH3-64, seed 0, of each key's 8 little endian bytes (two's complement).
pub fn hash_ints(keys: &[i64]) -> Vec<u64> {
    keys.iter().map(|key| xxh3_64(&key.to_le_bytes())).collect()
}

/// Returns XXH3-64, seed 0, of each key's UTF-8 bytes.
pub fn hash_strings(keys: Strings<'_>) -> Result<Vec<u64>, BadOffsets> {
    keys.rows().map(|key| key.map(xxh3_64)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_the_reference_implementation() {
        assert_eq!(hash_strings(Strings::new(&[0, 0], b"")), Ok(vec![0x2d06_8005_38d3_94c2]));
        assert_eq!(hash_ints(&[0]), [0xc77b_3abb_6f87_acd9]);
    }

    #[test]
    fn an_int_hashes_like_its_eight_bytes() {
        let bytes = (-7_i64).to_le_bytes();
        assert_eq!(hash_strings(Strings::new(&[0, 8], &bytes)), Ok(hash_ints(&[-7])));
    }
}
