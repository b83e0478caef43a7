//! Distances from one query to rows: one body for each code, four rows at a time, built for each instruction set.

use std::ops::Range;

use elanus_kernels::simd::{Lanes, Level, Scalar, prefetch};

use crate::code::Code;

/// Rows that are measured together: each load of the query serves them all, and so does the summing up.
const BATCH: usize = 4;

/// What a query adds to the dot product.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Constants {
    /// What the stored bytes' bias adds to every dot product.
    pub(crate) bias: i32,
    /// Sum of the query's integers.
    pub(crate) sum: f32,
    /// Factor of a row's `aux`.
    pub(crate) alpha: f32,
    /// Factor of the dot product.
    pub(crate) beta: f32,
    /// Factor of the sum of a row's elements.
    pub(crate) delta: f32,
    /// The query's own share.
    pub(crate) gamma: f32,
}

/// A query and the rows it asks, as a kernel reads them.
#[derive(Clone, Copy)]
pub(crate) struct Pairing {
    pub(crate) codes: *const u8,
    pub(crate) row_bytes: usize,
    pub(crate) tails: *const f32,
    pub(crate) query: *const u8,
    pub(crate) constants: Constants,
    /// Listed rows ahead of the one being measured that are asked for.
    pub(crate) lookahead: usize,
}

impl Pairing {
    #[inline(always)]
    fn row(&self, row: usize) -> *const u8 {
        self.codes.wrapping_add(row * self.row_bytes)
    }

    #[inline(always)]
    fn tail<F: Form>(&self, row: usize) -> *const f32 {
        self.tails.wrapping_add(row * F::TAIL)
    }
}

/// Which rows are measured.
#[derive(Clone, Copy)]
pub(crate) enum Rows<'a> {
    /// Rows from here on.
    Run(usize),
    /// Any rows.
    List(&'a [u32]),
}

/// [`Rows`], each kind with a body of its own.
trait Picked: Copy {
    /// Whether the hardware can't foresee the next row.
    const SCATTERED: bool;
    /// The row at a position below the number of rows.
    fn at(&self, position: usize) -> usize;
}

impl Picked for &[u32] {
    const SCATTERED: bool = true;
    #[inline(always)]
    fn at(&self, position: usize) -> usize {
        debug_assert!(position < self.len());
        // SAFETY: positions are below the output's length, which is the list's.
        unsafe { *self.get_unchecked(position) as usize }
    }
}

/// The first row of a run.
#[derive(Clone, Copy)]
struct First(usize);

impl Picked for First {
    const SCATTERED: bool = false;
    #[inline(always)]
    fn at(&self, position: usize) -> usize {
        self.0 + position
    }
}

/// Writes the distance to each of `out.len()` rows.
///
/// # Safety
/// The machine has the kernel's instruction set; the pairing's pointers hold the query and all the rows; a list is as
/// long as the output.
pub(crate) type Kernel = unsafe fn(&Pairing, Rows, &mut [f32]);

/// A code: how its dot product with a query is taken.
pub(crate) trait Form {
    /// Floats of a tail.
    const TAIL: usize;
    /// # Safety
    /// As for [`Kernel`].
    unsafe fn dots<L: Lanes>(pairing: &Pairing, rows: [*const u8; BATCH]) -> [f32; BATCH];
    /// The dot product's share of the distance.
    ///
    /// # Safety
    /// A tail can be read.
    #[inline(always)]
    unsafe fn scaled(dot: f32, tail: *const f32, constants: &Constants) -> f32 {
        // SAFETY: the caller's promise.
        dot * unsafe { *tail } * constants.beta
    }
}

/// Bytes.
struct Sq8;

impl Form for Sq8 {
    const TAIL: usize = 2;

    #[inline(always)]
    unsafe fn dots<L: Lanes>(pairing: &Pairing, rows: [*const u8; BATCH]) -> [f32; BATCH] {
        // SAFETY: reads whole rows, which are multiples of 32 bytes, and the query, which has a register to spare.
        unsafe {
            let mut sums = [L::zero_ints(); BATCH];
            let mut at = 0;
            while at + L::BYTES <= pairing.row_bytes {
                let query = L::load_bytes(pairing.query.add(at));
                for (sums, row) in sums.iter_mut().zip(rows) {
                    *sums = L::dot_bytes(*sums, L::load_bytes(row.add(at)), query);
                }
                at += L::BYTES;
            }
            if at < pairing.row_bytes {
                let query = L::load_bytes(pairing.query.add(at));
                for (sums, row) in sums.iter_mut().zip(rows) {
                    *sums = L::dot_bytes(*sums, L::load_bytes_part(row.add(at), 32), query);
                }
            }
            L::sum_ints_each(sums).map(|sum| (sum - pairing.constants.bias) as f32)
        }
    }
}

/// Nibbles.
struct Sq4;

impl Sq4 {
    /// # Safety
    /// `low` and `high` can be read for a register.
    #[inline(always)]
    unsafe fn step<L: Lanes>(sums: &mut [L::Ints; BATCH], codes: [L::Bytes; BATCH], low: *const u8, high: *const u8) {
        // SAFETY: passed on.
        unsafe {
            let (low, high) = (L::load_bytes(low), L::load_bytes(high));
            for (sums, codes) in sums.iter_mut().zip(codes) {
                *sums = L::dot_nibbles(*sums, L::low_nibbles(codes), low);
                *sums = L::dot_nibbles(*sums, L::high_nibbles(codes), high);
            }
        }
    }
}

impl Form for Sq4 {
    const TAIL: usize = 4;

    #[inline(always)]
    unsafe fn dots<L: Lanes>(pairing: &Pairing, rows: [*const u8; BATCH]) -> [f32; BATCH] {
        // SAFETY: reads whole rows, which are groups of 64 bytes and perhaps one of 32, and the query, which has a
        // register to spare.
        unsafe {
            let mut sums = [L::zero_ints(); BATCH];
            let mut group = 0;
            while group < pairing.row_bytes {
                let width = (pairing.row_bytes - group).min(64);
                let query = pairing.query.add(group * 2);
                let mut at = 0;
                while at + L::BYTES <= width {
                    let codes = rows.map(|row| L::load_bytes(row.add(group + at)));
                    Self::step::<L>(&mut sums, codes, query.add(at), query.add(width + at));
                    at += L::BYTES;
                }
                if at < width {
                    let codes = rows.map(|row| L::load_bytes_part(row.add(group + at), 32));
                    Self::step::<L>(&mut sums, codes, query.add(at), query.add(width + at));
                }
                group += 64;
            }
            L::sum_ints_each(sums).map(|sum| sum as f32)
        }
    }

    #[inline(always)]
    unsafe fn scaled(dot: f32, tail: *const f32, constants: &Constants) -> f32 {
        // SAFETY: the caller's promise.
        unsafe { (dot * *tail + *tail.add(2) * constants.sum) * constants.beta + *tail.add(3) * constants.delta }
    }
}

/// Floats of two bytes.
trait Half {
    /// # Safety
    /// As for [`Lanes`].
    unsafe fn load<L: Lanes>(from: *const u8) -> L::Floats;
}

struct F16;
struct Bf16;

impl Half for F16 {
    #[inline(always)]
    unsafe fn load<L: Lanes>(from: *const u8) -> L::Floats {
        // SAFETY: passed on.
        unsafe { L::load_f16(from) }
    }
}

impl Half for Bf16 {
    #[inline(always)]
    unsafe fn load<L: Lanes>(from: *const u8) -> L::Floats {
        // SAFETY: passed on.
        unsafe { L::load_bf16(from) }
    }
}

impl<H: Half> Form for H {
    const TAIL: usize = 2;

    #[inline(always)]
    unsafe fn dots<L: Lanes>(pairing: &Pairing, rows: [*const u8; BATCH]) -> [f32; BATCH] {
        // SAFETY: reads whole rows, which are multiples of 32 bytes: of every float register's worth of halves.
        unsafe {
            let mut sums = [L::zero(); BATCH];
            let mut at = 0;
            while at < pairing.row_bytes {
                let query = L::load_f32(pairing.query.add(at * 2));
                for (sums, row) in sums.iter_mut().zip(rows) {
                    *sums = L::mul_add(H::load::<L>(row.add(at)), query, *sums);
                }
                at += L::WIDTH * 2;
            }
            L::sum_each(sums)
        }
    }
}

/// Asks for the rows at `positions`, as far as there are such.
#[inline(always)]
fn ask<F: Form, P: Picked>(pairing: &Pairing, rows: P, positions: Range<usize>, count: usize) {
    for position in positions.start..positions.end.min(count) {
        let row = rows.at(position);
        prefetch(pairing.tail::<F>(row).cast(), F::TAIL * 4);
        prefetch(pairing.row(row), pairing.row_bytes);
    }
}

#[inline(always)]
unsafe fn measure<L: Lanes, F: Form, P: Picked>(pairing: &Pairing, rows: P, out: &mut [f32]) {
    let (count, lookahead) = (out.len(), pairing.lookahead);
    if P::SCATTERED {
        ask::<F, P>(pairing, rows, 0..lookahead, count);
    }
    let (batches, rest) = out.as_chunks_mut::<BATCH>();
    let mut first = 0;
    for out in batches {
        if P::SCATTERED {
            ask::<F, P>(pairing, rows, first + lookahead..first + lookahead + BATCH, count);
        }
        // SAFETY: passed on.
        *out = unsafe { distances::<L, F>(pairing, std::array::from_fn(|i| rows.at(first + i))) };
        first += BATCH;
    }
    if !rest.is_empty() {
        // Repeats the last row rather than having a body for fewer.
        let batch = std::array::from_fn(|i| rows.at((first + i).min(count - 1)));
        // SAFETY: passed on.
        let found = unsafe { distances::<L, F>(pairing, batch) };
        for (out, distance) in rest.iter_mut().zip(found) {
            *out = distance;
        }
    }
}

#[inline(always)]
unsafe fn distances<L: Lanes, F: Form>(pairing: &Pairing, rows: [usize; BATCH]) -> [f32; BATCH] {
    let constants = &pairing.constants;
    // SAFETY: passed on.
    let dots = unsafe { F::dots::<L>(pairing, rows.map(|row| pairing.row(row))) };
    std::array::from_fn(|i| {
        let tail = pairing.tail::<F>(rows[i]);
        // SAFETY: passed on.
        let (scaled, aux) = unsafe { (F::scaled(dots[i], tail, constants), *tail.add(1)) };
        let distance = aux * constants.alpha + scaled + constants.gamma;
        // What is no number is as far as can be.
        if distance < f32::INFINITY { distance } else { f32::INFINITY }
    })
}

/// Builds every kernel for one instruction set.
macro_rules! level {
    ($name:ident, $lanes:ty $(, $features:literal)?) => {
        mod $name {
            use super::{Bf16, Code, F16, First, Form, Kernel, Pairing, Rows, Sq4, Sq8, measure};

            $(#[target_feature(enable = $features)])?
            unsafe fn run<F: Form>(pairing: &Pairing, rows: Rows, out: &mut [f32]) {
                // SAFETY: passed on; the instruction set is enabled here.
                unsafe {
                    match rows {
                        Rows::Run(first) => measure::<$lanes, F, First>(pairing, First(first), out),
                        Rows::List(list) => measure::<$lanes, F, &[u32]>(pairing, list, out),
                    }
                }
            }

            pub(super) fn kernel(code: Code) -> Kernel {
                match code {
                    Code::Sq8 => run::<Sq8>,
                    Code::Sq4 => run::<Sq4>,
                    Code::F16 => run::<F16>,
                    Code::Bf16 => run::<Bf16>,
                }
            }
        }
    };
}

level!(scalar, super::Scalar);
#[cfg(target_arch = "x86_64")]
level!(avx2, elanus_kernels::simd::Avx2, "avx2,fma,f16c,popcnt");
#[cfg(target_arch = "x86_64")]
level!(
    avx512,
    elanus_kernels::simd::Avx512,
    "avx2,fma,f16c,popcnt,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq"
);

/// Returns the kernel of `level`.
pub(crate) fn kernel(level: Level, code: Code) -> Kernel {
    match level {
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => avx2::kernel(code),
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => avx512::kernel(code),
        _ => scalar::kernel(code),
    }
}
