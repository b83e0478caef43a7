//! Ranges against a scan.

mod stream_support;

use elanus_graph::{Keep, Source, StreamSettings, Tuning, range};
use elanus_kernels::{Hit, Window};
use stream_support::{Coarse, NEVER, Random, World, bitmap, check_ascending, check_rows, overlap};

fn settings(scan_below: usize) -> StreamSettings {
    let tuning = Tuning { list: f32::INFINITY, ..Tuning::default() };
    StreamSettings { scan_below, ..StreamSettings::new(64, tuning) }
}

fn within(truth: &[Hit], window: Window, limit: usize) -> Vec<Hit> {
    let far_enough = |hit: &Hit| window.from.is_none_or(|from| hit.distance >= from);
    let near_enough = |hit: &Hit| window.below.is_none_or(|below| hit.distance < below);
    truth.iter().copied().filter(|hit| far_enough(hit) && near_enough(hit)).take(limit).collect()
}

#[test]
fn ranges_of_any_size_are_found_with_the_recall_of_a_walk() {
    let world = World::clustered(2000, 12, 21);
    let links = world.links();
    let mut random = Random(1);
    let some = bitmap(world.rows, |row| row % 3 != 0);
    for keep in [None, Keep::new(&some, world.rows)] {
        for (from, to) in [(0, 0), (0, 1), (0, 10), (5, 40), (0, 150), (100, 300), (0, 1000), (300, 1300)] {
            let mut shares = 0.0;
            for _ in 0..4 {
                let query = world.query(&mut random);
                let truth = world.truth(&query, keep);
                let window = Window { from: (from > 0).then(|| truth[from].distance), below: Some(truth[to].distance) };
                for limit in [usize::MAX, 25] {
                    let expected = within(&truth, window, limit);
                    world.with_scorer(&query, |scorer| {
                        let source = Source { links: &links, walk: scorer, exact: scorer, keep, stop: NEVER };
                        let mut found = Vec::new();
                        let ranged = range(&source, settings(0), window, limit, &mut found).unwrap();
                        check_rows(&found, &truth);
                        check_ascending(&found);
                        assert!(found.len() <= limit && within(&found, window, limit) == found);
                        assert_eq!(ranged.report.emitted, found.len());
                        assert!(!ranged.exhaustive || found == expected);
                        assert!(to < 1000 || limit == 25 || ranged.exhaustive, "a large range is scanned");
                        shares += if expected.is_empty() { 1.0 } else { overlap(&found, &expected) } / 8.0;
                    });
                }
            }
            assert!(shares >= 0.97, "{from}..{to}: {shares}");
        }
    }
}

#[test]
fn few_passing_rows_and_ranges_without_end_are_exhaustive() {
    let world = World::clustered(1000, 8, 22);
    let links = world.links();
    let few = bitmap(world.rows, |row| row % 40 == 3);
    let query = world.query(&mut Random(2));
    for (keep, window, scan_below) in [
        (Keep::new(&few, world.rows), Window::ALL, 100),
        (Keep::new(&few, world.rows), Window { from: Some(3.0), below: None }, 0),
        (None, Window::ALL, 0),
        (None, Window { from: Some(4.0), below: Some(1e9) }, 0),
    ] {
        let truth = world.truth(&query, keep);
        world.with_scorer(&query, |scorer| {
            let source = Source { links: &links, walk: scorer, exact: scorer, keep, stop: NEVER };
            let mut found = Vec::new();
            let ranged = range(&source, settings(scan_below), window, usize::MAX, &mut found).unwrap();
            assert!(ranged.exhaustive && ranged.report.complete);
            assert_eq!(found, within(&truth, window, usize::MAX));
        });
    }
}

#[test]
fn an_empty_range_costs_little() {
    let world = World::clustered(2000, 12, 23);
    let links = world.links();
    let query = world.query(&mut Random(3));
    world.with_scorer(&query, |scorer| {
        let source = Source { links: &links, walk: scorer, exact: scorer, keep: None, stop: NEVER };
        let (window, mut found) = (Window { from: None, below: Some(0.0) }, Vec::new());
        let ranged = range(&source, settings(0), window, 10, &mut found).unwrap();
        assert!(found.is_empty() && !ranged.exhaustive && ranged.report.scored < world.rows / 2, "{ranged:?}");
        assert_eq!(range(&source, settings(0), window, 0, &mut found), Ok(elanus_graph::Ranged::default()));
    });
}

#[test]
fn rows_that_coarse_codes_put_beyond_the_range_are_found() {
    let world = World::clustered(1500, 12, 24);
    let links = world.links();
    let (mut random, mut shares) = (Random(4), 0.0);
    for _ in 0..20 {
        let query = world.query(&mut random);
        let truth = world.truth(&query, None);
        let window = Window { from: None, below: Some(truth[55].distance) };
        world.with_scorer(&query, |exact| {
            let coarse = Coarse(exact, 0.4);
            let source = Source { links: &links, walk: &coarse, exact, keep: None, stop: NEVER };
            let mut found = Vec::new();
            let ranged = range(&source, settings(0), window, usize::MAX, &mut found).unwrap();
            assert!(!ranged.exhaustive);
            shares += overlap(&found, &truth[..55]) / 20.0;
        });
    }
    assert!(shares >= 0.98, "{shares}");
}
