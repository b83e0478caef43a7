//! Distances from a query to the rows of codes.

use std::marker::PhantomData;

use elanus_kernels::{Scorer, simd};

use crate::codes::Codes;
use crate::distance::{Kernel, Pairing, Rows, kernel};
use crate::query::CodeQuery;

/// Listed rows ahead of the one being measured that are asked for, unless told otherwise.
const LOOKAHEAD: usize = 8;

/// Measures from a query to coded rows.
pub struct CodeScorer<'a> {
    pairing: Pairing,
    kernel: Kernel,
    rows: usize,
    borrowed: PhantomData<&'a [u8]>,
}

// SAFETY: only reads, and what it reads is borrowed for `'a`.
unsafe impl Send for CodeScorer<'_> {}
// SAFETY: as above.
unsafe impl Sync for CodeScorer<'_> {}

impl<'a> CodeScorer<'a> {
    pub(crate) fn new(codes: &'a Codes, query: &'a CodeQuery) -> Self {
        let (code, row_bytes) = (codes.code(), codes.row_bytes());
        let lines = query.bytes();
        assert!(lines.len() >= code.query_bytes(codes.dim()), "a query of other codes");
        let pairing = Pairing {
            codes: codes.bytes().as_ptr(),
            row_bytes,
            tails: codes.tails().as_ptr(),
            query: lines.as_ptr(),
            constants: query.constants(),
            lookahead: LOOKAHEAD,
        };
        CodeScorer { pairing, kernel: kernel(simd::active(), code), rows: codes.len(), borrowed: PhantomData }
    }

    /// Asks for listed rows `rows` ahead of the one being measured; zero for none.
    #[must_use]
    pub fn with_lookahead(mut self, rows: usize) -> Self {
        self.pairing.lookahead = rows;
        self
    }
}

impl Scorer for CodeScorer<'_> {
    fn score(&self, rows: &[u32], out: &mut [f32]) {
        let above = rows.iter().fold(0, |above, &row| above.max(row as usize + 1));
        assert!(rows.len() == out.len() && above <= self.rows);
        // SAFETY: the level is available, and the codes hold every listed row.
        unsafe { (self.kernel)(&self.pairing, Rows::List(rows), out) };
    }

    fn score_run(&self, first: u32, out: &mut [f32]) {
        assert!(first as usize + out.len() <= self.rows);
        // SAFETY: the level is available, and the codes hold the run.
        unsafe { (self.kernel)(&self.pairing, Rows::Run(first as usize), out) };
    }
}
