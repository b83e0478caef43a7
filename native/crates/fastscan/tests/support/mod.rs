//! Rows to search, and searches.

use elanus_fastscan::{FastScan, Question, Request};
use elanus_kernels::{Column, ColumnScorer, Element, Hit, Queries, Stop};

/// Numbers that look random, the same every time.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    /// Sums of uniform numbers, near enough to normal ones.
    fn normal(&mut self) -> f32 {
        (0..6).map(|_| self.next() as f32 / (1_u64 << 31) as f32 - 0.5).sum()
    }
}

/// Rows around some centres, as bytes of floats.
pub fn clustered(rows: usize, dim: usize, seed: u64) -> Vec<u8> {
    let mut centres = Numbers(7);
    let centres: Vec<Vec<f32>> = (0..20).map(|_| (0..dim).map(|_| 2.0 * centres.normal()).collect()).collect();
    let mut numbers = Numbers(seed);
    let mut bytes = Vec::new();
    for _ in 0..rows {
        let centre = &centres[(numbers.next() % 20) as usize];
        bytes.extend(centre.iter().flat_map(|value| (value + numbers.normal()).to_le_bytes()));
    }
    bytes
}

/// Rows of floats.
pub fn floats(bytes: &[u8], dim: usize) -> Column<'_> {
    Column::new(bytes, bytes.len() / dim / 4, dim, Element::F32).expect("a column")
}

/// A search for `k` rows with nothing special.
pub fn all(rows: usize, k: usize) -> Request<'static> {
    Request { k, refine: 0, rows, keep: None, threads: 1, stop: Stop::default() }
}

/// Searches with exact scorers of the column.
pub fn search(codes: &FastScan, base: &Column, asked: &Column, request: &Request) -> Vec<Vec<Hit>> {
    let queries = Queries::new(asked, base.element(), codes.metric()).expect("queries");
    let vectors: Vec<_> = (0..asked.rows()).map(|query| asked.floats(query)).collect();
    let scorers: Vec<_> =
        (0..asked.rows()).map(|query| ColumnScorer::new(&queries, query, base, codes.metric())).collect();
    let questions: Vec<Question> =
        vectors.iter().zip(&scorers).map(|(vector, exact)| Question { vector, exact }).collect();
    codes.search(&questions, request).expect("nobody stops it")
}
