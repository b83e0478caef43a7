//! An index that grows finds what a scan of the rows that are there finds, while rows come.

#[allow(dead_code)]
mod common;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use elanus_graph::{Keep, Stop, Stopped, Strategy};
use elanus_hnsw::{GrowingHnsw, GrowingReport, Query};
use elanus_kernels::{Column, Element, Hit, Metric, Queries, Scan, Window, scan};

use common::{clustered, request, settings};

const DIM: usize = 24;
const ROWS: usize = 3_000;

fn column(bytes: &[u8], rows: usize, element: Element) -> Column<'_> {
    Column::new(bytes, rows, DIM, element).unwrap()
}

fn nearest(asked: &Column, column: Column, metric: Metric, keep: Option<&[u8]>) -> Vec<Hit> {
    let queries = Queries::new(asked, column.element(), metric).unwrap();
    let (lengths, window, stop) = (None, Window::ALL, Stop::default());
    let asked = Scan { queries: &queries, column, metric, lengths, keep, k: 10, window, threads: 1, stop };
    scan(&asked).unwrap().remove(0)
}

/// An index of a column's first rows: so many linked, so many with codes.
fn grown(column: &Column, metric: Metric, linked: usize, coded: usize, keep: Option<Keep>) -> GrowingHnsw {
    let index = GrowingHnsw::new(column, metric, keep, &settings(), 2 * ROWS).unwrap();
    index.encode(column, keep, linked);
    index.link(keep, linked, &|| true);
    index.encode(column, keep, coded);
    index
}

fn search(index: &GrowingHnsw, asked: &Column, column: &Column, keep: Option<Keep>) -> (Vec<Hit>, GrowingReport) {
    let query = Query::new(asked, column, index.metric()).unwrap();
    let mut hits = Vec::new();
    let report = index.search(&query, 0, column, &request(10, 80, Strategy::Auto, keep), &mut hits).unwrap();
    assert!(hits.is_sorted_by(|a, b| (a.distance, a.row) < (b.distance, b.row)));
    (hits, report)
}

/// The share of the ten nearest rows that are found of 30 of the rows.
fn recall(index: &GrowingHnsw, column: &Column, metric: Metric, bits: Option<&[u8]>) -> f64 {
    let (mut met, mut wanted) = (0_u32, 0_u32);
    for query in 0..30 {
        let near = column.row(query * column.rows() / 30).to_vec();
        let asked = self::column(&near, 1, column.element());
        let (hits, report) = search(index, &asked, column, bits.and_then(|bits| Keep::new(bits, column.rows())));
        let truth = nearest(&asked, *column, metric, bits);
        assert!(report.is_full && hits.len() == truth.len());
        for hit in &hits {
            assert!(bits.is_none_or(|bits| bits[hit.row as usize / 8] >> (hit.row % 8) & 1 == 1));
        }
        wanted += truth.len() as u32;
        met += hits
            .iter()
            .map(|hit| u32::from(truth.last().is_some_and(|last| hit.distance <= last.distance)))
            .sum::<u32>();
    }
    f64::from(met) / f64::from(wanted)
}

#[test]
fn linked_rows_and_those_that_only_have_codes_are_found() {
    for (element, metric) in [
        (Element::F32, Metric::L2),
        (Element::F32, Metric::Ip),
        (Element::F32, Metric::Cosine),
        (Element::I8, Metric::L2),
        (Element::I8, Metric::Cosine),
    ] {
        let bytes = clustered(ROWS, DIM, element, 7);
        for (linked, coded) in [(0, 500), (1, 2_000), (2_000, 2_000), (2_500, ROWS)] {
            let index = grown(&column(&bytes, ROWS, element), metric, linked, coded, None);
            assert_eq!((index.linked(), index.coded()), (linked, coded));
            let found = recall(&index, &column(&bytes, coded, element), metric, None);
            assert!(found >= 0.95, "{element:?} {metric:?} {linked} {coded}: {found}");
        }
    }
}

#[test]
fn a_column_of_fewer_rows_sees_its_own() {
    let bytes = clustered(ROWS, DIM, Element::F32, 8);
    let index = grown(&column(&bytes, ROWS, Element::F32), Metric::L2, 2_000, ROWS, None);
    for rows in [1_500, 1_999, 2_000, 2_777] {
        let found = recall(&index, &column(&bytes, rows, Element::F32), Metric::L2, None);
        assert!(found >= 0.95, "{rows}: {found}");
    }
}

#[test]
fn rows_that_do_not_pass_are_not_found_and_rows_without_a_vector_are_not_linked() {
    let bytes = clustered(ROWS, DIM, Element::F32, 9);
    let column = column(&bytes, ROWS, Element::F32);
    let bits: Vec<u8> = (0..ROWS.div_ceil(8)).map(|byte| [0xff, 0x7f, 0b1110_1111][byte % 3]).collect();
    let keep = Keep::new(&bits, ROWS).unwrap();
    assert!(recall(&grown(&column, Metric::L2, 2_500, ROWS, None), &column, Metric::L2, Some(&bits)) >= 0.95);
    assert!(recall(&grown(&column, Metric::L2, 2_500, ROWS, Some(keep)), &column, Metric::L2, Some(&bits)) >= 0.95);
}

#[test]
fn a_walk_that_meets_too_few_passing_rows_says_so() {
    let bytes = clustered(ROWS, DIM, Element::F32, 10);
    let column = column(&bytes, ROWS, Element::F32);
    let index = grown(&column, Metric::L2, ROWS, ROWS, None);
    let asked = self::column(&bytes, 1, Element::F32);
    let mut near: Vec<Hit> = Vec::new();
    let query = Query::new(&asked, &column, Metric::L2).unwrap();
    index.search(&query, 0, &column, &request(700, 700, Strategy::Auto, None), &mut near).unwrap();
    let mut bits = vec![0xff; ROWS.div_ceil(8)];
    for hit in &near {
        bits[hit.row as usize / 8] &= !(1 << (hit.row % 8));
    }
    let (hits, report) = search(&index, &asked, &column, Keep::new(&bits, ROWS));
    assert!(!report.is_full && hits.iter().all(|hit| bits[hit.row as usize / 8] >> (hit.row % 8) & 1 == 1));
}

#[test]
fn linking_ends_when_told_and_goes_on_later() {
    let bytes = clustered(ROWS, DIM, Element::F32, 11);
    let column = column(&bytes, ROWS, Element::F32);
    let index = GrowingHnsw::new(&column, Metric::L2, None, &settings(), 1_500).unwrap();
    index.encode(&column, None, ROWS);
    assert_eq!(index.coded(), 1_500, "there is no room for more");
    let left = AtomicUsize::new(100);
    let asked = || left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok();
    index.link(None, ROWS, &asked);
    assert_eq!(index.linked(), 100);
    index.link(None, ROWS, &|| true);
    assert_eq!(index.linked(), 1_500);
    let cancelled = AtomicBool::new(true);
    let stop = Stop { cancelled: Some(&cancelled), ..Stop::default() };
    let head = self::column(&bytes, 1_500, Element::F32);
    let query = Query::new(&self::column(&bytes, 1, Element::F32), &head, Metric::L2).unwrap();
    let asked = elanus_graph::Request { stop, ..request(10, 80, Strategy::Auto, None) };
    assert_eq!(index.search(&query, 0, &head, &asked, &mut Vec::new()), Err(Stopped));
}

#[test]
fn vectors_without_codes_and_columns_of_others_are_refused() {
    let bytes = clustered(8, DIM, Element::Bit, 1);
    let bits = column(&bytes, 8, Element::Bit);
    assert!(GrowingHnsw::new(&bits, Metric::Hamming, None, &settings(), 8).is_err());
    assert!(GrowingHnsw::new(&bits, Metric::L2, None, &settings(), 8).is_err());
    let bytes = clustered(8, DIM, Element::F32, 1);
    let floats = column(&bytes, 8, Element::F32);
    let index = GrowingHnsw::new(&floats, Metric::L2, None, &settings(), 8).unwrap();
    assert!(index.fits(&floats).is_ok() && index.fits(&bits).is_err());
    assert!(GrowingHnsw::new(&floats, Metric::L2, None, &settings(), usize::MAX).is_err(), "no such room");
}

#[test]
fn searches_beside_a_writer_whose_column_moves_find_what_is_there() {
    let bytes = clustered(ROWS, DIM, Element::F32, 12);
    let index = grown(&column(&bytes, 64, Element::F32), Metric::L2, 64, 64, None);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..3)
            .map(|reader: usize| {
                let (index, bytes, done) = (&index, &bytes, &done);
                scope.spawn(move || {
                    let (mut searches, mut met, mut row) = (0, 0, reader);
                    while !done.load(Ordering::Relaxed) || searches < 50 {
                        let rows = index.coded();
                        row = (row + 997) % rows;
                        let moved = bytes[..rows * DIM * 4].to_vec();
                        let seen = column(&moved, rows, Element::F32);
                        let asked = column(&bytes[row * DIM * 4..], 1, Element::F32);
                        let (hits, report) = search(index, &asked, &seen, None);
                        assert!(report.is_full && hits.len() == 10 && hits.iter().all(|hit| (hit.row as usize) < rows));
                        searches += 1;
                        met += usize::from(hits[0].distance == 0.0);
                    }
                    (searches, met)
                })
            })
            .collect();
        for rows in (128..=ROWS).step_by(64) {
            let moved = bytes.clone();
            index.encode(&column(&moved, rows, Element::F32), None, rows);
            index.link(None, rows, &|| true);
        }
        done.store(true, Ordering::Relaxed);
        for reader in readers {
            let (searches, met) = reader.join().unwrap();
            assert!(met * 100 >= searches * 97, "{met} of {searches} rows that were there were found");
        }
    });
    let rows = index.coded();
    assert!(recall(&index, &column(&bytes, rows, Element::F32), Metric::L2, None) >= 0.95);
}

#[test]
fn rows_are_encoded_linked_and_searched_by_threads_of_their_own() {
    const STEP: usize = 125;
    let bytes = clustered(ROWS, DIM, Element::F32, 13);
    let whole = column(&bytes, ROWS, Element::F32);
    let index = grown(&column(&bytes, STEP, Element::F32), Metric::L2, STEP, STEP, None);
    let linker = || {
        while index.linked() < ROWS {
            index.link(None, ROWS, &|| true);
            std::thread::yield_now();
        }
    };
    let reader = || {
        let mut row = 0;
        while index.linked() < ROWS {
            let rows = index.coded();
            row = (row + 997) % rows;
            let asked = column(&bytes[row * DIM * 4..], 1, Element::F32);
            let (hits, _) = search(&index, &asked, &column(&bytes, rows, Element::F32), None);
            assert!(hits.len() == 10 && hits.iter().all(|hit| (hit.row as usize) < rows));
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(linker);
        let _readers = [scope.spawn(reader), scope.spawn(reader)];
        (0..=ROWS).step_by(STEP).for_each(|rows| index.encode(&whole, None, rows));
    });
    assert!(recall(&index, &whole, Metric::L2, None) >= 0.95);
}

#[test]
fn no_rows_are_found_where_none_are_asked_for() {
    let bytes = clustered(ROWS, DIM, Element::F32, 14);
    let column = column(&bytes, ROWS, Element::F32);
    let index = grown(&column, Metric::L2, 100, ROWS, None);
    let query = Query::new(&self::column(&bytes, 1, Element::F32), &column, Metric::L2).unwrap();
    let mut hits = vec![Hit { row: 0, distance: 0.0 }];
    index.search(&query, 0, &column, &request(0, 80, Strategy::Auto, None), &mut hits).unwrap();
    assert!(hits.is_empty());
}
