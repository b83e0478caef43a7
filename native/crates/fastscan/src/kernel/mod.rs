//! The pass over blocks: sums of table entries for 64 rows at a time, in one body for each instruction set.

use crate::collect::Collector;
use crate::tile::ROWS;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod scalar;

/// Codes of 64 rows in two sub-spaces: row `r` below 32 has byte `2r`, row `32 + r` byte `2r + 1`, so that the even and
/// the odd bytes of the sums, each widened to 16 bits, are the two halves of the block in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, align(64))]
pub(crate) struct Line(pub(crate) [u8; ROWS]);

impl Line {
    /// Sub-spaces, and rows, that are not there.
    pub(crate) const EMPTY: Line = Line([0; ROWS]);

    /// Where a row of the block lies.
    fn place(row: usize) -> usize {
        row % 32 * 2 + row / 32
    }

    /// Writes the codes of the rows, which are below 16, into the upper or the lower half of each byte.
    pub(crate) fn put(&mut self, codes: &[u8; ROWS], upper: bool) {
        for (row, &code) in codes.iter().enumerate() {
            let byte = &mut self.0[Line::place(row)];
            *byte = if upper { *byte & 0x0F | code << 4 } else { *byte & 0xF0 | code & 0x0F };
        }
    }
}

/// What each centroid of a sub-space adds to a row's distance.
pub(crate) type Table = [u8; 16];

/// Lines that are summed in bytes before the sums are widened; a group of four tables adds up to at most 255.
pub(crate) const GROUP_LINES: usize = 2;

/// Groups whose sums fit 16 bits.
pub(crate) const SPAN: usize = 256;

/// Sums of the rows of a block.
pub(crate) type Sums = [u16; ROWS];

/// Blocks that follow each other, and what one query asks of them.
pub(crate) struct Pass<'a> {
    /// The lines of each block, an even number.
    pub(crate) lines: &'a [Line],
    /// The rows of each block that may be found; the others are never offered, and blocks without any not read.
    pub(crate) words: &'a [u64],
    /// Two tables for each line of a block.
    pub(crate) tables: &'a [Table],
    /// By how much the sum of a span is shifted to the right, so that all spans together fit 16 bits.
    pub(crate) shift: u32,
    /// The row that the blocks begin with.
    pub(crate) first: u32,
}

/// A body of the pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Variant {
    /// Plain code: the reference.
    Scalar,
    /// 32 look-ups a shuffle.
    Avx2,
    /// 64 look-ups a shuffle.
    Avx512,
    /// 64 look-ups by a permutation that ignores the bits beside its index, which spares masking them.
    Avx512Vbmi,
}

impl Variant {
    /// The fastest for the level in use.
    pub(crate) fn active() -> Self {
        use elanus_kernels::simd::{Level, active};
        match active() {
            Level::Scalar => Variant::Scalar,
            Level::Avx2 => Variant::Avx2,
            Level::Avx512 if has_vbmi() => Variant::Avx512Vbmi,
            Level::Avx512 => Variant::Avx512,
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn has_vbmi() -> bool {
    std::arch::is_x86_feature_detected!("avx512vbmi")
}

#[cfg(not(target_arch = "x86_64"))]
fn has_vbmi() -> bool {
    false
}

/// Offers the rows of a pass to `collector`; the machine has what `variant` needs.
pub(crate) fn run(variant: Variant, pass: &Pass, collector: &mut Collector) {
    assert!(pass.tables.len().is_multiple_of(2 * GROUP_LINES));
    assert!(pass.words.len() <= MAX_BLOCKS);
    assert!(pass.lines.len() == pass.words.len() * (pass.tables.len() / 2));
    match variant {
        // SAFETY: the machine has the instruction set, by the caller.
        #[cfg(target_arch = "x86_64")]
        Variant::Avx2 => unsafe { avx2::run(pass, collector) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Variant::Avx512 => unsafe { avx512::plain::run(pass, collector) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Variant::Avx512Vbmi => unsafe { avx512::vbmi::run(pass, collector) },
        _ => scalar::run(pass, collector),
    }
}

/// A block, and one that will be read soon: it is asked for meanwhile, since the hardware looks no further than a page of
/// 4 KiB, and not past blocks that are left out.
#[derive(Clone, Copy)]
struct Block<'a> {
    lines: &'a [Line],
    later: &'a [Line],
}

impl<'a> Block<'a> {
    /// The parts whose sums fit 16 bits.
    #[inline]
    fn spans(self) -> impl Iterator<Item = Block<'a>> {
        let spans = self.lines.chunks(SPAN * GROUP_LINES).zip(self.later.chunks(SPAN * GROUP_LINES));
        spans.map(|(lines, later)| Block { lines, later })
    }

    /// Lines that are summed in bytes, and those to ask for.
    #[inline]
    fn groups(self) -> impl Iterator<Item = (&'a [Line; GROUP_LINES], &'a [Line; GROUP_LINES])> {
        self.lines.as_chunks().0.iter().zip(self.later.as_chunks().0)
    }
}

/// Blocks of a pass at most: their numbers are gathered on the stack.
pub(crate) const MAX_BLOCKS: usize = 64;

/// Blocks that lie between the one being read and the one being asked for.
const AHEAD: usize = 2;

impl<'a> Pass<'a> {
    /// Calls `visit` with each block that has rows to find, and its number.
    #[inline]
    fn for_each_block(&self, mut visit: impl FnMut(usize, Block<'a>)) {
        let lines = self.tables.len() / 2;
        let mut numbers = [0; MAX_BLOCKS];
        let mut count = 0;
        for (number, &word) in self.words.iter().enumerate() {
            numbers[count] = number;
            count += usize::from(word != 0);
        }
        let block = |number: usize| &self.lines[number * lines..(number + 1) * lines];
        for at in 0..count {
            let later = block(numbers[(at + AHEAD).min(count - 1)]);
            visit(numbers[at], Block { lines: block(numbers[at]), later });
        }
    }
}

/// Defines `run`, which offers rows that `below` finds: it returns the rows of a block whose sums are below a limit, one
/// bit each, and writes the sums where there are any.
macro_rules! pass {
    ($(#[$features:meta])?) => {
        $(#[$features])?
        pub(crate) fn run(pass: &Pass, collector: &mut Collector) {
            let mut sums = Aligned([0; ROWS]);
            pass.for_each_block(|number, block| {
                let found = below(block, pass.tables, pass.shift, collector.limit(), &mut sums.0) & pass.words[number];
                if found != 0 {
                    collector.offer(pass.first + (number * ROWS) as u32, found, &sums.0);
                }
            });
        }
    };
}

pub(crate) use pass;

/// Sums where whole registers can be stored.
#[repr(align(64))]
struct Aligned(Sums);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    fn variants() -> Vec<Variant> {
        use elanus_kernels::simd::Level;
        let mut variants = vec![Variant::Scalar];
        if Level::Avx2.is_available() {
            variants.push(Variant::Avx2);
        }
        if Level::Avx512.is_available() {
            variants.push(Variant::Avx512);
            variants.extend(has_vbmi().then_some(Variant::Avx512Vbmi));
        }
        variants
    }

    fn all_sums(variant: Variant, lines: &[Line], words: &[u64], tables: &[Table], shift: u32) -> Vec<(u16, u32)> {
        let mut collector = Collector::new(words.len() * ROWS, u16::MAX);
        run(variant, &Pass { lines, words, tables, shift, first: 0 }, &mut collector);
        collector.into_nearest()
    }

    #[test]
    fn every_variant_gives_the_sums_of_the_tables() {
        let mut random = Random::new(5, 0);
        for (groups, shift) in [(1, 0), (2, 0), (48, 0), (SPAN, 0), (SPAN + 1, 1), (3 * SPAN + 7, 2)] {
            let lines: Vec<Line> =
                (0..3 * groups * GROUP_LINES).map(|_| Line(std::array::from_fn(|_| random.below(256) as u8))).collect();
            let most = if groups == SPAN { 63..64 } else { 0..64 };
            let entry = |random: &mut Random| (most.start + random.below(most.len())) as u8;
            let tables: Vec<Table> = (0..groups * 4).map(|_| std::array::from_fn(|_| entry(&mut random))).collect();
            let words = [u64::MAX, 0, 0x8000_0100_0001_0005];
            let mut expected = Vec::new();
            for row in 0..3 * ROWS {
                if words[row / ROWS] >> (row % ROWS) & 1 == 1 {
                    expected.push((sum_of(&lines, &tables, groups, shift, row), row as u32));
                }
            }
            expected.sort_unstable();
            for variant in variants() {
                assert_eq!(all_sums(variant, &lines, &words, &tables, shift), expected, "{variant:?} {groups}");
            }
        }
    }

    fn sum_of(lines: &[Line], tables: &[Table], groups: usize, shift: u32, row: usize) -> u16 {
        let block = &lines[row / ROWS * groups * GROUP_LINES..][..groups * GROUP_LINES];
        let span = |lines: &[Line], tables: &[Table]| -> u32 {
            let bytes = lines.iter().map(|line| line.0[Line::place(row % ROWS)]).zip(tables.chunks_exact(2));
            bytes
                .map(|(byte, two)| {
                    u32::from(two[0][usize::from(byte & 15)]) + u32::from(two[1][usize::from(byte >> 4)])
                })
                .sum()
        };
        let spans = block.chunks(SPAN * GROUP_LINES).zip(tables.chunks(SPAN * GROUP_LINES * 2));
        spans.map(|(lines, tables)| (span(lines, tables) >> shift) as u16).sum()
    }

    #[test]
    fn only_sums_below_the_limit_are_offered() {
        let mut codes = [0; ROWS];
        for (row, code) in codes.iter_mut().enumerate() {
            *code = (row * 5 % 16) as u8;
        }
        let mut lines = [Line::EMPTY; 2];
        lines[1].put(&codes, true);
        let mut tables = [[0; 16]; 4];
        tables[3] = std::array::from_fn(|code| code as u8);
        for variant in variants() {
            let mut collector = Collector::new(8, 255);
            run(
                variant,
                &Pass { lines: &lines, words: &[u64::MAX], tables: &tables, shift: 0, first: 640 },
                &mut collector,
            );
            let found: Vec<u32> = collector.into_nearest().into_iter().map(|(_, row)| row - 640).collect();
            assert_eq!(found, [0, 16, 32, 48, 13, 29, 45, 61], "{variant:?}");
        }
    }
}
