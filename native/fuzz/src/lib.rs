//! What the fuzz targets share: edits of valid arrays, small data, and what every answer must hold to.

use arbitrary::Arbitrary;
use elanus_graph::Keep;
use elanus_kernels::Hit;

/// Rows of the indexes that are edited.
pub const ROWS: usize = 200;

/// Elements of their vectors.
pub const DIM: usize = 12;

/// A number to put in a place of another: often one that passes for a row, sometimes one at an edge.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Number {
    /// About the number of rows, or less.
    Row(u8),
    /// The greatest number less this.
    Edge(u8),
    /// Anything.
    Any(u32),
}

impl Number {
    /// The number.
    pub fn get(self) -> u32 {
        match self {
            Number::Row(row) => u32::from(row),
            Number::Edge(less) => u32::MAX - u32::from(less % 4),
            Number::Any(number) => number,
        }
    }
}

/// A change of an array.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Edit {
    /// Another value in a place.
    Set(u16, Number),
    /// One value in many places that follow each other.
    Fill(u16, u8, Number),
    /// A value more at the end.
    Push(Number),
    /// Nothing past this.
    Cut(u16),
    /// Two places exchanged.
    Swap(u16, u16),
}

impl Edit {
    /// Changes `array`; `value` turns a number into an element.
    pub fn apply<T: Copy>(self, array: &mut Vec<T>, value: impl Fn(u32) -> T) {
        let len = array.len();
        let place = |at: u16| usize::from(at) % len.max(1);
        match self {
            Edit::Push(number) => array.push(value(number.get())),
            Edit::Cut(at) => array.truncate(place(at)),
            Edit::Set(at, number) if len > 0 => array[place(at)] = value(number.get()),
            Edit::Fill(at, count, number) if len > 0 => {
                let first = place(at);
                array[first..len.min(first + usize::from(count))].fill(value(number.get()));
            }
            Edit::Swap(a, b) if len > 0 => array.swap(place(a), place(b)),
            _ => {}
        }
    }
}

/// Vectors around a few centres, as bytes of floats.
pub fn clustered(rows: usize, dim: usize) -> Vec<u8> {
    let mut state = 7_u64;
    let mut uniform = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    let centres: Vec<f32> = (0..8 * dim).map(|_| uniform()).collect();
    (0..rows * dim).flat_map(|at| (centres[at / dim % 8 * dim + at % dim] + 0.3 * uniform()).to_le_bytes()).collect()
}

/// A bitmap for all rows out of some bytes, repeated; none for an empty one.
pub fn bitmap(bytes: &[u8]) -> Option<Vec<u8>> {
    (!bytes.is_empty()).then(|| bytes.iter().copied().cycle().take(ROWS.div_ceil(8)).collect())
}

/// Floats of any bits, as many as are wanted.
pub fn floats(bits: &[u32], count: usize) -> Vec<u8> {
    (0..count).flat_map(|at| bits.get(at % bits.len().max(1)).copied().unwrap_or(at as u32).to_le_bytes()).collect()
}

/// Panics unless the rows pass, are there once, and ascend by their distances, which are numbers.
pub fn check_hits(hits: &[Hit], passes: impl Fn(u32) -> bool) {
    assert!(hits.iter().all(|hit| passes(hit.row) && !hit.distance.is_nan()));
    let key = |hit: &Hit| (hit.distance, hit.row);
    assert!(hits.windows(2).all(|pair| key(&pair[0]) < key(&pair[1])), "{hits:?}");
}

/// How many rows pass a filter, or how many there are.
pub fn num_passing(keep: Option<Keep>) -> usize {
    keep.map_or(ROWS, |keep| keep.count())
}
