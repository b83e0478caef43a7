//! What a comparison with constants asks for: every one of them is an inclusive range of the column's own type.

/// A constant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scalar {
    /// An integer.
    Int(i64),
    /// A double.
    Float(f64),
}

/// One end of an interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bound {
    /// The constant.
    pub value: Scalar,
    /// Whether the constant itself is left out.
    pub open: bool,
}

/// The values between two bounds; a missing bound leaves its side free.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Interval {
    /// The lower bound.
    pub low: Option<Bound>,
    /// The upper bound.
    pub high: Option<Bound>,
}

/// The values from `low` to `high`, both included; none where they are not in order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range<T> {
    /// The least value.
    pub low: T,
    /// The greatest value.
    pub high: T,
}

impl<T: PartialOrd> Range<T> {
    /// Whether a value lies inside; never for NaN.
    #[inline(always)]
    pub fn holds(&self, value: T) -> bool {
        (self.low <= value) & (value <= self.high)
    }
}

/// A column's element.
pub trait Number: Copy + Default + PartialOrd + Send + Sync {
    /// Returns the values of this type that lie in an interval.
    ///
    /// Integers meet an integer exactly and a double as doubles; `f32` meets a constant narrowed to `f32`.
    fn range(interval: &Interval) -> Range<Self>;
}

macro_rules! floats {
    ($($float:ident),*) => {$(
        impl Number for $float {
            fn range(interval: &Interval) -> Range<$float> {
                let value = |bound: &Bound| match bound.value {
                    Scalar::Int(value) => value as $float,
                    Scalar::Float(value) => value as $float,
                };
                // Nothing lies beyond an open infinity; NaN as a bound lets nothing in.
                let low = |bound: &Bound| match (value(bound), bound.open) {
                    (<$float>::INFINITY, true) => <$float>::NAN,
                    (value, true) => value.next_up(),
                    (value, false) => value,
                };
                let high = |bound: &Bound| match (value(bound), bound.open) {
                    (<$float>::NEG_INFINITY, true) => <$float>::NAN,
                    (value, true) => value.next_down(),
                    (value, false) => value,
                };
                Range {
                    low: interval.low.as_ref().map_or(<$float>::NEG_INFINITY, low),
                    high: interval.high.as_ref().map_or(<$float>::INFINITY, high),
                }
            }
        }
    )*};
}

macro_rules! integers {
    ($($integer:ident),*) => {$(
        #[allow(clippy::cast_lossless)]
        impl Number for $integer {
            fn range(interval: &Interval) -> Range<$integer> {
                const NONE: Range<$integer> = Range { low: $integer::MAX, high: $integer::MIN };
                let (least, most) = ($integer::MIN as i64, $integer::MAX as i64);
                let (low, high) = (interval.low.map_or(Some(least), first), interval.high.map_or(Some(most), last));
                let (Some(low), Some(high)) = (low, high) else { return NONE };
                if low > most || high < least {
                    return NONE;
                }
                Range { low: low.max(least) as $integer, high: high.min(most) as $integer }
            }
        }
    )*};
}

floats!(f32, f64);
integers!(i8, i16, i32, i64);

/// The first integer above a lower bound.
fn first(bound: Bound) -> Option<i64> {
    match (bound.value, bound.open) {
        (Scalar::Int(value), false) => Some(value),
        (Scalar::Int(value), true) => value.checked_add(1),
        (Scalar::Float(value), false) => first_where(|number| number as f64 >= value),
        (Scalar::Float(value), true) => first_where(|number| number as f64 > value),
    }
}

/// The last integer below an upper bound.
fn last(bound: Bound) -> Option<i64> {
    match (bound.value, bound.open) {
        (Scalar::Int(value), false) => Some(value),
        (Scalar::Int(value), true) => value.checked_sub(1),
        (Scalar::Float(value), false) => last_where(|number| number as f64 <= value),
        (Scalar::Float(value), true) => last_where(|number| (number as f64) < value),
    }
}

/// The least integer of which `holds` is true, given that it stays true from there on: conversion to a double rounds,
/// but keeps the order, so a bound of doubles is a bound of integers too.
fn first_where(holds: impl Fn(i64) -> bool) -> Option<i64> {
    let (mut low, mut high) = (i64::MIN, i64::MAX);
    if !holds(high) {
        return None;
    }
    while low < high {
        let middle = low.midpoint(high).min(high - 1);
        if holds(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    Some(low)
}

/// The greatest integer of which `holds` is true, given that it stays true below.
fn last_where(holds: impl Fn(i64) -> bool) -> Option<i64> {
    if !holds(i64::MIN) {
        return None;
    }
    Some(first_where(|number| !holds(number)).map_or(i64::MAX, |number| number - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn above(value: Scalar, open: bool) -> Interval {
        Interval { low: Some(Bound { value, open }), high: None }
    }

    fn under(value: Scalar, open: bool) -> Interval {
        Interval { low: None, high: Some(Bound { value, open }) }
    }

    #[test]
    fn an_integer_meets_a_double_as_a_double() {
        let doubles =
            [-1e300, -9.3e18, -9_007_199_254_740_993.0, -0.5, -0.0, 0.5, 9_007_199_254_740_992.0, 9.3e18, 1e300];
        let near = |value: f64| (-3..=3).map(move |step| (value as i64).saturating_add(step));
        for value in doubles {
            for number in near(value).chain([i64::MIN, i64::MAX, 0]) {
                let float = number as f64;
                for (interval, expected) in [
                    (above(Scalar::Float(value), false), float >= value),
                    (above(Scalar::Float(value), true), float > value),
                    (under(Scalar::Float(value), false), float <= value),
                    (under(Scalar::Float(value), true), float < value),
                ] {
                    assert_eq!(i64::range(&interval).holds(number), expected, "{number} {interval:?}");
                }
            }
        }
    }

    #[test]
    fn open_bounds_at_the_ends_hold_nothing() {
        assert!(!i64::range(&above(Scalar::Int(i64::MAX), true)).holds(i64::MAX));
        assert!(!i64::range(&under(Scalar::Int(i64::MIN), true)).holds(i64::MIN));
        assert!(!f64::range(&above(Scalar::Float(f64::INFINITY), true)).holds(f64::INFINITY));
        assert!(!f64::range(&under(Scalar::Float(f64::NEG_INFINITY), true)).holds(f64::NEG_INFINITY));
        assert!(f64::range(&above(Scalar::Float(f64::MAX), true)).holds(f64::INFINITY));
        assert!(!f64::range(&above(Scalar::Float(0.0), true)).holds(-0.0));
        assert!(!f64::range(&under(Scalar::Float(-0.0), true)).holds(0.0));
        assert!(f64::range(&above(Scalar::Float(0.0), false)).holds(-0.0));
    }

    #[test]
    fn nan_is_in_no_interval_and_bounds_none() {
        assert!(!f64::range(&above(Scalar::Float(f64::NEG_INFINITY), false)).holds(f64::NAN));
        assert!(!f64::range(&above(Scalar::Float(f64::NAN), true)).holds(1.0));
        assert!(!i64::range(&above(Scalar::Float(f64::NAN), false)).holds(1));
        assert!(!i64::range(&under(Scalar::Float(f64::NAN), false)).holds(1));
    }

    #[test]
    fn constants_beyond_a_narrow_type_leave_all_or_nothing() {
        assert_eq!(i8::range(&above(Scalar::Int(-1000), false)), Range { low: -128, high: 127 });
        assert!(!i8::range(&above(Scalar::Int(127), true)).holds(127));
        assert!(!i8::range(&under(Scalar::Int(-129), false)).holds(-128));
        assert!(f32::range(&under(Scalar::Float(1e300), false)).holds(f32::INFINITY));
        assert!(f32::range(&above(Scalar::Float(0.1), false)).holds(0.1_f32));
    }
}
