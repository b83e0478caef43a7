//! A graph that grows while it is searched.

use std::sync::atomic::{AtomicBool, Ordering};

use elanus_graph::{BuildSettings, Candidate, Growing, Keep, Stop, build};
use elanus_kernels::Space;

use crate::data::{Vectors, gaussian, nearest};
use crate::quality::SETTINGS;
use crate::shapes::assert_whole;

const SMALL: BuildSettings = BuildSettings { m: 8, ef_construction: 40, ..SETTINGS };

fn walked(graph: &Growing, base: &Vectors, from: usize, ef: usize, upto: usize, keep: Option<Keep>) -> Vec<Candidate> {
    let scorer = base.scorer_from(base, from);
    let mut out = Vec::new();
    graph.walk(&scorer, ef, upto, keep, Stop::default(), &mut out).unwrap();
    out
}

/// The share of the true ten nearest rows below `upto` that are found; also that all found are allowed and in order.
fn recall(graph: &Growing, base: &Vectors, upto: usize, keep: Option<Keep>) -> f64 {
    let passes = |row: u32| keep.is_none_or(|keep| keep.contains(row));
    let (mut met, mut wanted) = (0_u32, 0);
    for from in (0..base.rows()).step_by(base.rows() / 50) {
        let found = walked(graph, base, from, 60, upto, keep);
        assert!(found.iter().all(|found| (found.row() as usize) < upto && passes(found.row())));
        assert!(found.is_sorted_by(|a, b| a.distance <= b.distance));
        let truth = nearest(&base.scorer_from(base, from), 10, upto, passes);
        wanted += truth.len();
        met += truth.iter().map(|&(_, row)| u32::from(found.iter().any(|found| found.row() == row))).sum::<u32>();
    }
    if wanted == 0 { 1.0 } else { f64::from(met) / wanted as f64 }
}

#[test]
fn finds_what_was_added_and_nothing_past_what_is_asked() {
    let base = gaussian(3_000, 10, 20);
    let graph = Growing::new(&SMALL, 50_000);
    assert!(walked(&graph, &base, 0, 10, 3_000, None).is_empty());
    for upto in [1, 2, 100, 100, 1_000, 3_000] {
        graph.add(&base, upto, None);
        assert_eq!(graph.rows(), upto);
        assert!(recall(&graph, &base, upto, None) > 0.95);
        assert!(recall(&graph, &base, upto / 2, None) > 0.9, "rows that came later are as if they were not there");
    }
}

#[test]
fn filters_by_keeping_more() {
    let base = gaussian(3_000, 10, 21);
    let graph = Growing::new(&SMALL, 3_000);
    graph.add(&base, 3_000, None);
    for byte in [0b1111_0111, 0b0101_0101, 0b0000_0100] {
        let bits = vec![byte; 375];
        assert!(recall(&graph, &base, 3_000, Keep::new(&bits, 3_000)) > 0.95);
    }
    assert!(walked(&graph, &base, 7, 10, 3_000, Keep::new(&[0; 375], 3_000)).is_empty());
}

#[test]
fn leaves_out_rows_that_have_no_vector() {
    let base = gaussian(600, 6, 22);
    let graph = Growing::new(&SMALL, 600);
    let bits: Vec<u8> = (0..75).map(|byte| [0, 0b0110_1101, 0xff][byte % 3]).collect();
    let keep = Keep::new(&bits, 600).unwrap();
    for upto in [5, 301, 600] {
        graph.add(&base, upto, Some(keep));
    }
    assert_eq!(walked(&graph, &base, 3, 600, 600, None).len(), keep.count());
    assert_whole(&graph.freeze(&base), |row| keep.contains(row));
}

#[test]
fn freezes_to_what_a_build_makes() {
    let base = gaussian(20_000, 4, 23);
    let settings = BuildSettings { m: 4, ef_construction: 8, ..SETTINGS };
    let graph = Growing::new(&settings, 40_000);
    for upto in [4_096, 16_500, 20_000] {
        graph.add(&base, upto, None);
    }
    let frozen = graph.freeze(&base);
    assert_whole(&frozen, |_| true);
    assert_eq!(frozen, build(&base, None, &settings, &|_| true).unwrap());
    graph.add(&base, 20_000, None);
    assert_eq!(frozen, graph.freeze(&base), "freezing takes nothing from the graph");
}

#[test]
fn readers_see_a_sound_graph_while_it_grows() {
    let base = gaussian(4_000, 6, 24);
    let graph = Growing::new(&BuildSettings { m: 4, ef_construction: 30, ..SETTINGS }, 4_000);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..3)
            .map(|reader| {
                let (base, graph, done) = (&base, &graph, &done);
                scope.spawn(move || {
                    let mut from = reader;
                    let (mut searches, mut hits) = (0, 0);
                    while !done.load(Ordering::Relaxed) {
                        let upto = graph.rows();
                        let found = walked(graph, base, from, 40, upto, None);
                        assert!(found.iter().all(|found| (found.row() as usize) < upto));
                        assert!(upto < 40 || found.len() >= 36, "{} of {upto} rows are found", found.len());
                        if from < upto {
                            searches += 1;
                            hits += usize::from(found[0].row() as usize == from);
                        }
                        from = (from + 997) % base.rows();
                    }
                    (searches, hits)
                })
            })
            .collect();
        for upto in (250..=4_000).step_by(250) {
            graph.add(&base, upto, None);
        }
        done.store(true, Ordering::Relaxed);
        for reader in readers {
            let (searches, hits) = reader.join().unwrap();
            assert!(hits * 100 >= searches * 97, "{hits} of {searches} rows that were there were found");
        }
    });
    assert!(recall(&graph, &base, 4_000, None) > 0.95);
    assert_whole(&graph.freeze(&base), |_| true);
}
