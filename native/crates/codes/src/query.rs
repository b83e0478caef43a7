//! What distances are measured from: a query, or a row.

use elanus_kernels::simd::{bf16_to_f32, f16_to_f32};
use elanus_kernels::{Metric, Scorer};

use crate::code::{Code, NIBBLE_GROUP};
use crate::codes::Codes;
use crate::distance::Constants;
use crate::encode::lanes::{inverse_length, square_of};
use crate::encode::quantize;
use crate::lines::Lines;
use crate::scorer::CodeScorer;

/// A query in the form that kernels read: centred as the rows are, in signed bytes or floats.
pub struct CodeQuery {
    lines: Lines,
    constants: Constants,
}

/// A vector as `offset + factor * element`, where elements are signed bytes or floats.
struct Point {
    lines: Lines,
    factor: f32,
    offset: f32,
    /// The sum of the elements, of bytes.
    sum: i32,
}

impl Point {
    fn new(lines: Lines, factor: f32, sum: i32) -> Point {
        Point { lines, factor, offset: 0.0, sum }
    }

    /// Floats as they are.
    fn of_floats(code: Code, values: &[f32]) -> Point {
        let mut lines = Lines::zeros(code.query_bytes(values.len()));
        for (to, value) in lines.bytes_mut().as_chunks_mut::<4>().0.iter_mut().zip(values) {
            *to = value.to_ne_bytes();
        }
        Point::new(lines, 1.0, 0)
    }

    /// Integers as they are, where all `values` are such.
    fn of_integers(code: Code, values: &[f32], factor: f32) -> Option<Point> {
        if !values.iter().all(|value| (-128.0..=127.0).contains(value) && value.fract() == 0.0) {
            return None;
        }
        let mut lines = Lines::zeros(code.query_bytes(values.len()));
        for (to, &value) in lines.bytes_mut().iter_mut().zip(values) {
            *to = (value as i8).cast_unsigned();
        }
        Some(Point::new(lines, factor, values.iter().sum::<f32>() as i32))
    }

    /// The nearest bytes under a factor.
    fn of_rounded(code: Code, mut values: Vec<f32>) -> Point {
        let mut lines = Lines::zeros(code.query_bytes(values.len()));
        let mut tail = [0.0; 2];
        let bytes = &mut lines.bytes_mut()[..values.len()];
        quantize::bytes(&mut values, bytes, &mut tail);
        let sum = flip(bytes);
        Point::new(lines, tail[0], sum)
    }

    /// The vector that a row's code stands for.
    fn of_row(codes: &Codes, row: usize) -> Point {
        let (bytes, tail, code, dim) = (codes.row(row), codes.tail(row), codes.code(), codes.dim());
        let mut lines = Lines::zeros(code.query_bytes(dim));
        let to = lines.bytes_mut();
        match code {
            Code::Sq8 => {
                to[..dim].copy_from_slice(&bytes[..dim]);
                let sum = flip(&mut to[..dim]);
                Point::new(lines, tail[0], sum)
            }
            Code::Sq4 => {
                for (bytes, to) in bytes.chunks(NIBBLE_GROUP / 2).zip(to.chunks_mut(NIBBLE_GROUP)) {
                    let (low, high) = to.split_at_mut(bytes.len());
                    for ((low, high), &byte) in low.iter_mut().zip(high).zip(bytes) {
                        (*low, *high) = (byte & 15, byte >> 4);
                    }
                }
                let sum = to.iter().map(|&nibble| i32::from(nibble)).sum();
                Point { offset: tail[2], ..Point::new(lines, tail[0], sum) }
            }
            Code::F16 | Code::Bf16 => {
                for (to, &half) in to.as_chunks_mut::<4>().0.iter_mut().zip(bytes.as_chunks::<2>().0) {
                    let half = u16::from_le_bytes(half);
                    let value = if code == Code::F16 { f16_to_f32(half) } else { bf16_to_f32(half) };
                    *to = value.to_ne_bytes();
                }
                Point::new(lines, tail[0], 0)
            }
        }
    }

    /// The squared length.
    fn square(&self, code: Code, dim: usize) -> f32 {
        let (factor, offset) = (f64::from(self.factor), f64::from(self.offset));
        let square = if matches!(code, Code::F16 | Code::Bf16) {
            let (values, _) = self.lines.bytes().as_chunks::<4>();
            square_of(&values[..dim].iter().map(|&value| f32::from_ne_bytes(value)).collect::<Vec<_>>())
        } else {
            let bytes = self.lines.bytes().iter().map(|byte| i32::from(byte.cast_signed()));
            f64::from(bytes.map(|byte| byte * byte).sum::<i32>())
        };
        let mixed = 2.0 * offset * factor * f64::from(self.sum);
        (square * factor * factor + mixed + dim as f64 * offset * offset) as f32
    }

    /// A query that adds `gamma` to what the factors give.
    fn query(self, alpha: f32, beta: f32, gamma: f32) -> CodeQuery {
        let constants = Constants {
            bias: self.sum * 128,
            sum: self.sum as f32,
            alpha,
            beta: beta * self.factor,
            delta: beta * self.offset,
            gamma,
        };
        CodeQuery { lines: self.lines, constants }
    }
}

/// Turns stored bytes into the signed ones they stand for; returns their sum.
fn flip(bytes: &mut [u8]) -> i32 {
    let sum: u32 = bytes.iter().map(|&byte| u32::from(byte)).sum();
    for byte in bytes.iter_mut() {
        *byte ^= 0x80;
    }
    sum as i32 - 128 * bytes.len() as i32
}

impl CodeQuery {
    pub(crate) fn new(code: Code, metric: Metric, query: &[f32], mean: &[f32]) -> Self {
        let factor = if metric == Metric::Cosine { inverse_length(query) } else { 1.0 };
        let of_floats = matches!(code, Code::F16 | Code::Bf16);
        // Integers stay what they are: exact where the rows are integers too.
        let exact = if mean.is_empty() && !of_floats { Point::of_integers(code, query, factor) } else { None };
        let point = exact.unwrap_or_else(|| {
            let values = centred(query, factor, mean);
            if of_floats { Point::of_floats(code, &values) } else { Point::of_rounded(code, values) }
        });
        if metric == Metric::Ip {
            return point.query(0.0, -1.0, 0.0);
        }
        // A zero vector is as far from everything as a unit vector at a right angle.
        let square = point.square(code, query.len()) + if factor == 0.0 { 1.0 } else { 0.0 };
        point.query(1.0, -2.0, square)
    }

    /// The query that a row is.
    pub(crate) fn of_row(codes: &Codes, row: usize) -> Self {
        let point = Point::of_row(codes, row);
        if codes.metric() == Metric::Ip {
            point.query(0.0, -1.0, 0.0)
        } else {
            point.query(1.0, -2.0, codes.tail(row)[1])
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.lines.bytes()
    }

    pub(crate) fn constants(&self) -> Constants {
        self.constants
    }
}

fn centred(query: &[f32], factor: f32, mean: &[f32]) -> Vec<f32> {
    let scaled = query.iter().map(|&value| value * factor);
    if mean.is_empty() { scaled.collect() } else { scaled.zip(mean).map(|(value, &mean)| value - mean).collect() }
}

/// A row that other rows are measured from.
pub(crate) struct RowQuery<'a> {
    codes: &'a Codes<'a>,
    query: CodeQuery,
}

impl<'a> RowQuery<'a> {
    pub(crate) fn new(codes: &'a Codes<'a>, query: CodeQuery) -> Self {
        RowQuery { codes, query }
    }
}

impl Scorer for RowQuery<'_> {
    fn score(&self, rows: &[u32], out: &mut [f32]) {
        CodeScorer::new(self.codes, &self.query).score(rows, out);
    }

    fn score_run(&self, first: u32, out: &mut [f32]) {
        CodeScorer::new(self.codes, &self.query).score_run(first, out);
    }
}
