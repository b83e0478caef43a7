//! Indexes of every storage, metric and element find what a scan finds, at the scan's distances.

mod common;

use elanus_graph::{Keep, Strategy, Stream};
use elanus_hnsw::{Hnsw, Query, Storage};
use elanus_kernels::{Column, Element, Hit, Metric, Queries, Scan, Window, scan};

use common::{STRATEGIES, built, clustered, found, request};

const ROWS: usize = 600;
const DIM: usize = 24;

fn nearest(queries: &Column, column: Column, metric: Metric, keep: Option<&[u8]>, k: usize) -> Vec<Hit> {
    let queries = Queries::new(queries, column.element(), metric).unwrap();
    let (lengths, window, stop) = (None, Window::ALL, elanus_graph::Stop::default());
    let scanned = Scan { queries: &queries, column, metric, lengths, keep, k, window, threads: 1, stop };
    scan(&scanned).unwrap().remove(0)
}

fn cases() -> Vec<(Element, Metric, Storage)> {
    let mut cases = Vec::new();
    for (_, storage) in Storage::NAMES {
        for metric in [Metric::L2, Metric::Ip, Metric::Cosine] {
            cases.push((Element::F32, metric, storage));
        }
    }
    for metric in [Metric::L2, Metric::Ip, Metric::Cosine] {
        cases.push((Element::I8, metric, Storage::named("sq8").unwrap()));
    }
    cases.push((Element::Bit, Metric::Hamming, Storage::Column));
    cases.push((Element::Bit, Metric::Jaccard, Storage::Column));
    cases
}

#[test]
fn a_wide_walk_finds_what_a_scan_finds_whatever_the_storage() {
    for (element, metric, storage) in cases() {
        let bytes = clustered(ROWS, DIM, element, 7);
        let column = Column::new(&bytes, ROWS, DIM, element).unwrap();
        let made = built(&column, metric, storage);
        let index = Hnsw::open(made.facts, made.arrays()).unwrap();
        let (mut same, mut all) = (0, 0);
        for seed in 0..20 {
            let asked = clustered(1, DIM, element, 100 + seed);
            let asked = Column::new(&asked, 1, DIM, element).unwrap();
            let query = Query::new(&asked, &column, metric).unwrap();
            let hits = found(&index, &column, &query, &request(10, 200, Strategy::Plain, None));
            let truth = nearest(&asked, column, metric, None, 10);
            assert_eq!(hits.len(), 10);
            let reached = truth[9].distance;
            same += hits.iter().filter(|hit| hit.distance <= reached).count();
            all += 10;
        }
        assert!(same * 100 >= all * 97, "{element:?} {metric:?} {storage:?}: {same} of {all}");
    }
}

#[test]
fn every_strategy_returns_kept_rows_at_exact_distances_as_many_as_there_are() {
    let bytes = clustered(ROWS, DIM, Element::F32, 3);
    let column = Column::new(&bytes, ROWS, DIM, Element::F32).unwrap();
    let made = built(&column, Metric::L2, Storage::named("sq4").unwrap());
    let index = Hnsw::open(made.facts, made.arrays()).unwrap();
    let query = Query::new(&column, &column, Metric::L2).unwrap();
    let every = nearest(&column, column, Metric::L2, None, ROWS);
    for step in [1, 2, 50, 599] {
        let bits: Vec<u8> = (0..ROWS.div_ceil(8))
            .map(|byte| (0..8).fold(0, |bits, bit| bits | u8::from((byte * 8 + bit) % step == 0) << bit))
            .collect();
        let keep = Keep::new(&bits, ROWS).unwrap();
        for strategy in STRATEGIES {
            let hits = found(&index, &column, &query, &request(10, 40, strategy, Some(keep)));
            assert_eq!(hits.len(), 10.min(keep.count()), "{strategy:?} {step}");
            for hit in &hits {
                assert!(keep.contains(hit.row));
                assert!(every.contains(hit), "{strategy:?}: a distance that the scan does not have");
            }
            assert!(hits.windows(2).all(|pair| (pair[0].distance, pair[0].row) < (pair[1].distance, pair[1].row)));
        }
    }
}

#[test]
fn a_stream_yields_every_row_once() {
    let bytes = clustered(ROWS, DIM, Element::F32, 5);
    let column = Column::new(&bytes, ROWS, DIM, Element::F32).unwrap();
    let made = built(&column, Metric::Cosine, Storage::named("sq8").unwrap());
    let index = Hnsw::open(made.facts, made.arrays()).unwrap();
    let query = Query::new(&Column::new(&bytes, 1, DIM, Element::F32).unwrap(), &column, Metric::Cosine).unwrap();
    let (mut stream, mut hits) = (Stream::new(ROWS, 40), Vec::new());
    while index.pull(&mut stream, &query, &column, (None, 37, elanus_graph::Stop::default()), &mut hits).unwrap() > 0 {}
    let mut rows: Vec<u32> = hits.iter().map(|hit| hit.row).collect();
    rows.sort_unstable();
    assert_eq!(rows, (0..ROWS as u32).collect::<Vec<_>>());
}

#[test]
fn a_column_of_another_shape_does_not_fit() {
    let bytes = clustered(ROWS, DIM, Element::F32, 5);
    let column = Column::new(&bytes, ROWS, DIM, Element::F32).unwrap();
    let made = built(&column, Metric::L2, Storage::named("bf16").unwrap());
    let index = Hnsw::open(made.facts, made.arrays()).unwrap();
    assert!(index.fits(&column).is_ok());
    assert!(index.fits(&Column::new(&bytes, ROWS - 1, DIM, Element::F32).unwrap()).is_err());
    assert!(index.fits(&Column::new(&bytes, ROWS, DIM, Element::F16).unwrap()).is_err());
}
