//! Codes as flat arrays, to be saved and opened.

use std::sync::Arc;

use elanus_kernels::Metric;

use crate::blocks::{CHUNK_BLOCKS, Chunk, FastScan, Published};
use crate::codebook::Codebook;
use crate::kernel::Line;
use crate::nearest::{CENTROIDS, Sixteen};
use crate::tile::ROWS;

/// What arrays are arrays of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// How many rows there are.
    pub rows: usize,
    /// Elements of a vector.
    pub dim: usize,
    /// Dimensions of a sub-space.
    pub width: usize,
    /// The distance.
    pub metric: Metric,
}

/// Everything that is needed to search, little-endian.
#[derive(Clone, Debug, PartialEq)]
pub struct Arrays<C, F> {
    /// Codes of a block of 64 rows after another; a block's bytes hold two sub-spaces of 64 rows after another.
    pub codes: C,
    /// The rows that may be found, a bit each, eight bytes a block.
    pub present: C,
    /// For each sub-space, each of its dimensions of 16 centroids.
    pub centroids: F,
    /// For each sub-space, what each of 16 centroids tells of a row's squared length.
    pub squares: F,
}

impl FastScan {
    /// What the arrays are arrays of.
    pub fn facts(&self) -> Facts {
        let Codebook { dim, width, metric, .. } = self.codebook;
        Facts { rows: self.rows(), dim, width, metric }
    }

    /// Returns what [`FastScan::open`] takes beside the facts; no rows may be appended between the two.
    pub fn arrays(&self) -> Arrays<Vec<u8>, Vec<f32>> {
        let (published, codebook) = (self.published(), &self.codebook);
        let chunks = || published.chunks.iter();
        Arrays {
            codes: chunks().flat_map(|chunk| &chunk.lines).flat_map(|line| line.0).collect(),
            present: chunks().flat_map(|chunk| &chunk.present).flat_map(|word| word.to_le_bytes()).collect(),
            centroids: codebook.centroids.as_flattened().to_vec(),
            squares: codebook.squares.as_flattened().to_vec(),
        }
    }

    /// Takes copies of arrays; fails, with the array's name, where they are not those of these facts.
    pub fn open(facts: &Facts, arrays: &Arrays<&[u8], &[f32]>) -> Result<Self, String> {
        let Facts { rows, dim, width, metric } = *facts;
        if width == 0 || width > dim || rows > u32::MAX as usize {
            return Err(format!("no codes of {rows} rows of {dim} dimensions, {width} to a sub-space"));
        }
        if !matches!(metric, Metric::L2 | Metric::Ip | Metric::Cosine) {
            return Err(format!("no product codes under {metric:?}"));
        }
        let subspaces = dim.div_ceil(width);
        let dimensions = subspaces.checked_mul(width);
        let centroids = sixteens("centroids", arrays.centroids, dimensions)?;
        let squares = sixteens("squares", arrays.squares, Some(subspaces))?;
        let codebook = Codebook::new(dim, width, metric, centroids, squares);
        let (blocks, lines) = (rows.div_ceil(ROWS), codebook.lines());
        check_length("codes", arrays.codes.len(), blocks.checked_mul(lines * ROWS))?;
        check_length("present", arrays.present.len(), Some(blocks * 8))?;
        let (words, _) = arrays.present.as_chunks::<8>();
        let present: Vec<u64> = words.iter().map(|word| u64::from_le_bytes(*word)).collect();
        if !rows.is_multiple_of(ROWS) && present.last().is_some_and(|word| word >> (rows % ROWS) != 0) {
            return Err(format!("section present: rows beyond {rows}"));
        }
        let codes = arrays.codes.chunks(CHUNK_BLOCKS * lines * ROWS).zip(present.chunks(CHUNK_BLOCKS));
        let chunks = codes.map(|(codes, present)| {
            let lines = codes.as_chunks::<ROWS>().0.iter().map(|line| Line(*line)).collect();
            Arc::new(Chunk { lines, present: present.to_vec() })
        });
        Ok(FastScan::of(codebook, Published { chunks: chunks.collect(), rows }))
    }
}

fn check_length(name: &str, found: usize, expected: Option<usize>) -> Result<(), String> {
    match expected {
        Some(expected) if found == expected => Ok(()),
        Some(expected) => Err(format!("section {name}: {found} elements where {expected} belong")),
        None => Err(format!("section {name}: more elements than there can be")),
    }
}

/// Cuts an array of finite values into sixteens.
fn sixteens(name: &str, values: &[f32], count: Option<usize>) -> Result<Vec<Sixteen>, String> {
    check_length(name, values.len(), count.and_then(|count| count.checked_mul(CENTROIDS)))?;
    if values.iter().any(|value| !value.is_finite()) {
        return Err(format!("section {name}: values that are not finite"));
    }
    Ok(values.as_chunks().0.to_vec())
}
