//! Indexes over seeded and over real vectors, filters of every kind, and the answers that a search is compared with.

#![allow(dead_code, reason = "each file of tests uses a part")]

use std::sync::Mutex;

use elanus_codes::{Code, CodeQuery, Codes, Encoded, encode};
use elanus_graph::{BuildSettings, Built, Keep, Report, Request, Stop, Stopped, Strategy, Tuning, build, search};
use elanus_kernels::{Column, ColumnScorer, Element, Hit, Metric, Queries, Scorer};

/// Every way that can be forced.
pub const FORCED: [Strategy; 5] = [Strategy::Plain, Strategy::Alpha, Strategy::Mix, Strategy::Bridge, Strategy::Scan];

/// A random number generator that needs no crate.
pub struct Random(pub u64);

impl Random {
    /// A number from zero to one.
    pub fn share(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1 << 24) as f32
    }

    /// A number around zero, roughly normal with deviation one.
    pub fn normal(&mut self) -> f32 {
        (0..6).map(|_| self.share()).sum::<f32>().mul_add(1.414, -3.0 * 1.414)
    }
}

/// Vectors, their codes, a graph over them, and queries.
pub struct World {
    pub rows: usize,
    pub dim: usize,
    pub built: Built,
    bytes: Vec<u8>,
    encoded: Encoded,
    queries: Vec<Vec<f32>>,
    prepared: Queries,
}

fn bytes_of(vectors: &[f32]) -> Vec<u8> {
    vectors.iter().flat_map(|x| x.to_le_bytes()).collect()
}

impl World {
    /// Builds an index over all vectors but the last `queries`, which are asked.
    pub fn new(vectors: &[f32], dim: usize, queries: usize) -> Self {
        let rows = vectors.len() / dim - queries;
        let (base, asked) = vectors.split_at(rows * dim);
        let bytes = bytes_of(base);
        let column = Column::new(&bytes, rows, dim, Element::F32).unwrap();
        let encoded = encode(&column, Metric::L2, Code::Sq8, None, 1);
        let codes = codes(&encoded, rows, dim);
        let settings = BuildSettings { m: 12, ef_construction: 80, threads: 1, seed: 1 };
        let built = build(&codes, None, &settings, &|_| true).unwrap();
        let asked_bytes = bytes_of(asked);
        let asked_column = Column::new(&asked_bytes, queries, dim, Element::F32).unwrap();
        let prepared = Queries::new(&asked_column, Element::F32, Metric::L2).unwrap();
        let queries = asked.chunks_exact(dim).map(<[f32]>::to_vec).collect();
        World { rows, dim, built, bytes, encoded, queries, prepared }
    }

    /// Topics in a few dimensions, some of them close to each other.
    pub fn clustered(rows: usize) -> Self {
        let (dim, topics, queries) = (16, 40, 30);
        let mut random = Random(7);
        let centres: Vec<f32> = (0..topics * dim).map(|_| random.normal()).collect();
        let vectors: Vec<f32> = (0..(rows + queries) * dim)
            .map(|at| centres[(at / dim * 7919 % topics) * dim + at % dim] + 0.6 * random.normal())
            .collect();
        World::new(&vectors, dim, queries)
    }

    /// Sentence embeddings from a file of half floats, where there is one.
    pub fn wordnet(rows: usize) -> Option<Self> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../tests/data/wordnet/base.f16.npy");
        let file = std::fs::read(path).ok()?;
        let start = usize::from(u16::from_le_bytes([file[8], file[9]])) + 10;
        let (dim, queries) = (384, 20);
        let column = Column::new(&file[start..], rows + queries, dim, Element::F16).ok()?;
        let vectors: Vec<f32> = (0..rows + queries).flat_map(|row| column.floats(row)).collect();
        Some(World::new(&vectors, dim, queries))
    }

    pub fn queries(&self) -> usize {
        self.queries.len()
    }

    pub fn query(&self, query: usize) -> &[f32] {
        &self.queries[query]
    }

    pub fn codes(&self) -> Codes<'_> {
        codes(&self.encoded, self.rows, self.dim)
    }

    pub fn exact(&self, query: usize) -> ColumnScorer<'_> {
        let column = Column::new(&self.bytes, self.rows, self.dim, Element::F32).unwrap();
        ColumnScorer::new(&self.prepared, query, &column, Metric::L2)
    }

    pub fn vector(&self, row: usize) -> Vec<f32> {
        Column::new(&self.bytes, self.rows, self.dim, Element::F32).unwrap().floats(row)
    }

    /// The passing rows, nearest first.
    pub fn truth(&self, query: usize, bits: &[u8]) -> Vec<Hit> {
        let mut distances = vec![0.0; self.rows];
        self.exact(query).score_run(0, &mut distances);
        let hits = distances.iter().enumerate().map(|(row, &distance)| Hit { row: row as u32, distance });
        let mut hits: Vec<Hit> = hits.filter(|hit| bits[hit.row as usize / 8] >> (hit.row % 8) & 1 == 1).collect();
        hits.sort_by(|a, b| a.distance.total_cmp(&b.distance).then(a.row.cmp(&b.row)));
        hits
    }

    /// Searches; also tells which rows the walk or the scan scored.
    pub fn search(&self, query: usize, asked: &Asked) -> Result<(Vec<Hit>, Report, Vec<u32>), Stopped> {
        let codes = self.codes();
        let prepared: CodeQuery = codes.prepare(&self.queries[query]);
        let scorer = codes.scorer(&prepared);
        let recorded = Recorded { scorer: &scorer, rows: Mutex::default() };
        let keep = asked.bits.map(|bits| Keep::new(bits, self.rows).unwrap());
        let Asked { k, ef, strategy, stop, .. } = *asked;
        let request = Request { k, ef, refine: 3 * k, strategy, keep, stop };
        let mut hits = Vec::new();
        let exact = self.exact(query);
        let report = search(&self.built.links(), &recorded, &exact, &asked.tuning, &request, &mut hits)?;
        Ok((hits, report, recorded.rows.into_inner().unwrap()))
    }

    /// The share of the true `k` nearest that is found over all queries.
    pub fn recall(&self, asked: &Asked) -> f32 {
        let (mut found, mut wanted) = (0, 0);
        for query in 0..self.queries() {
            let truth = self.truth(query, asked.bits.unwrap());
            let truth = &truth[..asked.k.min(truth.len())];
            let (hits, ..) = self.search(query, asked).unwrap();
            wanted += truth.len();
            found += truth.iter().filter(|hit| hits.contains(hit)).count();
        }
        found as f32 / wanted.max(1) as f32
    }
}

fn codes(encoded: &Encoded, rows: usize, dim: usize) -> Codes<'_> {
    Codes::new(Code::Sq8, Metric::L2, rows, dim, &encoded.codes, &encoded.tails, &encoded.mean).unwrap()
}

/// A request, with the usual values for what a test does not care about.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    pub k: usize,
    pub ef: usize,
    pub strategy: Strategy,
    pub bits: Option<&'a [u8]>,
    pub stop: Stop<'a>,
    pub tuning: Tuning,
}

impl<'a> Asked<'a> {
    pub fn new(strategy: Strategy, bits: &'a [u8]) -> Self {
        let (stop, tuning) = (Stop::default(), Tuning::default());
        Asked { k: 10, ef: 48, strategy, bits: Some(bits), stop, tuning }
    }
}

/// A scorer that remembers what it was asked for.
pub struct Recorded<'a> {
    pub scorer: &'a dyn Scorer,
    pub rows: Mutex<Vec<u32>>,
}

impl Scorer for Recorded<'_> {
    fn score(&self, rows: &[u32], out: &mut [f32]) {
        self.rows.lock().unwrap().extend(rows);
        self.scorer.score(rows, out);
    }

    fn score_run(&self, first: u32, out: &mut [f32]) {
        self.rows.lock().unwrap().extend(first..first + out.len() as u32);
        self.scorer.score_run(first, out);
    }
}

/// A bitmap of the rows that pass.
pub fn bits_of(rows: usize, mut passes: impl FnMut(usize) -> bool) -> Vec<u8> {
    let mut bits = vec![0; rows.div_ceil(8)];
    (0..rows).filter(|&row| passes(row)).for_each(|row| bits[row / 8] |= 1 << (row % 8));
    bits
}

/// A filter that a `share` of the rows passes, whatever their vectors.
pub fn independent(rows: usize, share: f32) -> Vec<u8> {
    let mut random = Random(11);
    bits_of(rows, |_| random.share() < share)
}

/// A filter that the `share` of the rows passes that lies farthest from a query, or nearest to it.
pub fn by_distance(world: &World, query: usize, share: f32, nearest: bool) -> Vec<u8> {
    let all = vec![0xFF; world.rows.div_ceil(8)];
    let mut truth = world.truth(query, &all);
    if !nearest {
        truth.reverse();
    }
    let passing = (world.rows as f32 * share) as usize;
    let rows: std::collections::HashSet<u32> = truth[..passing].iter().map(|hit| hit.row).collect();
    bits_of(world.rows, |row| rows.contains(&(row as u32)))
}
