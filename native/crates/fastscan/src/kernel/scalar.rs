//! The reference: one row after another.

use super::{Aligned, Block, GROUP_LINES, Line, Pass, SPAN, Sums, Table, pass};
use crate::collect::Collector;
use crate::tile::ROWS;

pass!();

fn below(block: Block, tables: &[Table], shift: u32, limit: u16, out: &mut Sums) -> u64 {
    *out = [0; ROWS];
    for (block, tables) in block.spans().zip(tables.chunks(SPAN * GROUP_LINES * 2)) {
        let mut sums = [0; ROWS];
        for (line, two) in block.lines.iter().zip(tables.as_chunks::<2>().0) {
            for (row, sum) in sums.iter_mut().enumerate() {
                let byte = line.0[Line::place(row)];
                *sum += u16::from(two[0][usize::from(byte & 15)]) + u16::from(two[1][usize::from(byte >> 4)]);
            }
        }
        for (total, sum) in out.iter_mut().zip(sums) {
            *total += sum >> shift;
        }
    }
    out.iter().enumerate().fold(0, |found, (row, &sum)| found | u64::from(sum < limit) << row)
}
