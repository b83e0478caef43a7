//! Sentence embeddings: do codes rank as the vectors do?

mod common;

use std::path::Path;

use common::{all, open};
use elanus_codes::{Code, ColumnSpace, encode};
use elanus_kernels::{Column, Element, Metric, Queries, Scan, Space, Window, scan};

const DIM: usize = 384;
/// The first of the rows and queries: enough to tell codes that rank well.
const ROWS: usize = 2_000;
const QUERIES: usize = 40;
const K: usize = 10;

/// Halves of a two-dimensional array that numpy saved.
fn halves(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/data/wordnet");
    let bytes = std::fs::read(folder.join(name)).unwrap();
    let header = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    bytes[10 + header..].to_vec()
}

fn floats(halves: &[u8], rows: usize) -> Vec<f32> {
    let column = Column::new(halves, rows, DIM, Element::F16).unwrap();
    (0..rows).flat_map(|row| column.floats(row)).collect()
}

/// The nearest rows of each query, exactly.
fn truth(base: &Column, queries: &[f32], metric: Metric) -> Vec<Vec<u32>> {
    let bytes = common::bytes_of(queries);
    let queries = Column::new(&bytes, QUERIES, DIM, Element::F32).unwrap();
    let queries = Queries::new(&queries, Element::F16, metric).unwrap();
    let search = Scan {
        queries: &queries,
        column: *base,
        metric,
        lengths: None,
        keep: None,
        k: K,
        window: Window::ALL,
        threads: 2,
        stop: elanus_kernels::Stop::default(),
    };
    scan(&search).unwrap().into_iter().map(|hits| hits.iter().map(|hit| hit.row).collect()).collect()
}

/// The share of true neighbours among the nearest `k` by the scorer.
fn share(distances: &[f32], truth: &[u32], k: usize) -> f64 {
    let mut rows: Vec<u32> = (0..distances.len() as u32).collect();
    rows.select_nth_unstable_by(k, |&a, &b| distances[a as usize].total_cmp(&distances[b as usize]));
    truth.iter().filter(|row| rows[..k].contains(row)).count() as f64 / truth.len() as f64
}

#[test]
fn codes_rank_as_vectors_do() {
    let (base, queries) = (halves("base.f16.npy"), halves("queries.f16.npy"));
    let base = Column::new(&base, ROWS, DIM, Element::F16).unwrap();
    let queries = floats(&queries, QUERIES);
    for metric in [Metric::Cosine, Metric::Ip] {
        let truth = truth(&base, &queries, metric);
        for (code, floor, floor_of_double) in
            [(Code::Sq8, 0.97, 0.999), (Code::Sq4, 0.87, 0.985), (Code::F16, 0.995, 0.999), (Code::Bf16, 0.98, 0.999)]
        {
            let encoded = encode(&base, metric, code, None, 2);
            let codes = open(&encoded, code, metric, ROWS, DIM);
            let (mut alone, mut double) = (0.0, 0.0);
            for (query, truth) in queries.chunks(DIM).zip(&truth) {
                let found = all(&codes.scorer(&codes.prepare(query)), ROWS);
                alone += share(&found, truth, K) / QUERIES as f64;
                double += share(&found, truth, 2 * K) / QUERIES as f64;
            }
            assert!(alone >= floor && double >= floor_of_double, "{code:?} {metric:?}: {alone} {double}");
        }
    }
}

#[test]
fn distances_between_rows_order_as_the_columns_own_do() {
    let base = halves("base.f16.npy");
    let base = Column::new(&base, ROWS, DIM, Element::F16).unwrap();
    for metric in [Metric::Cosine, Metric::Ip] {
        let exact = ColumnSpace::new(base, metric);
        for (code, floor) in [(Code::Sq8, 0.97), (Code::Sq4, 0.85), (Code::F16, 0.99), (Code::Bf16, 0.98)] {
            let encoded = encode(&base, metric, code, None, 2);
            let codes = open(&encoded, code, metric, ROWS, DIM);
            let mut total = 0.0;
            for row in (0..ROWS as u32).step_by(200) {
                let expected = all(&*exact.scorer_of(row), ROWS);
                let mut truth: Vec<u32> = (0..ROWS as u32).collect();
                truth.sort_by(|&a, &b| expected[a as usize].total_cmp(&expected[b as usize]));
                assert!(metric == Metric::Ip || truth[0] == row, "a row is nearest to itself");
                total += share(&all(&*codes.scorer_of(row), ROWS), &truth[..K], K) / (ROWS / 200) as f64;
            }
            assert!(total >= floor, "{code:?} {metric:?}: {total}");
        }
    }
}
