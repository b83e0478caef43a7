//! AVX-512 with VNNI and VPOPCNTDQ: registers of 512 bits, masked loads for the ends of rows.

use std::arch::x86_64::{
    __m512, __m512i, _mm256_loadu_si256, _mm256_maskz_loadu_epi8, _mm256_maskz_loadu_epi16, _mm512_add_epi64,
    _mm512_add_ps, _mm512_and_si512, _mm512_castsi512_ps, _mm512_cvtepi8_epi16, _mm512_cvtepu16_epi32, _mm512_cvtph_ps,
    _mm512_dpwssd_epi32, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_loadu_si512, _mm512_maskz_loadu_epi8,
    _mm512_maskz_loadu_ps, _mm512_or_si512, _mm512_popcnt_epi64, _mm512_reduce_add_epi32, _mm512_reduce_add_epi64,
    _mm512_reduce_add_ps, _mm512_setzero_ps, _mm512_setzero_si512, _mm512_slli_epi32, _mm512_sub_epi16, _mm512_sub_ps,
    _mm512_xor_si512,
};

use super::Lanes;

/// The 512-bit registers.
#[derive(Clone, Copy)]
pub(crate) struct Avx512;

// SAFETY: callers run under `#[target_feature]` of the level's features, and keep the promises of `Lanes`, which is all
// that any block below asks for; every load is unaligned, and a masked load touches only the elements of its mask.
unsafe impl Lanes for Avx512 {
    const WIDTH: usize = 16;
    const SHORTS: usize = 32;
    const BIT_BYTES: usize = 64;
    type Floats = __m512;
    type Shorts = __m512i;
    type Ints = __m512i;
    type Bits = __m512i;
    type Counts = __m512i;

    #[inline(always)]
    unsafe fn zero() -> __m512 {
        unsafe { _mm512_setzero_ps() }
    }
    #[inline(always)]
    unsafe fn load_f32(from: *const u8) -> __m512 {
        unsafe { _mm512_loadu_ps(from.cast()) }
    }
    #[inline(always)]
    unsafe fn load_f16(from: *const u8) -> __m512 {
        unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(from.cast())) }
    }
    #[inline(always)]
    unsafe fn load_bf16(from: *const u8) -> __m512 {
        unsafe {
            let halves = _mm512_cvtepu16_epi32(_mm256_loadu_si256(from.cast()));
            _mm512_castsi512_ps(_mm512_slli_epi32::<16>(halves))
        }
    }
    #[inline(always)]
    unsafe fn add(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_add_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn sub(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_sub_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn mul_add(a: __m512, b: __m512, c: __m512) -> __m512 {
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    unsafe fn sum(a: __m512) -> f32 {
        unsafe { _mm512_reduce_add_ps(a) }
    }

    #[inline(always)]
    unsafe fn zero_ints() -> __m512i {
        unsafe { _mm512_setzero_si512() }
    }
    #[inline(always)]
    unsafe fn load_i16(from: *const u8) -> __m512i {
        unsafe { _mm512_loadu_si512(from.cast()) }
    }
    #[inline(always)]
    unsafe fn load_i8(from: *const u8) -> __m512i {
        unsafe { _mm512_cvtepi8_epi16(_mm256_loadu_si256(from.cast())) }
    }
    #[inline(always)]
    unsafe fn sub_shorts(a: __m512i, b: __m512i) -> __m512i {
        unsafe { _mm512_sub_epi16(a, b) }
    }
    #[inline(always)]
    unsafe fn dot_add(sums: __m512i, a: __m512i, b: __m512i) -> __m512i {
        unsafe { _mm512_dpwssd_epi32(sums, a, b) }
    }
    #[inline(always)]
    unsafe fn sum_ints(a: __m512i) -> i32 {
        unsafe { _mm512_reduce_add_epi32(a) }
    }

    #[inline(always)]
    unsafe fn zero_counts() -> __m512i {
        unsafe { _mm512_setzero_si512() }
    }
    #[inline(always)]
    unsafe fn load_bits(from: *const u8) -> __m512i {
        unsafe { _mm512_loadu_si512(from.cast()) }
    }
    #[inline(always)]
    unsafe fn load_bits_part(from: *const u8, count: usize) -> __m512i {
        unsafe { _mm512_maskz_loadu_epi8((1 << count) - 1, from.cast()) }
    }
    #[inline(always)]
    unsafe fn xor(a: __m512i, b: __m512i) -> __m512i {
        unsafe { _mm512_xor_si512(a, b) }
    }
    #[inline(always)]
    unsafe fn and(a: __m512i, b: __m512i) -> __m512i {
        unsafe { _mm512_and_si512(a, b) }
    }
    #[inline(always)]
    unsafe fn or(a: __m512i, b: __m512i) -> __m512i {
        unsafe { _mm512_or_si512(a, b) }
    }
    #[inline(always)]
    unsafe fn count_add(counts: __m512i, a: __m512i) -> __m512i {
        unsafe { _mm512_add_epi64(counts, _mm512_popcnt_epi64(a)) }
    }
    #[inline(always)]
    unsafe fn sum_counts(a: __m512i) -> u32 {
        unsafe { _mm512_reduce_add_epi64(a) as u32 }
    }

    #[inline(always)]
    unsafe fn load_f32_part(from: *const u8, count: usize) -> __m512 {
        unsafe { _mm512_maskz_loadu_ps((1 << count) - 1, from.cast()) }
    }
    #[inline(always)]
    unsafe fn load_f16_part(from: *const u8, count: usize) -> __m512 {
        unsafe { _mm512_cvtph_ps(_mm256_maskz_loadu_epi16((1 << count) - 1, from.cast())) }
    }
    #[inline(always)]
    unsafe fn load_bf16_part(from: *const u8, count: usize) -> __m512 {
        unsafe {
            let halves = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16((1 << count) - 1, from.cast()));
            _mm512_castsi512_ps(_mm512_slli_epi32::<16>(halves))
        }
    }
    #[inline(always)]
    unsafe fn load_i8_part(from: *const u8, count: usize) -> __m512i {
        unsafe { _mm512_cvtepi8_epi16(_mm256_maskz_loadu_epi8((1 << count) - 1, from.cast())) }
    }
}
