//! Vectors, and what is true of them, in doubles.

#![allow(dead_code, reason = "each test file uses its own part")]

use std::sync::{Mutex, MutexGuard, PoisonError};

use elanus_codes::{Code, Codes, Encoded};
use elanus_kernels::simd::{self, Level};
use elanus_kernels::{Column, Element, Metric, Scorer};

pub const PRODUCTS: [Metric; 3] = [Metric::L2, Metric::Ip, Metric::Cosine];

/// The level in use is one for the whole process.
static LEVEL: Mutex<()> = Mutex::new(());

pub fn for_each_level(mut check: impl FnMut(Level)) {
    let _one_at_a_time: MutexGuard<()> = LEVEL.lock().unwrap_or_else(PoisonError::into_inner);
    for level in Level::ALL.into_iter().filter(|&level| simd::choose(level)) {
        check(level);
    }
    simd::choose(Level::widest());
}

/// A linear congruential generator: Knuth's constants for 64 bits.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 32) as u32
    }

    pub fn below(&mut self, bound: usize) -> usize {
        self.next() as usize % bound
    }

    /// Between -1 and 1.
    pub fn float(&mut self) -> f32 {
        self.next().cast_signed() as f32 / 2_147_483_648.0
    }

    /// Bell-shaped, of variance one.
    pub fn normal(&mut self) -> f32 {
        (0..12).map(|_| self.float()).sum::<f32>() * 0.5
    }
}

/// Vectors around `centre`, in an order of size that differs from row to row.
pub fn vectors(rows: usize, dim: usize, centre: f32, seed: u64) -> Vec<f32> {
    let mut random = Random(seed);
    let mut values = Vec::with_capacity(rows * dim);
    for _ in 0..rows {
        let size = 0.25 + random.below(8) as f32 * 0.25;
        values.extend((0..dim).map(|_| centre + size * random.normal()));
    }
    values
}

/// The bytes of a column of floats.
pub fn bytes_of(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

pub fn column(bytes: &[u8], rows: usize, dim: usize) -> Column<'_> {
    Column::new(bytes, rows, dim, Element::F32).unwrap()
}

pub fn open(encoded: &Encoded, code: Code, metric: Metric, rows: usize, dim: usize) -> Codes<'_> {
    Codes::new(code, metric, rows, dim, &encoded.codes, &encoded.tails, &encoded.mean).unwrap()
}

pub fn all(scorer: &dyn Scorer, rows: usize) -> Vec<f32> {
    let mut out = vec![0.0; rows];
    scorer.score_run(0, &mut out);
    out
}

pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

pub fn square(a: &[f64]) -> f64 {
    dot(a, a)
}

pub fn between(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum()
}

/// What is encoded of each row: unit vectors under COSINE, less their mean unless it is IP.
pub struct Truth {
    pub rows: Vec<Vec<f64>>,
    mean: Vec<f64>,
    metric: Metric,
}

impl Truth {
    pub fn of(values: &[f32], dim: usize, metric: Metric) -> Truth {
        let mut truth = Truth { rows: Vec::new(), mean: vec![0.0; dim], metric };
        let rows: Vec<Vec<f64>> = values.chunks(dim).map(|row| truth.point(row)).collect();
        if metric != Metric::Ip {
            truth.mean = (0..dim).map(|i| rows.iter().map(|row| row[i]).sum::<f64>() / rows.len() as f64).collect();
        }
        truth.rows = values.chunks(dim).map(|row| truth.point(row)).collect();
        truth
    }

    pub fn point(&self, vector: &[f32]) -> Vec<f64> {
        let wide: Vec<f64> = vector.iter().map(|&value| f64::from(value)).collect();
        let length = if self.metric == Metric::Cosine { square(&wide).sqrt() } else { 1.0 };
        wide.iter().zip(&self.mean).map(|(value, mean)| value / length - mean).collect()
    }
}

/// How far a coded vector may be from the vector, at most.
pub fn error_of(code: Code, vector: &[f64]) -> f64 {
    let root = (vector.len() as f64).sqrt();
    let largest = vector.iter().fold(0.0, |largest: f64, value| largest.max(value.abs()));
    let range = vector.iter().copied().fold(f64::MIN, f64::max) - vector.iter().copied().fold(f64::MAX, f64::min);
    // And the rounding of single-precision arithmetic on the way.
    root * largest * 1e-6
        + match code {
            Code::Sq8 => root * largest / 254.0,
            Code::Sq4 => root * range / 30.0,
            Code::F16 => square(vector).sqrt() / 2048.0,
            Code::Bf16 => square(vector).sqrt() / 256.0,
        }
}

/// How far a coded query may be from the query, at most.
pub fn query_error_of(code: Code, query: &[f64]) -> f64 {
    error_of(if code == Code::Sq4 { Code::Sq8 } else { code }, query)
}
