//! Signed-byte vectors: sums are exact integers of 32 bits.

use std::marker::PhantomData;

use super::{Pair, Pairing};
use crate::simd::Lanes;

/// Signed bytes under `M`.
pub(super) struct Integers<M>(PhantomData<M>);

/// A distance from two exact sums.
pub(super) trait IntegerMetric {
    /// Whether differences are squared, instead of multiplying query and row.
    const DIFFERENCES: bool;
    /// Whether the row's squared length is summed beside.
    const SQUARES: bool;
    fn finish(sum: i32, squares: i32, scale: f64) -> f32;
}

pub(super) struct IntegerL2;
pub(super) struct IntegerIp;
pub(super) struct IntegerCosine;

impl IntegerMetric for IntegerL2 {
    const DIFFERENCES: bool = true;
    const SQUARES: bool = false;
    fn finish(sum: i32, _: i32, _: f64) -> f32 {
        sum as f32
    }
}

impl IntegerMetric for IntegerIp {
    const DIFFERENCES: bool = false;
    const SQUARES: bool = false;
    fn finish(sum: i32, _: i32, _: f64) -> f32 {
        -sum as f32
    }
}

impl IntegerMetric for IntegerCosine {
    const DIFFERENCES: bool = false;
    const SQUARES: bool = true;
    fn finish(sum: i32, squares: i32, scale: f64) -> f32 {
        if squares == 0 { 0.0 } else { -(f64::from(sum) * scale / f64::from(squares).sqrt()) as f32 }
    }
}

impl<M: IntegerMetric> Pair for Integers<M> {
    #[inline(always)]
    unsafe fn tile<L: Lanes, const Q: usize>(pairing: &Pairing, query: usize, row: usize) -> [f32; Q] {
        let start = pairing.row(row);
        let queries: [*const u8; Q] = std::array::from_fn(|q| pairing.query(query + q));
        // SAFETY: reads elements below `dim` of the row, and of the queries up to their padding, which is zero.
        unsafe {
            let mut sums = [L::zero_ints(); Q];
            let mut squares = L::zero_ints();
            let mut at = 0;
            while at < pairing.dim {
                let left = pairing.dim - at;
                let values =
                    if left >= L::SHORTS { L::load_i8(start.add(at)) } else { L::load_i8_part(start.add(at), left) };
                if M::SQUARES {
                    squares = L::dot_add(squares, values, values);
                }
                for q in 0..Q {
                    let mut other = L::load_i16(queries[q].add(at * 2));
                    if M::DIFFERENCES {
                        other = L::sub_shorts(other, values);
                    }
                    sums[q] = L::dot_add(sums[q], other, if M::DIFFERENCES { other } else { values });
                }
                at += L::SHORTS;
            }
            let squares = L::sum_ints(squares);
            let mut distances = [0.0; Q];
            for q in 0..Q {
                let scale = if M::SQUARES { pairing.scales[query + q] } else { 1.0 };
                distances[q] = M::finish(L::sum_ints(sums[q]), squares, scale);
            }
            distances
        }
    }
}
