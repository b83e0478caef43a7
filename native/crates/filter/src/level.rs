//! One body a kernel, compiled for each instruction set.

use elanus_kernels::simd::{Level, active};

/// What 64 rows answered: `u8::MAX` for yes, 0 for no.
pub(crate) type Flags = [u8; 64];

/// A loop over rows. `run` is `#[inline(always)]`, so that it is compiled where it is launched from.
pub(crate) trait Kernel {
    type Output;
    fn run<P: Pack>(self) -> Self::Output;
}

/// How flags become bits.
pub(crate) trait Pack {
    fn pack(flags: &Flags) -> u64;
}

/// Runs a kernel with the instruction set in use.
pub(crate) fn launch<K: Kernel>(kernel: K) -> K::Output {
    match active() {
        Level::Scalar => kernel.run::<Portable>(),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: a level is active only where the machine has all that `Level::is_available` asks for.
        Level::Avx2 => unsafe { x86::avx2(kernel) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Level::Avx512 => unsafe { x86::avx512(kernel) },
        #[cfg(not(target_arch = "x86_64"))]
        Level::Avx2 | Level::Avx512 => kernel.run::<Portable>(),
    }
}

struct Portable;

impl Pack for Portable {
    /// A multiplication gathers the lowest bits of eight bytes in the highest byte.
    #[inline(always)]
    fn pack(flags: &Flags) -> u64 {
        let mut bytes = [0; 8];
        for (byte, eight) in bytes.iter_mut().zip(flags.as_chunks::<8>().0) {
            let lowest = u64::from_le_bytes(*eight) & 0x0101_0101_0101_0101;
            *byte = (lowest.wrapping_mul(0x0102_0408_1020_4080) >> 56) as u8;
        }
        u64::from_le_bytes(bytes)
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{_mm256_loadu_si256, _mm256_movemask_epi8, _mm512_loadu_si512, _mm512_movepi8_mask};

    use super::{Flags, Kernel, Pack};

    #[target_feature(enable = "avx2,fma,f16c,popcnt")]
    pub(super) fn avx2<K: Kernel>(kernel: K) -> K::Output {
        kernel.run::<Avx2>()
    }

    #[target_feature(enable = "avx2,fma,f16c,popcnt,avx512f,avx512bw,avx512dq,avx512vl")]
    pub(super) fn avx512<K: Kernel>(kernel: K) -> K::Output {
        kernel.run::<Avx512>()
    }

    struct Avx2;

    impl Pack for Avx2 {
        #[inline(always)]
        fn pack(flags: &Flags) -> u64 {
            let [low, high] = [0, 32].map(|first| {
                // SAFETY: 32 bytes from `first` on lie inside the flags; only `avx2` above runs kernels with this type.
                let mask = unsafe { _mm256_movemask_epi8(_mm256_loadu_si256(flags.as_ptr().add(first).cast())) };
                u64::from(mask.cast_unsigned())
            });
            low | high << 32
        }
    }

    struct Avx512;

    impl Pack for Avx512 {
        #[inline(always)]
        fn pack(flags: &Flags) -> u64 {
            // SAFETY: the flags are 64 bytes; only `avx512` above runs kernels with this type.
            unsafe { _mm512_movepi8_mask(_mm512_loadu_si512(flags.as_ptr().cast())) }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use elanus_kernels::simd::choose;

    use super::*;

    /// Calls `check` once with each instruction set of this machine.
    pub(crate) fn at_every_level(check: impl Fn(Level)) {
        for level in Level::ALL {
            if choose(level) {
                check(level);
            }
        }
    }

    struct Packed<'a>(&'a Flags);

    impl Kernel for Packed<'_> {
        type Output = u64;

        #[inline(always)]
        fn run<P: Pack>(self) -> u64 {
            P::pack(self.0)
        }
    }

    #[test]
    fn flags_become_bits_in_their_order() {
        for word in [0, u64::MAX, 1, 1 << 63, 0x0123_4567_89AB_CDEF, 0xF0F0_1234_8000_0001] {
            let flags = std::array::from_fn(|row| if word >> row & 1 == 1 { u8::MAX } else { 0 });
            at_every_level(|level| assert_eq!(launch(Packed(&flags)), word, "{level:?}"));
        }
    }
}
