//! The graphs of a column's values against a scan of the rows that have them.

#![allow(clippy::float_cmp, reason = "equal work has equal costs, and a whole share is whole")]

mod stream_support;

use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use elanus_graph::{
    BuiltColumn, ColumnReport, ColumnRequest, ColumnSettings, Keep, NONE, Stop, Stopped, Tuning, build_column,
};
use elanus_kernels::{Hit, Scorer};
use stream_support::{NEVER, Points, Random, World, bitmap, check_ascending, check_rows, clusters, overlap};

const ROWS: usize = 4000;

/// Vectors whose rows have a value: 0 most of them, 1 to 4 fewer and fewer, 5 hardly any, some none.
struct Shop {
    world: World,
    values: Vec<u32>,
    column: BuiltColumn,
}

static SHOP: LazyLock<Shop> = LazyLock::new(|| {
    let world = World::bare(&clusters(ROWS, 10, 31), 10);
    let mut random = Random(31);
    let value = |at: usize| match at {
        0..540 => 0,
        540..710 => 1,
        710..810 => 2,
        810..890 => 3,
        890..950 => 4,
        950..955 => 5,
        _ => NONE,
    };
    let values: Vec<u32> = (0..ROWS).map(|_| value(random.below(1000))).collect();
    let column = build_column(&Points::new(&world), &values, None, &settings(), &|_| true).unwrap();
    Shop { world, values, column }
});

fn settings() -> ColumnSettings {
    ColumnSettings { min_rows: 200, ef_construction: 64, ..ColumnSettings::default() }
}

/// Costs under which nothing is scanned that has a graph.
fn walking() -> Tuning {
    Tuning { list: f32::INFINITY, ..Tuning::default() }
}

fn request(values: &[u32], k: usize) -> ColumnRequest<'_> {
    ColumnRequest { values, k, ef: 64, refine: 0, keep: None, stop: NEVER }
}

impl Shop {
    /// The passing rows with one of the values, nearest first.
    fn truth(&self, query: &[f32], request: &ColumnRequest) -> Vec<Hit> {
        let all = self.world.truth(query, request.keep);
        all.into_iter().filter(|hit| request.values.contains(&self.values[hit.row as usize])).collect()
    }

    /// Searches, checks all that must hold always, and returns the share of the nearest that was found.
    fn recall(&self, query: &[f32], tuning: &Tuning, request: &ColumnRequest) -> (f64, ColumnReport) {
        let (truth, mut found) = (self.truth(query, request), Vec::new());
        let graph = self.column.graph();
        let report = self
            .world
            .with_scorer(query, |scorer| graph.search_values(scorer, scorer, tuning, request, &mut found))
            .unwrap();
        check_rows(&found, &truth);
        check_ascending(&found);
        assert_eq!(found.len(), request.k.min(truth.len()), "{request:?}");
        let share = if found.is_empty() { 1.0 } else { overlap(&found, &truth[..found.len()]) };
        assert!(report.walked > 0 || share == 1.0, "a scan misses nothing");
        (share, report)
    }

    fn mean_recall(&self, tuning: &Tuning, request: &ColumnRequest) -> f64 {
        let mut random = Random(3);
        (0..10).map(|_| self.recall(&self.world.query(&mut random), tuning, request).0).sum::<f64>() / 10.0
    }
}

#[test]
fn values_of_any_size_are_found() {
    for value in 0..7 {
        for k in [1, 10, 50] {
            let recall = SHOP.mean_recall(&walking(), &request(&[value], k));
            assert!(recall >= 0.97, "value {value}, k {k}: {recall}");
        }
    }
}

#[test]
fn a_graph_is_walked_only_where_it_is_and_where_it_costs_less() {
    let graph = SHOP.column.graph();
    let has_graph: Vec<bool> = (0..7).map(|value| graph.has_graph(value)).collect();
    assert_eq!(has_graph, [false, true, true, true, true, false, false]);
    let query = SHOP.world.query(&mut Random(4));
    for value in 0..6 {
        let (_, report) = SHOP.recall(&query, &walking(), &request(&[value], 10));
        assert_eq!((report.walked, report.scanned > 0), (usize::from(graph.has_graph(value)), !graph.has_graph(value)));
        assert!(report.scored < graph.rows_of(value).len().max(1), "a walk meets a part of the rows");
    }
    let dear = Tuning { hop: 1e6, ..Tuning::default() };
    let (_, report) = SHOP.recall(&query, &dear, &request(&[1, 2], 10));
    assert_eq!(report.scanned, graph.rows_of(1).len() + graph.rows_of(2).len());
}

#[test]
fn further_conditions_that_oppose_the_query_are_scanned() {
    let graph = SHOP.column.graph();
    let mut random = Random(8);
    for share in [10, 4, 2] {
        let query = SHOP.world.query(&mut random);
        let near = SHOP.truth(&query, &request(&[1], 10));
        let far: Vec<u32> = near[near.len() - near.len() / share..].iter().map(|hit| hit.row).collect();
        let bits = bitmap(ROWS, |row| far.contains(&(row as u32)));
        let keep = Keep::new(&bits, ROWS);
        let narrow = ColumnRequest { keep, ef: 10, ..request(&[1], 10) };
        let (recall, report) = SHOP.recall(&query, &walking(), &narrow);
        assert_eq!((recall, report.scanned), (1.0, far.len()), "1 in {share}: {report:?}");
        assert!(report.scored > 0 && report.scored < graph.rows_of(1).len());
    }
}

#[test]
fn several_values_are_merged_whatever_their_order() {
    let mut random = Random(5);
    for values in [&[1, 2][..], &[4, 3, 2, 1], &[5, 1], &[0, 1, 2, 3, 4, 5, 6, 7], &[3, 3, 99, 3], &[99], &[]] {
        for tuning in [walking(), Tuning::default()] {
            let recall = SHOP.mean_recall(&tuning, &request(values, 10));
            assert!(recall >= 0.97, "{values:?}: {recall}");
        }
        let query = SHOP.world.query(&mut random);
        SHOP.recall(&query, &walking(), &request(values, 3 * ROWS));
    }
}

#[test]
fn further_conditions_leave_recall_and_number_as_they_are() {
    let mut random = Random(6);
    for share in [0, 1, 5, 100, 400, 900, 1000] {
        let bits = bitmap(ROWS, |_| random.below(1000) < share);
        for values in [&[1][..], &[2, 4], &[0, 5]] {
            let keep = Keep::new(&bits, ROWS);
            for tuning in [walking(), Tuning::default()] {
                let recall = SHOP.mean_recall(&tuning, &ColumnRequest { keep, ..request(values, 10) });
                assert!(recall >= 0.97, "{share}/1000 of {values:?}: {recall}");
            }
        }
    }
}

#[test]
fn the_cost_grows_with_the_work_and_follows_the_cheaper_way() {
    let graph = SHOP.column.graph();
    let tuning = Tuning { hop: 10.0, link: 0.5, scattered: 8.0, ..Tuning::default() };
    let cost = |values: &[u32], ef, share| graph.cost(values, ef, share, &tuning);
    assert_eq!(cost(&[99], 64, 1.0), 0.0);
    assert!(cost(&[1], 16, 1.0) < cost(&[1], 32, 1.0));
    assert!(cost(&[1, 2], 16, 1.0) > cost(&[1], 16, 1.0));
    assert_eq!(cost(&[1, 1], 16, 1.0), cost(&[1], 16, 1.0));
    let scan = graph.rows_of(1).len() as f32 * (tuning.list + 1.0);
    assert!(cost(&[1], 8, 1.0) < scan && (cost(&[1], 5000, 1.0) - scan).abs() < 1.0);
    assert!(cost(&[0], 8, 1.0) > cost(&[1], 8, 1.0), "a value without a graph is scanned");
    assert!(cost(&[0], 8, 0.1) < cost(&[0], 8, 1.0), "fewer passing rows are scanned faster");
}

#[test]
fn a_search_that_nobody_waits_for_ends() {
    let flag = AtomicBool::new(true);
    let stop = Stop { cancelled: Some(&flag), deadline: None };
    let (query, mut out) = (SHOP.world.vector(7), Vec::new());
    let found = SHOP.world.with_scorer(&query, |scorer| {
        let request = ColumnRequest { stop, ..request(&[1], 3) };
        SHOP.column.graph().search_values(scorer, scorer, &walking(), &request, &mut out)
    });
    assert_eq!(found, Err(Stopped));
}

/// Counts the rows that are measured, and cancels the search after so many.
struct Cancelling<'a> {
    scorer: &'a dyn Scorer,
    after: usize,
    measured: AtomicUsize,
    flag: &'a AtomicBool,
}

impl Scorer for Cancelling<'_> {
    fn score(&self, rows: &[u32], out: &mut [f32]) {
        let measured = self.measured.fetch_add(rows.len(), Ordering::Relaxed) + rows.len();
        self.flag.store(measured >= self.after, Ordering::Relaxed);
        self.scorer.score(rows, out);
    }

    fn score_run(&self, _first: u32, _out: &mut [f32]) {
        unreachable!("rows of a value are listed");
    }
}

#[test]
fn a_search_that_is_cancelled_measures_few_rows_more() {
    let query = SHOP.world.vector(7);
    for (values, tuning) in [(&[0, 1, 2, 3][..], walking()), (&[0, 1, 2, 3], Tuning { list: 0.0, ..Tuning::default() })]
    {
        SHOP.world.with_scorer(&query, |scorer| {
            let flag = AtomicBool::new(false);
            let cancelling = Cancelling { scorer, after: 300, measured: AtomicUsize::new(0), flag: &flag };
            let stop = Stop { cancelled: Some(&flag), deadline: None };
            let request = ColumnRequest { stop, ef: 400, ..request(values, 3) };
            let found = SHOP.column.graph().search_values(&cancelling, scorer, &tuning, &request, &mut Vec::new());
            assert_eq!(found, Err(Stopped));
            let late = cancelling.measured.into_inner() - 300;
            assert!(late <= 64 * 32 + 512, "{late} rows were measured after the search was cancelled");
        });
    }
}
