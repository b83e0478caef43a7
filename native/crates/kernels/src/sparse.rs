//! Exact search over sparse rows: the negative dot product over the indexes both have.

use std::ops::Range;

use crate::bitmap::for_each_block;
use crate::column::MAX_ROWS;
use crate::scan::{each_part, merge, parts};
use crate::stop::{Stop, Stopped};
use crate::topk::{Hit, Nearest, Window};

/// Bytes of one entry: a `u32` index and an `f32` value, little-endian.
const ENTRY: usize = 8;

/// Rows of entries, each row ascending by index without repeats.
#[derive(Clone, Copy)]
pub struct SparseColumn<'a> {
    offsets: &'a [i64],
    bytes: &'a [u8],
}

impl<'a> SparseColumn<'a> {
    /// A column whose row `r` is `bytes[offsets[r]..offsets[r + 1]]`.
    pub fn new(offsets: &'a [i64], bytes: &'a [u8]) -> Result<Self, String> {
        let in_order = offsets.windows(2).all(|pair| pair[0] <= pair[1] && (pair[1] - pair[0]) % ENTRY as i64 == 0);
        let inside = offsets.first().is_some_and(|&first| first >= 0)
            && offsets.last().is_some_and(|&last| last as usize <= bytes.len());
        if !in_order || !inside || offsets.len() > MAX_ROWS {
            return Err(format!(
                "sparse rows need ascending byte offsets, one more than rows, whole entries of {ENTRY} bytes each, \
                 within {} bytes",
                bytes.len()
            ));
        }
        Ok(SparseColumn { offsets, bytes })
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.offsets.len() - 1
    }

    fn entries(&self, row: usize) -> impl Iterator<Item = (u32, f32)> + use<'a> {
        let bytes = &self.bytes[self.offsets[row] as usize..self.offsets[row + 1] as usize];
        bytes.chunks_exact(ENTRY).map(|entry| {
            let word = |at: usize| u32::from_le_bytes([entry[at], entry[at + 1], entry[at + 2], entry[at + 3]]);
            (word(0), f32::from_bits(word(4)))
        })
    }
}

/// A query's entries in an open hash table, behind a filter of one bit each that turns away almost every other index.
pub(crate) struct Table {
    slots: Vec<(u32, f32)>,
    filter: Vec<u64>,
}

/// An index that no row may have: Milvus' indexes end below it.
const EMPTY: u32 = u32::MAX;

/// Bits of filter an entry: one index in so many is looked up in vain.
const FILTER_BITS: usize = 64;

/// Multiplicative hashing: Knuth, The Art of Computer Programming 3, section 6.4; good in its upper bits.
#[inline]
fn spread(index: u32) -> usize {
    (u64::from(index).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as usize
}

impl Table {
    /// The entries of one of the queries.
    pub(crate) fn of(queries: &SparseColumn, query: usize) -> Self {
        let entries: Vec<_> = queries.entries(query).filter(|&(index, _)| index != EMPTY).collect();
        let size = entries.len().next_power_of_two().max(16);
        let mut table = Table { slots: vec![(EMPTY, 0.0); size * 2], filter: vec![0; size * FILTER_BITS / 64] };
        for entry in entries {
            let mut slot = spread(entry.0) & (table.slots.len() - 1);
            while table.slots[slot].0 != EMPTY {
                slot = (slot + 1) & (table.slots.len() - 1);
            }
            table.slots[slot] = entry;
            let bit = spread(entry.0);
            let words = table.filter.len();
            table.filter[(bit / 64) & (words - 1)] |= 1 << (bit % 64);
        }
        table
    }

    #[inline]
    fn may_hold(&self, index: u32) -> bool {
        let bit = spread(index);
        self.filter[(bit / 64) & (self.filter.len() - 1)] >> (bit % 64) & 1 == 1
    }

    fn get(&self, index: u32) -> Option<f32> {
        let mut slot = spread(index) & (self.slots.len() - 1);
        loop {
            let (found, value) = self.slots[slot];
            if found == EMPTY {
                return None;
            }
            if found == index {
                return Some(value);
            }
            slot = (slot + 1) & (self.slots.len() - 1);
        }
    }

    /// Returns the negative dot product with a row, none where no index is common.
    #[inline]
    pub(crate) fn distance(&self, column: &SparseColumn, row: u32) -> Option<f32> {
        self.dot(column.entries(row as usize)).map(|dot| -dot as f32)
    }

    fn dot(&self, row: impl Iterator<Item = (u32, f32)>) -> Option<f64> {
        let mut sum = None;
        for (index, value) in row {
            if self.may_hold(index)
                && let Some(weight) = self.get(index)
            {
                sum = Some(sum.unwrap_or(0.0) + f64::from(weight) * f64::from(value));
            }
        }
        sum
    }
}

/// Returns, for each query, the nearest kept rows that share an index with it, ascending by distance, then row.
///
/// Cost: a look-up for each entry of each kept row and query, 1 to 2 ns.
pub fn scan_sparse(
    queries: &SparseColumn,
    column: &SparseColumn,
    keep: Option<&[u8]>,
    k: usize,
    window: Window,
    threads: usize,
    stop: Stop,
) -> Result<Vec<Vec<Hit>>, Stopped> {
    let tables: Vec<Table> = (0..queries.rows()).map(|query| Table::of(queries, query)).collect();
    let scan_part = |part: Range<usize>| {
        let mut nearest: Vec<Nearest> = tables.iter().map(|_| Nearest::new(k, column.rows(), window)).collect();
        let mut watch = stop.watch();
        for_each_block(part, keep, 64, |rows| {
            for (table, nearest) in tables.iter().zip(&mut nearest) {
                watch.spend(rows.len())?;
                for row in (0..rows.len()).map(|position| rows.at(position)) {
                    if let Some(distance) = table.distance(column, row) {
                        nearest.offer(distance, row);
                    }
                }
            }
            Ok(())
        })?;
        Ok(nearest)
    };
    merge(each_part(&parts(column.rows(), threads), scan_part))
}
