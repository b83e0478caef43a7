//! Rows turned on their side: a dimension of 64 rows lies together, so that a register holds one dimension of many rows.

use elanus_kernels::{Column, Metric};

/// Rows of a block.
pub(crate) const ROWS: usize = 64;

/// One dimension of the rows of a block.
pub(crate) type Lane = [f32; ROWS];

/// Values beyond this are cut off: sums of their squares stay finite.
const LARGEST: f32 = 1e15;

/// Writes `rows` into `tile`, a dimension after another; the places of fewer than 64 rows, and those of dimensions past
/// the column's, become zero.
///
/// Rows of COSINE become unit vectors. What is not a number counts as zero.
pub(crate) fn fill(tile: &mut [Lane], column: &Column, metric: Metric, rows: impl Iterator<Item = usize>) {
    tile.fill([0.0; ROWS]);
    for (place, row) in rows.take(ROWS).enumerate() {
        let mut values = column.floats(row);
        tame(&mut values, metric);
        for (lane, value) in tile.iter_mut().zip(values) {
            lane[place] = value;
        }
    }
}

/// Makes a vector what codes are made of, or asked with: finite, and of length one under COSINE.
pub(crate) fn tame(values: &mut [f32], metric: Metric) {
    for value in &mut *values {
        *value = if value.is_nan() { 0.0 } else { value.clamp(-LARGEST, LARGEST) };
    }
    if metric == Metric::Cosine {
        let square: f64 = values.iter().map(|&value| f64::from(value) * f64::from(value)).sum();
        let scale = if square > 0.0 { square.sqrt().recip() } else { 0.0 };
        for value in values {
            *value = (f64::from(*value) * scale) as f32;
        }
    }
}
