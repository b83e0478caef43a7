//! Distances of a few queries to a block of rows: one body for each kind of vector, built for each instruction set.

mod bits;
mod floats;
mod integers;

use std::ops::Range;

use crate::column::{Column, Element, Metric};
use crate::queries::Queries;
use crate::simd::{Lanes, Level, Scalar, prefetch};
use bits::{Bits, Hamming, Jaccard};
use floats::{Bf16, Cosine, F16, F32, Floats, Ip, L2, ScaledIp};
use integers::{IntegerCosine, IntegerIp, IntegerL2, Integers};

/// Queries and a column, as a kernel reads them.
pub(crate) struct Pairing<'a> {
    queries: *const u8,
    query_stride: usize,
    scales: &'a [f64],
    rows: *const u8,
    row_bytes: usize,
    dim: usize,
    lengths: &'a [f32],
}

// SAFETY: only read through, and what it points to is borrowed for `'a`.
unsafe impl Sync for Pairing<'_> {}

impl<'a> Pairing<'a> {
    /// Pairs `queries` with `column`, whose vector lengths may be known already.
    pub(crate) fn new(queries: &'a Queries, column: &Column<'a>, lengths: Option<&'a [f32]>) -> Self {
        assert!(queries.fit(column), "queries of another dimension or element");
        Pairing {
            queries: queries.start(),
            query_stride: queries.stride(),
            scales: queries.scales(),
            rows: column.bytes.as_ptr(),
            row_bytes: column.row_bytes(),
            dim: column.dim,
            lengths: lengths.unwrap_or_default(),
        }
    }

    #[inline(always)]
    fn query(&self, query: usize) -> *const u8 {
        self.queries.wrapping_add(query * self.query_stride)
    }

    #[inline(always)]
    fn row(&self, row: usize) -> *const u8 {
        self.rows.wrapping_add(row * self.row_bytes)
    }
}

/// Rows of a column.
#[derive(Clone, Copy)]
pub(crate) enum Rows<'a> {
    /// `len` rows from `first` on.
    Run { first: u32, len: usize },
    /// Any rows.
    List(&'a [u32]),
}

impl Rows<'_> {
    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        match self {
            Rows::Run { len, .. } => *len,
            Rows::List(rows) => rows.len(),
        }
    }

    #[inline(always)]
    pub(crate) fn at(&self, position: usize) -> u32 {
        match self {
            Rows::Run { first, .. } => first + position as u32,
            Rows::List(rows) => rows[position],
        }
    }
}

/// Writes the distance of each query to each of `rows`, a query after another.
///
/// # Safety
/// The machine has the kernel's instruction set; queries and rows are those of the pairing; lengths are given for every
/// row where the kernel was chosen with lengths; the output holds `queries * rows` values.
pub(crate) type Kernel = unsafe fn(&Pairing, Range<usize>, Rows, &mut [f32]);

/// A kind of vector under a metric.
trait Pair {
    /// Returns the distances of `Q` queries to a row.
    ///
    /// # Safety
    /// As for [`Kernel`].
    unsafe fn tile<L: Lanes, const Q: usize>(pairing: &Pairing, query: usize, row: usize) -> [f32; Q];
}

/// Bytes ahead of the row being read that are asked for, where rows follow each other.
const RUN_AHEAD: usize = 4096;

/// Rows ahead of the one being read that are asked for, where rows are listed.
const LIST_AHEAD: usize = 4;

/// Bytes of a listed row that are asked for; further on the hardware follows by itself.
const LIST_BYTES: usize = 2048;

#[inline(always)]
unsafe fn block<L: Lanes, P: Pair, const Q: usize>(
    pairing: &Pairing,
    queries: Range<usize>,
    rows: Rows,
    out: &mut [f32],
) {
    let mut query = queries.start;
    for out in out[..queries.len() * rows.len()].chunks_mut((Q * rows.len()).max(1)) {
        if query + Q <= queries.end {
            // SAFETY: passed on; the tile's queries exist.
            unsafe { strip::<L, P, Q>(pairing, query, rows, out) };
            query += Q;
        } else {
            for out in out.chunks_mut(rows.len()) {
                // SAFETY: passed on.
                unsafe { strip::<L, P, 1>(pairing, query, rows, out) };
                query += 1;
            }
        }
    }
}

#[inline(always)]
unsafe fn strip<L: Lanes, P: Pair, const Q: usize>(pairing: &Pairing, query: usize, rows: Rows, out: &mut [f32]) {
    let count = rows.len();
    if let Rows::List(rows) = rows {
        rows.iter().take(LIST_AHEAD).for_each(|&row| ask_for(pairing, row));
    }
    for position in 0..count {
        ask_ahead::<Q>(pairing, rows, position);
        // SAFETY: passed on.
        let distances = unsafe { P::tile::<L, Q>(pairing, query, rows.at(position) as usize) };
        for (line, distance) in distances.into_iter().enumerate() {
            out[line * count + position] = distance;
        }
    }
}

/// Hides the latency of memory; several queries read a block from the cache.
#[inline(always)]
fn ask_ahead<const Q: usize>(pairing: &Pairing, rows: Rows, position: usize) {
    match rows {
        Rows::Run { first, .. } if Q == 1 => {
            let row = pairing.row(first as usize + position);
            prefetch(row.wrapping_add(RUN_AHEAD), pairing.row_bytes);
        }
        Rows::Run { .. } => {}
        Rows::List(rows) => {
            if let Some(&ahead) = rows.get(position + LIST_AHEAD) {
                ask_for(pairing, ahead);
            }
        }
    }
}

/// Asks for a row that is listed.
#[inline(always)]
fn ask_for(pairing: &Pairing, row: u32) {
    prefetch(pairing.row(row as usize), pairing.row_bytes.min(LIST_BYTES));
}

/// Builds every kernel for one instruction set; `$tile` queries share the reading of a row.
macro_rules! level {
    ($name:ident, $lanes:ty, $tile:literal $(, $features:literal)?) => {
        mod $name {
            use super::*;

            $(#[target_feature(enable = $features)])?
            unsafe fn run<P: Pair>(pairing: &Pairing, queries: Range<usize>, rows: Rows, out: &mut [f32]) {
                // SAFETY: passed on; the instruction set is enabled here.
                unsafe { block::<$lanes, P, $tile>(pairing, queries, rows, out) }
            }

            fn floats<E: floats::FloatElement>(metric: Metric, with_lengths: bool) -> Kernel {
                match (metric, with_lengths) {
                    (Metric::L2, _) => run::<Floats<E, L2>>,
                    (Metric::Ip, _) => run::<Floats<E, Ip>>,
                    (_, false) => run::<Floats<E, Cosine>>,
                    (_, true) => run::<Floats<E, ScaledIp>>,
                }
            }

            pub(super) fn kernel(element: Element, metric: Metric, with_lengths: bool) -> Kernel {
                match (element, metric) {
                    (Element::F32, _) => floats::<F32>(metric, with_lengths),
                    (Element::F16, _) => floats::<F16>(metric, with_lengths),
                    (Element::Bf16, _) => floats::<Bf16>(metric, with_lengths),
                    (Element::I8, Metric::L2) => run::<Integers<IntegerL2>>,
                    (Element::I8, Metric::Ip) => run::<Integers<IntegerIp>>,
                    (Element::I8, _) => run::<Integers<IntegerCosine>>,
                    (Element::Bit, Metric::Hamming) => run::<Bits<Hamming>>,
                    (Element::Bit, _) => run::<Bits<Jaccard>>,
                }
            }
        }
    };
}

level!(scalar, Scalar, 2);
#[cfg(target_arch = "x86_64")]
level!(avx2, crate::simd::Avx2, 2, "avx2,fma,f16c,popcnt");
#[cfg(target_arch = "x86_64")]
level!(
    avx512,
    crate::simd::Avx512,
    4,
    "avx2,fma,f16c,popcnt,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq"
);

/// Returns the kernel of `level`; the metric is one the element supports.
pub(crate) fn kernel(level: Level, element: Element, metric: Metric, with_lengths: bool) -> Kernel {
    match level {
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => avx2::kernel(element, metric, with_lengths),
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => avx512::kernel(element, metric, with_lengths),
        _ => scalar::kernel(element, metric, with_lengths),
    }
}

/// One over the length whose square is given, zero for the zero vector.
fn inverse_length(square: f32) -> f32 {
    if square > 0.0 { square.sqrt().recip() } else { 0.0 }
}
