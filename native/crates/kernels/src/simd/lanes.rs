//! The operations a kernel is written in.

/// One instruction set's registers. All pointers may have any alignment.
///
/// # Safety
/// The functions may only be called where the instruction set is enabled, and a pointer must be readable for what its
/// function loads: a full register, or `count` elements for the `_part` forms (`count` below a register's worth; the
/// other elements become zero).
#[expect(clippy::missing_safety_doc, reason = "the trait states it once for all its functions")]
pub unsafe trait Lanes: Copy {
    /// Elements of a float register.
    const WIDTH: usize;
    /// Elements of an integer register.
    const SHORTS: usize;
    /// Bytes of a bit register.
    const BIT_BYTES: usize;
    /// Bytes of a byte register: 64, or a divisor of 32.
    const BYTES: usize;
    /// `WIDTH` floats.
    type Floats: Copy;
    /// `SHORTS` integers of 16 bits.
    type Shorts: Copy;
    /// Sums of 32 bits, as many as the instruction set likes.
    type Ints: Copy;
    /// `BIT_BYTES` bytes of bits.
    type Bits: Copy;
    /// Population counts.
    type Counts: Copy;
    /// `BYTES` bytes, signed or not.
    type Bytes: Copy;

    /// Zeros.
    unsafe fn zero() -> Self::Floats;
    /// Loads floats.
    unsafe fn load_f32(from: *const u8) -> Self::Floats;
    /// Loads IEEE halves, widened.
    unsafe fn load_f16(from: *const u8) -> Self::Floats;
    /// Loads upper halves of floats, widened.
    unsafe fn load_bf16(from: *const u8) -> Self::Floats;
    /// `a + b`
    unsafe fn add(a: Self::Floats, b: Self::Floats) -> Self::Floats;
    /// `a - b`
    unsafe fn sub(a: Self::Floats, b: Self::Floats) -> Self::Floats;
    /// `a * b + c`, fused or not.
    unsafe fn mul_add(a: Self::Floats, b: Self::Floats, c: Self::Floats) -> Self::Floats;
    /// The sum of all elements.
    unsafe fn sum(a: Self::Floats) -> f32;

    /// Zeros.
    unsafe fn zero_ints() -> Self::Ints;
    /// Loads 16-bit integers.
    unsafe fn load_i16(from: *const u8) -> Self::Shorts;
    /// Loads 8-bit integers, widened.
    unsafe fn load_i8(from: *const u8) -> Self::Shorts;
    /// `a - b`
    unsafe fn sub_shorts(a: Self::Shorts, b: Self::Shorts) -> Self::Shorts;
    /// `sums + a * b` without overflow while the whole dot product fits 31 bits.
    unsafe fn dot_add(sums: Self::Ints, a: Self::Shorts, b: Self::Shorts) -> Self::Ints;
    /// The sum of all sums.
    unsafe fn sum_ints(a: Self::Ints) -> i32;
    /// Four sums at once, in fewer steps than one by one.
    unsafe fn sum_ints_each(sums: [Self::Ints; 4]) -> [i32; 4];
    /// Four sums at once, in fewer steps than one by one.
    unsafe fn sum_each(sums: [Self::Floats; 4]) -> [f32; 4];

    /// Loads `BYTES` bytes.
    unsafe fn load_bytes(from: *const u8) -> Self::Bytes;
    /// The lower four bits of each byte.
    unsafe fn low_nibbles(a: Self::Bytes) -> Self::Bytes;
    /// The upper four bits of each byte.
    unsafe fn high_nibbles(a: Self::Bytes) -> Self::Bytes;
    /// `sums + unsigned * signed`, exact while the whole dot product fits 31 bits.
    unsafe fn dot_bytes(sums: Self::Ints, unsigned: Self::Bytes, signed: Self::Bytes) -> Self::Ints;
    /// As [`Lanes::dot_bytes`], where no unsigned byte is above 15.
    unsafe fn dot_nibbles(sums: Self::Ints, nibbles: Self::Bytes, signed: Self::Bytes) -> Self::Ints;

    /// Zeros.
    unsafe fn zero_counts() -> Self::Counts;
    /// Loads bits.
    unsafe fn load_bits(from: *const u8) -> Self::Bits;
    /// Loads `count` bytes of bits.
    unsafe fn load_bits_part(from: *const u8, count: usize) -> Self::Bits;
    /// `a ^ b`
    unsafe fn xor(a: Self::Bits, b: Self::Bits) -> Self::Bits;
    /// `a & b`
    unsafe fn and(a: Self::Bits, b: Self::Bits) -> Self::Bits;
    /// `a | b`
    unsafe fn or(a: Self::Bits, b: Self::Bits) -> Self::Bits;
    /// `counts` and the set bits of `a`.
    unsafe fn count_add(counts: Self::Counts, a: Self::Bits) -> Self::Counts;
    /// The sum of all counts.
    unsafe fn sum_counts(a: Self::Counts) -> u32;

    /// Loads `count` floats.
    #[inline(always)]
    unsafe fn load_f32_part(from: *const u8, count: usize) -> Self::Floats {
        // SAFETY: `count` elements are readable, by the caller; the spill is zero past them.
        unsafe { Self::load_f32(Spill::of(from, count * 4).start()) }
    }
    /// Loads `count` halves, widened.
    #[inline(always)]
    unsafe fn load_f16_part(from: *const u8, count: usize) -> Self::Floats {
        // SAFETY: as above.
        unsafe { Self::load_f16(Spill::of(from, count * 2).start()) }
    }
    /// Loads `count` upper halves, widened.
    #[inline(always)]
    unsafe fn load_bf16_part(from: *const u8, count: usize) -> Self::Floats {
        // SAFETY: as above.
        unsafe { Self::load_bf16(Spill::of(from, count * 2).start()) }
    }
    /// Loads `count` 8-bit integers, widened.
    #[inline(always)]
    unsafe fn load_i8_part(from: *const u8, count: usize) -> Self::Shorts {
        // SAFETY: as above.
        unsafe { Self::load_i8(Spill::of(from, count).start()) }
    }
    /// Loads `count` bytes.
    #[inline(always)]
    unsafe fn load_bytes_part(from: *const u8, count: usize) -> Self::Bytes {
        // SAFETY: as above.
        unsafe { Self::load_bytes(Spill::of(from, count).start()) }
    }
}

/// A register's worth of bytes, zero past what was copied in.
struct Spill([u8; 64]);

impl Spill {
    /// # Safety
    /// `count` bytes, at most 64, are readable at `from`.
    #[inline(always)]
    unsafe fn of(from: *const u8, count: usize) -> Spill {
        debug_assert!(count <= 64);
        let mut spill = Spill([0; 64]);
        // SAFETY: the caller's promise; the two places can't overlap.
        unsafe { std::ptr::copy_nonoverlapping(from, spill.0.as_mut_ptr(), count) };
        spill
    }

    #[inline(always)]
    fn start(&self) -> *const u8 {
        self.0.as_ptr()
    }
}
