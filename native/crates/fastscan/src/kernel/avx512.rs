//! Registers of 512 bits: a line is one of them.

/// Defines the pass with two ways to look up: by the lower and by the upper halves of the bytes of a line.
macro_rules! variant {
    ($name:ident, $features:literal, |$table:ident, $bytes:ident| $lower:expr, $upper:expr) => {
        pub(crate) mod $name {
            use std::arch::x86_64::*;

            use elanus_kernels::simd::prefetch;

            use crate::collect::Collector;
            use crate::kernel::{Aligned, Block, GROUP_LINES, Line, Pass, SPAN, Sums, Table, pass};
            use crate::tile::ROWS;

            pass!(#[target_feature(enable = $features)]);

            #[inline]
            #[target_feature(enable = $features)]
            fn below(block: Block, tables: &[Table], shift: u32, limit: u16, out: &mut Sums) -> u64 {
                let mut totals = [_mm512_setzero_si512(); 2];
                let by = _mm_cvtsi32_si128(shift as i32);
                for (block, tables) in block.spans().zip(tables.chunks(SPAN * GROUP_LINES * 2)) {
                    for (total, sum) in totals.iter_mut().zip(span(block, tables)) {
                        *total = _mm512_add_epi16(*total, _mm512_srl_epi16(sum, by));
                    }
                }
                let limits = _mm512_set1_epi16(limit.cast_signed());
                let [even, odd] = totals.map(|sums| u64::from(_mm512_cmplt_epu16_mask(sums, limits)));
                let found = even | odd << 32;
                if found != 0 {
                    for (sums, to) in totals.into_iter().zip(out.as_chunks_mut::<32>().0) {
                        // SAFETY: 32 sums are a register, and sums begin at a multiple of 64 bytes.
                        unsafe { _mm512_store_si512(to.as_mut_ptr().cast(), sums) };
                    }
                }
                found
            }

            /// The sums of a span, of even and of odd bytes, exact modulo 2^16, which they stay below.
            #[inline]
            #[target_feature(enable = $features)]
            fn span(block: Block, tables: &[Table]) -> [__m512i; 2] {
                let [mut both, mut odd] = [_mm512_setzero_si512(); 2];
                for ((lines, later), tables) in block.groups().zip(tables.as_chunks::<4>().0) {
                    prefetch(later.as_ptr().cast(), size_of_val(later));
                    let first = look_up(&lines[0], [&tables[0], &tables[1]]);
                    let group = _mm512_add_epi8(first, look_up(&lines[1], [&tables[2], &tables[3]]));
                    both = _mm512_add_epi16(both, group);
                    odd = _mm512_add_epi16(odd, _mm512_srli_epi16::<8>(group));
                }
                // Sums of 16 bits took the odd bytes in, shifted by eight: what is left without them are the even ones.
                [_mm512_sub_epi16(both, _mm512_slli_epi16::<8>(odd)), odd]
            }

            #[inline]
            #[target_feature(enable = $features)]
            fn look_up(line: &Line, tables: [&Table; 2]) -> __m512i {
                // SAFETY: a line is a register, at a multiple of 64 bytes.
                let $bytes = unsafe { _mm512_load_si512(line.0.as_ptr().cast()) };
                let lower = {
                    let $table = wide(tables[0]);
                    $lower
                };
                let upper = {
                    let $table = wide(tables[1]);
                    $upper
                };
                _mm512_add_epi8(lower, upper)
            }

            #[inline]
            #[target_feature(enable = $features)]
            fn wide(table: &Table) -> __m512i {
                // SAFETY: a table is a register of 128 bits.
                _mm512_broadcast_i32x4(unsafe { _mm_loadu_si128(table.as_ptr().cast()) })
            }
        }
    };
}

variant!(
    plain,
    "avx2,avx512f,avx512bw,avx512dq,avx512vl",
    |table, bytes| _mm512_shuffle_epi8(table, _mm512_and_si512(bytes, _mm512_set1_epi8(0x0F))),
    {
        let shifted = _mm512_srli_epi16::<4>(bytes);
        _mm512_shuffle_epi8(table, _mm512_and_si512(shifted, _mm512_set1_epi8(0x0F)))
    }
);

// The permutation reads six bits of each index. The two above the code choose between four copies of the table.
variant!(
    vbmi,
    "avx2,avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi",
    |table, bytes| _mm512_permutexvar_epi8(bytes, table),
    _mm512_permutexvar_epi8(_mm512_srli_epi16::<4>(bytes), table)
);
