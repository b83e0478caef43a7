//! Data that a graph could come apart on.

use std::collections::HashSet;

use elanus_graph::{BuildSettings, Built, Keep, NONE, Stop, build, walk, with_scratch};
use elanus_kernels::Space;

use crate::data::{Dice, Vectors, clustered, gaussian, nearest, sized};
use crate::quality::SETTINGS;

/// Lists are bounded, hold no row twice nor their own, only rows that are in; every row that is in can be reached.
pub fn assert_whole(built: &Built, is_in: impl Fn(u32) -> bool) {
    let links = built.links();
    for row in 0..built.rows as u32 {
        let list = links.of(row);
        let distinct: HashSet<u32> = list.iter().copied().collect();
        assert_eq!(distinct.len(), list.len(), "row {row} has a link twice");
        assert!(!distinct.contains(&row), "row {row} is linked with itself");
        assert!(list.iter().all(|&linked| linked != NONE && is_in(linked)), "row {row} leads out of the graph");
        assert!(is_in(row) || list.is_empty(), "row {row} is not in and has links");
    }
    let mut reached = HashSet::new();
    let mut queue: Vec<u32> = links.entry().into_iter().collect();
    while let Some(row) = queue.pop() {
        if reached.insert(row) {
            queue.extend(links.of(row));
        }
    }
    let lost: Vec<u32> = (0..built.rows as u32).filter(|&row| is_in(row) != reached.contains(&row)).collect();
    assert!(lost.is_empty(), "{} rows are not reached, {:?} among them", lost.len(), &lost[..lost.len().min(5)]);
    for layer in &built.upper {
        assert!(layer.rows.iter().all(|&row| is_in(row)));
        for (list, &row) in layer.links.chunks(built.upper_width).zip(&layer.rows) {
            let linked: Vec<u32> = list.iter().copied().take_while(|&linked| linked != NONE).collect();
            let distinct: HashSet<u32> = linked.iter().copied().collect();
            assert!(distinct.len() == linked.len() && !distinct.contains(&row), "row {row} above the base");
        }
    }
}

fn built(base: &Vectors, m: usize, threads: usize) -> Built {
    let settings = BuildSettings { m, ef_construction: 60, threads, ..SETTINGS };
    let built = build(base, None, &settings, &|_| true).unwrap();
    assert_eq!((built.width, built.upper_width), (2 * m, m));
    assert_whole(&built, |_| true);
    built
}

/// The rows that a walk from a row of `base` finds.
fn found_from(built: &Built, base: &Vectors, row: usize, ef: usize) -> Vec<(f32, u32)> {
    let scorer = base.scorer_from(base, row);
    with_scratch(|scratch| {
        walk(&built.links(), &scorer, ef, scratch, Stop::default()).unwrap();
        scratch.pool.items().iter().map(|item| (item.distance, item.row())).collect()
    })
}

#[test]
fn ordinary_data_makes_whole_graphs() {
    for m in [2, 8, 16] {
        for threads in [1, 2] {
            built(&gaussian(sized(3_000), 12, 10), m, threads);
        }
    }
}

#[test]
fn clusters_that_are_far_apart_stay_connected() {
    for threads in [1, 2] {
        let base = clustered(sized(4_000), 8, 40, 1_000.0, 11);
        let built = built(&base, 8, threads);
        let found = found_from(&built, &base, 17, base.rows());
        assert_eq!(found.len(), base.rows(), "a walk that keeps everything finds everything");
    }
}

#[test]
fn no_row_one_row_two_rows() {
    let none = Vectors::new(&[], 4);
    let nothing = built(&none, 16, 2);
    assert_eq!((nothing.links().entry(), nothing.base.len()), (None, 0));
    let one = built(&Vectors::new(&[1.0, 2.0], 2), 16, 1);
    assert_eq!((one.links().entry(), one.links().of(0)), (Some(0), &[][..]));
    let two = built(&Vectors::new(&[1.0, 2.0, 3.0, 4.0], 2), 16, 2);
    assert_eq!((two.links().of(0), two.links().of(1)), (&[1][..], &[0][..]));
}

#[test]
fn few_rows_or_none_may_be_kept() {
    let base = gaussian(2_000, 8, 12);
    for kept in [vec![], vec![1_234], vec![7, 1_999], (0..40).map(|i| i * 50).collect()] {
        let mut bits = vec![0; 250];
        for &row in &kept {
            bits[row / 8] |= 1 << (row % 8);
        }
        let keep = Keep::new(&bits, 2_000).unwrap();
        let built = build(&base, Some(keep), &SETTINGS, &|_| true).unwrap();
        assert_whole(&built, |row| keep.contains(row));
        assert_eq!(found_from(&built, &base, 3, 2_000).len(), kept.len());
    }
}

#[test]
fn equal_vectors_stay_connected() {
    for (rows, threads) in [(33, 1), (500, 1), (sized(20_000), 1), (sized(20_000), 2)] {
        let base = Vectors::new(&vec![0.25; rows * 4], 4);
        let built = built(&base, 16, threads);
        assert_eq!(found_from(&built, &base, 5, 10).len(), 10);
        assert_eq!(found_from(&built, &base, 5, rows).len(), rows);
    }
}

#[test]
fn groups_of_copies_lead_to_each_other() {
    let (groups, copies, dim) = (sized(100), 60, 16);
    let centres = gaussian(groups, dim, 13);
    let mut dice = Dice::new(14);
    let mut group_of: Vec<usize> = (0..groups * copies).map(|row| row / copies).collect();
    for row in 0..group_of.len() {
        group_of.swap(row, dice.below(groups * copies));
    }
    let values: Vec<f32> = group_of.iter().flat_map(|&group| centres.row(group)).collect();
    let base = Vectors::new(&values, dim);
    for threads in [1, 2] {
        let built = built(&base, 8, threads);
        let mut met = 0;
        for row in (0..base.rows()).step_by(61) {
            let truth = nearest(&base.scorer_from(&base, row), 3 * copies, base.rows(), |_| true);
            let found = found_from(&built, &base, row, 5 * copies);
            assert!(found[0].0 <= 0.0);
            met += found.iter().take(3 * copies).filter(|found| found.0 <= truth[3 * copies - 1].0).count();
        }
        let share = met as f64 / (3 * copies * base.rows().div_ceil(61)) as f64;
        println!("{share:.4} of the copies of the nearest three groups are found");
        assert!(share > 0.95, "{share:.4} of the copies of the nearest three groups are found");
    }
}
