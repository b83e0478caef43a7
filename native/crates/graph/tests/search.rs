//! Searches under every filter, by every strategy, against all distances.

mod search_support;

use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use elanus_graph::{Stop, Stopped, Strategy, Tuning, search, tune};
use elanus_kernels::{Hit, Scorer};
use search_support::{Asked, FORCED, Random, World, bits_of, by_distance, independent};

static WORLD: LazyLock<World> = LazyLock::new(|| World::clustered(4_000));

/// Filters of every kind with their names.
fn filters(world: &World) -> Vec<(String, Vec<u8>)> {
    let rows = world.rows;
    let mut filters: Vec<(String, Vec<u8>)> =
        [0.5, 0.1, 0.01, 0.001].map(|share| (format!("independent {share}"), independent(rows, share))).into();
    for share in [0.5, 0.1] {
        filters.push((format!("anti-correlated {share}"), by_distance(world, 0, share, false)));
        filters.push((format!("correlated {share}"), by_distance(world, 0, share, true)));
    }
    filters.push(("none pass".into(), bits_of(rows, |_| false)));
    filters.push(("one passes".into(), bits_of(rows, |row| row == rows / 2)));
    filters.push(("all pass".into(), bits_of(rows, |_| true)));
    filters.push(("a stretch passes".into(), bits_of(rows, |row| (640..1_300).contains(&row))));
    filters
}

fn check(world: &World, query: usize, asked: &Asked, hits: &[Hit], name: &str) {
    let bits = asked.bits.unwrap();
    let truth = world.truth(query, bits);
    assert_eq!(hits.len(), asked.k.min(truth.len()), "{:?} under {name}", asked.strategy);
    assert!(
        hits.windows(2).all(|pair| (pair[0].distance, pair[0].row) < (pair[1].distance, pair[1].row)),
        "sorted by distance, then row, each once: {:?} under {name}",
        asked.strategy,
    );
    for hit in hits {
        assert!(
            truth.contains(hit),
            "row {} passes, at its exact distance: {:?} under {name}",
            hit.row,
            asked.strategy
        );
    }
}

#[test]
fn every_strategy_returns_passing_rows_at_exact_distances_and_never_too_few() {
    for (name, bits) in filters(&WORLD) {
        for strategy in FORCED.into_iter().chain([Strategy::Auto]) {
            for (query, k) in [(0, 10), (1, 10), (2, 1), (3, 300), (4, WORLD.rows + 5)] {
                let asked = Asked { k, ..Asked::new(strategy, &bits) };
                let (hits, ..) = WORLD.search(query, &asked).unwrap();
                check(&WORLD, query, &asked, &hits, &name);
            }
        }
    }
}

#[test]
fn auto_finds_nearly_all_whatever_the_filter() {
    for (name, bits) in filters(&WORLD) {
        let recall = WORLD.recall(&Asked::new(Strategy::Auto, &bits));
        assert!(bits.iter().all(|&byte| byte == 0) || recall >= 0.95, "{recall} under {name}");
    }
}

#[test]
fn auto_finds_nearly_all_among_sentences_whatever_the_filter() {
    let Some(world) = World::wordnet(2_000) else { return };
    for (name, bits) in filters(&world) {
        let recall = world.recall(&Asked { ef: 64, ..Asked::new(Strategy::Auto, &bits) });
        assert!(bits.iter().all(|&byte| byte == 0) || recall >= 0.95, "{recall} under {name}");
    }
}

#[test]
fn a_forced_strategy_is_kept_and_finds_most_where_it_is_fit() {
    let fit = [(Strategy::Plain, 0.5), (Strategy::Alpha, 0.5), (Strategy::Mix, 0.1), (Strategy::Bridge, 0.1)];
    for (strategy, share) in fit {
        let bits = independent(WORLD.rows, share);
        let asked = Asked { ef: 96, ..Asked::new(strategy, &bits) };
        assert!(WORLD.recall(&asked) >= 0.95, "{strategy:?}: {}", WORLD.recall(&asked));
        let (_, report, scored) = WORLD.search(0, &asked).unwrap();
        assert_eq!((report.strategy, report.scanned, report.switched), (strategy, 0, false));
        assert_eq!(report.scored, scored.len());
    }
}

#[test]
fn strategies_differ_in_the_failing_rows_that_they_score() {
    let bits = independent(WORLD.rows, 0.2);
    let failing = |strategy| {
        let (_, report, scored) = WORLD.search(0, &Asked::new(strategy, &bits)).unwrap();
        let failing = scored.iter().filter(|&&row| bits[row as usize / 8] >> (row % 8) & 1 == 0).count();
        failing as f32 / report.hops as f32
    };
    let [plain, alpha, mix, bridge, scan] = FORCED.map(failing);
    assert!(bridge < mix && mix < plain, "a hop: bridge {bridge}, mix {mix}, plain {plain}");
    assert!(alpha < plain, "a hop: alpha {alpha}, plain {plain}");
    assert!(scan.is_nan(), "a scan makes no hop and scores no failing row");
}

#[test]
fn a_scan_scores_each_passing_row_once() {
    for (name, bits) in filters(&WORLD) {
        let (_, report, mut scored) = WORLD.search(0, &Asked::new(Strategy::Scan, &bits)).unwrap();
        let passing = WORLD.truth(0, &bits).len();
        scored.sort_unstable();
        scored.dedup();
        assert_eq!((report.scanned, report.hops, scored.len()), (passing, 0, passing), "{name}");
    }
}

#[test]
fn auto_costs_at_most_about_two_scans() {
    // Only scoring costs; a scan seems dear or cheap enough for each choice, and for many that are nearly even.
    for (name, bits) in filters(&WORLD) {
        let passing = WORLD.truth(0, &bits).len() as f32;
        for list in [0.1, 0.2, 0.4, 0.6, 0.65, 0.7, 0.8, 1.0, 2.0, 4.0] {
            let tuning = Tuning { run: list, list, scattered: 1.0, exact: 1.0, link: 0.0, hop: 0.0 };
            for query in 0..5 {
                let asked = Asked { ef: 40, tuning, ..Asked::new(Strategy::Auto, &bits) };
                let (_, report, scored) = WORLD.search(query, &asked).unwrap();
                assert_eq!(report.scored + report.scanned, scored.len());
                let cost = report.scored as f32 + report.scanned as f32 * list;
                assert!(cost <= 2.2 * passing * list + 200.0, "{cost} of {passing} x {list} under {name}");
            }
        }
    }
}

#[test]
fn a_walk_that_comes_to_cost_more_than_a_scan_ends_in_one() {
    let far = by_distance(&WORLD, 0, 0.5, false);
    let mut random = Random(5);
    let against = |row: usize| random.share() < if far[row / 8] >> (row % 8) & 1 == 1 { 0.98 } else { 0.5 };
    let bits = bits_of(WORLD.rows, against);
    let passing = WORLD.truth(0, &bits).len() as f32;
    let mut scans = 0;
    for scan in [70.0, 80.0, 90.0, 95.0, 100.0, 110.0] {
        // Only hops cost, and a scan seems to cost about as many as the walk would make if passing rows lay evenly.
        let list = (scan - WORLD.rows as f32 / 64.0) / passing;
        let tuning = Tuning { run: 1e3, list, scattered: 0.0, exact: 1.0, link: 0.0, hop: 1.0 };
        let (_, report, _) = WORLD.search(0, &Asked { tuning, ..Asked::new(Strategy::Auto, &bits) }).unwrap();
        assert!(report.hops as f32 <= scan + 1.0, "{report:?} where a scan costs {scan}");
        if report.strategy == Strategy::Scan && report.hops > 0 {
            assert!(report.switched && report.scanned == passing as usize);
            scans += 1;
        }
    }
    assert!(scans > 0, "some walk went over its budget");
}

#[test]
fn auto_bridges_where_the_filter_fights_the_query_and_walks_where_it_does_not() {
    let free = Tuning { run: 1e3, list: 1e3, ..Tuning::default() };
    let report = |bits: &[u8]| {
        let asked = Asked { tuning: free, ..Asked::new(Strategy::Auto, bits) };
        let (hits, report, _) = WORLD.search(0, &asked).unwrap();
        check(&WORLD, 0, &asked, &hits, "a filter");
        (report.strategy, report.switched)
    };
    assert_eq!(report(&by_distance(&WORLD, 0, 0.1, false)), (Strategy::Bridge, true));
    assert_eq!(report(&independent(WORLD.rows, 0.1)), (Strategy::Mix, false));
    assert_eq!(report(&independent(WORLD.rows, 0.9)), (Strategy::Plain, false));
}

#[test]
fn auto_scans_where_few_rows_pass_or_most_are_wanted() {
    let few = independent(WORLD.rows, 0.01);
    let all = vec![0xFF; WORLD.rows / 8];
    for asked in [Asked::new(Strategy::Auto, &few), Asked { k: WORLD.rows / 2, ..Asked::new(Strategy::Auto, &all) }] {
        let (_, report, _) = WORLD.search(0, &asked).unwrap();
        assert_eq!((report.strategy, report.hops), (Strategy::Scan, 0));
    }
    let without = Asked { bits: None, k: WORLD.rows, ..Asked::new(Strategy::Auto, &all) };
    let (hits, report, _) = WORLD.search(0, &without).unwrap();
    assert_eq!((hits, report.strategy), (WORLD.truth(0, &all), Strategy::Scan));
}

#[test]
fn without_a_filter_a_search_is_a_plain_walk() {
    let all = vec![0xFF; WORLD.rows / 8];
    for strategy in [Strategy::Auto, Strategy::Plain, Strategy::Alpha, Strategy::Mix, Strategy::Bridge] {
        let asked = Asked { bits: None, ..Asked::new(strategy, &all) };
        let (hits, report, _) = WORLD.search(5, &asked).unwrap();
        assert_eq!(report.strategy, Strategy::Plain);
        check(&WORLD, 5, &Asked { bits: Some(&all), ..asked }, &hits, "no filter");
    }
}

#[test]
fn deleted_rows_cost_no_recall() {
    for deleted in [0.1, 0.3, 0.5, 0.7, 0.9] {
        let bits = independent(WORLD.rows, 1.0 - deleted);
        let recall = WORLD.recall(&Asked::new(Strategy::Auto, &bits));
        assert!(recall >= 0.95, "{recall} with {deleted} deleted");
    }
}

#[test]
fn equal_vectors_are_all_as_near() {
    let world = World::new(&vec![0.5; 510 * 8], 8, 10);
    for strategy in FORCED.into_iter().chain([Strategy::Auto]) {
        for bits in [vec![0xFF; 63], independent(500, 0.1)] {
            let asked = Asked::new(strategy, &bits);
            let (hits, ..) = world.search(0, &asked).unwrap();
            check(&world, 0, &asked, &hits, "equal vectors");
        }
    }
}

#[test]
fn a_search_is_the_same_each_time() {
    let bits = by_distance(&WORLD, 0, 0.1, false);
    for strategy in FORCED {
        let [first, second] = [(); 2].map(|()| WORLD.search(0, &Asked::new(strategy, &bits)).unwrap());
        assert_eq!(first, second);
    }
}

/// A scorer that has the search cancelled once it is used, and counts the rows that are measured all the same.
struct Cancelling<'a>(&'a dyn Scorer, &'a AtomicBool, AtomicUsize);

impl Scorer for Cancelling<'_> {
    fn score(&self, rows: &[u32], out: &mut [f32]) {
        self.1.store(true, Ordering::Relaxed);
        self.2.fetch_add(rows.len(), Ordering::Relaxed);
        self.0.score(rows, out);
    }

    fn score_run(&self, first: u32, out: &mut [f32]) {
        self.1.store(true, Ordering::Relaxed);
        self.2.fetch_add(out.len(), Ordering::Relaxed);
        self.0.score_run(first, out);
    }
}

#[test]
fn a_search_ends_when_it_is_cancelled_or_too_late() {
    let bits = independent(WORLD.rows, 0.5);
    let all = vec![0xFF; WORLD.rows / 8];
    for strategy in FORCED {
        let (cancelled, late) = (AtomicBool::new(true), Instant::now());
        for stop in
            [Stop { cancelled: Some(&cancelled), deadline: None }, Stop { cancelled: None, deadline: Some(late) }]
        {
            assert_eq!(WORLD.search(0, &Asked { stop, ..Asked::new(strategy, &bits) }), Err(Stopped));
        }
        for bits in [&bits, &all] {
            let flag = AtomicBool::new(false);
            let (codes, exact) = (WORLD.codes(), WORLD.exact(0));
            let query = codes.prepare(WORLD.query(0));
            let scorer = codes.scorer(&query);
            let keep = elanus_graph::Keep::new(bits, WORLD.rows);
            let stop = Stop { cancelled: Some(&flag), deadline: None };
            let request = elanus_graph::Request { k: 10, ef: 2_000, refine: 20, strategy, keep, stop };
            let (links, mut hits) = (WORLD.built.links(), Vec::new());
            let cancelling = Cancelling(&scorer, &flag, AtomicUsize::new(0));
            let found = search(&links, &cancelling, &exact, &Tuning::default(), &request, &mut hits);
            assert_eq!(found, Err(Stopped), "{strategy:?} looks on its way");
            // The neighbours of the rows expanded between two looks, and what a walk starts from.
            let most = 64 * links.width() + 128;
            assert!(cancelling.2.into_inner() <= most && most < WORLD.rows / 2, "{strategy:?}");
            assert_eq!(hits, []);
        }
    }
}

#[test]
fn costs_are_measured_on_any_index() {
    let measured = |world: &World| {
        let codes = world.codes();
        let query = codes.prepare(&world.vector(0));
        tune(&world.built.links(), &codes.scorer(&query), &world.exact(0))
    };
    for world in [&*WORLD, &World::new(&[1.0; 3 * 8], 8, 2)] {
        let Tuning { run, list, scattered, exact, link, hop } = measured(world);
        assert!([run, list, scattered, exact, link].iter().all(|cost| cost.is_finite() && *cost > 0.0));
        assert!(hop >= 0.0);
    }
}
