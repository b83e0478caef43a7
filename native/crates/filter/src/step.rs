//! One step of arithmetic before a comparison: C's rules, integers wrap.

use std::fmt;

use crate::interval::Scalar;

/// An operator between a value and a constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// `+`
    Add,
    /// `-`
    Sub,
    /// `*`
    Mul,
    /// `/`, of integers truncated toward zero
    Div,
    /// `%`, with the sign of the value
    Rem,
    /// `&` of integers
    And,
    /// `|` of integers
    Or,
    /// `^` of integers
    Xor,
}

impl Op {
    /// The operator that is written so.
    pub fn named(name: &str) -> Option<Op> {
        Some(match name {
            "+" => Op::Add,
            "-" => Op::Sub,
            "*" => Op::Mul,
            "/" => Op::Div,
            "%" => Op::Rem,
            "&" => Op::And,
            "|" => Op::Or,
            "^" => Op::Xor,
            _ => return None,
        })
    }

    /// Whether doubles know it.
    pub(crate) fn takes_doubles(self) -> bool {
        !matches!(self, Op::And | Op::Or | Op::Xor)
    }
}

/// A step that has no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadStep {
    /// An integer divided by zero.
    ByZero,
    /// Bits of a double.
    BitsOfDouble,
}

impl fmt::Display for BadStep {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            BadStep::ByZero => "integers cannot be divided by zero",
            BadStep::BitsOfDouble => "doubles have no & | ^",
        })
    }
}

impl std::error::Error for BadStep {}

/// `value op constant`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// The operator.
    pub op: Op,
    /// The constant.
    pub constant: Scalar,
}

impl Step {
    /// The step of integers; a constant with a fraction loses it.
    pub(crate) fn of_ints(self) -> Result<IntStep, BadStep> {
        let constant = match self.constant {
            Scalar::Int(value) => value,
            Scalar::Float(value) => value as i64,
        };
        if constant == 0 && matches!(self.op, Op::Div | Op::Rem) {
            return Err(BadStep::ByZero);
        }
        Ok(IntStep { op: self.op, constant, divisor: Divisor::new(constant) })
    }

    /// The step of doubles.
    pub(crate) fn of_floats(self) -> Result<FloatStep, BadStep> {
        if !self.op.takes_doubles() {
            return Err(BadStep::BitsOfDouble);
        }
        let constant = match self.constant {
            Scalar::Int(value) => value as f64,
            Scalar::Float(value) => value,
        };
        Ok(FloatStep { op: self.op, constant })
    }
}

/// A step on 64 values of its type.
pub(crate) trait Take: Copy {
    type Value: Copy + Default;
    fn take(self, values: &[Self::Value; 64]) -> [Self::Value; 64];
}

#[derive(Clone, Copy)]
pub(crate) struct IntStep {
    op: Op,
    constant: i64,
    divisor: Divisor,
}

impl Take for IntStep {
    type Value = i64;

    #[inline(always)]
    fn take(self, values: &[i64; 64]) -> [i64; 64] {
        let (by, divisor) = (self.constant, self.divisor);
        match self.op {
            Op::Add => each(values, |value| value.wrapping_add(by)),
            Op::Sub => each(values, |value| value.wrapping_sub(by)),
            Op::Mul => each(values, |value| value.wrapping_mul(by)),
            Op::Div => each(values, |value| divisor.quotient(value)),
            Op::Rem => each(values, |value| value.wrapping_sub(divisor.quotient(value).wrapping_mul(by))),
            Op::And => each(values, |value| value & by),
            Op::Or => each(values, |value| value | by),
            Op::Xor => each(values, |value| value ^ by),
        }
    }
}

/// A constant to divide by, as a factor and a shift: four times as fast as the machine's own division.
///
/// Figure 5.2 of Granlund and Montgomery, "Division by Invariant Integers using Multiplication" (1994).
#[derive(Clone, Copy)]
struct Divisor {
    factor: i64,
    shift: u32,
    /// -1 for a negative divisor, otherwise 0.
    sign: i64,
}

impl Divisor {
    /// A divisor of zero has quotients without a meaning.
    fn new(divisor: i64) -> Self {
        let magnitude = u128::from(divisor.unsigned_abs()).max(1);
        let bits = (128 - (magnitude - 1).leading_zeros()).max(1);
        let factor = (1_u128 << (63 + bits)) / magnitude + 1;
        Self { factor: factor as i64, shift: bits - 1, sign: divisor >> 63 }
    }

    /// The quotient, truncated toward zero; the least integer by -1 wraps to itself.
    #[inline(always)]
    fn quotient(self, value: i64) -> i64 {
        let high = ((i128::from(self.factor) * i128::from(value)) >> 64) as i64;
        let quotient = (value.wrapping_add(high) >> self.shift).wrapping_sub(value >> 63);
        (quotient ^ self.sign).wrapping_sub(self.sign)
    }
}

#[derive(Clone, Copy)]
pub(crate) struct FloatStep {
    op: Op,
    constant: f64,
}

impl Take for FloatStep {
    type Value = f64;

    #[inline(always)]
    fn take(self, values: &[f64; 64]) -> [f64; 64] {
        let by = self.constant;
        match self.op {
            Op::Add => each(values, |value| value + by),
            Op::Sub => each(values, |value| value - by),
            Op::Mul => each(values, |value| value * by),
            Op::Div => each(values, |value| value / by),
            Op::Rem => each(values, |value| value % by),
            Op::And | Op::Or | Op::Xor => [f64::NAN; 64],
        }
    }
}

/// Returns 64 results; a plain loop vectorises where `array::map` does not.
#[inline(always)]
pub(crate) fn each<T: Copy, R: Copy + Default>(values: &[T; 64], result: impl Fn(T) -> R) -> [R; 64] {
    let mut results = [R::default(); 64];
    for (out, value) in results.iter_mut().zip(values) {
        *out = result(*value);
    }
    results
}

#[cfg(test)]
mod tests {
    use super::*;

    fn int(op: Op, value: i64, by: i64) -> i64 {
        Step { op, constant: Scalar::Int(by) }.of_ints().unwrap().take(&[value; 64])[0]
    }

    #[test]
    fn integers_wrap_and_divide_as_c_does() {
        assert_eq!(int(Op::Add, i64::MAX, 1), i64::MIN);
        assert_eq!(int(Op::Mul, i64::MIN, -1), i64::MIN);
        assert_eq!(int(Op::Div, -7, 2), -3);
        assert_eq!(int(Op::Div, i64::MIN, -1), i64::MIN);
        assert_eq!(int(Op::Rem, -7, 3), -1);
        assert_eq!(int(Op::Rem, i64::MIN, -1), 0);
        assert_eq!(int(Op::Xor, 6, 3), 5);
    }

    #[test]
    fn a_factor_divides_as_the_machine_does() {
        let near = |value: i64| (-3..=3).map(move |step| value.wrapping_add(step));
        let powers = (0..64).flat_map(|bit| near(1_i64 << bit).chain(near((1_i64 << bit).wrapping_neg())));
        let numbers: Vec<i64> =
            powers.chain((1..200).map(|at: i64| at.wrapping_mul(0x0123_4567_89AB_CDEF) >> (at % 50))).collect();
        for by in numbers.iter().copied().filter(|by| *by != 0) {
            for value in &numbers {
                assert_eq!(Divisor::new(by).quotient(*value), value.wrapping_div(by), "{value} / {by}");
                assert_eq!(int(Op::Rem, *value, by), value.wrapping_rem(by), "{value} % {by}");
            }
        }
    }

    #[test]
    fn steps_without_a_result_are_refused() {
        assert_eq!(Step { op: Op::Rem, constant: Scalar::Int(0) }.of_ints().err(), Some(BadStep::ByZero));
        assert_eq!(Step { op: Op::And, constant: Scalar::Int(1) }.of_floats().err(), Some(BadStep::BitsOfDouble));
        let step = Step { op: Op::Rem, constant: Scalar::Float(2.0) }.of_floats().unwrap();
        assert_eq!(step.take(&[-3.5; 64])[0].to_bits(), (-1.5_f64).to_bits());
    }
}
