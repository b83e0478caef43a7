//! The rows of a column as slices of one buffer.

use std::fmt;

/// Offsets that do not cut the data into rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadOffsets;

impl fmt::Display for BadOffsets {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("offsets must be ascending and inside the data")
    }
}

impl std::error::Error for BadOffsets {}

/// The texts of a column, a row each.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    offsets: &'a [i64],
    data: &'a [u8],
}

impl<'a> Rows<'a> {
    /// Checks once that every row lies inside `data`.
    pub fn new(offsets: &'a [i64], data: &'a [u8]) -> Result<Self, BadOffsets> {
        let (Some(first), Some(last)) = (offsets.first(), offsets.last()) else {
            return Err(BadOffsets);
        };
        let ascending = offsets.windows(2).all(|pair| pair[0] <= pair[1]);
        if *first < 0 || *last > data.len() as i64 || !ascending {
            return Err(BadOffsets);
        }
        Ok(Self { offsets, data })
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Each row's text.
    pub fn iter(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let data = self.data;
        self.offsets.windows(2).map(move |pair| &data[pair[0] as usize..pair[1] as usize])
    }
}
