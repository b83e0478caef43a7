//! All interleavings of a reader and writers of one neighbour list, within the bounds that the model checker sets.
//!
//! `cargo test --release -p elanus-graph --features model --test list_model`

#[allow(dead_code, reason = "the builder's own file, of which the model needs a part")]
#[path = "../src/build/list.rs"]
mod list;

/// What the list is built on, as the model checker has it.
mod sync {
    pub use loom::sync::atomic::{AtomicU32, Ordering};

    pub fn pause() {
        loom::thread::yield_now();
    }
}

use std::sync::Arc;

use list::NeighbourList;
use sync::AtomicU32;

const CAPACITY: usize = 4;

fn words() -> Arc<Vec<AtomicU32>> {
    Arc::new((0..NeighbourList::num_words(CAPACITY)).map(|_| AtomicU32::new(0)).collect())
}

fn read(words: &[AtomicU32]) -> Vec<u32> {
    let mut rows = Vec::new();
    NeighbourList::new(words).read(|row| rows.push(row));
    rows
}

#[test]
fn a_reader_never_misses_a_link_that_stays() {
    loom::model(|| {
        let words = words();
        let list = NeighbourList::new(&words).lock();
        for row in [10, 11, 12, 13] {
            list.push(row, 1.0);
        }
        drop(list);
        let writer = {
            let words = words.clone();
            loom::thread::spawn(move || {
                let list = NeighbourList::new(&words).lock();
                list.retain(|place| place % 2 == 1);
                list.push(14, 1.0);
                list.push(15, 1.0);
                list.retain(|place| place > 0);
            })
        };
        let seen = read(&words);
        assert!(seen.contains(&13), "13 is in the list at all times, and only {seen:?} were seen");
        assert!(seen.iter().all(|row| (10..=15).contains(row)), "{seen:?}");
        writer.join().unwrap();
        assert_eq!(read(&words), [15, 14, 13]);
    });
}

#[test]
fn a_reader_of_a_growing_list_sees_whole_links_in_their_order() {
    loom::model(|| {
        let words = words();
        let writer = {
            let words = words.clone();
            loom::thread::spawn(move || {
                let list = NeighbourList::new(&words).lock();
                assert!(list.push(10, 1.0) && list.push(11, 2.0));
            })
        };
        let seen = read(&words);
        assert!([10, 11][..seen.len()].iter().rev().eq(&seen), "{seen:?}");
        writer.join().unwrap();
    });
}

#[test]
fn writers_wait_for_each_other() {
    loom::model(|| {
        let words = words();
        let push = |row: u32| {
            let words = words.clone();
            loom::thread::spawn(move || {
                let list = NeighbourList::new(&words).lock();
                list.push(9, 3.0);
                list.push(row, row as f32);
            })
        };
        let (first, second) = (push(10), push(11));
        first.join().unwrap();
        second.join().unwrap();
        let list = NeighbourList::new(&words).lock();
        let mut links: Vec<(u32, f32)> = list.links().collect();
        links.sort_by_key(|link| link.0);
        assert_eq!(links, [(9, 3.0), (10, 10.0), (11, 11.0)]);
    });
}
