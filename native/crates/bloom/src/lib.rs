//! Split-block Bloom filters over 64-bit hashes, laid out as Parquet lays them out.
//!
//! A filter is blocks of 32 bytes: 8 words of 32 bits, little endian. The upper half of a hash picks the block, the
//! lower half one bit in each word, so a look-up touches one cache line. These bytes lie at rest: they never change.

#![forbid(unsafe_code)]

use std::fmt;

/// Bytes of a block.
pub const BLOCK_BYTES: usize = 32;

const WORDS: usize = 8;
const WORD_BYTES: usize = BLOCK_BYTES / WORDS;
const SALT: [u32; WORDS] =
    [0x47b6_137b, 0x4497_4d91, 0x8824_ad5b, 0xa2b7_289d, 0x7054_95c7, 0x2df1_424b, 0x9efc_4947, 0x5c6b_fb31];

/// A length that is no positive number of blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadLength(pub usize);

impl fmt::Display for BadLength {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} bytes are no filter: one or more blocks of {BLOCK_BYTES} bytes", self.0)
    }
}

impl std::error::Error for BadLength {}

/// Returns the different hashes, ascending.
pub fn distinct(hashes: &[u64]) -> Vec<u64> {
    let mut sorted = hashes.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    sorted
}

/// Returns a filter of `num_bytes` that holds the hashes; ascending ones fill it from front to back.
pub fn build(hashes: &[u64], num_bytes: usize) -> Result<Vec<u8>, BadLength> {
    let mut filter = vec![0; num_bytes];
    let blocks = count_blocks(&filter)?;
    for &hash in hashes {
        let block = &mut filter[block_at(hash, blocks)..][..BLOCK_BYTES];
        for (word, bit) in block.chunks_exact_mut(WORD_BYTES).zip(bits(hash)) {
            let merged = word_of(word) | bit;
            word.copy_from_slice(&merged.to_le_bytes());
        }
    }
    Ok(filter)
}

/// Tells of each hash whether the filter may hold it; false is sure.
pub fn contains(filter: &[u8], hashes: &[u64]) -> Result<Vec<bool>, BadLength> {
    let blocks = count_blocks(filter)?;
    Ok(hashes.iter().map(|&hash| holds(filter, blocks, hash)).collect())
}

/// Tells whether the filter may hold any of the hashes; false is sure. Stops at the first.
pub fn contains_any(filter: &[u8], hashes: &[u64]) -> Result<bool, BadLength> {
    let blocks = count_blocks(filter)?;
    Ok(hashes.iter().any(|&hash| holds(filter, blocks, hash)))
}

fn count_blocks(filter: &[u8]) -> Result<u64, BadLength> {
    let length = filter.len();
    // More blocks than the upper half of a hash can tell apart would stay empty.
    if length == 0 || !length.is_multiple_of(BLOCK_BYTES) || length / BLOCK_BYTES > u32::MAX as usize {
        return Err(BadLength(length));
    }
    Ok((length / BLOCK_BYTES) as u64)
}

/// The first byte of a hash's block.
fn block_at(hash: u64, blocks: u64) -> usize {
    (((hash >> 32) * blocks) >> 32) as usize * BLOCK_BYTES
}

/// A hash's bit in each word of its block.
fn bits(hash: u64) -> [u32; WORDS] {
    SALT.map(|salt| 1 << ((hash as u32).wrapping_mul(salt) >> 27))
}

fn word_of(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |word, &byte| word << 8 | u32::from(byte))
}

fn holds(filter: &[u8], blocks: u64, hash: u64) -> bool {
    let block = &filter[block_at(hash, blocks)..][..BLOCK_BYTES];
    block.chunks_exact(WORD_BYTES).zip(bits(hash)).all(|(word, bit)| word_of(word) & bit != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Well-mixed numbers: the finalizer of splitmix64.
    fn mixed(seed: u64) -> u64 {
        let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    #[test]
    fn what_was_put_in_is_found() {
        let hashes: Vec<u64> = (0..10_000).map(mixed).collect();
        for num_bytes in [32, 96, 12_512] {
            let filter = build(&hashes, num_bytes).unwrap();
            assert!(contains(&filter, &hashes).unwrap().into_iter().all(|found| found));
        }
    }

    #[test]
    fn ten_bits_a_value_let_few_others_through() {
        let hashes: Vec<u64> = (0..100_000).map(mixed).collect();
        let filter = build(&hashes, 100_000 * 10 / 8 / 32 * 32).unwrap();
        let others: Vec<u64> = (100_000..200_000).map(mixed).collect();
        let wrong = contains(&filter, &others).unwrap().into_iter().filter(|&found| found).count();
        assert!((500..2_000).contains(&wrong), "{wrong} of 100000");
    }

    #[test]
    fn the_bytes_are_those_of_parquets_split_blocks() {
        // One block; bit i of word w is set where (1 * SALT[w]) >> 27 is i.
        let filter = build(&[1], 32).unwrap();
        let words: Vec<u32> = filter.chunks(4).map(word_of).collect();
        assert_eq!(words, [1 << 8, 1 << 8, 1 << 17, 1 << 20, 1 << 14, 1 << 5, 1 << 19, 1 << 11]);
        let last = build(&[u64::MAX], 64).unwrap();
        assert!(last[..32].iter().all(|&byte| byte == 0) && last[32..].iter().any(|&byte| byte != 0));
    }

    #[test]
    fn any_is_one_of_them() {
        let filter = build(&[mixed(1)], 320).unwrap();
        assert_eq!(contains_any(&filter, &[mixed(2), mixed(1)]), Ok(true));
        assert_eq!(contains_any(&filter, &[mixed(2), mixed(3)]), Ok(false));
        assert_eq!(contains_any(&filter, &[]), Ok(false));
    }

    #[test]
    fn lengths_that_are_no_blocks_are_refused() {
        assert_eq!(build(&[1], 0), Err(BadLength(0)));
        assert_eq!(contains(&[0; 33], &[1]), Err(BadLength(33)));
        assert_eq!(contains_any(&[], &[1]), Err(BadLength(0)));
    }

    #[test]
    fn distinct_hashes_ascend() {
        assert_eq!(distinct(&[3, 1, 3, u64::MAX, 1]), [1, 3, u64::MAX]);
        assert!(distinct(&[]).is_empty());
    }
}
