//! Every row can be reached: rows that no walk along the base layer's links would find get a link to them.

use super::store::mixed;
use crate::links::NONE;

/// The base layer's links while rows are connected, with a tree of links over all rows reached so far.
pub struct Tree<'a> {
    links: &'a mut [u32],
    width: usize,
    /// The row from which each row was reached; the root's is itself; [`NONE`] where it was not.
    parents: Vec<u32>,
    queue: Vec<u32>,
}

impl<'a> Tree<'a> {
    /// Follows all links from `root`. Cost: one pass over the links of all rows reached.
    pub fn new(links: &'a mut [u32], width: usize, root: u32) -> Self {
        let parents = vec![NONE; links.len() / width];
        let mut tree = Tree { links, width, parents, queue: Vec::new() };
        tree.follow(root, root);
        tree
    }

    /// Whether a row can be reached.
    pub fn has(&self, row: u32) -> bool {
        self.parents[row as usize] != NONE
    }

    /// Makes a row that was not reached so from one of `near`, of which the first are preferred and one is reached.
    pub fn attach(&mut self, row: u32, near: &[u32]) {
        let reached: Vec<u32> = near.iter().copied().chain(self.of(row)).filter(|&near| self.has(near)).collect();
        let with_room = reached.iter().copied().find(|&near| self.of(near).count() < self.width);
        let Some(mut from) = with_room.or(reached.first().copied()) else { return };
        let place = loop {
            match self.spare_place(from) {
                Some(place) => break place,
                // All its links hold up the tree. Further down there are leaves, which have none of that kind.
                None => from = self.links[from as usize * self.width + mixed(u64::from(row)) as usize % self.width],
            }
        };
        self.links[from as usize * self.width + place] = row;
        if !self.of(row).any(|linked| linked == from) && self.of(row).count() < self.width {
            let end = self.of(row).count();
            self.links[row as usize * self.width + end] = from;
        }
        self.follow(row, from);
    }

    /// The links of a row.
    pub fn of(&self, row: u32) -> impl Iterator<Item = u32> + '_ {
        let first = row as usize * self.width;
        self.links[first..first + self.width].iter().copied().take_while(|&linked| linked != NONE)
    }

    /// Where a link from `row` can go: past its links, or over the farthest one that the tree does without.
    fn spare_place(&self, row: u32) -> Option<usize> {
        let first = row as usize * self.width;
        let links = &self.links[first..first + self.width];
        let free = links.iter().position(|&linked| linked == NONE);
        free.or_else(|| links.iter().rposition(|&linked| self.parents[linked as usize] != row))
    }

    fn follow(&mut self, row: u32, from: u32) {
        self.parents[row as usize] = from;
        self.queue.push(row);
        while let Some(row) = self.queue.pop() {
            for place in 0..self.width {
                let linked = self.links[row as usize * self.width + place];
                if linked == NONE {
                    break;
                }
                if self.parents[linked as usize] == NONE {
                    self.parents[linked as usize] = row;
                    self.queue.push(linked);
                }
            }
        }
    }
}
