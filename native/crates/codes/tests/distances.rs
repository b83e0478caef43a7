//! Coded distances against true ones, for every code, metric, width and instruction set.

mod common;

use common::{
    PRODUCTS, Random, Truth, all, between, bytes_of, column, dot, error_of, for_each_level, open, query_error_of,
    square, vectors,
};
use elanus_codes::{Code, Codes, encode};
use elanus_kernels::{Column, Element, Metric, Scorer, Space};

const ROWS: usize = 6;

fn dims() -> impl Iterator<Item = usize> {
    (1..=130).chain([160, 161, 383, 384, 768, 1535])
}

/// The true distance to a query, and how far the codes may be from it.
fn expected(code: Code, metric: Metric, query: &[f64], row: &[f64]) -> (f64, f64) {
    let (here, there) = (query_error_of(code, query), error_of(code, row));
    if metric == Metric::Ip {
        let allowed = square(query).sqrt() * there + (square(row).sqrt() + there) * here;
        return (-dot(query, row), allowed);
    }
    let (distance, error) = (between(query, row), here + there);
    // Lengths are summed in single precision, and are longer than a small distance.
    (distance, error * (2.0 * distance.sqrt() + error) + 1e-6 * (square(query) + square(row)))
}

fn check_queries(codes: &Codes, truth: &Truth, queries: &[f32]) {
    let (code, metric, dim) = (codes.code(), codes.metric(), codes.dim());
    for query in queries.chunks(dim) {
        let prepared = codes.prepare(query);
        let found = all(&codes.scorer(&prepared), ROWS);
        for (row, &found) in truth.rows.iter().zip(&found) {
            let (distance, allowed) = expected(code, metric, &truth.point(query), row);
            let error = (f64::from(found) - distance).abs();
            assert!(error <= allowed, "{code:?} {metric:?} {dim}: {found} for {distance}, allowed {allowed}");
        }
    }
}

/// The true distance between rows, and how far the codes may be from it.
fn expected_between(code: Code, metric: Metric, [from, to]: [&[f64]; 2]) -> (f64, f64) {
    let errors = [from, to].map(|row| error_of(code, row));
    if metric != Metric::Ip {
        let (distance, error) = (between(from, to), errors[0] + errors[1]);
        return (distance, error * (2.0 * distance.sqrt() + error) + 1e-6 * (square(from) + square(to)));
    }
    let lengths = [square(from).sqrt(), square(to).sqrt()];
    let products = lengths[0] * errors[1] + lengths[1] * errors[0] + errors[0] * errors[1];
    (-dot(from, to), products + 1e-6 * lengths[0] * lengths[1])
}

fn check_rows(codes: &Codes, truth: &Truth) {
    let (code, metric, dim) = (codes.code(), codes.metric(), codes.dim());
    for (from, vector) in truth.rows.iter().enumerate() {
        let found = all(&*codes.scorer_of(from as u32), ROWS);
        for (row, &found) in truth.rows.iter().zip(&found) {
            let (distance, allowed) = expected_between(code, metric, [vector, row]);
            let error = (f64::from(found) - distance).abs();
            assert!(error <= allowed, "{code:?} {metric:?} {dim} rows: {found} for {distance}, allowed {allowed}");
        }
    }
}

#[test]
fn distances_are_within_the_error_of_the_codes() {
    for dim in dims() {
        for (centre, metric) in PRODUCTS.map(|metric| (if dim % 2 == 0 { 3.0 } else { 0.0 }, metric)) {
            let (values, queries) = (vectors(ROWS, dim, centre, dim as u64), vectors(3, dim, centre, 9));
            let bytes = bytes_of(&values);
            let truth = Truth::of(&values, dim, metric);
            for code in Code::ALL {
                let encoded = encode(&column(&bytes, ROWS, dim), metric, code, None, 1);
                let codes = open(&encoded, code, metric, ROWS, dim);
                check_queries(&codes, &truth, &queries);
                check_rows(&codes, &truth);
            }
        }
    }
}

#[test]
fn every_level_gives_the_same_distances() {
    for dim in dims() {
        let (values, query) = (vectors(ROWS, dim, 0.5, dim as u64), vectors(1, dim, 0.5, 9));
        let bytes = bytes_of(&values);
        for (code, metric) in Code::ALL.into_iter().flat_map(|code| PRODUCTS.map(|metric| (code, metric))) {
            let mut reference: Option<(Vec<f32>, Vec<f32>)> = None;
            for_each_level(|level| {
                let encoded = encode(&column(&bytes, ROWS, dim), metric, code, None, 1);
                let codes = open(&encoded, code, metric, ROWS, dim);
                let prepared = codes.prepare(&query);
                let found = (all(&codes.scorer(&prepared), ROWS), all(&*codes.scorer_of(4), ROWS));
                let Some(expected) = &reference else {
                    reference = Some(found);
                    return;
                };
                let pairs = [(&found.0, &expected.0), (&found.1, &expected.1)];
                let scale = expected.0.iter().chain(&expected.1).fold(0.0, |scale: f32, x| scale.max(x.abs()));
                for (found, expected) in pairs.into_iter().flat_map(|(found, expected)| found.iter().zip(expected)) {
                    let allowed = if matches!(code, Code::Sq8 | Code::Sq4) { 0.0 } else { 1e-5 * scale };
                    assert!((found - expected).abs() <= allowed, "{code:?} {metric:?} {dim} at {level:?}");
                }
            });
        }
    }
}

#[test]
fn codes_are_the_same_bytes_at_every_level_and_number_of_threads() {
    let (rows, dim) = (4_100, 9);
    let bytes = bytes_of(&vectors(rows, dim, 0.5, 3));
    for (code, metric) in Code::ALL.into_iter().flat_map(|code| PRODUCTS.map(|metric| (code, metric))) {
        let reference = encode(&column(&bytes, rows, dim), metric, code, None, 1);
        for_each_level(|level| {
            for threads in [1, 3] {
                let again = encode(&column(&bytes, rows, dim), metric, code, None, threads);
                assert!(again == reference, "{code:?} {metric:?} {level:?} {threads}");
            }
        });
    }
}

#[test]
fn lists_of_any_length_and_lookahead_equal_runs() {
    let (rows, dim) = (100, 70);
    let bytes = bytes_of(&vectors(rows, dim, 0.5, 3));
    let mut random = Random(5);
    for code in Code::ALL {
        let encoded = encode(&column(&bytes, rows, dim), Metric::L2, code, None, 1);
        let codes = open(&encoded, code, Metric::L2, rows, dim);
        let query = codes.prepare(&vectors(1, dim, 0.5, 8));
        for_each_level(|_| {
            let whole = all(&codes.scorer(&query), rows);
            for (len, lookahead) in (0..=21).flat_map(|len| [0, 1, 8, 40].map(|lookahead| (len, lookahead))) {
                let list: Vec<u32> = (0..len).map(|_| random.below(rows) as u32).collect();
                let mut out = vec![0.0; len];
                codes.scorer(&query).with_lookahead(lookahead).score(&list, &mut out);
                assert!(list.iter().zip(&out).all(|(&row, found)| found.to_bits() == whole[row as usize].to_bits()));
                let mut out = vec![0.0; len];
                codes.scorer(&query).score_run(50, &mut out);
                assert_eq!(out, whole[50..50 + len]);
            }
        });
    }
}

fn signed_bytes(count: usize, random: &mut Random) -> Vec<u8> {
    (0..count).map(|_| if random.below(4) == 0 { 0x80 } else { random.next() as u8 }).collect()
}

#[test]
fn signed_bytes_are_exact() {
    let mut random = Random(1);
    for dim in (1..=130).chain([384, 500]) {
        let (bytes, query) = (signed_bytes(ROWS * dim, &mut random), signed_bytes(dim, &mut random));
        let column = Column::new(&bytes, ROWS, dim, Element::I8).unwrap();
        let wide = |bytes: &[u8]| bytes.iter().map(|&byte| f32::from(byte.cast_signed())).collect::<Vec<_>>();
        let doubles = |bytes: &[u8]| bytes.iter().map(|&byte| f64::from(byte.cast_signed())).collect::<Vec<_>>();
        for metric in PRODUCTS {
            let encoded = encode(&column, metric, Code::Sq8, None, 1);
            let codes = open(&encoded, Code::Sq8, metric, ROWS, dim);
            let prepared = codes.prepare(&wide(&query));
            for_each_level(|_| {
                let found = all(&codes.scorer(&prepared), ROWS);
                let between_rows = all(&*codes.scorer_of(0), ROWS);
                for (row, vector) in bytes.chunks(dim).enumerate() {
                    let (query, first, vector) = (doubles(&query), doubles(&bytes[..dim]), doubles(vector));
                    let cosine = |other: &[f64]| dot(other, &vector) / (square(other) * square(&vector)).sqrt();
                    let (to_query, to_first, allowed) = match metric {
                        Metric::L2 => (between(&query, &vector), between(&first, &vector), 0.0),
                        Metric::Ip => (-dot(&query, &vector), -dot(&first, &vector), 0.0),
                        _ => (2.0 - 2.0 * cosine(&query), 2.0 - 2.0 * cosine(&first), 2e-6),
                    };
                    assert!((f64::from(found[row]) - to_query).abs() <= allowed, "{metric:?} {dim}");
                    assert!((f64::from(between_rows[row]) - to_first).abs() <= allowed, "{metric:?} {dim}");
                }
            });
        }
    }
}
