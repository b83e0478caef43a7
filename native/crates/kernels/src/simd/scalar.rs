//! The reference: plain Rust, vectorised by the compiler as far as the target guarantees.

use super::Lanes;

/// Registers as arrays.
#[derive(Clone, Copy)]
pub struct Scalar;

/// Two registers of 128 bits, which every target has.
const WIDTH: usize = 8;

// SAFETY: needs no instruction set beyond the target's; every load is unaligned.
unsafe impl Lanes for Scalar {
    const WIDTH: usize = WIDTH;
    const SHORTS: usize = WIDTH;
    const BIT_BYTES: usize = 8;
    type Floats = [f32; WIDTH];
    type Shorts = [i16; WIDTH];
    type Ints = [i32; WIDTH];
    type Bits = u64;
    type Counts = u32;
    const BYTES: usize = 4 * WIDTH;
    type Bytes = [u8; 4 * WIDTH];

    #[inline(always)]
    unsafe fn zero() -> Self::Floats {
        [0.0; WIDTH]
    }
    #[inline(always)]
    unsafe fn load_f32(from: *const u8) -> Self::Floats {
        // SAFETY: readable by the caller's promise.
        unsafe { from.cast::<[f32; WIDTH]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn load_f16(from: *const u8) -> Self::Floats {
        // SAFETY: readable by the caller's promise.
        unsafe { from.cast::<[u16; WIDTH]>().read_unaligned() }.map(f16_to_f32)
    }
    #[inline(always)]
    unsafe fn load_bf16(from: *const u8) -> Self::Floats {
        // SAFETY: readable by the caller's promise.
        unsafe { from.cast::<[u16; WIDTH]>().read_unaligned() }.map(bf16_to_f32)
    }
    #[inline(always)]
    unsafe fn add(a: Self::Floats, b: Self::Floats) -> Self::Floats {
        std::array::from_fn(|i| a[i] + b[i])
    }
    #[inline(always)]
    unsafe fn sub(a: Self::Floats, b: Self::Floats) -> Self::Floats {
        std::array::from_fn(|i| a[i] - b[i])
    }
    #[inline(always)]
    unsafe fn mul_add(a: Self::Floats, b: Self::Floats, c: Self::Floats) -> Self::Floats {
        std::array::from_fn(|i| a[i] * b[i] + c[i])
    }
    #[inline(always)]
    unsafe fn sum(a: Self::Floats) -> f32 {
        ((a[0] + a[4]) + (a[2] + a[6])) + ((a[1] + a[5]) + (a[3] + a[7]))
    }

    #[inline(always)]
    unsafe fn zero_ints() -> Self::Ints {
        [0; WIDTH]
    }
    #[inline(always)]
    unsafe fn load_i16(from: *const u8) -> Self::Shorts {
        // SAFETY: readable by the caller's promise.
        unsafe { from.cast::<[i16; WIDTH]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn load_i8(from: *const u8) -> Self::Shorts {
        // SAFETY: readable by the caller's promise.
        unsafe { from.cast::<[i8; WIDTH]>().read_unaligned() }.map(i16::from)
    }
    #[inline(always)]
    unsafe fn sub_shorts(a: Self::Shorts, b: Self::Shorts) -> Self::Shorts {
        std::array::from_fn(|i| a[i] - b[i])
    }
    #[inline(always)]
    unsafe fn dot_add(sums: Self::Ints, a: Self::Shorts, b: Self::Shorts) -> Self::Ints {
        std::array::from_fn(|i| sums[i] + i32::from(a[i]) * i32::from(b[i]))
    }
    #[inline(always)]
    unsafe fn sum_ints(a: Self::Ints) -> i32 {
        a.iter().sum()
    }

    #[inline(always)]
    unsafe fn sum_ints_each(sums: [Self::Ints; 4]) -> [i32; 4] {
        sums.map(|sums| sums.iter().sum())
    }
    #[inline(always)]
    unsafe fn sum_each(sums: [Self::Floats; 4]) -> [f32; 4] {
        // SAFETY: needs nothing.
        sums.map(|sums| unsafe { Self::sum(sums) })
    }

    #[inline(always)]
    unsafe fn load_bytes(from: *const u8) -> Self::Bytes {
        // SAFETY: readable by the caller's promise.
        unsafe { from.cast::<[u8; 4 * WIDTH]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn low_nibbles(a: Self::Bytes) -> Self::Bytes {
        a.map(|byte| byte & 15)
    }
    #[inline(always)]
    unsafe fn high_nibbles(a: Self::Bytes) -> Self::Bytes {
        a.map(|byte| byte >> 4)
    }
    #[inline(always)]
    unsafe fn dot_bytes(sums: Self::Ints, unsigned: Self::Bytes, signed: Self::Bytes) -> Self::Ints {
        // The product of two bytes fits 16 bits, which every target multiplies faster than 32.
        let mut sums = sums;
        for part in 0..4 {
            for lane in 0..WIDTH {
                let (a, b) = (unsigned[part * WIDTH + lane], signed[part * WIDTH + lane].cast_signed());
                sums[lane] += i32::from(i16::from(a) * i16::from(b));
            }
        }
        sums
    }
    #[inline(always)]
    unsafe fn dot_nibbles(sums: Self::Ints, nibbles: Self::Bytes, signed: Self::Bytes) -> Self::Ints {
        // SAFETY: passed on.
        unsafe { Self::dot_bytes(sums, nibbles, signed) }
    }

    #[inline(always)]
    unsafe fn zero_counts() -> Self::Counts {
        0
    }
    #[inline(always)]
    unsafe fn load_bits(from: *const u8) -> Self::Bits {
        // SAFETY: readable by the caller's promise.
        unsafe { from.cast::<u64>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn load_bits_part(from: *const u8, count: usize) -> Self::Bits {
        let mut bytes = [0; 8];
        // SAFETY: `count` bytes, below 8, are readable by the caller's promise.
        unsafe { std::ptr::copy_nonoverlapping(from, bytes.as_mut_ptr(), count) };
        u64::from_ne_bytes(bytes)
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
        counts + a.count_ones()
    }
    #[inline(always)]
    unsafe fn sum_counts(a: Self::Counts) -> u32 {
        a
    }
}

/// Widens an IEEE half: subnormals, infinities and NaN included.
#[inline]
pub fn f16_to_f32(half: u16) -> f32 {
    let sign = u32::from(half & 0x8000) << 16;
    let magnitude = u32::from(half & 0x7FFF) << 13;
    // Exponents are 112 apart; the product is exact, and normalises a subnormal half.
    let finite = f32::from_bits(magnitude) * f32::from_bits((127 + 112) << 23);
    let bits = if magnitude >= 0x7C00 << 13 { magnitude | 0x7F80_0000 } else { finite.to_bits() };
    f32::from_bits(sign | bits)
}

/// Widens a bfloat16: the upper half of a float.
#[inline]
pub fn bf16_to_f32(half: u16) -> f32 {
    f32::from_bits(u32::from(half) << 16)
}
