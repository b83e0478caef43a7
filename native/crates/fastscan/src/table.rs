//! A query as tables of small integers.

use elanus_kernels::Metric;

use crate::codebook::{Codebook, GROUP};
use crate::kernel::{SPAN, Table};
use crate::level::each_level;
use crate::nearest::{CENTROIDS, Sixteen};

/// What the entries of a group's tables may add up to before they are rounded, by up to a half each.
const GROUP_SUM: f32 = 253.0;

/// What every centroid adds to the distance of a row from one query, in steps common to all sub-spaces.
pub(crate) struct Tables {
    /// One for each sub-space, and empty ones up to a whole group.
    pub(crate) entries: Vec<Table>,
    /// By how much sums of spans are shifted.
    pub(crate) shift: u32,
    /// No sum is greater.
    pub(crate) most: u16,
}

impl Tables {
    /// Prepares a query, finite and of the codebook's dimensions.
    pub(crate) fn new(codebook: &Codebook, query: &[f32]) -> Self {
        let mut partials = vec![[0.0; CENTROIDS]; codebook.groups() * GROUP];
        let dimensions = Dimensions { query, width: codebook.width, centroids: &codebook.centroids };
        products(&dimensions, &mut partials);
        if codebook.metric == Metric::L2 {
            expand(&codebook.squares, &mut partials);
        }
        let mut tables = vec![[0; CENTROIDS]; partials.len()];
        quantize(&mut partials, &mut tables);
        let spans = codebook.groups().div_ceil(SPAN);
        let shift = spans.next_power_of_two().trailing_zeros();
        let most = tables.chunks(SPAN * GROUP).map(|span| span.iter().map(greatest).sum::<u32>() >> shift).sum::<u32>();
        Tables { entries: tables, shift, most: most as u16 }
    }
}

fn greatest(table: &Table) -> u32 {
    u32::from(table.iter().copied().max().unwrap_or(0))
}

/// A query beside the centroids it is measured from.
struct Dimensions<'a> {
    query: &'a [f32],
    width: usize,
    centroids: &'a [Sixteen],
}

each_level! {
    /// Writes the negative products of the query's parts with their centroids.
    fn products(dimensions: &Dimensions, partials: &mut [Sixteen]) {
        let parts = dimensions.query.chunks(dimensions.width);
        let centroids = dimensions.centroids.chunks_exact(dimensions.width);
        for ((partial, part), centroids) in partials.iter_mut().zip(parts).zip(centroids) {
            let mut sums = [0.0; CENTROIDS];
            for (&value, dimension) in part.iter().zip(centroids) {
                for (sum, centroid) in sums.iter_mut().zip(dimension) {
                    *sum -= value * centroid;
                }
            }
            *partial = sums;
        }
    }
}

each_level! {
    /// Turns negative products into squared distances, but for the query's own square. The row's square is expected from
    /// the vectors that a centroid stands for; the centroid's own would be too small.
    fn expand(squares: &[Sixteen], partials: &mut [Sixteen]) {
        for (partial, squares) in partials.iter_mut().zip(squares) {
            for (value, square) in partial.iter_mut().zip(squares) {
                *value = square + 2.0 * *value;
            }
        }
    }
}

each_level! {
    /// Writes the partial distances as steps above the least of each sub-space, which all rows have in common.
    fn quantize(partials: &mut [Sixteen], tables: &mut [Table]) {
        let mut widest = 0.0_f32;
        for group in partials.as_chunks_mut::<GROUP>().0 {
            let mut range = 0.0;
            for partial in group {
                let least = partial.iter().copied().fold(f32::INFINITY, f32::min);
                for value in partial.iter_mut() {
                    *value -= least;
                }
                range += partial.iter().copied().fold(0.0, f32::max);
            }
            widest = widest.max(range);
        }
        // Finite: what is too small for steps of its own counts as equal.
        let scale = if widest > 0.0 { (GROUP_SUM / widest).min(f32::MAX) } else { 0.0 };
        for (partial, table) in partials.iter().zip(tables) {
            for (value, entry) in partial.iter().zip(table) {
                *entry = (value * scale + 0.5) as u8;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_never_exceed_a_byte_and_the_steps_keep_the_order_of_distances() {
        for scale in [1e-30_f32, 1.0, 1e12] {
            let mut partials: Vec<Sixteen> = (0..8)
                .map(|at| std::array::from_fn(|name| scale * (name * 37 % 16) as f32 * (at + 1) as f32))
                .collect();
            let before = partials.clone();
            let mut tables = vec![[0; 16]; 8];
            quantize(&mut partials, &mut tables);
            for group in tables.as_chunks::<4>().0 {
                assert!(group.iter().map(greatest).sum::<u32>() <= 255);
            }
            assert!(greatest(&tables[7]) > 70);
            for (table, partial) in tables.iter().zip(&before) {
                for (a, b) in (0..16).flat_map(|a| (0..16).map(move |b| (a, b))) {
                    assert!(partial[a] > partial[b] || table[a] <= table[b]);
                }
            }
        }
    }

    #[test]
    fn a_query_that_tells_nothing_apart_has_empty_tables() {
        let codebook = Codebook::new(6, 2, Metric::L2, vec![[3.0; 16]; 6], vec![[18.0; 16]; 3]);
        let tables = Tables::new(&codebook, &[1.0; 6]);
        assert_eq!((tables.entries, tables.most, tables.shift), (vec![[0; 16]; 4], 0, 0));
    }
}
