//! Number columns: intervals, arithmetic before them, two columns, sets.

use crate::bits::{block, build, collect, collect_of, flag_of, pack};
use crate::interval::{Interval, Number, Range};
use crate::level::{Flags, Kernel, Pack, launch};
use crate::set::{FloatSet, IntSet, Look};
use crate::step::{BadStep, Step, Take, each};

/// Returns the rows whose value lies in an interval.
pub fn within<T: Number>(values: &[T], interval: &Interval) -> Vec<u8> {
    launch(Within { values, range: T::range(interval) })
}

struct Within<'a, T> {
    values: &'a [T],
    range: Range<T>,
}

impl<T: Number> Kernel for Within<'_, T> {
    type Output = Vec<u8>;

    #[inline(always)]
    fn run<P: Pack>(self) -> Vec<u8> {
        let (range, mut spare) = (self.range, [T::default(); 64]);
        build(self.values.len(), |first| {
            pack::<P, T>(block(self.values, first, &mut spare), |value| range.holds(value))
        })
    }
}

// --- arithmetic ---

/// A column whose arithmetic is that of its widest relative: `i64` or `f64`.
pub trait Whole: Number {
    /// Sets that its values are looked up in.
    type Set: Sync;
    /// Returns the rows where one step of arithmetic leads into an interval.
    fn stepped_within(values: &[Self], step: Step, interval: &Interval) -> Result<Vec<u8>, BadStep>;
    /// Returns the rows where one step of arithmetic leads into a set.
    fn stepped_in(values: &[Self], step: Step, set: &Self::Set) -> Result<Vec<u8>, BadStep>;
}

macro_rules! whole {
    ($wide:ident, $set:ident, $of:ident, $($number:ident),*) => {$(
        impl Whole for $number {
            type Set = $set;

            fn stepped_within(values: &[Self], step: Step, interval: &Interval) -> Result<Vec<u8>, BadStep> {
                let (step, range) = (step.$of()?, $wide::range(interval));
                Ok(launch(Stepped { values, step, test: |value| range.holds(value) }))
            }

            fn stepped_in(values: &[Self], step: Step, set: &$set) -> Result<Vec<u8>, BadStep> {
                Ok(launch(Stepped { values, step: step.$of()?, test: |value| set.holds(value) }))
            }
        }
    )*};
}

whole!(i64, IntSet, of_ints, i8, i16, i32, i64);
whole!(f64, FloatSet, of_floats, f32, f64);

struct Stepped<'a, T, S, F> {
    values: &'a [T],
    step: S,
    test: F,
}

impl<T: Number + Into<S::Value>, S: Take, F: Fn(S::Value) -> bool> Kernel for Stepped<'_, T, S, F> {
    type Output = Vec<u8>;

    #[inline(always)]
    fn run<P: Pack>(self) -> Vec<u8> {
        let (step, test, mut spare) = (self.step, self.test, [T::default(); 64]);
        build(self.values.len(), |first| {
            let wide = each(block(self.values, first, &mut spare), Into::into);
            pack::<P, S::Value>(&step.take(&wide), &test)
        })
    }
}

// --- two columns ---

/// An operator between two columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `==`
    Equal,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

impl Comparison {
    /// The operator that is written so.
    pub fn named(name: &str) -> Option<Comparison> {
        Some(match name {
            "==" => Comparison::Equal,
            "<" => Comparison::Less,
            "<=" => Comparison::LessOrEqual,
            ">" => Comparison::Greater,
            ">=" => Comparison::GreaterOrEqual,
            _ => return None,
        })
    }

    /// Whether `left op right`.
    #[inline(always)]
    pub fn holds<T: PartialOrd + ?Sized>(self, left: &T, right: &T) -> bool {
        match self {
            Comparison::Equal => left == right,
            Comparison::Less => left < right,
            Comparison::LessOrEqual => left <= right,
            Comparison::Greater => left > right,
            Comparison::GreaterOrEqual => left >= right,
        }
    }
}

/// Returns the rows where `left op right`; columns of equal length, the rows of the shorter one otherwise.
pub fn compare_columns<T: Number>(left: &[T], right: &[T], comparison: Comparison) -> Vec<u8> {
    launch(Compared { left, right, comparison })
}

struct Compared<'a, T> {
    left: &'a [T],
    right: &'a [T],
    comparison: Comparison,
}

impl<T: Number> Kernel for Compared<'_, T> {
    type Output = Vec<u8>;

    #[inline(always)]
    fn run<P: Pack>(self) -> Vec<u8> {
        let rows = self.left.len().min(self.right.len());
        let (mut one, mut other) = ([T::default(); 64], [T::default(); 64]);
        build(rows, |first| {
            let left = block(&self.left[..rows], first, &mut one);
            let right = block(&self.right[..rows], first, &mut other);
            match self.comparison {
                Comparison::Equal => pack_pairs::<P, T>(left, right, |left, right| left == right),
                Comparison::Less => pack_pairs::<P, T>(left, right, |left, right| left < right),
                Comparison::LessOrEqual => pack_pairs::<P, T>(left, right, |left, right| left <= right),
                Comparison::Greater => pack_pairs::<P, T>(left, right, |left, right| left > right),
                Comparison::GreaterOrEqual => pack_pairs::<P, T>(left, right, |left, right| left >= right),
            }
        })
    }
}

#[inline(always)]
fn pack_pairs<P: Pack, T: Copy>(left: &[T; 64], right: &[T; 64], test: impl Fn(T, T) -> bool) -> u64 {
    let mut flags: Flags = [0; 64];
    for (flag, (left, right)) in flags.iter_mut().zip(left.iter().zip(right)) {
        *flag = flag_of(test(*left, *right));
    }
    P::pack(&flags)
}

// --- sets ---

/// Returns the rows whose integer is in a set.
pub fn in_ints<T: Number + Into<i64> + TryFrom<i64>>(values: &[T], set: &IntSet) -> Vec<u8> {
    match set.look() {
        Look::Few(few) => {
            // A value that the narrow type cannot hold is in no row.
            let few: Vec<T> = few.iter().filter_map(|value| T::try_from(*value).ok()).collect();
            launch(AnyOf { values, few: &few, widen: |value| value })
        }
        look => launch(InSet { values, look, key: Into::into }),
    }
}

/// Returns the rows whose double is in a set; -0.0 equals 0.0, NaN nothing.
pub fn in_floats<T: Number + Into<f64>>(values: &[T], set: &FloatSet) -> Vec<u8> {
    match set.few() {
        Some(few) => launch(AnyOf { values, few, widen: Into::into }),
        None => launch(InSet { values, look: set.look(), key: |value: T| FloatSet::key(value.into()) }),
    }
}

struct AnyOf<'a, T, W, F> {
    values: &'a [T],
    few: &'a [W],
    widen: F,
}

impl<T: Number, W: Number, F: Fn(T) -> W> Kernel for AnyOf<'_, T, W, F> {
    type Output = Vec<u8>;

    #[inline(always)]
    fn run<P: Pack>(self) -> Vec<u8> {
        let mut spare = [T::default(); 64];
        build(self.values.len(), |first| {
            let block = each(block(self.values, first, &mut spare), &self.widen);
            let mut flags: Flags = [0; 64];
            for wanted in self.few {
                for (flag, value) in flags.iter_mut().zip(&block) {
                    *flag |= flag_of(value == wanted);
                }
            }
            P::pack(&flags)
        })
    }
}

struct InSet<'a, T, K> {
    values: &'a [T],
    look: Look<'a>,
    key: K,
}

impl<T: Number, K: Fn(T) -> i64> Kernel for InSet<'_, T, K> {
    type Output = Vec<u8>;

    #[inline(always)]
    fn run<P: Pack>(self) -> Vec<u8> {
        let (values, key) = (self.values, self.key);
        match self.look {
            Look::Few(few) => {
                build(values.len(), |first| collect(first, values.len(), |row| few.contains(&key(values[row]))))
            }
            Look::Table(table) => {
                build(values.len(), |first| collect(first, values.len(), |row| table.holds(key(values[row]))))
            }
            Look::Hashed(hashed) => build(values.len(), |first| {
                let likely = collect(first, values.len(), |row| hashed.may_hold(key(values[row])));
                collect_of(likely, |row| hashed.holds(key(values[first + row])))
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bits::tests::unpacked;
    use crate::interval::{Bound, Scalar};
    use crate::level::tests::at_every_level;
    use crate::step::Op;

    fn between(low: i64, high: i64) -> Interval {
        let bound = |value| Some(Bound { value: Scalar::Int(value), open: false });
        Interval { low: bound(low), high: bound(high) }
    }

    #[test]
    fn intervals_hold_at_every_length_and_level() {
        at_every_level(|level| {
            for rows in 0..200_i64 {
                let longs: Vec<i64> = (0..rows).map(|row| row * 7919 % 13 - 6).collect();
                let expected: Vec<bool> = longs.iter().map(|value| (-2..=3).contains(value)).collect();
                let bytes: Vec<i8> = longs.iter().map(|value| *value as i8).collect();
                let floats: Vec<f32> = longs.iter().map(|value| *value as f32).collect();
                for bits in
                    [within(&longs, &between(-2, 3)), within(&bytes, &between(-2, 3)), within(&floats, &between(-2, 3))]
                {
                    assert_eq!(unpacked(&bits, rows as usize), expected, "{level:?}");
                }
            }
        });
    }

    #[test]
    fn a_step_comes_before_the_interval() {
        at_every_level(|_| {
            let values: Vec<i16> = (-100..100).collect();
            let step = Step { op: Op::Rem, constant: Scalar::Int(7) };
            let bits = i16::stepped_within(&values, step, &between(-1, -1)).unwrap();
            let expected: Vec<bool> = values.iter().map(|value| value % 7 == -1).collect();
            assert_eq!(unpacked(&bits, 200), expected);
            let bits = i16::stepped_in(&values, step, &IntSet::new(&[-1, 9])).unwrap();
            assert_eq!(unpacked(&bits, 200), expected);
        });
    }

    #[test]
    fn columns_compare_row_by_row() {
        at_every_level(|_| {
            let left: Vec<f64> = (0..100).map(|row| if row % 9 == 0 { f64::NAN } else { f64::from(row % 5) }).collect();
            let right = vec![2.0; 100];
            for name in ["==", "<", "<=", ">", ">="] {
                let comparison = Comparison::named(name).unwrap();
                let expected: Vec<bool> = left.iter().map(|value| comparison.holds(value, &2.0)).collect();
                assert_eq!(unpacked(&compare_columns(&left, &right, comparison), 100), expected);
            }
        });
    }

    #[test]
    fn every_form_of_a_set_finds_its_values() {
        let values: Vec<i64> = (0..300).map(|row| row * 31 % 97 * 1_000_003 - 40_000_000).collect();
        let dense: Vec<i64> = (0..300).map(|row| row % 97).collect();
        for (column, stride) in [(&values, 1_000_003), (&dense, 1)] {
            for count in [0, 1, 3, 9, 40] {
                let wanted: Vec<i64> = (0..count).map(|at| at * stride * 2).collect();
                let set = IntSet::new(&wanted);
                let expected: Vec<bool> = column.iter().map(|value| wanted.contains(value)).collect();
                at_every_level(|_| assert_eq!(unpacked(&in_ints(column, &set), 300), expected));
            }
        }
    }

    #[test]
    fn narrow_columns_never_match_what_they_cannot_hold() {
        let bits = in_ints(&[1_i8, -1, 0], &IntSet::new(&[257, 1, i64::MAX]));
        assert_eq!(unpacked(&bits, 3), [true, false, false]);
    }

    #[test]
    fn zeros_are_one_value_and_nan_none() {
        for extra in [0, 50] {
            let wanted: Vec<f64> =
                [0.0, f64::NAN].into_iter().chain((0..extra).map(|at| f64::from(at) + 9.5)).collect();
            let bits = in_floats(&[-0.0, 0.0, f64::NAN, 1.0], &FloatSet::new(&wanted));
            assert_eq!(unpacked(&bits, 4), [true, true, false, false]);
        }
    }
}
