//! Sums and extremes over slices, lane by lane, so that compilers vectorise them and every width gives the same bits.

/// Lanes of every sum: the widest register's.
const LANES: usize = 16;

/// Folds `values` lane by lane from `start`, then the lanes with each other by `merge`.
#[inline(always)]
pub(super) fn fold(values: &[f32], start: f32, step: impl Fn(f32, f32) -> f32, merge: impl Fn(f32, f32) -> f32) -> f32 {
    let mut lanes = [start; LANES];
    let (whole, rest) = values.as_chunks::<LANES>();
    for values in whole {
        for (lane, &value) in lanes.iter_mut().zip(values) {
            *lane = step(*lane, value);
        }
    }
    for (lane, &value) in lanes.iter_mut().zip(rest) {
        *lane = step(*lane, value);
    }
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            lanes[lane] = merge(lanes[lane], lanes[lane + width]);
        }
        width /= 2;
    }
    lanes[0]
}

/// The squared length; infinity where it is beyond a float.
#[inline(always)]
pub(super) fn square(values: &[f32]) -> f32 {
    fold(values, 0.0, |sum, value| sum + value * value, |a, b| a + b)
}

/// The greatest absolute value; what is no number counts as zero.
#[inline(always)]
pub(super) fn largest(values: &[f32]) -> f32 {
    let greater = |a: f32, b: f32| if a > b { a } else { b };
    fold(values, 0.0, |largest, value| greater(value.abs(), largest), greater)
}

/// The least and the greatest value; zeros where there is none.
#[inline(always)]
pub(super) fn extremes(values: &[f32]) -> (f32, f32) {
    let lesser = |a: f32, b: f32| if a < b { a } else { b };
    let greater = |a: f32, b: f32| if a > b { a } else { b };
    let low = fold(values, f32::INFINITY, |low, value| lesser(value, low), lesser);
    let high = fold(values, f32::NEG_INFINITY, |high, value| greater(value, high), greater);
    if low <= high { (low, high) } else { (0.0, 0.0) }
}

/// The squared length, whatever the size of the elements.
#[inline(always)]
pub(crate) fn square_of(values: &[f32]) -> f64 {
    let square = square(values);
    if (1e-30..1e37).contains(&square) {
        return f64::from(square);
    }
    values.iter().map(|&value| f64::from(value) * f64::from(value)).sum()
}

/// One over the length, zero for the zero vector.
#[inline(always)]
pub(crate) fn inverse_length(values: &[f32]) -> f32 {
    let square = square_of(values);
    if square > 0.0 { square.sqrt().recip().min(f64::from(f32::MAX)) as f32 } else { 0.0 }
}
