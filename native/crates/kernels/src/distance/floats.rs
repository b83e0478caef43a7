//! Float vectors, widened to `f32` as they are read.

use std::marker::PhantomData;

use super::{Pair, Pairing};
use crate::simd::Lanes;

/// Running sums a pair: enough to hide the latency of an addition, and to keep rounding small.
const SUMS: usize = 4;

/// Vectors of `E` under `M`.
pub(super) struct Floats<E, M>(PhantomData<(E, M)>);

/// A stored float.
pub(super) trait FloatElement {
    const BYTES: usize;
    /// # Safety
    /// As for [`Lanes`].
    unsafe fn load<L: Lanes>(from: *const u8) -> L::Floats;
    /// # Safety
    /// As for [`Lanes`].
    unsafe fn load_part<L: Lanes>(from: *const u8, count: usize) -> L::Floats;
}

macro_rules! float_element {
    ($name:ident, $bytes:literal, $load:ident, $load_part:ident) => {
        pub(super) struct $name;

        impl FloatElement for $name {
            const BYTES: usize = $bytes;
            #[inline(always)]
            unsafe fn load<L: Lanes>(from: *const u8) -> L::Floats {
                // SAFETY: passed on.
                unsafe { L::$load(from) }
            }
            #[inline(always)]
            unsafe fn load_part<L: Lanes>(from: *const u8, count: usize) -> L::Floats {
                // SAFETY: passed on.
                unsafe { L::$load_part(from, count) }
            }
        }
    };
}

float_element!(F32, 4, load_f32, load_f32_part);
float_element!(F16, 2, load_f16, load_f16_part);
float_element!(Bf16, 2, load_bf16, load_bf16_part);

/// A distance as a sum over elements, and a last step.
pub(super) trait FloatMetric {
    /// Whether the row's squared length is summed beside.
    const SQUARES: bool;
    /// Whether the row's length is given.
    const LENGTHS: bool;
    /// # Safety
    /// As for [`Lanes`].
    unsafe fn step<L: Lanes>(sum: L::Floats, query: L::Floats, row: L::Floats) -> L::Floats;
    fn finish(sum: f32, inverse_length: f32) -> f32;
}

macro_rules! float_metric {
    ($(#[$doc:meta])* $name:ident, $squares:literal, $lengths:literal, $step:ident, $finish:expr) => {
        $(#[$doc])*
        pub(super) struct $name;

        impl FloatMetric for $name {
            const SQUARES: bool = $squares;
            const LENGTHS: bool = $lengths;
            #[inline(always)]
            unsafe fn step<L: Lanes>(sum: L::Floats, query: L::Floats, row: L::Floats) -> L::Floats {
                // SAFETY: passed on.
                unsafe { $step::<L>(sum, query, row) }
            }
            #[inline(always)]
            fn finish(sum: f32, inverse_length: f32) -> f32 {
                $finish(sum, inverse_length)
            }
        }
    };
}

float_metric!(L2, false, false, square_of_difference, |sum: f32, _: f32| sum);
float_metric!(Ip, false, false, product, |sum: f32, _: f32| -sum);
float_metric!(
    /// The query has length one.
    Cosine, true, false, product, |sum: f32, inverse: f32| -(sum * inverse)
);
float_metric!(
    /// Cosine where the lengths of rows are known.
    ScaledIp, false, true, product, |sum: f32, inverse: f32| -(sum * inverse)
);

#[inline(always)]
unsafe fn product<L: Lanes>(sum: L::Floats, query: L::Floats, row: L::Floats) -> L::Floats {
    // SAFETY: passed on.
    unsafe { L::mul_add(query, row, sum) }
}

#[inline(always)]
unsafe fn square_of_difference<L: Lanes>(sum: L::Floats, query: L::Floats, row: L::Floats) -> L::Floats {
    // SAFETY: passed on.
    unsafe {
        let difference = L::sub(query, row);
        L::mul_add(difference, difference, sum)
    }
}

/// The running sums of `Q` queries against a row.
struct Sums<L: Lanes, const Q: usize> {
    sums: [[L::Floats; SUMS]; Q],
    squares: [L::Floats; SUMS],
}

impl<L: Lanes, const Q: usize> Sums<L, Q> {
    #[inline(always)]
    unsafe fn add<M: FloatMetric>(&mut self, lane: usize, row: L::Floats, queries: &[*const u8; Q], at: usize) {
        // SAFETY: passed on.
        unsafe {
            if M::SQUARES {
                self.squares[lane] = L::mul_add(row, row, self.squares[lane]);
            }
            for (sums, query) in self.sums.iter_mut().zip(queries) {
                sums[lane] = M::step::<L>(sums[lane], L::load_f32(query.add(at * 4)), row);
            }
        }
    }
}

#[inline(always)]
unsafe fn total<L: Lanes>(sums: [L::Floats; SUMS]) -> f32 {
    // SAFETY: passed on.
    unsafe { L::sum(L::add(L::add(sums[0], sums[1]), L::add(sums[2], sums[3]))) }
}

impl<E: FloatElement, M: FloatMetric> Pair for Floats<E, M> {
    #[inline(always)]
    unsafe fn tile<L: Lanes, const Q: usize>(pairing: &Pairing, query: usize, row: usize) -> [f32; Q] {
        let start = pairing.row(row);
        let queries: [*const u8; Q] = std::array::from_fn(|q| pairing.query(query + q));
        // SAFETY: reads elements below `dim` of the row, and of the queries up to their padding, which is zero.
        unsafe {
            let mut sums: Sums<L, Q> = Sums { sums: [[L::zero(); SUMS]; Q], squares: [L::zero(); SUMS] };
            let mut at = 0;
            while at + SUMS * L::WIDTH <= pairing.dim {
                for lane in 0..SUMS {
                    let at = at + lane * L::WIDTH;
                    sums.add::<M>(lane, E::load::<L>(start.add(at * E::BYTES)), &queries, at);
                }
                at += SUMS * L::WIDTH;
            }
            for lane in 0..SUMS - 1 {
                if at + L::WIDTH <= pairing.dim {
                    sums.add::<M>(lane, E::load::<L>(start.add(at * E::BYTES)), &queries, at);
                    at += L::WIDTH;
                }
            }
            if at < pairing.dim {
                let values = E::load_part::<L>(start.add(at * E::BYTES), pairing.dim - at);
                sums.add::<M>(SUMS - 1, values, &queries, at);
            }
            let inverse = match (M::SQUARES, M::LENGTHS) {
                (true, _) => super::inverse_length(total::<L>(sums.squares)),
                (_, true) => inverse_of(pairing.lengths[row]),
                _ => 1.0,
            };
            let mut distances = [0.0; Q];
            for (distance, sums) in distances.iter_mut().zip(sums.sums) {
                *distance = M::finish(total::<L>(sums), inverse);
            }
            distances
        }
    }
}

#[inline(always)]
fn inverse_of(length: f32) -> f32 {
    if length > 0.0 { length.recip() } else { 0.0 }
}
