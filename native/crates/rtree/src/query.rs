//! What a tree is asked: the rows near a window.

use std::fmt;

use crate::bounds::Bounds;
use crate::tree::{NODE_SIZE, Tree};

/// Arrays that are not those of a tree over these rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Damaged;

impl fmt::Display for Damaged {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("the arrays are not those of an R-tree over these rows")
    }
}

impl std::error::Error for Damaged {}

/// How a row's box stands to the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Test {
    /// They have a place in common.
    Meets,
    /// The window lies inside the row's box.
    Holds,
    /// The row's box lies inside the window.
    Within,
}

impl Test {
    fn passes(self, bounds: Bounds, window: Bounds) -> bool {
        match self {
            Self::Meets => bounds.meets(window),
            Self::Holds => bounds.holds(window),
            Self::Within => window.holds(bounds),
        }
    }

    /// Whether something inside `node` may pass.
    fn may_pass(self, node: Bounds, window: Bounds) -> bool {
        match self {
            Self::Meets | Self::Within => node.meets(window),
            Self::Holds => node.holds(window),
        }
    }

    /// Whether everything inside `node` passes.
    fn all_pass(self, node: Bounds, window: Bounds) -> bool {
        self != Self::Holds && window.holds(node)
    }
}

/// Points that a window holds, in no particular order.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Points {
    /// The row of each.
    pub rows: Vec<i64>,
    /// Its x.
    pub x: Vec<f64>,
    /// Its y.
    pub y: Vec<f64>,
}

/// Beyond so many nodes an estimate goes no deeper.
const FRONTIER: usize = 128;

impl Tree<'_> {
    /// Returns the rows that pass as one bit a row, least significant first; `Damaged` on a row past `num_rows`.
    pub fn rows(&self, window: Bounds, test: Test, num_rows: usize) -> Result<Vec<u8>, Damaged> {
        let mut bits = vec![0_u8; num_rows.div_ceil(8)];
        let mut inside = true;
        self.visit(window, test, |item| {
            let row = self.rows[item] as usize;
            inside &= row < num_rows;
            if let Some(byte) = bits.get_mut(row / 8) {
                *byte |= 1 << (row % 8);
            }
        });
        if inside { Ok(bits) } else { Err(Damaged) }
    }

    /// Returns the points in a window; `Damaged` when the items are not points.
    pub fn points(&self, window: Bounds) -> Result<Points, Damaged> {
        if !self.is_points() {
            return Err(Damaged);
        }
        let mut found = Points::default();
        self.visit(window, Test::Meets, |item| {
            found.rows.push(i64::from(self.rows[item]));
            found.x.push(self.items[2 * item]);
            found.y.push(self.items[2 * item + 1]);
        });
        Ok(found)
    }

    /// Returns about how many rows pass, from the upper levels alone.
    pub fn estimate(&self, window: Bounds, test: Test) -> usize {
        let Some(mut level) = self.levels.len().checked_sub(1).filter(|_| !window.is_empty()) else { return 0 };
        let mut certain = 0;
        let mut frontier = vec![0_usize];
        loop {
            frontier.retain(|&node| {
                let bounds = self.node(self.levels[level].0 + node);
                let all = test.all_pass(bounds, window);
                certain += if all { self.covered(level, node).len() } else { 0 };
                !all && test.may_pass(bounds, window)
            });
            if level == 0 || frontier.len() * NODE_SIZE > FRONTIER {
                break;
            }
            level -= 1;
            let count = self.levels[level].1;
            frontier = frontier.iter().flat_map(|&node| children(node, count)).collect();
        }
        let likely = frontier.iter().map(|&node| {
            let share = self.node(self.levels[level].0 + node).share_within(window);
            self.covered(level, node).len() as f64 * share
        });
        certain + likely.sum::<f64>().ceil() as usize
    }

    /// Calls `take` with each item that passes; an empty window has none.
    fn visit(&self, window: Bounds, test: Test, mut take: impl FnMut(usize)) {
        let Some(top) = self.levels.len().checked_sub(1).filter(|_| !window.is_empty()) else { return };
        let mut waiting = vec![(top, 0_usize)];
        while let Some((level, node)) = waiting.pop() {
            let bounds = self.node(self.levels[level].0 + node);
            if test.all_pass(bounds, window) {
                self.covered(level, node).for_each(&mut take);
            } else if test.may_pass(bounds, window) {
                if level > 0 {
                    waiting.extend(children(node, self.levels[level - 1].1).map(|child| (level - 1, child)));
                } else {
                    children(node, self.rows.len())
                        .filter(|&item| test.passes(self.item(item), window))
                        .for_each(&mut take);
                }
            }
        }
    }

    /// Returns the items below a node.
    fn covered(&self, level: usize, node: usize) -> std::ops::Range<usize> {
        let size = NODE_SIZE.pow(level as u32 + 1);
        node * size..((node + 1) * size).min(self.rows.len())
    }
}

fn children(node: usize, count: usize) -> std::ops::Range<usize> {
    node * NODE_SIZE..((node + 1) * NODE_SIZE).min(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boxes::Boxes;
    use crate::tree::Packed;

    /// Numbers in 0..1 that look random and never change.
    fn noise(seed: usize) -> f64 {
        let mixed = (seed as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        ((mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn column(count: usize, size: f64) -> Boxes {
        let mut boxes = Boxes::default();
        for row in 0..count {
            let empty = row % 7 == 3;
            let (x, y) = if empty { (f64::NAN, f64::NAN) } else { (noise(2 * row), noise(2 * row + 1)) };
            boxes.min_x.push(x);
            boxes.min_y.push(y);
            boxes.max_x.push(x + size * noise(row));
            boxes.max_y.push(y + size * noise(row + 9));
            boxes.kinds.push(if size == 0.0 { 1 } else { 3 });
        }
        boxes
    }

    fn brute(boxes: &Boxes, window: Bounds, test: Test) -> Vec<usize> {
        let of = |row| Bounds::of([boxes.min_x[row], boxes.min_y[row], boxes.max_x[row], boxes.max_y[row]]);
        (0..boxes.len()).filter(|&row| !of(row).is_empty() && test.passes(of(row), window)).collect()
    }

    fn set_rows(bits: &[u8]) -> Vec<usize> {
        (0..bits.len() * 8).filter(|row| bits[row / 8] >> (row % 8) & 1 == 1).collect()
    }

    #[test]
    fn a_query_finds_what_a_look_at_every_box_finds() {
        for count in [0, 1, 2, 15, 16, 17, 300, 5000] {
            for size in [0.0, 0.05] {
                let boxes = column(count, size);
                let packed = Packed::build(&boxes).expect("few rows");
                let tree = packed.tree().expect("a good tree");
                assert!(count < 2 || tree.is_points() == (size == 0.0));
                for at in 0..20 {
                    let (x, y, side) = (noise(at), noise(at + 50), noise(at + 99) * 0.5);
                    let window = Bounds::of([x, y, x + side, y + side]);
                    for test in [Test::Meets, Test::Holds, Test::Within] {
                        let bits = tree.rows(window, test, count).expect("rows in range");
                        assert_eq!(set_rows(&bits), brute(&boxes, window, test));
                        assert!(tree.estimate(window, test) <= tree.rows.len() + FRONTIER);
                    }
                }
            }
        }
    }

    #[test]
    fn points_come_with_their_coordinates() {
        let boxes = column(1000, 0.0);
        let packed = Packed::build(&boxes).expect("few rows");
        let window = Bounds::of([0.25, 0.25, 0.5, 0.75]);
        let found = packed.tree().and_then(|tree| tree.points(window)).expect("points");
        let mut rows: Vec<usize> = found.rows.iter().map(|&row| row as usize).collect();
        assert!(rows.iter().zip(&found.x).all(|(&row, &x)| boxes.min_x[row].to_bits() == x.to_bits()));
        rows.sort_unstable();
        assert_eq!(rows, brute(&boxes, window, Test::Meets));
    }

    #[test]
    fn a_row_that_is_not_there_is_damage() {
        let packed = Packed { rows: vec![7], items: vec![0.0, 0.0], nodes: vec![0.0; 4] };
        let tree = packed.tree().expect("lengths agree");
        assert_eq!(tree.rows(Bounds::PLANE, Test::Meets, 7), Err(Damaged));
        assert_eq!(tree.rows(Bounds::PLANE, Test::Meets, 8), Ok(vec![0x80]));
    }

    #[test]
    fn boxes_without_end_are_found_everywhere() {
        let mut boxes = column(40, 0.0);
        (boxes.min_x[5], boxes.min_y[5]) = (f64::NEG_INFINITY, f64::NEG_INFINITY);
        (boxes.max_x[5], boxes.max_y[5]) = (f64::INFINITY, f64::INFINITY);
        let packed = Packed::build(&boxes).expect("few rows");
        let far = packed.tree().and_then(|tree| tree.rows(Bounds::point(1e9, -1e9), Test::Meets, 40));
        assert_eq!(far.map(|bits| set_rows(&bits)), Ok(vec![5]));
    }
}
