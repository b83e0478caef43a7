//! Bit vectors.

use std::marker::PhantomData;

use super::{Pair, Pairing};
use crate::simd::Lanes;

/// Bits under `M`.
pub(super) struct Bits<M>(PhantomData<M>);

/// A distance from two population counts.
pub(super) trait BitMetric {
    /// # Safety
    /// As for [`Lanes`].
    unsafe fn step<L: Lanes>(counts: &mut [L::Counts; 2], query: L::Bits, row: L::Bits);
    fn finish(counts: [u32; 2]) -> f32;
}

pub(super) struct Hamming;
pub(super) struct Jaccard;

impl BitMetric for Hamming {
    #[inline(always)]
    unsafe fn step<L: Lanes>(counts: &mut [L::Counts; 2], query: L::Bits, row: L::Bits) {
        // SAFETY: passed on.
        unsafe { counts[0] = L::count_add(counts[0], L::xor(query, row)) };
    }
    fn finish(counts: [u32; 2]) -> f32 {
        counts[0] as f32
    }
}

impl BitMetric for Jaccard {
    #[inline(always)]
    unsafe fn step<L: Lanes>(counts: &mut [L::Counts; 2], query: L::Bits, row: L::Bits) {
        // SAFETY: passed on.
        unsafe {
            counts[0] = L::count_add(counts[0], L::and(query, row));
            counts[1] = L::count_add(counts[1], L::or(query, row));
        }
    }
    fn finish([both, either]: [u32; 2]) -> f32 {
        if either == 0 { 0.0 } else { (f64::from(either - both) / f64::from(either)) as f32 }
    }
}

#[inline(always)]
unsafe fn distance<L: Lanes, M: BitMetric>(query: *const u8, row: *const u8, row_bytes: usize) -> f32 {
    // SAFETY: reads bytes below `row_bytes` of the row, and of the query up to its padding, which is zero.
    unsafe {
        let mut counts = [L::zero_counts(); 2];
        let mut at = 0;
        while at + L::BIT_BYTES <= row_bytes {
            M::step::<L>(&mut counts, L::load_bits(query.add(at)), L::load_bits(row.add(at)));
            at += L::BIT_BYTES;
        }
        if at < row_bytes {
            let rest = L::load_bits_part(row.add(at), row_bytes - at);
            M::step::<L>(&mut counts, L::load_bits(query.add(at)), rest);
        }
        M::finish([L::sum_counts(counts[0]), L::sum_counts(counts[1])])
    }
}

impl<M: BitMetric> Pair for Bits<M> {
    #[inline(always)]
    unsafe fn tile<L: Lanes, const Q: usize>(pairing: &Pairing, query: usize, row: usize) -> [f32; Q] {
        let mut distances = [0.0; Q];
        for (q, distance_to) in distances.iter_mut().enumerate() {
            // SAFETY: passed on.
            *distance_to = unsafe { distance::<L, M>(pairing.query(query + q), pairing.row(row), pairing.row_bytes) };
        }
        distances
    }
}
