//! A static R-tree: boxes in the order of the Hilbert curve, sixteen to a node, level upon level in flat arrays.
//!
//! No node names its children: node `i` of a level covers the entries `16 i .. 16 i + 16` of the level below, and the
//! lowest level those items. Packed Hilbert R-trees: Kamel and Faloutsos 1993.

use crate::bounds::Bounds;
use crate::boxes::Boxes;
use crate::hilbert;
use crate::query::Damaged;

/// Entries of a node.
pub const NODE_SIZE: usize = 16;
const POINT: u8 = 1;

/// A tree as it is built.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Packed {
    /// The row of each item.
    pub rows: Vec<u32>,
    /// The numbers of each item: x and y when all items are points, else the four of a box.
    pub items: Vec<f64>,
    /// The boxes of the nodes, four numbers each, the lowest level first, the root last.
    pub nodes: Vec<f64>,
}

impl Packed {
    /// Builds the tree of the rows that have a box. Row numbers past 32 bits are no rows: `None`.
    pub fn build(boxes: &Boxes) -> Option<Self> {
        u32::try_from(boxes.len()).ok()?;
        let found: Vec<(u32, Bounds)> = (0..boxes.len())
            .map(|row| (row as u32, bounds_of(boxes, row)))
            .filter(|(_, bounds)| !bounds.is_empty())
            .collect();
        let order = curve_order(&found);
        let sorted = || order.iter().map(|&at| found[at as usize]);
        let points = found.iter().all(|&(row, bounds)| boxes.kinds[row as usize] == POINT && bounds != Bounds::PLANE);
        let items = if points {
            sorted().flat_map(|(_, bounds)| [bounds.min_x, bounds.min_y]).collect()
        } else {
            sorted().flat_map(|(_, bounds)| bounds.corners()).collect()
        };
        let rows = sorted().map(|(row, _)| row).collect();
        Some(Self { rows, items, nodes: levels(sorted().map(|(_, bounds)| bounds).collect()) })
    }

    /// Returns the tree for queries.
    pub fn tree(&self) -> Result<Tree<'_>, Damaged> {
        Tree::new(&self.rows, &self.items, &self.nodes)
    }
}

fn bounds_of(boxes: &Boxes, row: usize) -> Bounds {
    Bounds::of([boxes.min_x[row], boxes.min_y[row], boxes.max_x[row], boxes.max_y[row]])
}

/// Returns the entries' numbers along the curve through their centres; equal places keep their order.
fn curve_order(found: &[(u32, Bounds)]) -> Vec<u32> {
    let mut whole = Bounds::EMPTY;
    for &(_, bounds) in found.iter().filter(|(_, bounds)| bounds.corners().iter().all(|corner| corner.is_finite())) {
        whole.cover(bounds);
    }
    let place = |bounds: Bounds| {
        let x = hilbert::cell(f64::midpoint(bounds.min_x, bounds.max_x), whole.min_x, whole.max_x);
        hilbert::position(x, hilbert::cell(f64::midpoint(bounds.min_y, bounds.max_y), whole.min_y, whole.max_y))
    };
    let mut keys: Vec<u64> =
        found.iter().enumerate().map(|(at, &(_, bounds))| (u64::from(place(bounds)) << 32) | at as u64).collect();
    keys.sort_unstable();
    keys.into_iter().map(|key| key as u32).collect()
}

fn levels(mut entries: Vec<Bounds>) -> Vec<f64> {
    let mut nodes = Vec::with_capacity(entries.len() / 3);
    while !entries.is_empty() {
        entries = entries.chunks(NODE_SIZE).map(union).collect();
        nodes.extend(entries.iter().flat_map(|bounds| bounds.corners()));
        if entries.len() == 1 {
            break;
        }
    }
    nodes
}

fn union(entries: &[Bounds]) -> Bounds {
    let mut whole = Bounds::EMPTY;
    for &bounds in entries {
        whole.cover(bounds);
    }
    whole
}

/// A tree where it lies, mapped or in memory; queries are in `query`.
#[derive(Debug, Clone)]
pub struct Tree<'a> {
    pub(crate) rows: &'a [u32],
    pub(crate) items: &'a [f64],
    pub(crate) nodes: &'a [f64],
    /// Numbers an item: 2 or 4.
    pub(crate) width: usize,
    /// The first node of each level and how many there are, the lowest first.
    pub(crate) levels: Vec<(usize, usize)>,
}

impl<'a> Tree<'a> {
    /// Takes arrays as `Packed` has them; `Damaged` when their lengths don't go together.
    pub fn new(rows: &'a [u32], items: &'a [f64], nodes: &'a [f64]) -> Result<Self, Damaged> {
        let levels = level_spans(rows.len());
        let num_nodes: usize = levels.iter().map(|(_, count)| count).sum();
        let width = if rows.len().checked_mul(2) == Some(items.len()) { 2 } else { 4 };
        let fits = rows.len().checked_mul(width) == Some(items.len()) && num_nodes.checked_mul(4) == Some(nodes.len());
        if fits { Ok(Self { rows, items, nodes, width, levels }) } else { Err(Damaged) }
    }

    /// The box of everything; empty without items.
    pub fn bounds(&self) -> Bounds {
        self.levels.last().map_or(Bounds::EMPTY, |&(first, _)| self.node(first))
    }

    /// Whether every item is a point.
    pub fn is_points(&self) -> bool {
        self.width == 2
    }

    pub(crate) fn node(&self, number: usize) -> Bounds {
        self.nodes[4 * number..].first_chunk().map_or(Bounds::EMPTY, |&corners| Bounds::of(corners))
    }

    pub(crate) fn item(&self, number: usize) -> Bounds {
        let numbers = &self.items[self.width * number..][..self.width];
        match *numbers {
            [x, y] => Bounds::point(x, y),
            [min_x, min_y, max_x, max_y] => Bounds { min_x, min_y, max_x, max_y },
            _ => Bounds::EMPTY,
        }
    }
}

fn level_spans(num_items: usize) -> Vec<(usize, usize)> {
    let (mut spans, mut first, mut count) = (Vec::new(), 0, num_items);
    while count > 1 || (count == 1 && spans.is_empty()) {
        count = count.div_ceil(NODE_SIZE);
        spans.push((first, count));
        first += count;
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_stacked_up_to_one_root() {
        for count in [0, 1, 15, 16, 17, 255, 256, 257, 5000] {
            let spans = level_spans(count);
            let stacked = levels(vec![Bounds::point(0.0, 0.0); count]).len() / 4;
            assert_eq!(spans.iter().map(|(_, nodes)| nodes).sum::<usize>(), stacked);
            assert!(count == 0 || spans.last().is_some_and(|&(_, nodes)| nodes == 1));
        }
    }

    #[test]
    fn arrays_that_do_not_go_together_are_damage() {
        assert!(Tree::new(&[], &[], &[]).is_ok());
        assert!(Tree::new(&[0], &[0.0, 0.0], &[0.0; 4]).is_ok());
        assert!(Tree::new(&[0], &[0.0; 3], &[0.0; 4]).is_err());
        assert!(Tree::new(&[0], &[0.0; 4], &[0.0; 8]).is_err());
        assert!(Tree::new(&[0; 17], &[0.0; 34], &[0.0; 8]).is_err());
    }
}
