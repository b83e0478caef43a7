//! Registers of 256 bits: a line is two of them.

use std::arch::x86_64::{
    __m128i, __m256i, _mm_cvtsi32_si128, _mm_loadu_si128, _mm256_add_epi8, _mm256_add_epi16, _mm256_and_si256,
    _mm256_broadcastsi128_si256, _mm256_cmpeq_epi16, _mm256_loadu_si256, _mm256_movemask_epi8, _mm256_packs_epi16,
    _mm256_permute4x64_epi64, _mm256_set1_epi8, _mm256_set1_epi16, _mm256_setzero_si256, _mm256_shuffle_epi8,
    _mm256_slli_epi16, _mm256_srl_epi16, _mm256_srli_epi16, _mm256_store_si256, _mm256_sub_epi16, _mm256_subs_epu16,
};

use elanus_kernels::simd::prefetch;

use super::{Aligned, Block, GROUP_LINES, Line, Pass, SPAN, Sums, Table, pass};
use crate::collect::Collector;
use crate::tile::ROWS;

pass!(#[target_feature(enable = "avx2")]);

/// Sums of the two halves of a line, even and odd bytes of each.
type Totals = [[__m256i; 2]; 2];

#[inline]
#[target_feature(enable = "avx2")]
fn below(block: Block, tables: &[Table], shift: u32, limit: u16, out: &mut Sums) -> u64 {
    let mut totals = [[_mm256_setzero_si256(); 2]; 2];
    let by = _mm_cvtsi32_si128(shift as i32);
    for (block, tables) in block.spans().zip(tables.chunks(SPAN * GROUP_LINES * 2)) {
        let sums = span(block, tables);
        for (totals, sums) in totals.iter_mut().zip(sums) {
            for (total, sum) in totals.iter_mut().zip(sums) {
                *total = _mm256_add_epi16(*total, _mm256_srl_epi16(sum, by));
            }
        }
    }
    let limits = _mm256_set1_epi16(limit.cast_signed());
    let even = rows_below(totals[0][0], totals[1][0], limits);
    let odd = rows_below(totals[0][1], totals[1][1], limits);
    let found = u64::from(even) | u64::from(odd) << 32;
    if found != 0 {
        let ordered = [totals[0][0], totals[1][0], totals[0][1], totals[1][1]];
        for (sums, to) in ordered.into_iter().zip(out.as_chunks_mut::<16>().0) {
            // SAFETY: sixteen sums are a register, and sums begin at a multiple of 64 bytes.
            unsafe { _mm256_store_si256(to.as_mut_ptr().cast(), sums) };
        }
    }
    found
}

/// The sums of a span, exact modulo 2^16, which they stay below.
#[inline]
#[target_feature(enable = "avx2")]
fn span(block: Block, tables: &[Table]) -> Totals {
    let mut sums = [[_mm256_setzero_si256(); 2]; 2];
    for ((lines, later), tables) in block.groups().zip(tables.as_chunks::<4>().0) {
        prefetch(later.as_ptr().cast(), size_of_val(later));
        let tables = tables.each_ref().map(|table| wide(table));
        for (half, [both, odd]) in sums.iter_mut().enumerate() {
            let group = _mm256_add_epi8(look_up(&lines[0], half, [tables[0], tables[1]]), {
                look_up(&lines[1], half, [tables[2], tables[3]])
            });
            *both = _mm256_add_epi16(*both, group);
            *odd = _mm256_add_epi16(*odd, _mm256_srli_epi16::<8>(group));
        }
    }
    // Sums of 16 bits took the odd bytes in, shifted by eight: what is left without them are the even ones.
    sums.map(|[both, odd]| [_mm256_sub_epi16(both, _mm256_slli_epi16::<8>(odd)), odd])
}

#[inline]
#[target_feature(enable = "avx2")]
fn wide(table: &Table) -> __m256i {
    // SAFETY: a table is a register of 128 bits.
    let table: __m128i = unsafe { _mm_loadu_si128(table.as_ptr().cast()) };
    _mm256_broadcastsi128_si256(table)
}

#[inline]
#[target_feature(enable = "avx2")]
fn look_up(line: &Line, half: usize, tables: [__m256i; 2]) -> __m256i {
    // SAFETY: half a line is a register.
    let bytes = unsafe { _mm256_loadu_si256(line.0.as_chunks::<32>().0[half].as_ptr().cast()) };
    let low = _mm256_set1_epi8(0x0F);
    let lower = _mm256_shuffle_epi8(tables[0], _mm256_and_si256(bytes, low));
    let upper = _mm256_shuffle_epi8(tables[1], _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), low));
    _mm256_add_epi8(lower, upper)
}

/// The rows of 32 whose sums are below the limits.
#[inline]
#[target_feature(enable = "avx2")]
fn rows_below(first: __m256i, second: __m256i, limits: __m256i) -> u32 {
    let zero = _mm256_setzero_si256();
    let far = [first, second].map(|sums| _mm256_cmpeq_epi16(_mm256_subs_epu16(limits, sums), zero));
    // Packing works within halves of the registers: the permutation puts their quarters in order.
    let packed = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packs_epi16(far[0], far[1]));
    !_mm256_movemask_epi8(packed).cast_unsigned()
}
