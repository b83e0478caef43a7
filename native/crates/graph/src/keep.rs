//! The rows that may be returned.

use elanus_kernels::bitmap;

/// A filter as bits: bit `r % 8` of byte `r / 8` is set where row `r` passes.
#[derive(Clone, Copy, Debug)]
pub struct Keep<'a> {
    bits: &'a [u8],
    rows: usize,
    count: usize,
}

impl<'a> Keep<'a> {
    /// A filter over `rows` rows; bits past them don't count. `None` where the bitmap is too short.
    pub fn new(bits: &'a [u8], rows: usize) -> Option<Self> {
        (bits.len() >= rows.div_ceil(8)).then(|| Keep { bits, rows, count: bitmap::count(bits, rows) })
    }

    /// Whether a row, which is below the number of rows, passes.
    #[inline]
    pub fn contains(&self, row: u32) -> bool {
        self.bits[row as usize / 8] >> (row % 8) & 1 == 1
    }

    /// How many rows pass.
    pub fn count(&self) -> usize {
        self.count
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The bitmap.
    pub fn bits(&self) -> &'a [u8] {
        self.bits
    }
}
