//! Some of the rows of a space, numbered anew.

use elanus_kernels::{Scorer, Space};

/// The rows of a list as a space of their own.
pub(super) struct Subset<'a> {
    pub(super) space: &'a dyn Space,
    pub(super) rows: &'a [u32],
}

impl Space for Subset<'_> {
    fn rows(&self) -> usize {
        self.rows.len()
    }

    fn scorer_of(&self, row: u32) -> Box<dyn Scorer + '_> {
        Box::new(SubsetScorer { scorer: self.space.scorer_of(self.rows[row as usize]), rows: self.rows })
    }

    fn apart(&self, one: u32, other: u32, distance: f32) -> f32 {
        self.space.apart(self.rows[one as usize], self.rows[other as usize], distance)
    }
}

struct SubsetScorer<'a> {
    scorer: Box<dyn Scorer + 'a>,
    rows: &'a [u32],
}

/// Rows renumbered at once.
const BLOCK: usize = 64;

impl Scorer for SubsetScorer<'_> {
    fn score(&self, rows: &[u32], out: &mut [f32]) {
        assert_eq!(rows.len(), out.len());
        let mut block = [0; BLOCK];
        for (rows, out) in rows.chunks(BLOCK).zip(out.chunks_mut(BLOCK)) {
            for (to, &row) in block.iter_mut().zip(rows) {
                *to = self.rows[row as usize];
            }
            self.scorer.score(&block[..rows.len()], out);
        }
    }

    fn score_run(&self, first: u32, out: &mut [f32]) {
        let first = first as usize;
        self.scorer.score(&self.rows[first..first + out.len()], out);
    }
}
