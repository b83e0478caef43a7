//! Centroids of every sub-space, and the codes of a block.

use elanus_kernels::Metric;

use crate::kernel::Line;
use crate::nearest::{CENTROIDS, Sixteen, assign};
use crate::tile::{Lane, ROWS};

/// Sub-spaces whose sums of table entries fit a byte: the lines of a block come in pairs.
pub(crate) const GROUP: usize = 4;

/// Sub-spaces that share a line.
const PER_LINE: usize = 2;

/// What names vectors, and turns queries into tables.
#[derive(Debug, PartialEq)]
pub(crate) struct Codebook {
    pub(crate) dim: usize,
    /// Dimensions of a sub-space; the last one is filled up with zeros.
    pub(crate) width: usize,
    pub(crate) metric: Metric,
    /// `width` for each sub-space: that dimension of its centroids.
    pub(crate) centroids: Vec<Sixteen>,
    /// For each sub-space, what a centroid tells of a row's squared length.
    pub(crate) squares: Vec<Sixteen>,
    /// For each sub-space, half the squared lengths of the centroids themselves.
    halves: Vec<Sixteen>,
}

impl Codebook {
    /// Takes what training found: `width` dimensions of centroids and one of squares for each sub-space.
    pub(crate) fn new(
        dim: usize,
        width: usize,
        metric: Metric,
        centroids: Vec<Sixteen>,
        squares: Vec<Sixteen>,
    ) -> Self {
        let halves = centroids.chunks_exact(width).map(half_squares).collect();
        Codebook { dim, width, metric, centroids, squares, halves }
    }

    /// How many sub-spaces there are.
    pub(crate) fn subspaces(&self) -> usize {
        self.dim.div_ceil(self.width)
    }

    /// How many groups of sub-spaces there are, the last one filled up with empty ones.
    pub(crate) fn groups(&self) -> usize {
        self.subspaces().div_ceil(GROUP)
    }

    /// How many lines a block has.
    pub(crate) fn lines(&self) -> usize {
        self.groups() * GROUP / PER_LINE
    }

    /// Writes the codes of a block's rows, which lie in `tile` on their side.
    pub(crate) fn encode(&self, tile: &[Lane], lines: &mut [Line]) {
        let mut codes = [0; ROWS];
        for (subspace, lanes) in tile.chunks_exact(self.width).enumerate() {
            self.name(subspace, lanes, &mut codes);
            lines[subspace / PER_LINE].put(&codes, subspace % PER_LINE == 1);
        }
    }

    /// Writes the nearest centroid of each row in one sub-space.
    pub(crate) fn name(&self, subspace: usize, lanes: &[Lane], codes: &mut [u8; ROWS]) {
        let centroids = &self.centroids[subspace * self.width..(subspace + 1) * self.width];
        assign(lanes, centroids, &self.halves[subspace], codes);
    }
}

/// Half the squared lengths of the centroids with these dimensions.
pub(crate) fn half_squares(centroids: &[Sixteen]) -> Sixteen {
    let mut halves = [0.0; CENTROIDS];
    for dimension in centroids {
        for (half, value) in halves.iter_mut().zip(dimension) {
            *half += 0.5 * value * value;
        }
    }
    halves
}
