//! From a column to codes.
//!
//! The same arithmetic, lane for lane, at every instruction set and number of threads: the codes of a column are always
//! the same bytes.

pub(crate) mod lanes;
pub(crate) mod quantize;
mod rows;

use std::ops::Range;

use elanus_kernels::simd::{self, Level};
use elanus_kernels::{Column, Element, Metric};

use crate::code::{Code, MAX_DIM};
use rows::Encoder;

/// The codes of a column.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Encoded {
    /// [`Code::row_bytes`] a row.
    pub codes: Vec<u8>,
    /// [`Code::tail_len`] floats a row.
    pub tails: Vec<f32>,
    /// What was subtracted from every vector; empty for nothing.
    pub mean: Vec<f32>,
}

/// Rows whose sums are taken together, so that the number of threads changes no bit of the mean.
const SUMMED: usize = 4096;

/// Encodes the kept rows of a column of floats or signed bytes on `threads` threads; the others get zeros.
///
/// Signed bytes are held exactly by [`Code::Sq8`]. Cost: two passes over the vectors.
pub fn encode(column: &Column, metric: Metric, code: Code, keep: Option<&[u8]>, threads: usize) -> Encoded {
    assert!(!matches!(metric, Metric::Hamming | Metric::Jaccard), "no codes under {metric:?}");
    assert!(column.element() != Element::Bit && column.dim() <= MAX_DIM, "no codes of such vectors");
    let rows = column.rows();
    let (row_bytes, tail_len) = (code.row_bytes(column.dim()), code.tail_len());
    let mean = mean_of(column, metric, code, keep, threads);
    let encoder = Encoder::new(*column, metric, code, &mean);
    let mut codes = vec![0; row_bytes * rows];
    let mut tails = vec![0.0; tail_len * rows];
    let each = rows.div_ceil(threads.max(1)).max(1);
    let parts = codes.chunks_mut(each * row_bytes).zip(tails.chunks_mut(each * tail_len));
    let work = by_level().encode;
    std::thread::scope(|scope| {
        for (part, (codes, tails)) in parts.enumerate() {
            let range = part * each..rows.min((part + 1) * each);
            let encoder = &encoder;
            // SAFETY: the level is available.
            let task = move || unsafe { work(encoder, range, keep, codes, tails) };
            if threads > 1 {
                scope.spawn(task);
            } else {
                task();
            }
        }
    });
    Encoded { codes, tails, mean }
}

/// Encodes some rows of a column with the `mean` of rows before them, into arrays for as many rows; kept ones only.
///
/// With the mean of all rows it gives what [`encode`] gives.
pub fn encode_rows(
    column: &Column,
    (metric, code): (Metric, Code),
    mean: &[f32],
    rows: Range<usize>,
    keep: Option<&[u8]>,
    (codes, tails): (&mut [u8], &mut [f32]),
) {
    assert!(column.element() != Element::Bit && column.dim() <= MAX_DIM, "no codes of such vectors");
    assert!(mean.is_empty() || mean.len() == column.dim(), "a mean of other vectors");
    assert!(rows.end <= column.rows(), "rows past the column's end");
    let fit = (codes.len(), tails.len()) == (rows.len() * code.row_bytes(column.dim()), rows.len() * code.tail_len());
    assert!(fit, "arrays of other rows");
    let encoder = Encoder::new(*column, metric, code, mean);
    // SAFETY: the level is available.
    unsafe { (by_level().encode)(&encoder, rows, keep, codes, tails) };
}

/// The mean of the kept rows, as [`encode`] subtracts it; empty where none is subtracted.
pub fn mean_of(column: &Column, metric: Metric, code: Code, keep: Option<&[u8]>, threads: usize) -> Vec<f32> {
    let exact = column.element() == Element::I8 && code == Code::Sq8;
    if metric == Metric::Ip || exact {
        return Vec::new();
    }
    let mut encoder = Encoder::new(*column, metric, code, &[]);
    encoder.longest = encoder.longest_usual(keep);
    let blocks = column.rows().div_ceil(SUMMED);
    let mut sums: Vec<rows::Sums> = Vec::new();
    sums.resize_with(blocks, Default::default);
    let each = blocks.div_ceil(threads.max(1)).max(1);
    let work = by_level().sum;
    std::thread::scope(|scope| {
        for (part, sums) in sums.chunks_mut(each).enumerate() {
            let encoder = &encoder;
            let mut task = move || {
                for (block, sums) in sums.iter_mut().enumerate() {
                    let first = (part * each + block) * SUMMED;
                    // SAFETY: the level is available.
                    *sums = unsafe { work(encoder, first..column.rows().min(first + SUMMED), keep) };
                }
            };
            if threads > 1 {
                scope.spawn(task);
            } else {
                task();
            }
        }
    });
    combined(&sums)
}

fn combined(blocks: &[rows::Sums]) -> Vec<f32> {
    let count: usize = blocks.iter().map(|sums| sums.count).sum();
    let dim = blocks.first().map_or(0, |sums| sums.total.len());
    let mut total = vec![0.0; dim];
    for sums in blocks {
        for (total, sum) in total.iter_mut().zip(&sums.total) {
            *total += sum;
        }
    }
    let mean = |total: f64| Some((total / count.max(1) as f64) as f32).filter(|mean| mean.is_finite()).unwrap_or(0.0);
    total.into_iter().map(mean).collect()
}

type Sum = unsafe fn(&Encoder, Range<usize>, Option<&[u8]>) -> rows::Sums;
type Encode = unsafe fn(&Encoder, Range<usize>, Option<&[u8]>, &mut [u8], &mut [f32]);

/// The row loops, built for one instruction set.
#[derive(Clone, Copy)]
struct Loops {
    sum: Sum,
    encode: Encode,
}

macro_rules! level {
    ($name:ident $(, $features:literal)?) => {
        mod $name {
            use super::{Encoder, Loops, Range, rows};

            $(#[target_feature(enable = $features)])?
            unsafe fn sum(encoder: &Encoder, range: Range<usize>, keep: Option<&[u8]>) -> rows::Sums {
                encoder.sum(range, keep)
            }

            $(#[target_feature(enable = $features)])?
            unsafe fn encode(
                encoder: &Encoder,
                range: Range<usize>,
                keep: Option<&[u8]>,
                codes: &mut [u8],
                tails: &mut [f32],
            ) {
                encoder.encode(range, keep, codes, tails);
            }

            pub(super) const LOOPS: Loops = Loops { sum, encode };
        }
    };
}

level!(scalar);
#[cfg(target_arch = "x86_64")]
level!(avx2, "avx2");
#[cfg(target_arch = "x86_64")]
level!(avx512, "avx2,avx512f,avx512bw,avx512dq,avx512vl");

fn by_level() -> Loops {
    match simd::active() {
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => avx2::LOOPS,
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => avx512::LOOPS,
        _ => scalar::LOOPS,
    }
}
