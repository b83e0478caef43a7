//! Small data and indexes that the tests share.

use elanus_graph::{BuildSettings, Keep, Request, Stop, Strategy};
use elanus_hnsw::{Hnsw, Made, Query, Storage, make};
use elanus_kernels::{Column, Element, Hit, Metric};

pub const STRATEGIES: [Strategy; 6] =
    [Strategy::Auto, Strategy::Plain, Strategy::Alpha, Strategy::Mix, Strategy::Bridge, Strategy::Scan];

/// A linear congruential generator: the same numbers everywhere.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    pub fn below(&mut self, bound: usize) -> usize {
        self.next() as usize % bound
    }

    /// Between -1 and 1.
    pub fn float(&mut self) -> f32 {
        (self.next() % 20_001) as f32 / 10_000.0 - 1.0
    }
}

/// Vectors around a few centres, as bytes of the element.
pub fn clustered(rows: usize, dim: usize, element: Element, seed: u64) -> Vec<u8> {
    let mut random = Random(seed);
    let centres: Vec<f32> = (0..20 * dim).map(|_| random.float()).collect();
    let mut bytes = Vec::new();
    for _ in 0..rows {
        let centre = random.below(20) * dim;
        let values: Vec<f32> = (0..dim).map(|i| centres[centre + i] + 0.4 * random.float()).collect();
        match element {
            Element::F32 => values.iter().for_each(|value| bytes.extend(value.to_le_bytes())),
            Element::I8 => bytes.extend(values.iter().map(|value| (value * 80.0) as i8 as u8)),
            Element::Bit => {
                bytes.extend(
                    values
                        .chunks(8)
                        .map(|eight| eight.iter().fold(0, |byte, &value| byte << 1 | u8::from(value > 0.0))),
                );
            }
            _ => panic!("no test data of {element:?}"),
        }
    }
    bytes
}

pub fn settings() -> BuildSettings {
    BuildSettings { m: 8, ef_construction: 60, threads: 1, seed: 1 }
}

pub fn built(column: &Column, metric: Metric, storage: Storage) -> Made {
    make(column, metric, storage, None, &settings(), &|_| true).unwrap()
}

pub fn request(k: usize, ef: usize, strategy: Strategy, keep: Option<Keep<'_>>) -> Request<'_> {
    Request { k, ef, refine: 2 * k, strategy, keep, stop: Stop::default() }
}

pub fn found(index: &Hnsw, column: &Column, query: &Query, request: &Request) -> Vec<Hit> {
    let mut hits = Vec::new();
    index.search(query, 0, column, request, &mut hits).unwrap();
    hits
}
