//! Which of the near rows become neighbours: those that lead in different directions.

use elanus_kernels::{Scorer, Space};

use super::store::mixed;

/// A row that may become, or is, a neighbour.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Near {
    /// How far it is from the row whose neighbours are chosen.
    pub distance: f32,
    /// The row.
    pub row: u32,
    /// Its place in the list that is pruned.
    pub place: u32,
    /// Chosen before beside the others that are settled, so they need no comparison.
    pub settled: bool,
}

/// Rows nearer than this share of the farthest candidate's distance are copies: rounding alone tells them apart.
const COPY: f32 = 1e-5;

/// Candidates that are compared with each other at once. Nearly always enough are found among the first so many.
const BLOCK: usize = 64;

/// Chooses neighbours; keeps its memory between calls.
#[derive(Debug, Default)]
pub struct Selector {
    kept: Vec<Near>,
    open: Vec<Near>,
    rows: Vec<u32>,
    distances: Vec<f32>,
}

impl Selector {
    /// Leaves at most `limit` of the candidates of `row`, nearest first.
    ///
    /// A candidate is left when it is nearer to `row` than to every one left before it. Copies of `row` say nothing
    /// about directions: they take no part in that, and get at most half of the places.
    pub fn choose(&mut self, space: &dyn Space, row: u32, candidates: &mut Vec<Near>, limit: usize) {
        let apart = |near: &Near| space.apart(row, near.row, near.distance);
        let farthest = candidates.iter().map(apart).fold(0.0, f32::max).min(f32::MAX);
        let is_copy = |near: &Near| apart(near) <= farthest * COPY;
        candidates.sort_unstable_by(|a, b| {
            let distances = a.distance.total_cmp(&b.distance).then(a.row.cmp(&b.row));
            is_copy(b).cmp(&is_copy(a)).then(distances)
        });
        let num_copies = candidates.partition_point(is_copy);
        self.kept.clear();
        self.choose_spread(space, &candidates[num_copies..], limit - num_copies.min(limit / 4));
        candidates.truncate(num_copies);
        // All rows of a group of copies find the same ones first; by chance, each has its own.
        candidates
            .sort_unstable_by_key(|near| mixed(u64::from(row.min(near.row)) << 32 | u64::from(row.max(near.row))));
        candidates.truncate((limit - self.kept.len()).min(limit.div_ceil(2)));
        candidates.extend_from_slice(&self.kept);
    }

    fn choose_spread(&mut self, space: &dyn Space, candidates: &[Near], limit: usize) {
        let mut scorers: Vec<Box<dyn Scorer + '_>> = Vec::new();
        let mut blocks = candidates.chunks(BLOCK).peekable();
        while let Some(block) = blocks.next() {
            self.open.clear();
            self.open.extend_from_slice(block);
            for (index, scorer) in scorers.iter().enumerate() {
                self.drop_nearer_to(&**scorer, self.kept[index].settled, 0);
            }
            let mut next = 0;
            while next < self.open.len() && self.kept.len() < limit {
                let near = self.open[next];
                self.kept.push(near);
                next += 1;
                if next == self.open.len() && blocks.peek().is_none() {
                    break;
                }
                let scorer = space.scorer_of(near.row);
                self.drop_nearer_to(&*scorer, near.settled, next);
                if blocks.peek().is_some() {
                    scorers.push(scorer);
                }
            }
            if self.kept.len() == limit {
                break;
            }
        }
    }

    /// Takes those out of `open[from..]` that are nearer to the row that `scorer` measures from.
    fn drop_nearer_to(&mut self, scorer: &dyn Scorer, settled: bool, from: usize) {
        self.rows.clear();
        self.rows.extend(self.open[from..].iter().filter(|near| !(settled && near.settled)).map(|near| near.row));
        if self.rows.is_empty() {
            return;
        }
        self.distances.resize(self.rows.len(), 0.0);
        scorer.score(&self.rows, &mut self.distances);
        let mut distances = self.distances.iter();
        let mut end = from;
        for index in from..self.open.len() {
            let near = self.open[index];
            let stays = settled && near.settled || distances.next().is_some_and(|&distance| distance >= near.distance);
            self.open[end] = near;
            end += usize::from(stays);
        }
        self.open.truncate(end);
    }
}
