//! The nearest of 16 centroids, for 64 rows at once.

use crate::level::each_level;
use crate::tile::{Lane, ROWS};

/// Centroids of a sub-space: what four bits can name.
pub(crate) const CENTROIDS: usize = 16;

/// One dimension, or one property, of a sub-space's centroids.
pub(crate) type Sixteen = [f32; CENTROIDS];

/// Rows measured together: few enough for their sums to stay in registers.
const STRIP: usize = 32;

each_level! {
    /// Writes the nearest centroid of each row, the first of equals.
    ///
    /// `lanes` and `centroids` are the dimensions of one sub-space, `halves` half the squared lengths of its centroids:
    /// the squared distance is twice `half - dot`, and a constant of the row.
    pub(crate) fn assign(lanes: &[Lane], centroids: &[Sixteen], halves: &Sixteen, codes: &mut [u8; ROWS]) {
        for (strip, codes) in codes.as_chunks_mut::<STRIP>().0.iter_mut().enumerate() {
            let mut best = [f32::INFINITY; STRIP];
            let mut names = [0_i32; STRIP];
            for name in 0..CENTROIDS {
                let mut distances = [halves[name]; STRIP];
                for (lane, dimension) in lanes.iter().zip(centroids) {
                    let (values, _) = lane.as_chunks::<STRIP>();
                    for place in 0..STRIP {
                        distances[place] -= values[strip][place] * dimension[name];
                    }
                }
                for place in 0..STRIP {
                    let nearer = distances[place] < best[place];
                    best[place] = if nearer { distances[place] } else { best[place] };
                    names[place] = if nearer { name as i32 } else { names[place] };
                }
            }
            for (code, name) in codes.iter_mut().zip(names) {
                *code = name as u8;
            }
        }
    }
}
