//! The boxes of a column of geometries, coordinate by coordinate.

use std::fmt;

use crate::bounds::Bounds;
use crate::wkb::{Malformed, measure};

/// The first row whose bytes are no geometry, or whose offsets name no bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadGeometry {
    /// Its number.
    pub row: usize,
    /// What is wrong with it, `None` when it is the offsets.
    pub why: Option<Malformed>,
}

impl fmt::Display for BadGeometry {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.why {
            Some(why) => write!(out, "row {} is no WKB: {why}", self.row),
            None => write!(out, "offsets of row {} do not ascend within the data", self.row),
        }
    }
}

impl std::error::Error for BadGeometry {}

/// Boxes as columns, a row each; NaN where a row is empty.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Boxes {
    /// Smallest x of each row.
    pub min_x: Vec<f64>,
    /// Smallest y of each row.
    pub min_y: Vec<f64>,
    /// Largest x of each row.
    pub max_x: Vec<f64>,
    /// Largest y of each row.
    pub max_y: Vec<f64>,
    /// The WKB type of each row, 1 to 7; 0 for a row without bytes.
    pub kinds: Vec<u8>,
}

impl Boxes {
    /// Reads the boxes of all rows; row `i` is `data[offsets[i]..offsets[i + 1]]`, without bytes where it is null.
    pub fn read(offsets: &[i64], data: &[u8]) -> Result<Self, BadGeometry> {
        let num_rows = offsets.len().saturating_sub(1);
        let mut boxes = Self::default();
        boxes.reserve(num_rows);
        for (row, span) in offsets.windows(2).enumerate() {
            let bytes = slice(data, span).ok_or(BadGeometry { row, why: None })?;
            if bytes.is_empty() {
                boxes.push(Bounds::EMPTY, 0);
            } else {
                let found = measure(bytes).map_err(|why| BadGeometry { row, why: Some(why) })?;
                boxes.push(found.bounds, found.kind);
            }
        }
        Ok(boxes)
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.kinds.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }

    fn reserve(&mut self, count: usize) {
        for column in [&mut self.min_x, &mut self.min_y, &mut self.max_x, &mut self.max_y] {
            column.reserve_exact(count);
        }
        self.kinds.reserve_exact(count);
    }

    fn push(&mut self, bounds: Bounds, kind: u8) {
        let shown = if bounds.is_empty() { Bounds::point(f64::NAN, f64::NAN) } else { bounds };
        self.min_x.push(shown.min_x);
        self.min_y.push(shown.min_y);
        self.max_x.push(shown.max_x);
        self.max_y.push(shown.max_y);
        self.kinds.push(kind);
    }
}

fn slice<'a>(data: &'a [u8], span: &[i64]) -> Option<&'a [u8]> {
    let [start, end] = span else { return None };
    data.get(usize::try_from(*start).ok()?..usize::try_from(*end).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(x: f64, y: f64) -> Vec<u8> {
        [&[1, 1, 0, 0, 0][..], &x.to_le_bytes(), &y.to_le_bytes()].concat()
    }

    #[test]
    fn rows_without_bytes_have_no_kind_and_no_box() {
        let boxes = Boxes::read(&[0, 21, 21], &point(1.0, 2.0)).expect("good rows");
        assert_eq!((boxes.len(), boxes.kinds), (2, vec![1, 0]));
        assert!((boxes.min_x[0], boxes.max_y[0]) == (1.0, 2.0) && boxes.min_x[1].is_nan());
    }

    #[test]
    fn the_first_bad_row_is_named() {
        let data = [point(1.0, 2.0), vec![9; 5]].concat();
        assert_eq!(Boxes::read(&[0, 21, 26], &data), Err(BadGeometry { row: 1, why: Some(Malformed::ByteOrder(9)) }));
        for offsets in [[0, 21, 99], [0, 21, 3], [-1, 21, 26]] {
            assert!(Boxes::read(&offsets, &data).is_err_and(|bad| bad.why.is_none()));
        }
    }
}
