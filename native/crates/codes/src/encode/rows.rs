//! Rows read, centred, and given their codes and tails.

use std::ops::Range;

use elanus_kernels::simd::{bf16_to_f32, f16_to_f32};
use elanus_kernels::{Column, Element, Metric};

use super::lanes::{inverse_length, square_of};
use super::quantize;
use crate::code::Code;

/// Everything that encoding a row takes.
pub(super) struct Encoder<'a> {
    column: Column<'a>,
    metric: Metric,
    code: Code,
    mean: &'a [f32],
    /// The squared length of the longest vectors that the mean is taken of.
    pub(super) longest: f64,
}

/// Rows whose lengths say what is usual.
const SAMPLE: usize = 1_000;

/// How much longer than the usual vector one may be and still count in the mean: one wild vector must not take the bits
/// from all others.
const USUAL: f64 = 100.0;

/// Sums over rows.
#[derive(Default)]
pub(super) struct Sums {
    pub(super) total: Vec<f64>,
    pub(super) count: usize,
}

#[inline(always)]
fn is_kept(keep: Option<&[u8]>, row: usize) -> bool {
    keep.is_none_or(|keep| keep.get(row / 8).is_some_and(|byte| byte >> (row % 8) & 1 == 1))
}

impl<'a> Encoder<'a> {
    pub(super) fn new(column: Column<'a>, metric: Metric, code: Code, mean: &'a [f32]) -> Self {
        Encoder { column, metric, code, mean, longest: f64::INFINITY }
    }

    /// The squared length up to which vectors are nothing unusual, from a sample of the kept rows.
    pub(super) fn longest_usual(&self, keep: Option<&[u8]>) -> f64 {
        if self.metric == Metric::Cosine {
            return f64::INFINITY;
        }
        let step = self.column.rows().div_ceil(SAMPLE).max(1);
        let rows = (0..self.column.rows()).step_by(step).filter(|&row| is_kept(keep, row));
        let mut squares: Vec<f64> = rows.map(|row| square_of(&self.column.floats(row))).collect();
        squares.sort_unstable_by(f64::total_cmp);
        let usual = squares.get(squares.len() / 2).copied().unwrap_or_default();
        if usual > 0.0 { usual * USUAL * USUAL } else { f64::INFINITY }
    }

    /// Sums rows as they will be encoded, but for the mean.
    #[inline(always)]
    pub(super) fn sum(&self, range: Range<usize>, keep: Option<&[u8]>) -> Sums {
        let mut values = vec![0.0; self.column.dim()];
        let mut sums = Sums { total: vec![0.0; self.column.dim()], ..Sums::default() };
        for row in range.filter(|&row| is_kept(keep, row)) {
            self.widen(row, &mut values);
            if self.longest < f64::INFINITY && square_of(&values) > self.longest {
                continue;
            }
            sums.count += 1;
            let factor = if self.metric == Metric::Cosine { inverse_length(&values) } else { 1.0 };
            for (total, &value) in sums.total.iter_mut().zip(&values) {
                *total += f64::from(value * factor);
            }
        }
        sums
    }

    /// Writes codes and tails of `range`.
    #[inline(always)]
    pub(super) fn encode(&self, range: Range<usize>, keep: Option<&[u8]>, codes: &mut [u8], tails: &mut [f32]) {
        let dim = self.column.dim();
        let mut values = vec![0.0; dim];
        let codes = codes.chunks_exact_mut(self.code.row_bytes(dim));
        let tails = tails.chunks_exact_mut(self.code.tail_len());
        for (row, (codes, tail)) in range.zip(codes.zip(tails)).filter(|(row, _)| is_kept(keep, *row)) {
            let square = if self.column.element() == Element::I8 && self.code == Code::Sq8 {
                self.copy_bytes(row, codes, tail)
            } else {
                let is_zero = self.read(row, &mut values);
                let square = match self.code {
                    Code::Sq8 => quantize::bytes(&mut values, codes, tail),
                    Code::Sq4 => quantize::nibbles(&mut values, codes, tail),
                    Code::F16 => quantize::halves(&mut values, codes, tail, quantize::F16),
                    Code::Bf16 => quantize::halves(&mut values, codes, tail, quantize::Bf16),
                };
                // A zero vector is as far from everything as a unit vector at a right angle.
                square + if is_zero { 1.0 } else { 0.0 }
            };
            tail[1] = square as f32;
        }
    }

    /// Takes signed bytes as they are; returns the squared length of what the code stands for.
    #[inline(always)]
    fn copy_bytes(&self, row: usize, codes: &mut [u8], tail: &mut [f32]) -> f64 {
        codes.fill(0x80);
        let mut square = 0;
        for (code, &byte) in codes.iter_mut().zip(self.column.row(row)) {
            *code = byte ^ 0x80;
            square += i32::from(byte.cast_signed()) * i32::from(byte.cast_signed());
        }
        let square = f64::from(square);
        tail[0] = 1.0;
        if self.metric != Metric::Cosine {
            return square;
        }
        tail[0] = if square > 0.0 { square.sqrt().recip() as f32 } else { 0.0 };
        1.0
    }

    /// Reads a row as it is to be encoded; returns whether it has no direction where one is needed.
    #[inline(always)]
    fn read(&self, row: usize, values: &mut [f32]) -> bool {
        self.widen(row, values);
        let factor = if self.metric == Metric::Cosine { inverse_length(values) } else { 1.0 };
        if self.mean.is_empty() {
            for value in values {
                *value *= factor;
            }
        } else {
            for (value, &mean) in values.iter_mut().zip(self.mean) {
                *value = *value * factor - mean;
            }
        }
        factor == 0.0
    }

    #[inline(always)]
    fn widen(&self, row: usize, values: &mut [f32]) {
        let bytes = self.column.row(row);
        let (halves, _) = bytes.as_chunks::<2>();
        match self.column.element() {
            Element::F32 => {
                for (value, &four) in values.iter_mut().zip(bytes.as_chunks::<4>().0) {
                    *value = f32::from_le_bytes(four);
                }
            }
            Element::F16 => {
                for (value, &half) in values.iter_mut().zip(halves) {
                    *value = f16_to_f32(u16::from_le_bytes(half));
                }
            }
            Element::Bf16 => {
                for (value, &half) in values.iter_mut().zip(halves) {
                    *value = bf16_to_f32(u16::from_le_bytes(half));
                }
            }
            _ => {
                for (value, &byte) in values.iter_mut().zip(bytes) {
                    *value = f32::from(byte.cast_signed());
                }
            }
        }
    }
}
