//! Recall against exact answers.

use std::sync::atomic::{AtomicUsize, Ordering};

use elanus_graph::{BuildSettings, Built, Keep, Stop, build, walk, with_scratch};
use elanus_kernels::Space;

use crate::data::{Vectors, clustered, gaussian, nearest, sized, wordnet};

pub const SETTINGS: BuildSettings = BuildSettings { m: 16, ef_construction: 200, threads: 1, seed: 1 };

/// The share of the true ten nearest rows that a walk with `ef` finds.
pub fn recall(built: &Built, base: &Vectors, queries: &Vectors, ef: usize) -> f64 {
    let links = built.links();
    let mut found = 0;
    let asked = queries.rows().min(200);
    for query in 0..asked {
        let scorer = base.scorer_from(queries, query);
        let truth = nearest(&scorer, 10, base.rows(), |_| true);
        found += with_scratch(|scratch| {
            walk(&links, &scorer, ef, scratch, Stop::default()).unwrap();
            let farthest = truth[9].0;
            scratch.pool.items().iter().take(10).filter(|item| item.distance <= farthest).count()
        });
    }
    found as f64 / (10 * asked) as f64
}

fn assert_recall(name: &str, base: &Vectors, queries: &Vectors, floors: &[(usize, usize, f64)]) {
    for &(m, ef, floor) in floors {
        let settings = BuildSettings { m, ef_construction: 100, ..SETTINGS };
        let built = build(base, None, &settings, &|_| true).unwrap();
        let recall = recall(&built, base, queries, ef);
        println!("{name}: recall {recall:.4} with m {m}, ef {ef}");
        assert!(recall >= floor, "{name}: recall {recall:.4} with m {m}, ef {ef} is below {floor}");
    }
}

#[test]
fn finds_nearly_all_neighbours_on_wordnet() {
    let (base, queries) = (wordnet("base"), wordnet("queries"));
    assert_recall("wordnet", &base, &queries, &[(8, 64, 0.95), (16, 64, 0.98), (32, 64, 0.98)]);
}

#[test]
fn finds_nearly_all_neighbours_among_clusters() {
    let (base, queries) = (clustered(sized(4_000), 24, 60, 1.5, 2), clustered(200, 24, 60, 1.5, 3));
    assert_recall("clustered", &base, &queries, &[(8, 64, 0.9), (16, 64, 0.9), (32, 64, 0.9)]);
}

#[test]
fn finds_nearly_all_neighbours_in_a_cloud() {
    let (base, queries) = (gaussian(sized(4_000), 16, 4), gaussian(200, 16, 5));
    assert_recall("gaussian", &base, &queries, &[(8, 100, 0.9), (16, 100, 0.9), (32, 100, 0.9)]);
}

#[test]
fn one_thread_builds_the_same_graph_every_time() {
    let base = gaussian(sized(3_000), 8, 6);
    let settings = BuildSettings { ef_construction: 40, m: 8, ..SETTINGS };
    let built = build(&base, None, &settings, &|_| true).unwrap();
    assert_eq!(built, build(&base, None, &settings, &|_| true).unwrap());
    let other = BuildSettings { seed: 2, ..settings };
    assert_ne!(built, build(&base, None, &other, &|_| true).unwrap(), "the seed draws the layers");
}

#[test]
fn threads_cost_no_recall() {
    let (base, queries) = (wordnet("base"), wordnet("queries"));
    let settings = BuildSettings { ef_construction: 60, ..SETTINGS };
    let alone = build(&base, None, &settings, &|_| true).unwrap();
    let alone = recall(&alone, &base, &queries, 40);
    for threads in [2, 4] {
        let built = build(&base, None, &BuildSettings { threads, ..settings }, &|_| true).unwrap();
        let together = recall(&built, &base, &queries, 40);
        println!("recall {alone:.4} by one thread, {together:.4} by {threads}");
        assert!(together >= alone - 0.005, "recall {alone:.4} by one thread, {together:.4} by {threads}");
    }
}

#[test]
fn stops_when_told() {
    let base = gaussian(5_000, 4, 8);
    let calls = AtomicUsize::new(0);
    let stop_at_600 = |done: usize| {
        calls.fetch_add(1, Ordering::Relaxed);
        done < 600
    };
    assert!(build(&base, None, &BuildSettings { ef_construction: 20, ..SETTINGS }, &stop_at_600).is_none());
    assert_eq!(calls.into_inner(), 3, "it is told of about every 256 rows, and of no more once it stopped");
}

#[test]
fn leaves_out_rows_that_are_not_to_be_kept() {
    let base = gaussian(2_000, 8, 9);
    let bits: Vec<u8> = (0..250).map(|byte| if byte % 2 == 0 { 0b1010_0110 } else { 0 }).collect();
    let keep = Keep::new(&bits, 2_000).unwrap();
    let built = build(&base, Some(keep), &SETTINGS, &|_| true).unwrap();
    crate::shapes::assert_whole(&built, |row| keep.contains(row));
    let scorer = base.scorer_from(&base, 1);
    let truth = nearest(&scorer, 10, 2_000, |row| keep.contains(row));
    with_scratch(|scratch| {
        walk(&built.links(), &scorer, 100, scratch, Stop::default()).unwrap();
        let rows: Vec<u32> = scratch.pool.items().iter().take(10).map(|item| item.row()).collect();
        assert_eq!(rows, truth.iter().map(|&(_, row)| row).collect::<Vec<_>>());
    });
}
