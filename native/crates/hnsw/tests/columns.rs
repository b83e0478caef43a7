//! Searches among a column's values find what a scan of those rows finds, in the values' graphs where that costs less.

mod common;

use elanus_graph::{BuiltColumn, ColumnSettings, Keep, NONE, Request, Strategy};
use elanus_hnsw::{Among, Done, Hnsw, Query, Storage};
use elanus_kernels::{Column, Element, Hit, Metric};

use common::{Random, STRATEGIES, built, clustered, found, request};

const ROWS: usize = 1200;
const DIM: usize = 16;
const K: usize = 8;

/// About a half of the rows have value 0, a third 1, a sixth 2, some none.
fn values() -> Vec<u32> {
    let mut random = Random(5);
    let drawn = [0, 0, 0, 1, 1, 2];
    (0..ROWS).map(|row| if row % 40 == 0 { NONE } else { drawn[random.below(6)] }).collect()
}

fn settings() -> ColumnSettings {
    ColumnSettings { min_rows: 100, max_share: 0.6, ef_construction: 60, ..ColumnSettings::default() }
}

fn bits(is_in: impl Fn(usize) -> bool) -> Vec<u8> {
    let mut bits = vec![0; ROWS.div_ceil(8)];
    for row in (0..ROWS).filter(|&row| is_in(row)) {
        bits[row / 8] |= 1 << (row % 8);
    }
    bits
}

struct Stage<'a> {
    column: Column<'a>,
    index: Hnsw<'a>,
    graphs: BuiltColumn,
}

impl<'a> Stage<'a> {
    fn new(column: Column<'a>, index: Hnsw<'a>) -> Self {
        let graphs = index.build_column(&column, &values(), None, &settings(), &|_| true).unwrap();
        Stage { column, index, graphs }
    }

    fn query(&self, seed: u64) -> Query {
        let bytes = clustered(1, DIM, self.column.element(), seed);
        let asked = Column::new(&bytes, 1, DIM, self.column.element()).unwrap();
        Query::new(&asked, &self.column, self.index.facts().metric).unwrap()
    }

    fn among(&self, query: &Query, values: &[u32], forced: bool, request: &Request) -> (Done, Vec<Hit>) {
        let (graph, mut hits) = (self.graphs.graph(), Vec::new());
        let among = Among { graph: &graph, values, forced };
        let done = self.index.search_among(query, 0, &self.column, (&among, request), &mut hits).unwrap();
        (done, hits)
    }
}

fn with_stage(element: Element, metric: Metric, storage: Storage, test: impl FnOnce(&Stage)) {
    let bytes = clustered(ROWS, DIM, element, 11);
    let column = Column::new(&bytes, ROWS, DIM, element).unwrap();
    let mut made = built(&column, metric, storage);
    // So few rows would be scanned.
    (made.facts.tuning.list, made.facts.tuning.run) = (500.0, 500.0);
    test(&Stage::new(column, Hnsw::open(made.facts, made.arrays()).unwrap()));
}

fn with_codes(test: impl FnOnce(&Stage)) {
    with_stage(Element::F32, Metric::L2, Storage::named("sq8").unwrap(), test);
}

#[test]
fn graphs_of_values_find_what_a_scan_finds_under_every_storage_and_further_condition() {
    let of = values();
    let codes = |name| Storage::named(name).unwrap();
    let cases = [
        (Element::F32, Metric::L2, codes("sq8")),
        (Element::F32, Metric::Ip, codes("f16")),
        (Element::F32, Metric::Cosine, Storage::Column),
        (Element::Bit, Metric::Hamming, Storage::Column),
    ];
    for (element, metric, storage) in cases {
        with_stage(element, metric, storage, |stage| {
            let (mut right, mut all) = (0, 0);
            for (number, values) in [&[0][..], &[1], &[2, 1], &[2, 7]].into_iter().enumerate() {
                for step in [1, 2, 90] {
                    let passes = bits(|row| values.contains(&of[row]) && row % step == 0);
                    let keep = Keep::new(&passes, ROWS).unwrap();
                    let query = stage.query(100 + number as u64);
                    let truth =
                        found(&stage.index, &stage.column, &query, &request(K, ROWS, Strategy::Scan, Some(keep)));
                    let asked = request(K, 80, Strategy::Auto, Some(keep));
                    let (done, hits) = stage.among(&query, values, true, &asked);
                    assert!(matches!(done, Done::ByColumn(_)), "{done:?}");
                    assert_eq!(hits.len(), truth.len());
                    assert!(hits.iter().all(|hit| keep.contains(hit.row)));
                    let reached = truth.last().map_or(0.0, |hit| hit.distance);
                    right += hits.iter().filter(|hit| hit.distance <= reached).count();
                    all += hits.len();
                }
            }
            assert!(right * 100 >= all * 97, "{element:?} {metric:?} {storage:?}: {right} of {all}");
        });
    }
}

#[test]
fn cost_decides_between_the_graphs_of_values_and_that_of_all_rows() {
    let of = values();
    with_codes(|stage| {
        let query = stage.query(3);
        let cheap = bits(|row| of[row] == 1);
        let (done, _) = stage.among(&query, &[1], false, &request(2, 4, Strategy::Auto, Keep::new(&cheap, ROWS)));
        assert!(matches!(done, Done::ByColumn(_)), "one value by a narrow walk: {done:?}");
        let most = bits(|row| of[row] != NONE);
        let asked = request(2, 4, Strategy::Auto, Keep::new(&most, ROWS));
        let (done, _) = stage.among(&query, &[0, 1, 2], false, &asked);
        assert!(matches!(done, Done::ByGraph(_)), "nearly all rows: {done:?}");
    });
}

#[test]
fn a_strategy_that_is_asked_for_is_obeyed() {
    let of = values();
    with_codes(|stage| {
        let kept = bits(|row| of[row] == 1);
        for strategy in STRATEGIES.into_iter().filter(|&strategy| strategy != Strategy::Auto) {
            let asked = request(2, 4, strategy, Keep::new(&kept, ROWS));
            let (done, _) = stage.among(&stage.query(4), &[1], false, &asked);
            assert!(matches!(done, Done::ByGraph(report) if report.strategy == strategy), "{done:?}");
        }
    });
}

#[test]
fn further_conditions_that_leave_few_rows_leave_them_all_to_be_found() {
    let of = values();
    with_codes(|stage| {
        let rows: Vec<usize> = (0..ROWS).filter(|&row| of[row] == 0).step_by(97).collect();
        let kept = bits(|row| rows.contains(&row));
        let (_, hits) =
            stage.among(&stage.query(5), &[0], true, &request(50, 60, Strategy::Auto, Keep::new(&kept, ROWS)));
        let mut same: Vec<usize> = hits.iter().map(|hit| hit.row as usize).collect();
        same.sort_unstable();
        assert_eq!(same, rows);
    });
}

#[test]
#[should_panic(expected = "a column of other rows")]
fn graphs_over_other_rows_are_refused() {
    with_codes(|stage| {
        let other = BuiltColumn { rows: 2, width: 4, links: vec![NONE; 8], ..BuiltColumn::default() };
        let (graph, mut hits) = (other.graph(), Vec::new());
        let among = Among { graph: &graph, values: &[0], forced: true };
        let asked = request(1, 1, Strategy::Auto, None);
        let _ = stage.index.search_among(&stage.query(6), 0, &stage.column, (&among, &asked), &mut hits);
    });
}
