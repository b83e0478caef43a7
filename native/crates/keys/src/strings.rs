//! Borrowed rows of bytes, whose offsets may come from a file and are checked as they are used.

use std::fmt;

/// The row whose offsets do not name bytes of the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadOffsets(pub usize);

impl fmt::Display for BadOffsets {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "offsets of row {} do not ascend within the data", self.0)
    }
}

impl std::error::Error for BadOffsets {}

/// Row `i` is `data[offsets[i]..offsets[i + 1]]`.
#[derive(Clone, Copy, Debug)]
pub struct Strings<'a> {
    offsets: &'a [i64],
    data: &'a [u8],
}

impl<'a> Strings<'a> {
    /// Borrows rows without looking at them, so that mapped columns stay unread until a row is asked for.
    pub fn new(offsets: &'a [i64], data: &'a [u8]) -> Self {
        Self { offsets, data }
    }

    /// Returns the number of rows.
    pub fn len(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    /// Tells whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns a row's bytes.
    pub fn row(&self, row: usize) -> Result<&'a [u8], BadOffsets> {
        let bound = |place: usize| self.offsets.get(place).and_then(|&offset| usize::try_from(offset).ok());
        let (Some(start), Some(end)) = (bound(row), bound(row + 1)) else {
            return Err(BadOffsets(row));
        };
        self.data.get(start..end).ok_or(BadOffsets(row))
    }

    /// Checks every row, so that a batch is refused before any of it is applied.
    pub fn check(&self) -> Result<(), BadOffsets> {
        (0..self.len()).try_for_each(|row| self.row(row).map(drop))
    }

    /// Iterates over the rows.
    pub fn rows(self) -> impl Iterator<Item = Result<&'a [u8], BadOffsets>> {
        (0..self.len()).map(move |row| self.row(row))
    }
}
