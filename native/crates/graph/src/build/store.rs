//! Where the lists of a graph under construction lie: in chunks of rows that never move.

use std::sync::OnceLock;

use super::list::NeighbourList;
use super::pages::ask_for_huge_pages;
use super::sync::{AtomicU32, Ordering};
use crate::links::NONE;

/// Layers above the base at most; at 16 links a row the sixteenth would need 10^19 rows.
pub const MAX_UPPER: usize = 15;

/// Slack of a list beside the links that it may have in the end, at most: lists of many links have a smaller share.
const MAX_SLACK: usize = 128;

/// Sizes that follow from the settings.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Links of a row on an upper layer; half of those on the base layer.
    pub m: usize,
    /// What the rows' layers are drawn by.
    pub seed: u64,
}

impl Shape {
    /// Most links of a row in the end: on layer 0, the base, twice as many as above.
    pub fn width(self, layer: usize) -> usize {
        if layer == 0 { 2 * self.m } else { self.m }
    }

    /// Most links while building: half as many again, so that a list is pruned for many new links at once.
    fn capacity(self, layer: usize) -> usize {
        let width = self.width(layer);
        width + (width / 2).clamp(1, MAX_SLACK)
    }

    fn num_words(self, layer: usize) -> usize {
        NeighbourList::num_words(self.capacity(layer))
    }

    /// The topmost layer that a row is on; one in `m` of a layer's rows is on the layer above.
    pub fn layer_of(self, row: u32) -> usize {
        let bits = mixed(self.seed ^ mixed(u64::from(row)));
        let uniform = (bits >> 11) as f64 / (1u64 << 53) as f64;
        let layer = -(1.0 - uniform).ln() / (self.m.max(2) as f64).ln();
        (layer as usize).min(MAX_UPPER)
    }
}

/// Spreads the bits of a number over all bits (the finalizer of `SplitMix64`).
pub fn mixed(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ number >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ number >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ number >> 31
}

/// The lists of some consecutive rows.
struct Chunk {
    base: Box<[AtomicU32]>,
    /// Each row's first list in `upper`, which has one for each layer that the row is on.
    upper_places: Box<[u32]>,
    upper: Box<[AtomicU32]>,
}

impl Chunk {
    fn new(shape: Shape, first: usize, rows: usize) -> Self {
        let mut num_upper = 0;
        let place = |row: usize| {
            let place = num_upper as u32;
            num_upper += shape.layer_of(row as u32);
            place
        };
        let upper_places = (first..first + rows).map(place).collect();
        Chunk { base: zeros(rows * shape.num_words(0)), upper_places, upper: zeros(num_upper * shape.num_words(1)) }
    }

    fn memory_bytes(&self) -> usize {
        size_of_val(&*self.base) + size_of_val(&*self.upper_places) + size_of_val(&*self.upper)
    }
}

fn zeros(count: usize) -> Box<[AtomicU32]> {
    let mut words = Vec::with_capacity(count);
    ask_for_huge_pages(words.spare_capacity_mut());
    words.resize_with(count, || AtomicU32::new(0));
    words.into_boxed_slice()
}

/// The lists of a graph under construction.
pub struct Store {
    shape: Shape,
    chunks: Box<[OnceLock<Box<Chunk>>]>,
    chunk_rows: usize,
    most_rows: usize,
    /// For each layer, the first row that was put on it: where walks start.
    entries: [AtomicU32; MAX_UPPER + 1],
}

impl Store {
    /// Room for rows below `most_rows`; memory is taken a chunk at a time.
    pub fn new(shape: Shape, most_rows: usize, chunk_rows: usize) -> Self {
        let chunks = (0..most_rows.div_ceil(chunk_rows)).map(|_| OnceLock::new()).collect();
        Store { shape, chunks, chunk_rows, most_rows, entries: std::array::from_fn(|_| AtomicU32::new(NONE)) }
    }

    /// Sizes.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Rows that there is room for.
    pub fn most_rows(&self) -> usize {
        self.most_rows
    }

    /// Bytes of the chunks that were taken.
    pub fn memory_bytes(&self) -> usize {
        self.chunks.iter().filter_map(OnceLock::get).map(|chunk| chunk.memory_bytes()).sum()
    }

    /// Takes memory for the rows below `rows`; only they may be asked for.
    pub fn reserve(&self, rows: usize) {
        for (number, chunk) in self.chunks[..rows.div_ceil(self.chunk_rows)].iter().enumerate() {
            let first = number * self.chunk_rows;
            let rows = self.chunk_rows.min(self.most_rows - first);
            chunk.get_or_init(|| Box::new(Chunk::new(self.shape, first, rows)));
        }
    }

    /// The list of a row on a layer that it is on.
    #[inline]
    pub fn list(&self, layer: usize, row: u32) -> NeighbourList<'_> {
        let (number, row) = (row as usize / self.chunk_rows, row as usize % self.chunk_rows);
        let chunk = self.chunks[number].get().expect("the row's chunk is reserved");
        let (words, place) =
            if layer == 0 { (&chunk.base, row) } else { (&chunk.upper, chunk.upper_places[row] as usize + layer - 1) };
        let each = self.shape.num_words(layer);
        NeighbourList::new(&words[place * each..(place + 1) * each])
    }

    /// Where a walk among rows below `upto` starts, and the topmost layer of those rows.
    pub fn entry(&self, upto: u32) -> Option<(u32, usize)> {
        let first = |layer: usize| self.entries[layer].load(Ordering::Acquire);
        (0..=MAX_UPPER).rev().map(|layer| (first(layer), layer)).find(|&(row, _)| row < upto)
    }

    /// Makes walks start at a row, whose lists are complete, where its layer is above all so far.
    pub fn offer_entry(&self, row: u32, layer: usize) {
        for entry in &self.entries[..=layer] {
            // Fails where the layer has an entry, which is then kept.
            let _ = entry.compare_exchange(NONE, row, Ordering::AcqRel, Ordering::Relaxed);
        }
    }
}
