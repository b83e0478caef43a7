//! Streams against a scan: what comes out is what a search of the same size finds, and in the end everything.

mod stream_support;

use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use elanus_graph::{Keep, Links, NONE, Source, Stop, Stopped, Stream, StreamSettings, Tuning};
use elanus_kernels::{Hit, Scorer};
use stream_support::{Coarse, NEVER, Random, WIDTH, World, bitmap, check_ascending, check_rows, overlap};

static WORLD: LazyLock<World> = LazyLock::new(|| World::clustered(2000, 12, 11));

/// Walks to the end, whatever it costs.
fn walking(ef: usize) -> StreamSettings {
    let tuning = Tuning { list: f32::INFINITY, ..Tuning::default() };
    StreamSettings { scan_below: 0, ..StreamSettings::new(ef, tuning) }
}

/// Pulls batches of the given sizes, in turn, until `total` rows came out or the stream ends.
fn pull(stream: &mut Stream, source: &Source, sizes: &[usize], total: usize) -> Vec<Hit> {
    let mut all = Vec::new();
    for &size in sizes.iter().cycle() {
        let before = all.len();
        let size = size.min(total - before);
        let emitted = stream.next(source, size, &mut all).unwrap();
        assert_eq!(all.len() - before, emitted);
        check_ascending(&all[before..]);
        if emitted < size || all.len() == total {
            break;
        }
    }
    assert_eq!(stream.report().emitted, all.len());
    all
}

fn filters(rows: usize) -> Vec<(f64, Vec<u8>)> {
    let mut random = Random(5);
    [0.0, 0.001, 0.01, 0.1, 0.5, 1.0]
        .map(|share| (share, bitmap(rows, |_| (random.below(10_000) as f64) < share * 10_000.0)))
        .into()
}

/// Rows far along a random direction, and a query from its other end.
fn opposed(world: &World, share: f64, random: &mut Random) -> (Vec<u8>, Vec<f32>) {
    let direction: Vec<f32> = (0..world.dim).map(|_| random.normal()).collect();
    let along = |row: usize| world.vector(row).iter().zip(&direction).map(|(x, d)| x * d).sum::<f32>();
    let mut order: Vec<usize> = (0..world.rows).collect();
    order.sort_by(|&a, &b| along(a).total_cmp(&along(b)));
    let first = world.rows - (world.rows as f64 * share) as usize;
    let passing: std::collections::HashSet<usize> = order[first..].iter().copied().collect();
    (bitmap(world.rows, |row| passing.contains(&row)), world.vector(order[random.below(20)]))
}

#[test]
fn batches_of_any_sizes_together_are_one_big_search() {
    let world = &*WORLD;
    let links = world.links();
    let mut random = Random(1);
    for sizes in [&[10][..], &[100], &[1], &[1, 7, 64, 3], &[300]] {
        let mut shares = 0.0;
        for _ in 0..20 {
            let query = world.query(&mut random);
            let truth = world.truth(&query, None);
            world.with_scorer(&query, |scorer| {
                let source = Source { links: &links, walk: scorer, exact: scorer, keep: None, stop: NEVER };
                let found = pull(&mut Stream::with(world.rows, walking(64)), &source, sizes, 300);
                check_rows(&found, &truth);
                shares += overlap(&found, &truth[..300]);
            });
        }
        assert!(shares / 20.0 >= 0.97, "{sizes:?}: {}", shares / 20.0);
    }
}

#[test]
fn what_passes_is_found_first_and_then_everything_under_filters_of_any_share() {
    let world = &*WORLD;
    let links = world.links();
    let mut random = Random(2);
    for (share, bits) in filters(world.rows) {
        let keep = Keep::new(&bits, world.rows);
        for settings in [walking(64), StreamSettings::new(64, Tuning::default())] {
            let (mut shares, queries) = (0.0, 6);
            for _ in 0..queries {
                let query = world.query(&mut random);
                let truth = world.truth(&query, keep);
                world.with_scorer(&query, |scorer| {
                    let source = Source { links: &links, walk: scorer, exact: scorer, keep, stop: NEVER };
                    let mut stream = Stream::with(world.rows, settings);
                    let first = pull(&mut stream, &source, &[10], truth.len().min(60));
                    shares += if truth.is_empty() { 1.0 } else { overlap(&first, &truth[..first.len()]) };
                    let mut rest = Vec::new();
                    while stream.next(&source, 501, &mut rest).unwrap() > 0 {}
                    let all = [first, rest].concat();
                    assert_eq!(all.len(), truth.len());
                    check_rows(&all, &truth);
                    assert_eq!(stream.num_waiting(), 0);
                    assert_eq!(stream.next(&source, 5, &mut Vec::new()), Ok(0));
                });
            }
            let mean = shares / f64::from(queries);
            // A handful of passing rows in a graph of their own: only the scan that follows finds them.
            let floor = if settings.scan_below == 0 && share <= 0.01 { 0.0 } else { 0.95 };
            assert!(mean >= floor, "{share} passing, {settings:?}: {mean}");
        }
    }
}

#[test]
fn filters_that_oppose_the_query_are_walked_through_their_own_rows() {
    let world = &*WORLD;
    let links = world.links();
    let mut random = Random(3);
    for share in [0.1, 0.3, 0.6] {
        let (mut shares, mut work) = (0.0, 0);
        for _ in 0..10 {
            let (bits, query) = opposed(world, share, &mut random);
            let keep = Keep::new(&bits, world.rows);
            let truth = world.truth(&query, keep);
            world.with_scorer(&query, |scorer| {
                let source = Source { links: &links, walk: scorer, exact: scorer, keep, stop: NEVER };
                let mut stream = Stream::with(world.rows, walking(100));
                let found = pull(&mut stream, &source, &[10], 30);
                check_rows(&found, &truth);
                shares += overlap(&found, &truth[..30]);
                work += stream.report().scored;
            });
        }
        assert!(shares / 10.0 >= 0.95, "{share}: {}", shares / 10.0);
        let limit = (share * 0.85 + 0.2) * world.rows as f64;
        assert!((work as f64) < 10.0 * limit, "{share}: {} scored of {}", work / 10, world.rows);
    }
}

#[test]
fn little_work_is_done_beyond_that_of_a_scan() {
    let world = &*WORLD;
    let links = world.links();
    let mut random = Random(4);
    let (bits, query) = opposed(world, 0.2, &mut random);
    for keep in [None, Keep::new(&bits, world.rows)] {
        let passing = keep.map_or(world.rows, |keep| keep.count());
        world.with_scorer(&query, |scorer| {
            let source = Source { links: &links, walk: scorer, exact: scorer, keep, stop: NEVER };
            let mut stream = Stream::with(
                world.rows,
                StreamSettings { scan_below: 0, ..StreamSettings::new(64, Tuning::default()) },
            );
            let mut all = Vec::new();
            while stream.next(&source, 100, &mut all).unwrap() > 0 {}
            let report = stream.report();
            assert!(report.complete && report.scored > 0 && report.scanned > 0, "{report:?}");
            assert!(report.scored + report.scanned <= passing + passing / 2 + 100, "{report:?}");
            let mut narrow = Stream::with(world.rows, StreamSettings { scan_below: passing, ..walking(64) });
            narrow.next(&source, 10, &mut all).unwrap();
            let report = narrow.report();
            assert_eq!((report.hops, report.scored, report.scanned), (0, 0, passing), "few rows are not walked");
        });
    }
}

#[test]
fn batches_are_nearly_in_order() {
    let world = &*WORLD;
    let links = world.links();
    let mut random = Random(6);
    let (mut late, mut emitted) = (0, 0);
    for _ in 0..20 {
        let query = world.query(&mut random);
        world.with_scorer(&query, |scorer| {
            let source = Source { links: &links, walk: scorer, exact: scorer, keep: None, stop: NEVER };
            let found = pull(&mut Stream::with(world.rows, walking(64)), &source, &[10], 300);
            let mut farthest = f32::NEG_INFINITY;
            for hit in &found {
                late += usize::from(hit.distance < farthest);
                farthest = farthest.max(hit.distance);
            }
            emitted += found.len();
        });
    }
    assert!(late * 100 <= emitted, "{late} of {emitted} rows came out after a farther one");
}

#[test]
fn the_order_of_coarse_codes_is_corrected_by_exact_distances() {
    let world = &*WORLD;
    let links = world.links();
    let mut random = Random(7);
    let mut share = 0.0;
    for _ in 0..20 {
        let query = world.query(&mut random);
        let truth = world.truth(&query, None);
        world.with_scorer(&query, |exact| {
            let coarse = Coarse(exact, 0.1);
            let source = Source { links: &links, walk: &coarse, exact, keep: None, stop: NEVER };
            let found = pull(&mut Stream::with(world.rows, walking(64)), &source, &[10], 100);
            check_rows(&found, &truth);
            share += overlap(&found[..10], &truth[..10]) / 20.0;
        });
    }
    assert!(share >= 0.97, "{share}");
}

#[test]
fn equal_vectors_all_come_out() {
    let vectors: Vec<f32> = vec![0.5; 400 * 8];
    let world = World::new(&vectors, 8, 3);
    let links = world.links();
    world.with_scorer(&vectors[..8], |scorer| {
        let source = Source { links: &links, walk: scorer, exact: scorer, keep: None, stop: NEVER };
        for settings in [walking(32), StreamSettings::new(32, Tuning::default())] {
            let found = pull(&mut Stream::with(400, settings), &source, &[7], 500);
            check_rows(&found, &world.truth(&vectors[..8], None));
            assert_eq!(found.len(), 400);
        }
    });
}

#[test]
fn no_row_one_row_and_two_rows() {
    for rows in 0..3 {
        let world = World::new(&vec![1.0; rows * 4], 4, 9);
        let links = world.links();
        for settings in [walking(32), StreamSettings::new(32, Tuning::default())] {
            world.with_scorer(&[0.0; 4], |scorer| {
                let source = Source { links: &links, walk: scorer, exact: scorer, keep: None, stop: NEVER };
                let found = pull(&mut Stream::with(rows, settings), &source, &[1], 10);
                assert_eq!(found, world.truth(&[0.0; 4], None));
            });
        }
    }
}

#[test]
fn rows_that_no_link_leads_to_come_out_too() {
    let world = &*WORLD;
    let none = vec![NONE; world.rows];
    let links = Links::new(world.rows, 1, &none, 0, Vec::new(), 7).unwrap();
    let query = world.query(&mut Random(8));
    let truth = world.truth(&query, None);
    world.with_scorer(&query, |scorer| {
        let source = Source { links: &links, walk: scorer, exact: scorer, keep: None, stop: NEVER };
        let found = pull(&mut Stream::with(world.rows, walking(64)), &source, &[50], 5000);
        assert_eq!(found, truth, "a stream that found nobody to walk to is a scan");
    });
}

#[test]
fn passing_rows_that_no_link_leads_to_are_walked_from_seeds() {
    // Two islands: the entry is on the one, the query on the other.
    let world = &*WORLD;
    let half = world.rows / 2;
    let mut links = world.links.clone();
    for (at, link) in links.iter_mut().enumerate() {
        let crosses = *link != NONE && (*link as usize >= half) != (at / WIDTH >= half);
        // A link to itself leads nowhere.
        *link = if crosses { (at / WIDTH) as u32 } else { *link };
    }
    let links = Links::new(world.rows, WIDTH, &links, 0, Vec::new(), 0).unwrap();
    let bits = bitmap(world.rows, |row| row % 3 == 0);
    let beyond = bitmap(world.rows, |row| row % 3 == 0 && row >= half);
    let (mut random, mut shares) = (Random(12), 0.0);
    for _ in 0..10 {
        let query = world.query(&mut random);
        let truth = world.truth(&query, Keep::new(&beyond, world.rows));
        world.with_scorer(&query, |scorer| {
            let keep = Keep::new(&bits, world.rows);
            let source = Source { links: &links, walk: scorer, exact: scorer, keep, stop: NEVER };
            let found = pull(&mut Stream::with(world.rows, walking(64)), &source, &[10], 50);
            let nearest: Vec<Hit> = truth.iter().copied().filter(|hit| hit.distance < found[29].distance).collect();
            shares += overlap(&found, &nearest) / 10.0;
        });
    }
    assert!(shares >= 0.9, "{shares}");
}

/// Sets a flag when it has scored for the given number of times.
struct Interrupting<'a> {
    scorer: &'a dyn Scorer,
    left: AtomicUsize,
    flag: &'a AtomicBool,
}

impl Scorer for Interrupting<'_> {
    fn score(&self, rows: &[u32], out: &mut [f32]) {
        if self.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.flag.store(true, Ordering::Relaxed);
        }
        self.scorer.score(rows, out);
    }

    fn score_run(&self, first: u32, out: &mut [f32]) {
        let rows: Vec<u32> = (first..first + out.len() as u32).collect();
        self.score(&rows, out);
    }
}

#[test]
fn a_stream_that_was_given_up_can_be_asked_again_and_loses_nothing() {
    let world = &*WORLD;
    let links = world.links();
    let query = world.query(&mut Random(9));
    let truth = world.truth(&query, None);
    let ways = [walking(64), StreamSettings::new(64, Tuning::default())];
    for (settings, after) in ways.into_iter().flat_map(|way| [1, 3, 5, 10, 100, 700].map(|after| (way, after))) {
        world.with_scorer(&query, |scorer| {
            let flag = AtomicBool::new(false);
            let stop = Stop { cancelled: Some(&flag), deadline: None };
            let interrupting = Interrupting { scorer, left: AtomicUsize::new(after), flag: &flag };
            let source = Source { links: &links, walk: &interrupting, exact: scorer, keep: None, stop };
            let (mut stream, mut all, mut given_up) = (Stream::with(world.rows, settings), Vec::new(), 0);
            loop {
                let before = all.len();
                match stream.next(&source, 400, &mut all) {
                    Ok(0) => break,
                    Ok(_) => {}
                    Err(Stopped) => {
                        assert_eq!(all.len(), before);
                        given_up += 1;
                        flag.store(false, Ordering::Relaxed);
                    }
                }
            }
            assert!(given_up == 1 || settings.scan_below > 0 && after > 5, "{settings:?} {after}");
            check_rows(&all, &truth);
            assert_eq!(all.len(), truth.len());
        });
    }
}
