//! AVX2 with FMA and F16C: registers of 256 bits; bits go word by word through POPCNT.

use std::arch::x86_64::{
    __m128, __m128i, __m256, __m256i, _mm_add_epi32, _mm_add_ps, _mm_add_ss, _mm_cvtsi128_si32, _mm_cvtss_f32,
    _mm_loadu_si128, _mm_movehdup_ps, _mm_movehl_ps, _mm_shuffle_epi32, _mm256_add_epi32, _mm256_add_ps,
    _mm256_and_si256, _mm256_castps256_ps128, _mm256_castsi256_ps, _mm256_castsi256_si128, _mm256_cvtepi8_epi16,
    _mm256_cvtepu8_epi16, _mm256_cvtepu16_epi32, _mm256_cvtph_ps, _mm256_extractf128_ps, _mm256_extracti128_si256,
    _mm256_fmadd_ps, _mm256_hadd_epi32, _mm256_hadd_ps, _mm256_loadu_ps, _mm256_loadu_si256, _mm256_madd_epi16,
    _mm256_maddubs_epi16, _mm256_set1_epi8, _mm256_set1_epi16, _mm256_setzero_ps, _mm256_setzero_si256,
    _mm256_slli_epi32, _mm256_srli_epi16, _mm256_sub_epi16, _mm256_sub_ps,
};

use super::{Lanes, Scalar};

/// The 256-bit registers.
#[derive(Clone, Copy)]
pub struct Avx2;

// SAFETY: callers run under `#[target_feature]` of AVX2, FMA and F16C, and keep the promises of `Lanes`, which is all
// that any block below asks for; every load is unaligned.
unsafe impl Lanes for Avx2 {
    const WIDTH: usize = 8;
    const SHORTS: usize = 16;
    const BIT_BYTES: usize = Scalar::BIT_BYTES;
    type Floats = __m256;
    type Shorts = __m256i;
    type Ints = __m256i;
    type Bits = <Scalar as Lanes>::Bits;
    type Counts = <Scalar as Lanes>::Counts;
    const BYTES: usize = 32;
    type Bytes = __m256i;

    #[inline(always)]
    unsafe fn zero() -> __m256 {
        unsafe { _mm256_setzero_ps() }
    }
    #[inline(always)]
    unsafe fn load_f32(from: *const u8) -> __m256 {
        unsafe { _mm256_loadu_ps(from.cast()) }
    }
    #[inline(always)]
    unsafe fn load_f16(from: *const u8) -> __m256 {
        unsafe { _mm256_cvtph_ps(_mm_loadu_si128(from.cast())) }
    }
    #[inline(always)]
    unsafe fn load_bf16(from: *const u8) -> __m256 {
        unsafe {
            let halves = _mm256_cvtepu16_epi32(_mm_loadu_si128(from.cast()));
            _mm256_castsi256_ps(_mm256_slli_epi32::<16>(halves))
        }
    }
    #[inline(always)]
    unsafe fn add(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_add_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn sub(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_sub_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn mul_add(a: __m256, b: __m256, c: __m256) -> __m256 {
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    unsafe fn sum(a: __m256) -> f32 {
        unsafe {
            let four = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps::<1>(a));
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
        }
    }

    #[inline(always)]
    unsafe fn zero_ints() -> __m256i {
        unsafe { _mm256_setzero_si256() }
    }
    #[inline(always)]
    unsafe fn load_i16(from: *const u8) -> __m256i {
        unsafe { _mm256_loadu_si256(from.cast()) }
    }
    #[inline(always)]
    unsafe fn load_i8(from: *const u8) -> __m256i {
        unsafe { _mm256_cvtepi8_epi16(_mm_loadu_si128(from.cast())) }
    }
    #[inline(always)]
    unsafe fn sub_shorts(a: __m256i, b: __m256i) -> __m256i {
        unsafe { _mm256_sub_epi16(a, b) }
    }
    #[inline(always)]
    unsafe fn dot_add(sums: __m256i, a: __m256i, b: __m256i) -> __m256i {
        unsafe { _mm256_add_epi32(sums, _mm256_madd_epi16(a, b)) }
    }
    #[inline(always)]
    unsafe fn sum_ints(a: __m256i) -> i32 {
        unsafe {
            let four = _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256::<1>(a));
            let two = _mm_add_epi32(four, _mm_shuffle_epi32::<0b01_00_11_10>(four));
            _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32::<0b10_11_00_01>(two)))
        }
    }

    #[inline(always)]
    unsafe fn sum_ints_each([a, b, c, d]: [__m256i; 4]) -> [i32; 4] {
        unsafe {
            let four = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
            let sums = _mm_add_epi32(_mm256_castsi256_si128(four), _mm256_extracti128_si256::<1>(four));
            std::mem::transmute::<__m128i, [i32; 4]>(sums)
        }
    }
    #[inline(always)]
    unsafe fn sum_each([a, b, c, d]: [__m256; 4]) -> [f32; 4] {
        unsafe {
            let four = _mm256_hadd_ps(_mm256_hadd_ps(a, b), _mm256_hadd_ps(c, d));
            let sums = _mm_add_ps(_mm256_castps256_ps128(four), _mm256_extractf128_ps::<1>(four));
            std::mem::transmute::<__m128, [f32; 4]>(sums)
        }
    }

    #[inline(always)]
    unsafe fn load_bytes(from: *const u8) -> __m256i {
        unsafe { _mm256_loadu_si256(from.cast()) }
    }
    #[inline(always)]
    unsafe fn low_nibbles(a: __m256i) -> __m256i {
        unsafe { _mm256_and_si256(a, _mm256_set1_epi8(15)) }
    }
    #[inline(always)]
    unsafe fn high_nibbles(a: __m256i) -> __m256i {
        unsafe { Self::low_nibbles(_mm256_srli_epi16::<4>(a)) }
    }
    /// Widens both: `maddubs` would saturate at 255 * 127 twice.
    #[inline(always)]
    unsafe fn dot_bytes(sums: __m256i, unsigned: __m256i, signed: __m256i) -> __m256i {
        unsafe {
            let low = _mm256_madd_epi16(
                _mm256_cvtepu8_epi16(_mm256_castsi256_si128(unsigned)),
                _mm256_cvtepi8_epi16(_mm256_castsi256_si128(signed)),
            );
            let high = _mm256_madd_epi16(
                _mm256_cvtepu8_epi16(_mm256_extracti128_si256::<1>(unsigned)),
                _mm256_cvtepi8_epi16(_mm256_extracti128_si256::<1>(signed)),
            );
            _mm256_add_epi32(sums, _mm256_add_epi32(low, high))
        }
    }
    #[inline(always)]
    unsafe fn dot_nibbles(sums: __m256i, nibbles: __m256i, signed: __m256i) -> __m256i {
        unsafe {
            let pairs = _mm256_maddubs_epi16(nibbles, signed);
            _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
        }
    }

    #[inline(always)]
    unsafe fn zero_counts() -> Self::Counts {
        unsafe { Scalar::zero_counts() }
    }
    #[inline(always)]
    unsafe fn load_bits(from: *const u8) -> Self::Bits {
        unsafe { Scalar::load_bits(from) }
    }
    #[inline(always)]
    unsafe fn load_bits_part(from: *const u8, count: usize) -> Self::Bits {
        unsafe { Scalar::load_bits_part(from, count) }
    }
    #[inline(always)]
    unsafe fn xor(a: Self::Bits, b: Self::Bits) -> Self::Bits {
        a ^ b
    }
    #[inline(always)]
    unsafe fn and(a: Self::Bits, b: Self::Bits) -> Self::Bits {
        a & b
    }
    #[inline(always)]
    unsafe fn or(a: Self::Bits, b: Self::Bits) -> Self::Bits {
        a | b
    }
    #[inline(always)]
    unsafe fn count_add(counts: Self::Counts, a: Self::Bits) -> Self::Counts {
        unsafe { Scalar::count_add(counts, a) }
    }
    #[inline(always)]
    unsafe fn sum_counts(a: Self::Counts) -> u32 {
        a
    }
}
