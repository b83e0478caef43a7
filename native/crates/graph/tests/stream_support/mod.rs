//! Seeded data, a graph made by brute force, and the answers that a search is compared with.

#![allow(dead_code, reason = "each file of tests uses a part")]

use std::collections::HashSet;

use elanus_graph::{Keep, Links, NONE, Stop};
use elanus_kernels::{Column, ColumnScorer, Element, Hit, Metric, Queries, Scorer, Space};

/// Links of a row.
pub const WIDTH: usize = 20;

/// A random number generator that needs no crate.
pub struct Random(pub u64);

impl Random {
    /// The next number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % bound
    }

    /// A number around zero, roughly normal with deviation one.
    pub fn normal(&mut self) -> f32 {
        let uniform: f32 = (0..6).map(|_| self.below(1 << 20) as f32 / (1 << 20) as f32).sum();
        (uniform - 3.0) * 1.414
    }
}

/// Vectors with a graph over them.
pub struct World {
    pub bytes: Vec<u8>,
    pub rows: usize,
    pub dim: usize,
    pub links: Vec<u32>,
}

impl World {
    /// Takes vectors and links each to near ones, some ways back and one far away.
    pub fn new(vectors: &[f32], dim: usize, seed: u64) -> Self {
        let bytes: Vec<u8> = vectors.iter().flat_map(|x| x.to_le_bytes()).collect();
        let rows = vectors.len() / dim;
        let mut world = World { bytes, rows, dim, links: Vec::new() };
        let mut lists: Vec<Vec<u32>> = (0..rows).map(|row| world.near(row, vectors)).collect();
        let mut random = Random(seed);
        for row in 0..rows {
            for neighbour in lists[row].clone() {
                let back = &mut lists[neighbour as usize];
                if back.len() < WIDTH - 1 && !back.contains(&(row as u32)) {
                    back.push(row as u32);
                }
            }
            lists[row].push(random.below(rows) as u32);
        }
        for list in &mut lists {
            list.truncate(WIDTH);
            list.resize(WIDTH, NONE);
        }
        world.links = lists.concat();
        world
    }

    /// Takes vectors without linking them.
    pub fn bare(vectors: &[f32], dim: usize) -> Self {
        let bytes = vectors.iter().flat_map(|x| x.to_le_bytes()).collect();
        World { bytes, rows: vectors.len() / dim, dim, links: Vec::new() }
    }

    /// Clusters of unequal spread, linked.
    pub fn clustered(rows: usize, dim: usize, seed: u64) -> Self {
        World::new(&clusters(rows, dim, seed), dim, seed)
    }

    /// A query near the row of that number.
    pub fn query(&self, random: &mut Random) -> Vec<f32> {
        let row = random.below(self.rows);
        self.vector(row).iter().map(|x| x + random.normal() * 0.4).collect()
    }

    pub fn vector(&self, row: usize) -> Vec<f32> {
        let (floats, _) = self.bytes[row * self.dim * 4..(row + 1) * self.dim * 4].as_chunks::<4>();
        floats.iter().map(|x| f32::from_le_bytes(*x)).collect()
    }

    pub fn column(&self) -> Column<'_> {
        Column::new(&self.bytes, self.rows, self.dim, Element::F32).unwrap()
    }

    pub fn queries(&self, query: &[f32]) -> Queries {
        let bytes: Vec<u8> = query.iter().flat_map(|x| x.to_le_bytes()).collect();
        Queries::new(&Column::new(&bytes, 1, self.dim, Element::F32).unwrap(), Element::F32, Metric::L2).unwrap()
    }

    pub fn links(&self) -> Links<'_> {
        let entry = if self.rows == 0 { NONE } else { 0 };
        Links::new(self.rows, WIDTH, &self.links, 0, Vec::new(), entry).unwrap()
    }

    /// Runs `check` with a scorer from `query`.
    pub fn with_scorer<T>(&self, query: &[f32], check: impl FnOnce(&dyn Scorer) -> T) -> T {
        let queries = self.queries(query);
        check(&ColumnScorer::new(&queries, 0, &self.column(), Metric::L2))
    }

    /// All passing rows, nearest first, by a scan.
    pub fn truth(&self, query: &[f32], keep: Option<Keep>) -> Vec<Hit> {
        let mut distances = vec![0.0; self.rows];
        self.with_scorer(query, |scorer| scorer.score_run(0, &mut distances));
        let passing = (0..self.rows as u32).filter(|&row| keep.is_none_or(|keep| keep.contains(row)));
        let mut hits: Vec<Hit> = passing.map(|row| Hit { row, distance: distances[row as usize] }).collect();
        hits.sort_by(|a, b| a.distance.total_cmp(&b.distance).then(a.row.cmp(&b.row)));
        hits
    }

    /// Near rows of a row in different directions.
    fn near(&self, row: usize, vectors: &[f32]) -> Vec<u32> {
        let vector = |row: u32| &vectors[row as usize * self.dim..(row as usize + 1) * self.dim];
        let mut distances = vec![0.0; self.rows];
        self.with_scorer(vector(row as u32), |scorer| scorer.score_run(0, &mut distances));
        let mut nearest: Vec<u32> = (0..self.rows as u32).filter(|&other| other as usize != row).collect();
        let by_distance = |a: &u32, b: &u32| distances[*a as usize].total_cmp(&distances[*b as usize]);
        if nearest.len() > 48 {
            nearest.select_nth_unstable_by(48, by_distance);
            nearest.truncate(48);
        }
        nearest.sort_by(by_distance);
        let mut kept: Vec<u32> = Vec::new();
        for next in nearest {
            let shadowed = |&other: &u32| squared(vector(next), vector(other)) * 1.1 < distances[next as usize];
            if kept.len() < WIDTH / 2 && !kept.iter().any(shadowed) {
                kept.push(next);
            }
        }
        kept
    }
}

/// Vectors in clusters of unequal spread.
pub fn clusters(rows: usize, dim: usize, seed: u64) -> Vec<f32> {
    let mut random = Random(seed);
    let centres: Vec<f32> = (0..rows.div_ceil(50) * dim).map(|_| random.normal() * 1.5).collect();
    (0..rows)
        .flat_map(|row| {
            let centre = random.below(rows.div_ceil(50)) * dim;
            let spread = 0.5 + (row % 3) as f32 * 0.4;
            (0..dim).map(|at| centres[centre + at] + random.normal() * spread).collect::<Vec<_>>()
        })
        .collect()
}

/// Rows measured from each other.
pub struct Points<'a> {
    column: Column<'a>,
    queries: Queries,
}

impl<'a> Points<'a> {
    pub fn new(world: &'a World) -> Self {
        let column = world.column();
        Points { column, queries: Queries::new(&column, Element::F32, Metric::L2).unwrap() }
    }
}

impl Space for Points<'_> {
    fn rows(&self) -> usize {
        self.column.rows()
    }

    fn scorer_of(&self, row: u32) -> Box<dyn Scorer + '_> {
        Box::new(ColumnScorer::new(&self.queries, row as usize, &self.column, Metric::L2))
    }
}

fn squared(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum()
}

/// Distances with an error, as codes have them: up to this share of the distance.
pub struct Coarse<'a>(pub &'a dyn Scorer, pub f32);

impl Scorer for Coarse<'_> {
    fn score(&self, rows: &[u32], out: &mut [f32]) {
        self.0.score(rows, out);
        for (distance, row) in out.iter_mut().zip(rows) {
            *distance *= 1.0 + (row.wrapping_mul(2_654_435_761) >> 16) as f32 / 65_536.0 * self.1;
        }
    }

    fn score_run(&self, first: u32, out: &mut [f32]) {
        let rows: Vec<u32> = (first..first + out.len() as u32).collect();
        self.score(&rows, out);
    }
}

/// A bitmap of the rows for which `passes` holds.
pub fn bitmap(rows: usize, mut passes: impl FnMut(usize) -> bool) -> Vec<u8> {
    let mut bits = vec![0; rows.div_ceil(8)];
    for row in (0..rows).filter(|&row| passes(row)) {
        bits[row / 8] |= 1 << (row % 8);
    }
    bits
}

/// Share of `expected` that is among `found`.
pub fn overlap(found: &[Hit], expected: &[Hit]) -> f64 {
    let rows: HashSet<u32> = found.iter().map(|hit| hit.row).collect();
    let shared = expected.iter().filter(|hit| rows.contains(&hit.row)).count();
    shared as f64 / expected.len().max(1) as f64
}

/// Fails where a row is there twice, or at another distance than `truth` says.
pub fn check_rows(found: &[Hit], truth: &[Hit]) {
    let mut seen = HashSet::new();
    let distances: std::collections::HashMap<u32, f32> = truth.iter().map(|hit| (hit.row, hit.distance)).collect();
    for hit in found {
        assert!(seen.insert(hit.row), "row {} twice", hit.row);
        assert_eq!(distances.get(&hit.row), Some(&hit.distance), "row {}", hit.row);
    }
}

/// Fails where hits do not ascend by distance, then row.
pub fn check_ascending(hits: &[Hit]) {
    assert!(hits.is_sorted_by(|a, b| (a.distance, a.row) < (b.distance, b.row)), "{hits:?}");
}

/// Never gives up.
pub const NEVER: Stop<'static> = Stop { cancelled: None, deadline: None };
