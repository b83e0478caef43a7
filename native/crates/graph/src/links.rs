//! Who is linked to whom, as arrays that may lie in a mapped file.

use std::fmt;

/// No row: fills up a list of links that is shorter than the layer's width.
pub const NONE: u32 = u32::MAX;

/// A layer above the base: few rows, a fixed number of links each.
#[derive(Clone, Copy, Debug, Default)]
pub struct Layer<'a> {
    /// The rows of the layer, ascending.
    pub rows: &'a [u32],
    /// Links of each, `width` to a row, padded with [`NONE`].
    pub links: &'a [u32],
}

/// The links of a graph over `rows` rows; checked once, then read without checks.
#[derive(Clone, Debug)]
pub struct Links<'a> {
    rows: usize,
    width: usize,
    base: &'a [u32],
    upper_width: usize,
    upper: Vec<Layer<'a>>,
    entry: u32,
}

/// Why arrays are no graph: the section, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Which array: `base`, `upper` or `entry`.
    pub section: &'static str,
    /// What is wrong.
    pub problem: String,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "section {}: {}", self.section, self.problem)
    }
}

impl std::error::Error for Damage {}

impl<'a> Links<'a> {
    /// Takes the arrays of a graph.
    ///
    /// - `base`: `width` links of each row, padded with [`NONE`]; a row that is in no list is not part of the graph
    /// - `upper`: the layers above, the lowest first
    /// - `entry`: where a walk starts, a row of the topmost layer; [`NONE`] for a graph without rows
    ///
    /// Fails for arrays of other lengths, links past the rows, layers that do not lie within each other.
    /// Cost: one pass over all links, 2 to 10 GB/s.
    pub fn new(
        rows: usize,
        width: usize,
        base: &'a [u32],
        upper_width: usize,
        upper: Vec<Layer<'a>>,
        entry: u32,
    ) -> Result<Self, Damage> {
        let links = Links { rows, width, base, upper_width, upper, entry };
        links.check()?;
        Ok(links)
    }

    fn check(&self) -> Result<(), Damage> {
        let damage = |section, problem: String| Err(Damage { section, problem });
        if self.rows > NONE as usize >> 1 {
            return damage("base", format!("a graph has fewer than 2^31 rows, not {}", self.rows));
        }
        if self.width == 0 || Some(self.base.len()) != self.rows.checked_mul(self.width) {
            let (len, rows, width) = (self.base.len(), self.rows, self.width);
            return damage("base", format!("{len} links are not {width} for each of {rows} rows"));
        }
        if let Some(problem) = self.out_of_bounds(self.base).or_else(|| gap(self.base, self.width)) {
            return damage("base", problem);
        }
        if self.entry != NONE && self.entry as usize >= self.rows {
            return damage("entry", format!("row {} is not among {} rows", self.entry, self.rows));
        }
        for (above, layer) in self.upper.iter().enumerate() {
            if Some(layer.links.len()) != layer.rows.len().checked_mul(self.upper_width) {
                let (len, rows, width) = (layer.links.len(), layer.rows.len(), self.upper_width);
                return damage("upper", format!("{len} links are not {width} for each of {rows} rows"));
            }
            if layer.rows.windows(2).any(|pair| pair[0] >= pair[1]) {
                return damage("upper", format!("the rows of layer {} do not ascend", above + 1));
            }
            let past = self.out_of_bounds(layer.rows).or_else(|| self.out_of_bounds(layer.links));
            if let Some(problem) = past.or_else(|| gap(layer.links, self.upper_width)) {
                return damage("upper", problem);
            }
            let within = |row: &u32| above == 0 || self.upper[above - 1].rows.binary_search(row).is_ok();
            let known = |row: &u32| *row == NONE || layer.rows.binary_search(row).is_ok();
            if !layer.rows.iter().all(within) || !layer.links.iter().all(known) {
                return damage("upper", format!("layer {} leads to rows that it does not have", above + 1));
            }
        }
        let top = self.upper.last().map_or(&[][..], |layer| layer.rows);
        if !self.upper.is_empty() && top.binary_search(&self.entry).is_err() {
            return damage("entry", format!("row {} is not in the topmost layer", self.entry));
        }
        Ok(())
    }

    fn out_of_bounds(&self, rows: &[u32]) -> Option<String> {
        // Adding one turns NONE into zero, so that one comparison does; a maximum vectorises, a search does not.
        let largest = rows.iter().fold(0, |largest: u32, row| largest.max(row.wrapping_add(1)));
        (largest as usize > self.rows).then(|| format!("row {} is not among {} rows", largest - 1, self.rows))
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Most links of a row on the base layer.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Where a walk starts; `None` without rows.
    pub fn entry(&self) -> Option<u32> {
        (self.entry != NONE).then_some(self.entry)
    }

    /// How many layers lie above the base.
    pub fn num_upper(&self) -> usize {
        self.upper.len()
    }

    /// The links of a row on the base layer.
    #[inline]
    pub fn of(&self, row: u32) -> &'a [u32] {
        let first = row as usize * self.width;
        let links = &self.base[first..first + self.width];
        trimmed(links)
    }

    /// The links of a row on the layer `above` the base, counted from 0.
    pub fn above(&self, above: usize, row: u32) -> &'a [u32] {
        let layer = &self.upper[above];
        let Ok(place) = layer.rows.binary_search(&row) else { return &[] };
        trimmed(&layer.links[place * self.upper_width..(place + 1) * self.upper_width])
    }

    /// Asks for a row's links to be brought near.
    #[inline]
    pub fn prefetch(&self, row: u32) {
        let first = row as usize * self.width;
        elanus_kernels::simd::prefetch(self.base.as_ptr().wrapping_add(first).cast(), self.width * 4);
    }
}

/// Whether a list goes on after its first [`NONE`].
fn gap(links: &[u32], width: usize) -> Option<String> {
    let goes_on = |list: &[u32]| list.windows(2).any(|pair| pair[0] == NONE && pair[1] != NONE);
    let place = links.chunks_exact(width.max(1)).position(goes_on)?;
    Some(format!("list {place} goes on after its end"))
}

/// The links up to the first [`NONE`].
#[inline]
fn trimmed(links: &[u32]) -> &[u32] {
    let mut len = links.len();
    while len > 0 && links[len - 1] == NONE {
        len -= 1;
    }
    &links[..len]
}
