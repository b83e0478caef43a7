//! From lists with slack to the arrays of a finished graph.

use std::sync::Mutex;

use elanus_kernels::Space;

use super::connect::Tree;
use super::insert::{LayerView, Work, distance_to};
use super::store::Store;
use super::{Built, BuiltLayer, on_threads};
use crate::links::NONE;
use crate::scratch::with_scratch;
use crate::stop::Stop;

/// Rows whose lists one thread writes at a time.
const BATCH: usize = 256;

/// Rows that a walk for the nearest reached row keeps.
const CONNECT_EF: usize = 32;

/// Copies the lists of the rows below `rows` that are in the graph into arrays, those that are too long pruned.
pub fn finish(
    store: &Store,
    space: &dyn Space,
    rows: usize,
    is_in: &(dyn Fn(u32) -> bool + Sync),
    threads: usize,
) -> Built {
    let shape = store.shape();
    let entry = store.entry(NONE);
    let all: Vec<u32> = (0..rows as u32).filter(|&row| is_in(row)).collect();
    let num_upper = entry.map_or(0, |(_, layer)| layer);
    let base = lists(store, space, 0, rows, &|row| is_in(row as u32).then_some(row as u32), threads);
    let upper = (1..=num_upper).map(|layer| {
        let rows: Vec<u32> = all.iter().copied().filter(|&row| shape.layer_of(row) >= layer).collect();
        let links = lists(store, space, layer, rows.len(), &|place| Some(rows[place]), threads);
        BuiltLayer { rows, links }
    });
    let mut built = Built {
        rows,
        width: shape.width(0),
        base,
        upper_width: shape.width(1),
        upper: upper.collect(),
        entry: entry.map_or(NONE, |(row, _)| row),
    };
    connect(store, space, &all, &mut built);
    built
}

/// The lists of a layer as an array of `slots` lists, of which each belongs to the row that `row_at` says.
fn lists(
    store: &Store,
    space: &dyn Space,
    layer: usize,
    slots: usize,
    row_at: &(dyn Fn(usize) -> Option<u32> + Sync),
    threads: usize,
) -> Vec<u32> {
    let width = store.shape().width(layer);
    let mut links = vec![NONE; slots * width];
    let batches = Mutex::new(links.chunks_mut(BATCH * width).enumerate());
    on_threads(threads, || {
        let mut work = Work::default();
        while let Some((batch, links)) = next_of(&batches) {
            for (slot, links) in links.chunks_exact_mut(width).enumerate() {
                if let Some(row) = row_at(batch * BATCH + slot) {
                    for (link, near) in links.iter_mut().zip(store.fitted(space, layer, row, &mut work)) {
                        *link = near.row;
                    }
                }
            }
        }
    });
    links
}

fn next_of<T: Iterator>(shared: &Mutex<T>) -> Option<T::Item> {
    shared.lock().expect("no thread has panicked").next()
}

/// Makes every row reachable from the entry on the base layer.
fn connect(store: &Store, space: &dyn Space, rows: &[u32], built: &mut Built) {
    if built.entry == NONE {
        return;
    }
    let mut tree = Tree::new(&mut built.base, built.width, built.entry);
    for &row in rows {
        if tree.has(row) {
            continue;
        }
        let mut near: Vec<u32> = tree.of(row).collect();
        if !near.iter().any(|&near| tree.has(near)) {
            near = nearest(store, space, row, built.entry);
        }
        tree.attach(row, &near);
    }
}

/// Rows near `row` that can be reached from `entry`, nearest first.
fn nearest(store: &Store, space: &dyn Space, row: u32, entry: u32) -> Vec<u32> {
    let scorer = space.scorer_of(row);
    with_scratch(|scratch| {
        scratch.visited.reset(store.most_rows());
        scratch.visited.insert(row);
        let view = LayerView { store, layer: 0, upto: NONE };
        let walked = view.beam(&*scorer, (entry, distance_to(&*scorer, entry)), CONNECT_EF, scratch, Stop::default());
        walked.expect("nothing stops it");
        scratch.pool.items().iter().map(|item| item.row()).collect()
    })
}
