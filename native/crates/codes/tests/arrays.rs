//! Arrays that are no codes, and codes of vectors at the ends of what floats hold.

mod common;

use common::{PRODUCTS, Random, all, between, bytes_of, column, dot, for_each_level, open, square, vectors};
use elanus_codes::{Code, Codes, ColumnSpace, encode};
use elanus_kernels::{Column, Element, Metric, Space};

#[test]
fn arrays_of_other_lengths_are_refused() {
    let (rows, dim) = (5, 40);
    let bytes = bytes_of(&vectors(rows, dim, 0.5, 3));
    for code in Code::ALL {
        let whole = encode(&column(&bytes, rows, dim), Metric::L2, code, None, 1);
        let new = |rows, dim, codes: &[u8], tails: &[f32], mean: &[f32]| {
            Codes::new(code, Metric::L2, rows, dim, codes, tails, mean).err().unwrap_or_default()
        };
        let (codes, tails, mean) = (&whole.codes[..], &whole.tails[..], &whole.mean[..]);
        assert_eq!(new(rows, dim, codes, tails, mean), "");
        assert!(new(rows, dim, &codes[1..], tails, mean).contains("section codes"));
        assert!(new(rows, dim, &[], tails, mean).contains("section codes"));
        assert!(new(rows, dim, codes, &tails[1..], mean).contains("section tails"));
        assert!(new(rows, dim, codes, tails, &mean[1..]).contains("section mean"));
        assert!(new(rows + 1, dim, codes, tails, mean).contains("section codes"));
        assert!(new(rows, 0, codes, tails, mean).contains("section codes"));
        assert!(new(rows, usize::MAX, codes, tails, mean).contains("section codes"));
        assert!(new(usize::MAX, dim, codes, tails, mean).contains("section codes"));
        assert!(new(u32::MAX as usize, 32_768, codes, tails, mean).contains("section codes"));
        assert!(Codes::new(code, Metric::Hamming, rows, dim, codes, tails, mean).is_err());
        assert!(Codes::new(code, Metric::Ip, rows, dim, codes, tails, mean).is_err());
    }
}

#[test]
fn bytes_that_never_were_codes_give_distances_that_are_numbers() {
    let (rows, dim) = (9, 77);
    let odd = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, -0.0, 1e-45];
    for (code, metric) in Code::ALL.into_iter().flat_map(|code| PRODUCTS.map(|metric| (code, metric))) {
        let bytes = vec![0xFF; code.row_bytes(dim) * rows];
        let tails: Vec<f32> = (0..code.tail_len() * rows).map(|i| odd[i * 5 % 6]).collect();
        let mean: Vec<f32> = if metric == Metric::Ip { Vec::new() } else { vec![f32::NAN; dim] };
        let codes = Codes::new(code, metric, rows, dim, &bytes, &tails, &mean).unwrap();
        let query = codes.prepare(&vectors(1, dim, 0.0, 4));
        for_each_level(|_| {
            assert!(all(&codes.scorer(&query), rows).iter().all(|distance| !distance.is_nan()));
            for row in 0..rows as u32 {
                assert!(all(&*codes.scorer_of(row), rows).iter().all(|distance| !distance.is_nan()));
            }
        });
    }
}

/// Rows that break careless arithmetic.
fn extremes(dim: usize) -> Vec<f32> {
    let mut values = Vec::new();
    for value in [0.0, 1.0, -1.0, f32::MAX, f32::MIN, f32::MIN_POSITIVE, 1e-45, 1e30, 1e-30, -0.0] {
        values.extend(vec![value; dim]);
        values.extend((0..dim).map(|i| if i % 2 == 0 { value } else { -value }));
        values.extend((0..dim).map(|i| if i == dim / 2 { value } else { 0.0 }));
    }
    values
}

#[test]
fn no_vector_of_floats_gives_a_distance_that_is_no_number() {
    for dim in [1, 2, 33, 200] {
        let values = extremes(dim);
        let (bytes, rows) = (bytes_of(&values), values.len() / dim);
        for (code, metric) in Code::ALL.into_iter().flat_map(|code| PRODUCTS.map(|metric| (code, metric))) {
            for_each_level(|_| {
                let encoded = encode(&column(&bytes, rows, dim), metric, code, None, 2);
                let codes = open(&encoded, code, metric, rows, dim);
                for (row, query) in values.chunks(dim).enumerate() {
                    let found =
                        [all(&codes.scorer(&codes.prepare(query)), rows), all(&*codes.scorer_of(row as u32), rows)];
                    assert!(found.concat().iter().all(|distance| !distance.is_nan()), "{code:?} {metric:?} {dim}");
                }
            });
        }
        for metric in PRODUCTS {
            let space = ColumnSpace::new(column(&bytes, rows, dim), metric);
            for row in 0..rows as u32 {
                assert!(
                    all(&*space.scorer_of(row), rows).iter().all(|distance| !distance.is_nan()),
                    "{metric:?} {dim}"
                );
            }
        }
    }
}

#[test]
fn sizes_from_tiny_to_huge_order_as_ordinary_ones_do() {
    let (rows, dim) = (40, 48);
    let (values, query) = (vectors(rows, dim, 0.1, 6), vectors(1, dim, 0.1, 7));
    let order = |distances: &[f32]| {
        let mut rows: Vec<usize> = (0..distances.len()).collect();
        rows.sort_by(|&a, &b| distances[a].total_cmp(&distances[b]));
        rows
    };
    for (code, metric) in Code::ALL.into_iter().flat_map(|code| PRODUCTS.map(|metric| (code, metric))) {
        let ordered = |factor: f32| {
            let scaled = |values: &[f32]| values.iter().map(|value| value * factor).collect::<Vec<_>>();
            let bytes = bytes_of(&scaled(&values));
            let encoded = encode(&column(&bytes, rows, dim), metric, code, None, 1);
            let codes = open(&encoded, code, metric, rows, dim);
            order(&all(&codes.scorer(&codes.prepare(&scaled(&query))), rows))
        };
        // Powers of two: every step of the arithmetic scales with them, so that the order is the very same.
        let ordinary = ordered(1.0);
        let powers: &[i32] = if metric == Metric::Cosine { &[-100, 100] } else { &[-50, 50] };
        for &power in powers {
            assert_eq!(ordered(2_f32.powi(power)), ordinary, "{code:?} {metric:?} 2^{power}");
        }
    }
}

#[test]
fn equal_vectors_are_at_equal_distances() {
    let (rows, dim) = (20, 65);
    let one = vectors(1, dim, 2.0, 11);
    let bytes = bytes_of(&one.repeat(rows));
    for (code, metric) in Code::ALL.into_iter().flat_map(|code| PRODUCTS.map(|metric| (code, metric))) {
        let encoded = encode(&column(&bytes, rows, dim), metric, code, None, 1);
        let codes = open(&encoded, code, metric, rows, dim);
        let found = all(&codes.scorer(&codes.prepare(&one)), rows);
        assert!(found.iter().all(|distance| distance.to_bits() == found[0].to_bits()), "{code:?} {metric:?}");
        let between = all(&*codes.scorer_of(3), rows);
        let scale = one.iter().map(|value| value * value).sum::<f32>();
        let expected = if metric == Metric::Ip { -scale } else { 0.0 };
        let near = |distance: &f32| (distance - expected).abs() < 1e-2 * scale;
        assert!(between.iter().all(near), "{code:?} {metric:?} {between:?}");
    }
}

#[test]
fn one_wild_vector_leaves_the_others_their_bits() {
    let (rows, dim) = (500, 24);
    let mut base = vectors(rows, dim, 1.0, 5);
    base[7 * dim..8 * dim].iter_mut().for_each(|value| *value *= 1e18);
    let bytes = bytes_of(&base);
    for code in [Code::Sq8, Code::Sq4, Code::F16, Code::Bf16] {
        let encoded = encode(&column(&bytes, rows, dim), Metric::L2, code, None, 1);
        let codes = open(&encoded, code, Metric::L2, rows, dim);
        let from_row = |row: usize| all(&codes.scorer(&codes.prepare(&base[row * dim..(row + 1) * dim])), rows);
        for row in [0, 100, 499] {
            let found = from_row(row);
            let nearest = (0..rows).min_by(|&a, &b| found[a].total_cmp(&found[b]));
            assert_eq!(nearest, Some(row), "{code:?}: a row is nearest to itself");
        }
    }
}

#[test]
fn a_zero_vector_is_at_a_right_angle_to_everything() {
    let (rows, dim) = (12, 50);
    let mut values = vectors(rows, dim, 0.5, 3);
    values[4 * dim..5 * dim].fill(0.0);
    let bytes = bytes_of(&values);
    for code in Code::ALL {
        let encoded = encode(&column(&bytes, rows, dim), Metric::Cosine, code, None, 1);
        let codes = open(&encoded, code, Metric::Cosine, rows, dim);
        let found = all(&codes.scorer(&codes.prepare(&values[..dim])), rows);
        assert!((found[4] - 2.0).abs() < 0.1, "{code:?} {}", found[4]);
        let of_zero = all(&codes.scorer(&codes.prepare(&values[4 * dim..5 * dim])), rows);
        assert!(of_zero.iter().all(|distance| (distance - 2.0).abs() < 0.1), "{code:?} {of_zero:?}");
    }
}

#[test]
fn rows_that_are_left_out_move_no_mean() {
    let (rows, dim) = (64, 30);
    let mut values = vectors(rows, dim, 0.5, 3);
    let kept = bytes_of(&values[..32 * dim]);
    values[32 * dim..].fill(1e6);
    let whole = bytes_of(&values);
    let keep = [0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0];
    for (code, metric) in Code::ALL.into_iter().flat_map(|code| PRODUCTS.map(|metric| (code, metric))) {
        let alone = encode(&column(&kept, 32, dim), metric, code, None, 1);
        let among = encode(&column(&whole, rows, dim), metric, code, Some(&keep), 2);
        assert_eq!(alone.mean, among.mean);
        assert_eq!(alone.codes, among.codes[..alone.codes.len()]);
        assert_eq!(alone.tails, among.tails[..alone.tails.len()]);
    }
}

#[test]
fn no_rows_have_no_codes() {
    for code in Code::ALL {
        let encoded = encode(&column(&[], 0, 7), Metric::L2, code, None, 4);
        let codes = Codes::new(code, Metric::L2, 0, 7, &encoded.codes, &encoded.tails, &encoded.mean).unwrap();
        assert!(codes.is_empty() && all(&codes.scorer(&codes.prepare(&[1.0; 7])), 0).is_empty());
    }
}

fn whole_numbers(bytes: &[u8], element: Element) -> Vec<f64> {
    match element {
        Element::Bit => bytes.iter().flat_map(|byte| (0..8).map(move |bit| f64::from(byte >> bit & 1))).collect(),
        _ => bytes.iter().map(|&byte| f64::from(byte.cast_signed())).collect(),
    }
}

#[test]
fn columns_measure_between_their_rows() {
    let (rows, dim) = (9, 48);
    let mut random = Random(2);
    let bytes: Vec<u8> = (0..rows * dim).map(|_| random.next() as u8).collect();
    let cases = [
        (Element::I8, Metric::L2),
        (Element::I8, Metric::Ip),
        (Element::I8, Metric::Cosine),
        (Element::Bit, Metric::Hamming),
        (Element::Bit, Metric::Jaccard),
    ];
    for (element, metric) in cases {
        let space = ColumnSpace::new(Column::new(&bytes, rows, dim, element).unwrap(), metric);
        let vectors: Vec<Vec<f64>> =
            bytes.chunks(element.row_bytes(dim)).take(rows).map(|row| whole_numbers(row, element)).collect();
        let longest = vectors.iter().map(|row| square(row)).fold(0.0, f64::max);
        for (from, a) in vectors.iter().enumerate() {
            let run = all(&*space.scorer_of(from as u32), rows);
            let list: Vec<u32> = (0..rows as u32).rev().collect();
            let mut listed = vec![0.0; rows];
            space.scorer_of(from as u32).score(&list, &mut listed);
            assert!(listed.iter().rev().eq(&run));
            for (b, &found) in vectors.iter().zip(&run) {
                let expected = match metric {
                    Metric::Ip => -dot(a, b),
                    Metric::Cosine => 2.0 - 2.0 * dot(a, b) / (square(a) * square(b)).sqrt(),
                    Metric::Jaccard => 1.0 - dot(a, b) / (square(a) + square(b) - dot(a, b)),
                    _ => between(a, b),
                };
                assert!((f64::from(found) - expected).abs() <= 1e-5 * longest.max(1.0), "{element:?} {metric:?}");
            }
        }
    }
}
