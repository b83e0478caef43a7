//! JSON values: a kind and a number a row, as `elanus-json` lays them out.

use std::fmt;

use crate::bits::{block, build, collect_of, pack};
use crate::interval::{Interval, Number, Range, Scalar};
use crate::level::{Kernel, Pack, launch};
use crate::set::{FloatSet, IntSet};
use crate::step::{BadStep, FloatStep, IntStep, Op, Step, Take, each};

const INT: u8 = 3;
const DOUBLE: u8 = 4;

/// Returns the rows whose kind, cut down to the bits of `mask`, lies from `low` to `high`.
pub fn kinds_within(kinds: &[u8], mask: u8, low: u8, high: u8) -> Vec<u8> {
    launch(KindsWithin { kinds, mask, low, high })
}

struct KindsWithin<'a> {
    kinds: &'a [u8],
    mask: u8,
    low: u8,
    high: u8,
}

impl Kernel for KindsWithin<'_> {
    type Output = Vec<u8>;

    #[inline(always)]
    fn run<P: Pack>(self) -> Vec<u8> {
        let (range, mask, mut spare) = (Range { low: self.low, high: self.high }, self.mask, [0; 64]);
        build(self.kinds.len(), |first| {
            pack::<P, u8>(block(self.kinds, first, &mut spare), |kind| range.holds(kind & mask))
        })
    }
}

/// Columns of unequal lengths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadLengths;

impl fmt::Display for BadLengths {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a kind and a number are needed for each row")
    }
}

impl std::error::Error for BadLengths {}

/// Numbers that are integers in some rows and doubles in others, and nothing elsewhere.
#[derive(Clone, Copy)]
pub struct JsonNumbers<'a> {
    kinds: &'a [u8],
    numbers: &'a [i64],
}

/// Bitmaps: the rows that answer yes, and the rows that are numbers.
type Answer = (Vec<u8>, Vec<u8>);

impl<'a> JsonNumbers<'a> {
    /// Takes a kind and a number, or a double's bits, for each row.
    pub fn new(kinds: &'a [u8], numbers: &'a [i64]) -> Result<Self, BadLengths> {
        if kinds.len() == numbers.len() { Ok(Self { kinds, numbers }) } else { Err(BadLengths) }
    }

    /// Returns the rows whose number, after a step, lies in an interval: integers meet integers exactly, all else
    /// doubles.
    pub fn within(self, step: Option<Step>, interval: &Interval) -> Result<Answer, BadStep> {
        self.launch(step, Ranges { ints: i64::range(interval), floats: f64::range(interval) })
    }

    /// Returns the rows whose number, after a step, is in a set: integers are looked up among `ints`, where given, all
    /// else as doubles.
    pub fn in_set(self, step: Option<Step>, ints: Option<&IntSet>, floats: &FloatSet) -> Result<Answer, BadStep> {
        self.launch(step, Sets { ints, floats })
    }

    fn launch<A: Ask>(self, step: Option<Step>, ask: A) -> Result<Answer, BadStep> {
        Ok(launch(Asked { column: self, steps: Steps::new(step)?, ask }))
    }
}

/// What comes before the question.
#[derive(Clone, Copy)]
enum Steps {
    Nothing,
    /// By an integer: each number keeps its type. A row with a double is no number where doubles don't know the step.
    Each(IntStep, Option<FloatStep>),
    /// By a double: all become doubles.
    Doubles(FloatStep),
}

impl Steps {
    fn new(step: Option<Step>) -> Result<Self, BadStep> {
        let Some(step) = step else { return Ok(Steps::Nothing) };
        if matches!(step.constant, Scalar::Float(_)) {
            return Ok(Steps::Doubles(step.of_floats()?));
        }
        // Doubles have a remainder in C, but not in the filter language.
        let of_floats = if step.op == Op::Rem { None } else { step.of_floats().ok() };
        Ok(Steps::Each(step.of_ints()?, of_floats))
    }
}

/// What is asked of 64 numbers. `rows` are those that count; anything may be answered about the others.
trait Ask {
    fn ints<P: Pack>(&self, values: &[i64; 64], rows: u64) -> u64;
    fn floats<P: Pack>(&self, values: &[f64; 64], rows: u64) -> u64;
}

struct Ranges {
    ints: Range<i64>,
    floats: Range<f64>,
}

impl Ask for Ranges {
    #[inline(always)]
    fn ints<P: Pack>(&self, values: &[i64; 64], _rows: u64) -> u64 {
        pack::<P, i64>(values, |value| self.ints.holds(value))
    }

    #[inline(always)]
    fn floats<P: Pack>(&self, values: &[f64; 64], _rows: u64) -> u64 {
        pack::<P, f64>(values, |value| self.floats.holds(value))
    }
}

struct Sets<'a> {
    ints: Option<&'a IntSet>,
    floats: &'a FloatSet,
}

impl Ask for Sets<'_> {
    #[inline(always)]
    fn ints<P: Pack>(&self, values: &[i64; 64], rows: u64) -> u64 {
        match self.ints {
            Some(ints) => collect_of(rows, |row| ints.holds(values[row])),
            None => collect_of(rows, |row| self.floats.holds(values[row] as f64)),
        }
    }

    #[inline(always)]
    fn floats<P: Pack>(&self, values: &[f64; 64], rows: u64) -> u64 {
        collect_of(rows, |row| self.floats.holds(values[row]))
    }
}

struct Asked<'a, A> {
    column: JsonNumbers<'a>,
    steps: Steps,
    ask: A,
}

impl<A: Ask> Asked<'_, A> {
    #[inline(always)]
    fn ints<P: Pack>(&self, numbers: &[i64; 64], rows: u64) -> u64 {
        match self.steps {
            Steps::Nothing => self.ask.ints::<P>(numbers, rows),
            Steps::Each(step, _) => self.ask.ints::<P>(&step.take(numbers), rows),
            Steps::Doubles(step) => self.ask.floats::<P>(&step.take(&each(numbers, |value| value as f64)), rows),
        }
    }

    /// None where a double is no number.
    #[inline(always)]
    fn floats<P: Pack>(&self, kinds: &[u8; 64], numbers: &[i64; 64], rows: u64) -> Option<u64> {
        let mut doubles = [0.0; 64];
        for (double, (kind, bits)) in doubles.iter_mut().zip(kinds.iter().zip(numbers)) {
            // Small integers would be subnormal doubles, and arithmetic with those takes a hundred cycles.
            *double = if *kind == DOUBLE { f64::from_bits(bits.cast_unsigned()) } else { 0.0 };
        }
        Some(match self.steps {
            Steps::Nothing => self.ask.floats::<P>(&doubles, rows),
            Steps::Each(_, step) => self.ask.floats::<P>(&step?.take(&doubles), rows),
            Steps::Doubles(step) => self.ask.floats::<P>(&step.take(&doubles), rows),
        })
    }
}

impl<A: Ask> Kernel for Asked<'_, A> {
    type Output = Answer;

    #[inline(always)]
    fn run<P: Pack>(self) -> Answer {
        let JsonNumbers { kinds, numbers } = self.column;
        let mut spare_numbers = [0; 64];
        let mut known = Vec::with_capacity(kinds.len().div_ceil(64) * 8);
        let value = build(kinds.len(), |first| {
            let mut missing = [0; 64];
            let kinds = block(kinds, first, &mut missing);
            let numbers = block(numbers, first, &mut spare_numbers);
            let ints = pack::<P, u8>(kinds, |kind| kind == INT);
            let mut floats = pack::<P, u8>(kinds, |kind| kind == DOUBLE);
            let mut found = 0;
            if ints != 0 {
                found |= self.ints::<P>(numbers, ints) & ints;
            }
            if floats != 0 {
                match self.floats::<P>(kinds, numbers, floats) {
                    Some(passed) => found |= passed & floats,
                    None => floats = 0,
                }
            }
            known.extend_from_slice(&(ints | floats).to_le_bytes());
            found
        });
        known.truncate(value.len());
        (value, known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bits::tests::unpacked;
    use crate::interval::Bound;
    use crate::level::tests::at_every_level;

    const TWO_53: i64 = 1 << 53;

    fn column() -> (Vec<u8>, Vec<i64>) {
        let bits = |value: f64| value.to_bits().cast_signed();
        let rows = [
            (INT, TWO_53 + 1),
            (INT, TWO_53),
            (DOUBLE, bits(9_007_199_254_740_992.0)),
            (5, TWO_53),
            (0, 0),
            (INT, -7),
            (DOUBLE, bits(-7.5)),
        ];
        rows.into_iter().cycle().take(7 * 30).unzip()
    }

    fn equal_to(value: Scalar) -> Interval {
        let bound = Some(Bound { value, open: false });
        Interval { low: bound, high: bound }
    }

    fn first_seven(bits: &[u8]) -> Vec<u8> {
        let all = unpacked(bits, 210);
        assert!(all.chunks(7).all(|chunk| chunk == &all[..7]));
        all[..7].iter().map(|set| u8::from(*set)).collect()
    }

    #[test]
    fn integers_meet_integers_exactly_and_doubles_as_doubles() {
        let (kinds, numbers) = column();
        at_every_level(|_| {
            let column = JsonNumbers::new(&kinds, &numbers).unwrap();
            let (value, known) = column.within(None, &equal_to(Scalar::Int(TWO_53))).unwrap();
            assert_eq!(first_seven(&value), [0, 1, 1, 0, 0, 0, 0]);
            assert_eq!(first_seven(&known), [1, 1, 1, 0, 0, 1, 1]);
            let (value, _) = column.within(None, &equal_to(Scalar::Float(TWO_53 as f64))).unwrap();
            assert_eq!(first_seven(&value), [1, 1, 1, 0, 0, 0, 0]);
        });
    }

    #[test]
    fn a_step_of_integers_only_leaves_doubles_out() {
        let (kinds, numbers) = column();
        at_every_level(|_| {
            let column = JsonNumbers::new(&kinds, &numbers).unwrap();
            let step = Step { op: Op::Rem, constant: Scalar::Int(4) };
            let (value, known) = column.within(Some(step), &equal_to(Scalar::Int(-3))).unwrap();
            assert_eq!(first_seven(&value), [0, 0, 0, 0, 0, 1, 0]);
            assert_eq!(first_seven(&known), [1, 1, 0, 0, 0, 1, 0]);
            let step = Step { op: Op::Mul, constant: Scalar::Float(2.0) };
            let (value, known) = column.within(Some(step), &equal_to(Scalar::Int(-15))).unwrap();
            assert_eq!(first_seven(&value), [0, 0, 0, 0, 0, 0, 1]);
            assert_eq!(first_seven(&known), [1, 1, 1, 0, 0, 1, 1]);
        });
    }

    #[test]
    fn sets_of_integers_are_exact_for_integers() {
        let (kinds, numbers) = column();
        let column = JsonNumbers::new(&kinds, &numbers).unwrap();
        let (ints, floats) = (IntSet::new(&[TWO_53 + 1, -7]), FloatSet::new(&[(TWO_53 + 1) as f64, -7.0]));
        let found = |step, ints| first_seven(&column.in_set(step, ints, &floats).unwrap().0);
        assert_eq!(found(None, Some(&ints)), [1, 0, 1, 0, 0, 1, 0]);
        assert_eq!(found(None, None), [1, 1, 1, 0, 0, 1, 0]);
        let step = Some(Step { op: Op::Add, constant: Scalar::Int(1) });
        assert_eq!(found(step, Some(&ints)), [0, 1, 1, 0, 0, 0, 0]);
    }

    #[test]
    fn kinds_are_told_with_and_without_their_marks() {
        let kinds = [0, 1, 6, 0x16, 7, 0x17, 5];
        assert_eq!(unpacked(&kinds_within(&kinds, 0xF, 6, 6), 7), [false, false, true, true, false, false, false]);
        assert_eq!(unpacked(&kinds_within(&kinds, 0xFF, 2, 0xF), 7), [false, false, true, false, true, false, true]);
    }

    #[test]
    fn columns_of_unequal_length_are_refused() {
        assert_eq!(JsonNumbers::new(&[3], &[]).err(), Some(BadLengths));
    }
}
