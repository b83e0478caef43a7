//! Numbers that a client may send, however large: memory stays bounded by the rows, answers stay right.

use elanus_codes::ColumnSpace;
use elanus_graph::{
    BuildSettings, ColumnRequest, ColumnSettings, Growing, Links, NONE, Request, Scratch, Stop, Strategy, Tuning,
    build, build_column, search, walk,
};
use elanus_kernels::{Column, ColumnScorer, Element, Metric, Queries, Scorer};

const ROWS: usize = 300;
const HUGE: usize = usize::MAX;

fn bytes() -> Vec<u8> {
    (0..ROWS * 2).flat_map(|at| ((at * 7919 % 1009) as f32).to_le_bytes()).collect()
}

fn column(bytes: &[u8]) -> Column<'_> {
    Column::new(bytes, bytes.len() / 8, 2, Element::F32).unwrap()
}

fn queries(bytes: &[u8]) -> Queries {
    Queries::new(&column(&bytes[..8]), Element::F32, Metric::L2).unwrap()
}

const SETTINGS: BuildSettings = BuildSettings { m: 6, ef_construction: HUGE, threads: 1, seed: 1 };

#[test]
fn the_widest_beams_take_no_more_memory_than_the_rows() {
    let bytes = bytes();
    let (base, queries) = (column(&bytes), queries(&bytes));
    let scorer = ColumnScorer::new(&queries, 0, &base, Metric::L2);
    let space = ColumnSpace::new(base, Metric::L2);
    let built = build(&space, None, &SETTINGS, &|_| true).unwrap();
    let mut scratch = Scratch::default();
    walk(&built.links(), &scorer, HUGE, &mut scratch, Stop::default()).unwrap();
    assert_eq!(scratch.pool.items().len(), ROWS);
    for strategy in [Strategy::Auto, Strategy::Plain, Strategy::Alpha, Strategy::Mix, Strategy::Bridge, Strategy::Scan]
    {
        let request = Request { k: HUGE, ef: HUGE, refine: HUGE, strategy, keep: None, stop: Stop::default() };
        let mut hits = Vec::new();
        search(&built.links(), &scorer, &scorer, &Tuning::default(), &request, &mut hits).unwrap();
        assert_eq!((hits.len(), hits[0].row), (ROWS, 0));
    }
}

#[test]
fn the_widest_beams_over_a_growing_graph_take_no_more_memory_than_its_rows() {
    let bytes = bytes();
    let (base, queries) = (column(&bytes), queries(&bytes));
    let scorer = ColumnScorer::new(&queries, 0, &base, Metric::L2);
    let growing = Growing::new(&SETTINGS, ROWS);
    growing.add(&ColumnSpace::new(base, Metric::L2), ROWS, None);
    let mut found = Vec::new();
    growing.walk(&scorer, HUGE, HUGE, None, Stop::default(), &mut found).unwrap();
    assert_eq!((found.len(), found[0].row()), (ROWS, 0));
}

#[test]
fn the_widest_beams_over_the_rows_of_a_value_take_no_more_memory_than_its_rows() {
    let bytes = bytes();
    let (base, queries) = (column(&bytes), queries(&bytes));
    let scorer = ColumnScorer::new(&queries, 0, &base, Metric::L2);
    let values: Vec<u32> = (0..ROWS as u32).map(|row| row % 2).collect();
    let settings = ColumnSettings { min_rows: 10, max_share: 1.0, ef_construction: HUGE, ..ColumnSettings::default() };
    let built = build_column(&ColumnSpace::new(base, Metric::L2), &values, None, &settings, &|_| true).unwrap();
    for list in [1.0, 1e6] {
        let tuning = Tuning { list, ..Tuning::default() };
        let request =
            ColumnRequest { values: &[0], k: HUGE, ef: HUGE, refine: HUGE, keep: None, stop: Stop::default() };
        let mut hits = Vec::new();
        built.graph().search_values(&scorer, &scorer, &tuning, &request, &mut hits).unwrap();
        assert_eq!((hits.len(), hits[0].row), (ROWS / 2, 0));
    }
}

/// Rows that lie as far away as their numbers say.
struct Numbered;

impl Scorer for Numbered {
    fn score(&self, rows: &[u32], out: &mut [f32]) {
        for (out, &row) in out.iter_mut().zip(rows) {
            *out = row as f32;
        }
    }

    fn score_run(&self, first: u32, out: &mut [f32]) {
        for (out, row) in out.iter_mut().zip(first..) {
            *out = row as f32;
        }
    }
}

#[test]
fn a_forced_walk_with_too_many_rows_in_view_is_a_scan() {
    let rows = 70_000;
    let base: Vec<u32> = (1..=rows as u32).map(|next| if next == rows as u32 { NONE } else { next }).collect();
    let links = Links::new(rows, 1, &base, 1, Vec::new(), 0).unwrap();
    for (ef, hops) in [(1000, 1000), (HUGE, 0)] {
        let request = Request { k: 3, ef, refine: 3, strategy: Strategy::Plain, keep: None, stop: Stop::default() };
        let mut hits = Vec::new();
        let report = search(&links, &Numbered, &Numbered, &Tuning::default(), &request, &mut hits).unwrap();
        assert_eq!((report.hops, hits.iter().map(|hit| hit.row).collect::<Vec<_>>()), (hops, vec![0, 1, 2]));
    }
}
