//! Lloyd's k-means in every sub-space, on a sample of the rows.

use elanus_kernels::{Column, Metric, bitmap};

use crate::codebook::{Codebook, half_squares};
use crate::nearest::{CENTROIDS, Sixteen, assign};
use crate::random::Random;
use crate::tile::{Lane, ROWS, fill};

/// How to train.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Dimensions of a sub-space; zero chooses by the number of dimensions.
    pub width: usize,
    /// Threads to share the work; the result does not depend on them.
    pub threads: usize,
    /// Which sample, and which first centroids.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { width: 0, threads: 1, seed: 1 }
    }
}

/// Most rows in the sample: about a thousand for each centroid.
const SAMPLE_ROWS: usize = 16_384;

/// Most values in the sample, for vectors of very many dimensions.
const SAMPLE_VALUES: usize = 1 << 24;

/// Rounds of Lloyd's iteration; later ones move the centroids by less than they stray from one sample to the next.
const ROUNDS: usize = 12;

/// Dimensions of a sub-space by default: few vectors' dimensions need many codes, and of many dimensions a code tells
/// less each than the re-ranking of a few more rows costs.
fn default_width(dim: usize) -> usize {
    (dim / 64).clamp(1, 6)
}

/// Trains on the kept rows of a column; without any, all centroids are zero.
pub(crate) fn train(column: &Column, metric: Metric, keep: Option<&[u8]>, settings: &Settings) -> Codebook {
    let width = if settings.width == 0 { default_width(column.dim()) } else { settings.width.min(column.dim()) };
    let subspaces = column.dim().div_ceil(width);
    let rows = sample(column, keep, settings.seed);
    let mut tiles = vec![[0.0; ROWS]; rows.len().div_ceil(ROWS) * subspaces * width];
    for (tile, rows) in tiles.chunks_exact_mut(subspaces * width).zip(rows.chunks(ROWS)) {
        fill(tile, column, metric, rows.iter().copied());
    }
    bound(&mut tiles, subspaces * width, rows.len());
    let mut centroids = vec![[0.0; CENTROIDS]; subspaces * width];
    let mut squares = vec![[0.0; CENTROIDS]; subspaces];
    let each = subspaces.div_ceil(settings.threads.max(1));
    std::thread::scope(|scope| {
        let parts = centroids.chunks_mut(each * width).zip(squares.chunks_mut(each));
        for (part, (centroids, squares)) in parts.enumerate() {
            let (tiles, count) = (&tiles, rows.len());
            let work = move || {
                for (at, (centroids, square)) in centroids.chunks_exact_mut(width).zip(squares).enumerate() {
                    let subspace = part * each + at;
                    let points = Points::gather(tiles, subspace * width, width, subspaces * width, count);
                    points.cluster(&mut Random::new(settings.seed, subspace as u64), centroids, square);
                }
            };
            if settings.threads > 1 {
                scope.spawn(work);
            } else {
                work();
            }
        }
    });
    let mut codebook = Codebook::new(column.dim(), width, metric, centroids, squares);
    let slope = slope_of_lengths(&codebook, &tiles, rows.len());
    codebook.squares.as_flattened_mut().iter_mut().for_each(|square| *square *= slope);
    codebook
}

/// Brings values that are far from nearly all others of their dimension as near as a quarter of the span of those: a
/// centroid far away would take the steps of every table for itself.
fn bound(tiles: &mut [Lane], stride: usize, count: usize) {
    if count == 0 {
        return;
    }
    let rare = count / 1000;
    let mut values = Vec::with_capacity(count);
    for dimension in 0..stride {
        values.clear();
        values.extend(tiles[dimension..].iter().step_by(stride).flatten());
        values.truncate(count);
        let (_, &mut low, _) = values.select_nth_unstable_by(rare, f32::total_cmp);
        let (_, &mut high, _) = values.select_nth_unstable_by(count - 1 - rare, f32::total_cmp);
        let span = 0.25 * (high - low);
        for value in tiles[dimension..].iter_mut().step_by(stride).flatten() {
            *value = value.clamp(low - span, high + span);
        }
    }
}

/// By how much a row's squared length grows with what its codes tell of it: the slope of least squares.
///
/// It is about one where lengths differ, and zero where all are the same: there what the codes tell is noise.
fn slope_of_lengths(codebook: &Codebook, tiles: &[Lane], count: usize) -> f32 {
    let mut codes = [0; ROWS];
    let (mut told, mut real) = (Vec::new(), Vec::new());
    for tile in tiles.chunks_exact(codebook.subspaces() * codebook.width) {
        let (mut of_codes, mut of_rows) = ([0.0; ROWS], [0.0; ROWS]);
        for (subspace, lanes) in tile.chunks_exact(codebook.width).enumerate() {
            codebook.name(subspace, lanes, &mut codes);
            for row in 0..ROWS {
                of_codes[row] += f64::from(codebook.squares[subspace][usize::from(codes[row])]);
                of_rows[row] += lanes.iter().map(|lane| f64::from(lane[row]).powi(2)).sum::<f64>();
            }
        }
        told.extend(of_codes);
        real.extend(of_rows);
    }
    let mean = |values: &[f64]| values.iter().sum::<f64>() / count.max(1) as f64;
    told.truncate(count);
    real.truncate(count);
    let (mean_told, mean_real) = (mean(&told), mean(&real));
    let along: f64 = told.iter().zip(&real).map(|(told, real)| (told - mean_told) * (real - mean_real)).sum();
    let across: f64 = told.iter().map(|told| (told - mean_told).powi(2)).sum();
    if across > 0.0 { (along / across).clamp(0.0, 2.0) as f32 } else { 1.0 }
}

/// Kept rows spread over the column, ascending: one at random from each of equal stretches.
fn sample(column: &Column, keep: Option<&[u8]>, seed: u64) -> Vec<usize> {
    let kept: Option<Vec<usize>> = keep.map(|bits| {
        let mut kept = Vec::new();
        bitmap::for_each(bits, column.rows(), |row| kept.push(row));
        kept
    });
    let total = kept.as_ref().map_or(column.rows(), Vec::len);
    let count = total.min(SAMPLE_ROWS).min((SAMPLE_VALUES / column.dim()).max(CENTROIDS * CENTROIDS));
    let mut random = Random::new(seed, u64::MAX);
    let nth = |at: usize| kept.as_ref().map_or(at, |kept| kept[at]);
    let stretch = |at: usize| at * total / count;
    (0..count).map(|at| nth(stretch(at) + random.below(stretch(at + 1) - stretch(at)))).collect()
}

/// The sample in one sub-space, 64 points a tile.
struct Points {
    lanes: Vec<Lane>,
    width: usize,
    count: usize,
}

impl Points {
    /// Brings together the dimensions from `first` on of tiles of `stride` dimensions.
    fn gather(tiles: &[Lane], first: usize, width: usize, stride: usize, count: usize) -> Self {
        let lanes = tiles.chunks_exact(stride).flat_map(|tile| &tile[first..first + width]).copied().collect();
        Points { lanes, width, count }
    }

    /// Finds centroids, and the mean squared length of the points near each.
    fn cluster(&self, random: &mut Random, centroids: &mut [Sixteen], squares: &mut Sixteen) {
        if self.count == 0 {
            return;
        }
        for name in 0..CENTROIDS {
            let point = random.below(self.count);
            for (dimension, centroid) in centroids.iter_mut().enumerate() {
                centroid[name] = self.lanes[point / ROWS * self.width + dimension][point % ROWS];
            }
        }
        for _ in 0..ROUNDS {
            let sums = Sums::of(self, centroids);
            sums.move_centroids(centroids);
        }
        let sums = Sums::of(self, centroids);
        for (name, square) in squares.iter_mut().enumerate() {
            let own: f32 = centroids.iter().map(|dimension| dimension[name] * dimension[name]).sum();
            let found = (sums.squares[name] / sums.counts[name].max(1) as f64) as f32;
            *square = if sums.counts[name] > 0 { found } else { own };
        }
    }
}

/// What the points near each centroid add up to.
struct Sums {
    counts: [usize; CENTROIDS],
    values: Vec<[f64; CENTROIDS]>,
    squares: [f64; CENTROIDS],
}

impl Sums {
    fn of(points: &Points, centroids: &[Sixteen]) -> Self {
        let halves = half_squares(centroids);
        let mut codes = [0; ROWS];
        let mut sums =
            Sums { counts: [0; CENTROIDS], values: vec![[0.0; CENTROIDS]; points.width], squares: [0.0; CENTROIDS] };
        for (tile, lanes) in points.lanes.chunks_exact(points.width).enumerate() {
            assign(lanes, centroids, &halves, &mut codes);
            let codes = &codes[..ROWS.min(points.count - tile * ROWS)];
            for &code in codes {
                sums.counts[usize::from(code)] += 1;
            }
            for (lane, values) in lanes.iter().zip(&mut sums.values) {
                for (&code, &value) in codes.iter().zip(lane) {
                    let value = f64::from(value);
                    values[usize::from(code & 15)] += value;
                    sums.squares[usize::from(code & 15)] += value * value;
                }
            }
        }
        sums
    }

    /// Puts each centroid in the middle of its points. One without points goes next to the one with most, which moves
    /// the other way: the next round splits those points between the two.
    fn move_centroids(mut self, centroids: &mut [Sixteen]) {
        for name in 0..CENTROIDS {
            if self.counts[name] > 0 {
                for (dimension, values) in centroids.iter_mut().zip(&self.values) {
                    dimension[name] = (values[name] / self.counts[name] as f64) as f32;
                }
            }
        }
        for name in 0..CENTROIDS {
            if self.counts[name] == 0 {
                let most = (0..CENTROIDS).max_by_key(|&other| self.counts[other]).unwrap_or(0);
                for (at, dimension) in centroids.iter_mut().enumerate() {
                    let step = if at % 2 == 0 { 1.0 / 1024.0 } else { -1.0 / 1024.0 };
                    dimension[name] = dimension[most] * (1.0 + step);
                    dimension[most] *= 1.0 - step;
                }
                self.counts[name] = self.counts[most] / 2;
                self.counts[most] -= self.counts[name];
            }
        }
    }
}
