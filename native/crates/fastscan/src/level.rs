//! Plain loops compiled once for each instruction set, for the compiler to vectorise.

/// Defines a safe function that runs its body under the widest instruction set in use.
///
/// The bodies use no fused multiplication and keep one order of operations, so that every level gives the same bits.
macro_rules! each_level {
    ($(#[$doc:meta])* $visibility:vis fn $name:ident($($argument:ident: $kind:ty),* $(,)?) $body:block) => {
        $(#[$doc])*
        $visibility fn $name($($argument: $kind),*) {
            #[inline(always)]
            #[allow(clippy::inline_always)] // It must end up inside the function that enables its instruction set.
            fn body($($argument: $kind),*) $body

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,popcnt")]
            fn avx2($($argument: $kind),*) {
                body($($argument),*);
            }

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,popcnt,avx512f,avx512bw,avx512dq,avx512vl")]
            fn avx512($($argument: $kind),*) {
                body($($argument),*);
            }

            match elanus_kernels::simd::active() {
                // SAFETY: the level in use is one that the machine has.
                #[cfg(target_arch = "x86_64")]
                elanus_kernels::simd::Level::Avx512 => unsafe { avx512($($argument),*) },
                // SAFETY: as above.
                #[cfg(target_arch = "x86_64")]
                elanus_kernels::simd::Level::Avx2 => unsafe { avx2($($argument),*) },
                _ => body($($argument),*),
            }
        }
    };
}

pub(crate) use each_level;
