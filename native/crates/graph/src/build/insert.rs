//! Insertion of one row: find the nearest rows on each layer, choose among them, link both ways.

use elanus_kernels::{Scorer, Space};

use super::list::LockedList;
use super::select::{Near, Selector};
use super::store::Store;
use crate::scratch::Scratch;
use crate::stop::{Stop, Stopped};
use crate::walk::Walked;

/// The working memory of a thread that inserts.
#[derive(Debug, Default)]
pub struct Work {
    scratch: Scratch,
    selector: Selector,
    near: Vec<Near>,
    stays: Vec<bool>,
    /// The neighbours chosen on each layer.
    chosen: Vec<Vec<Near>>,
}

/// A layer of a graph under construction, as walks see it.
pub struct LayerView<'a> {
    pub store: &'a Store,
    pub layer: usize,
    /// Rows from here on are not seen.
    pub upto: u32,
}

impl LayerView<'_> {
    #[inline]
    fn read(&self, row: u32, mut show: impl FnMut(u32)) {
        self.store.list(self.layer, row).read(|neighbour| {
            if neighbour < self.upto {
                show(neighbour);
            }
        });
    }

    /// Fills `scratch.pool` with about the `ef` nearest rows that can be reached from `start`.
    ///
    /// The caller has emptied `scratch.visited`, and put in what is not to be found.
    pub fn beam(
        &self,
        scorer: &dyn Scorer,
        start: (u32, f32),
        ef: usize,
        scratch: &mut Scratch,
        stop: Stop,
    ) -> Result<Walked, Stopped> {
        let Scratch { visited, pool, links, rows, distances, .. } = scratch;
        let mut walked = Walked::default();
        pool.reset(ef);
        visited.insert(start.0);
        pool.insert(start.1, start.0);
        while let Some(nearest) = pool.take_nearest() {
            stop.check(walked.hops)?;
            links.clear();
            self.read(nearest.row(), |row| links.push(row));
            visited.insert_all(links, rows);
            if let Some(next) = pool.peek().filter(|_| self.layer == 0) {
                self.store.list(0, next).prefetch();
            }
            distances.resize(rows.len(), 0.0);
            scorer.score(rows, distances);
            walked.hops += 1;
            walked.scored += rows.len();
            for (&row, &distance) in rows.iter().zip(&*distances) {
                if distance < pool.bound() {
                    pool.insert(distance, row);
                }
            }
        }
        Ok(walked)
    }

    /// Goes from `start` to the nearest neighbour as long as that is nearer.
    pub fn descend(
        &self,
        scorer: &dyn Scorer,
        start: (u32, f32),
        scratch: &mut Scratch,
        walked: &mut Walked,
    ) -> (u32, f32) {
        let Scratch { rows, distances, .. } = scratch;
        let mut nearest = start;
        loop {
            rows.clear();
            self.read(nearest.0, |row| rows.push(row));
            distances.resize(rows.len(), 0.0);
            scorer.score(rows, distances);
            walked.hops += 1;
            walked.scored += rows.len();
            let before = nearest.0;
            for (&row, &distance) in rows.iter().zip(&*distances) {
                if distance < nearest.1 {
                    nearest = (row, distance);
                }
            }
            if nearest.0 == before {
                return nearest;
            }
        }
    }
}

/// The distance to one row.
pub fn distance_to(scorer: &dyn Scorer, row: u32) -> f32 {
    let mut distance = [0.0];
    scorer.score(&[row], &mut distance);
    distance[0]
}

impl Store {
    /// Puts a row, whose chunk is reserved, into the graph. Many threads may, each with another row.
    pub fn insert(&self, space: &dyn Space, row: u32, ef: usize, work: &mut Work) {
        let top = self.shape().layer_of(row);
        if let Some((entry, entry_layer)) = self.entry(u32::MAX) {
            self.find(space, row, top, (entry, entry_layer), ef, work);
            // From the base upwards: who finds the row on a layer can go on below it.
            for layer in 0..=top.min(entry_layer) {
                self.link(space, row, layer, work);
            }
        }
        self.offer_entry(row, top);
    }

    /// Chooses the row's neighbours on each of its layers.
    fn find(
        &self,
        space: &dyn Space,
        row: u32,
        top: usize,
        (entry, entry_layer): (u32, usize),
        ef: usize,
        work: &mut Work,
    ) {
        let scorer = space.scorer_of(row);
        let mut start = (entry, distance_to(&*scorer, entry));
        let mut walked = Walked::default();
        work.chosen.resize_with(work.chosen.len().max(top + 1), Vec::new);
        for layer in (0..=entry_layer).rev() {
            let view = LayerView { store: self, layer, upto: u32::MAX };
            if layer > top {
                start = view.descend(&*scorer, start, &mut work.scratch, &mut walked);
                continue;
            }
            work.scratch.visited.reset(space.rows());
            work.scratch.visited.insert(row);
            view.beam(&*scorer, start, ef, &mut work.scratch, Stop::default()).expect("nothing stops it");
            let items = work.scratch.pool.items();
            start = items.first().map_or(start, |nearest| (nearest.row(), nearest.distance));
            let chosen = &mut work.chosen[layer];
            chosen.clear();
            chosen.extend(items.iter().map(|item| Near {
                distance: item.distance,
                row: item.row(),
                place: 0,
                settled: false,
            }));
            work.selector.choose(space, row, chosen, self.shape().m);
        }
    }

    /// Links the row with the neighbours that were chosen on a layer, both ways.
    fn link(&self, space: &dyn Space, row: u32, layer: usize, work: &mut Work) {
        let own = self.list(layer, row).lock();
        let alone = own.len() == 0;
        for place in 0..work.chosen[layer].len() {
            let near = work.chosen[layer][place];
            own.push(near.row, near.distance);
            // Neighbours that found this row first may have begun to fill its list.
            if own.len() == own.capacity() {
                self.prune(space, layer, row, &own, work);
            }
        }
        if alone {
            own.settle();
        }
        drop(own);
        for place in 0..work.chosen[layer].len() {
            let Near { row: neighbour, distance, .. } = work.chosen[layer][place];
            let list = self.list(layer, neighbour).lock();
            list.push(row, distance);
            if list.len() == list.capacity() {
                self.prune(space, layer, neighbour, &list, work);
            }
        }
    }

    /// Returns a list as a finished graph has it, nearest first: what fits stays, for more links find more rows.
    pub fn fitted<'w>(&self, space: &dyn Space, layer: usize, row: u32, work: &'w mut Work) -> &'w [Near] {
        let list = self.list(layer, row).lock();
        if list.len() > self.shape().width(layer) {
            return self.prune(space, layer, row, &list, work);
        }
        work.near.clear();
        let links = list.links().map(|(row, distance)| Near { distance, row, place: 0, settled: false });
        work.near.extend(links);
        work.near.sort_unstable_by(|a, b| a.distance.total_cmp(&b.distance).then(a.row.cmp(&b.row)));
        &work.near
    }

    /// Takes the links out of a list that others make superfluous; returns those that stay, nearest first.
    pub fn prune<'w>(
        &self,
        space: &dyn Space,
        layer: usize,
        row: u32,
        list: &LockedList,
        work: &'w mut Work,
    ) -> &'w [Near] {
        let settled = list.num_settled();
        work.near.clear();
        work.near.extend(list.links().enumerate().map(|(place, (row, distance))| Near {
            distance,
            row,
            place: place as u32,
            settled: place < settled,
        }));
        work.selector.choose(space, row, &mut work.near, self.shape().width(layer));
        work.stays.clear();
        work.stays.resize(list.len(), false);
        for near in &work.near {
            work.stays[near.place as usize] = true;
        }
        list.retain(|place| work.stays[place]);
        &work.near
    }
}
