//! Vectors to build over: the `WordNet` slice, seeded clouds, copies; measured exactly.

use elanus_kernels::{Column, ColumnScorer, Element, Metric, Queries, Scorer, Space};

/// Vectors of floats under squared Euclidean distance.
pub struct Vectors {
    pub dim: usize,
    bytes: Vec<u8>,
    queries: Queries,
}

impl Vectors {
    pub fn new(values: &[f32], dim: usize) -> Self {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let column = Column::new(&bytes, values.len() / dim, dim, Element::F32).unwrap();
        let queries = Queries::new(&column, Element::F32, Metric::L2).unwrap();
        Vectors { dim, bytes, queries }
    }

    fn column(&self) -> Column<'_> {
        Column::new(&self.bytes, self.rows(), self.dim, Element::F32).unwrap()
    }

    /// The coordinates of a row.
    pub fn row(&self, row: usize) -> Vec<f32> {
        self.column().floats(row)
    }

    /// Measures from a vector of `queries` to the rows of this.
    pub fn scorer_from<'a>(&'a self, queries: &'a Vectors, query: usize) -> ColumnScorer<'a> {
        ColumnScorer::new(&queries.queries, query, &self.column(), Metric::L2)
    }
}

/// The `k` nearest rows below `upto` that pass, and their distances.
pub fn nearest(scorer: &dyn Scorer, k: usize, upto: usize, passes: impl Fn(u32) -> bool) -> Vec<(f32, u32)> {
    let mut distances = vec![0.0; upto];
    scorer.score_run(0, &mut distances);
    let rows = (0..upto as u32).filter(|&row| passes(row));
    let mut all: Vec<(f32, u32)> = rows.map(|row| (distances[row as usize], row)).collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    all.truncate(k);
    all
}

impl Space for Vectors {
    fn rows(&self) -> usize {
        self.bytes.len() / 4 / self.dim
    }

    fn scorer_of(&self, row: u32) -> Box<dyn Scorer + '_> {
        Box::new(ColumnScorer::new(&self.queries, row as usize, &self.column(), Metric::L2))
    }
}

/// So many rows, or fewer where the code under test is compiled without optimization and takes ten times as long.
pub const fn sized(rows: usize) -> usize {
    if cfg!(debug_assertions) { rows / 5 } else { rows }
}

/// A generator of numbers, the same for the same seed.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub fn below(&mut self, end: usize) -> usize {
        (self.roll() >> 33) as usize % end
    }

    fn uniform(&mut self) -> f32 {
        ((self.roll() >> 40) as f32 + 0.5) / (1 << 24) as f32
    }

    fn normal(&mut self) -> f32 {
        (-2.0 * self.uniform().ln()).sqrt() * (std::f32::consts::TAU * self.uniform()).cos()
    }
}

/// Normally distributed coordinates.
pub fn gaussian(rows: usize, dim: usize, seed: u64) -> Vectors {
    let mut dice = Dice::new(seed);
    Vectors::new(&(0..rows * dim).map(|_| dice.normal()).collect::<Vec<_>>(), dim)
}

/// Clouds around `clusters` centres that are `apart` times as far from each other as a cloud is wide.
pub fn clustered(rows: usize, dim: usize, clusters: usize, apart: f32, seed: u64) -> Vectors {
    let mut dice = Dice::new(7);
    let centres: Vec<f32> = (0..clusters * dim).map(|_| apart * dice.normal()).collect();
    let mut dice = Dice::new(seed);
    let mut values = Vec::with_capacity(rows * dim);
    for _ in 0..rows {
        let centre = dice.below(clusters) * dim;
        values.extend(centres[centre..centre + dim].iter().map(|x| x + dice.normal()));
    }
    Vectors::new(&values, dim)
}

/// Vectors of the `WordNet` slice, at length one: the rows for `base`, others for `queries`.
pub fn wordnet(name: &str) -> Vectors {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../tests/data/wordnet");
    let file = std::fs::read(format!("{folder}/{name}.f16.npy")).unwrap();
    let header = usize::from(u16::from_le_bytes([file[8], file[9]])) + 10;
    let dim = 384;
    let column = Column::new(&file[header..], (file.len() - header) / 2 / dim, dim, Element::F16).unwrap();
    let mut values = Vec::with_capacity(column.rows() * dim);
    for row in 0..sized(column.rows()) {
        let vector = column.floats(row);
        let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
        values.extend(vector.iter().map(|x| x / length));
    }
    Vectors::new(&values, dim)
}
