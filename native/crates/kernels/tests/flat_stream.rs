//! Streams over rows without an index: what a scan finds, in pieces.

use std::sync::atomic::AtomicBool;

use elanus_kernels::simd::{self, Level};
use elanus_kernels::{
    Column, Element, FlatStream, Hit, Metric, Queries, Scan, SparseColumn, Stop, Stopped, Window, scan, scan_sparse,
};

const NEVER: Stop<'static> = Stop { cancelled: None, deadline: None };

/// Bytes that look random, the same every time.
fn noise(count: usize, seed: u64) -> Vec<u8> {
    let mut state = seed * 2 + 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..count).map(|_| next()).collect()
}

/// Few values, so that many distances are equal.
fn floats(count: usize, seed: u64) -> Vec<u8> {
    noise(count, seed).into_iter().flat_map(|byte| (f32::from(byte % 4) - 1.5).to_le_bytes()).collect()
}

fn filters(rows: usize) -> Vec<Option<Vec<u8>>> {
    let bytes = rows.div_ceil(8);
    let few = |one_in| noise(bytes, 9).iter().map(|byte| u8::from(byte % one_in == 0)).collect();
    vec![None, Some(vec![0xFF; bytes]), Some(noise(bytes, 8)), Some(few(40)), Some(vec![0; bytes])]
}

/// Batches of growing sizes, one after another.
fn drained(mut stream: FlatStream) -> Vec<Hit> {
    let (mut all, mut size) = (Vec::new(), 0);
    loop {
        let before = all.len();
        let emitted = stream.next(size, &mut all);
        assert_eq!(all.len() - before, emitted);
        if emitted < size {
            assert_eq!((stream.next(5, &mut all), stream.rows()), (0, all.len()));
            return all;
        }
        size = size * 2 % 3000 + 7;
    }
}

#[test]
fn batches_together_are_a_scan_at_every_instruction_set() {
    let cases = [
        (Element::F32, Metric::L2, 3),
        (Element::F32, Metric::Cosine, 12),
        (Element::F16, Metric::Ip, 5),
        (Element::I8, Metric::Cosine, 9),
        (Element::Bit, Metric::Hamming, 16),
        (Element::Bit, Metric::Jaccard, 24),
    ];
    for level in Level::ALL.into_iter().filter(|&level| simd::choose(level)) {
        for ((element, metric, dim), rows) in cases.into_iter().flat_map(|case| [0, 1, 2, 70, 9001].map(|n| (case, n)))
        {
            let bytes = if element == Element::F32 { floats(rows * dim, 1) } else { noise(rows * dim * 2, 1) };
            let asked = if element == Element::F16 { Element::F32 } else { element };
            let query = if asked == Element::F32 { floats(dim, 2) } else { noise(dim, 2) };
            let column = Column::new(&bytes, rows, dim, element).unwrap();
            let queries = Queries::new(&Column::new(&query, 1, dim, asked).unwrap(), element, metric).unwrap();
            for keep in filters(rows) {
                let keep = keep.as_deref();
                let (k, window) = (rows.max(1), Window::ALL);
                let whole =
                    Scan { queries: &queries, column, metric, lengths: None, keep, k, window, threads: 1, stop: NEVER };
                let stream = FlatStream::dense(&queries, &column, metric, keep, NEVER).unwrap();
                assert_eq!(drained(stream), scan(&whole).unwrap()[0], "{element:?} {metric:?} {rows} {level:?}");
            }
        }
    }
    simd::choose(Level::widest());
}

/// Rows of up to seven entries, some of none.
fn sparse(rows: usize, seed: u64) -> (Vec<i64>, Vec<u8>) {
    let (mut offsets, mut bytes) = (vec![0], Vec::new());
    for byte in noise(rows, seed) {
        for entry in 0..u32::from(byte % 8) {
            bytes.extend((entry * 3 + u32::from(byte / 64)).to_le_bytes());
            bytes.extend((f32::from(byte % 5) - 1.0).to_le_bytes());
        }
        offsets.push(bytes.len() as i64);
    }
    (offsets, bytes)
}

#[test]
fn batches_of_sparse_rows_together_are_a_scan() {
    let ((offsets, bytes), (ends, entries)) = (sparse(9001, 1), ([0, 32], noise(4, 1)));
    let entries: Vec<u8> = (0..4_u32)
        .flat_map(|at| [(at * 4).to_le_bytes(), f32::from(entries[at as usize]).to_le_bytes()].concat())
        .collect();
    let queries = SparseColumn::new(&ends, &entries).unwrap();
    for rows in [0, 1, 2, 70, 9001] {
        let column = SparseColumn::new(&offsets[..=rows], &bytes).unwrap();
        for keep in filters(rows) {
            let keep = keep.as_deref();
            let whole = scan_sparse(&queries, &column, keep, rows.max(1), Window::ALL, 1, NEVER).unwrap();
            let stream = FlatStream::sparse(&queries, &column, keep, NEVER).unwrap();
            assert_eq!(drained(stream), whole[0]);
        }
    }
}

#[test]
fn what_is_not_a_number_comes_last_and_both_zeros_are_one() {
    let values = [f32::NAN, 0.0, -0.0, 1.0, f32::INFINITY, -f32::NAN];
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let column = Column::new(&bytes, 6, 1, Element::F32).unwrap();
    let one = 1_f32.to_le_bytes();
    let queries = Queries::new(&Column::new(&one, 1, 1, Element::F32).unwrap(), Element::F32, Metric::Ip).unwrap();
    let mut hits = Vec::new();
    FlatStream::dense(&queries, &column, Metric::Ip, None, NEVER).unwrap().next(9, &mut hits);
    assert_eq!(hits.iter().map(|hit| hit.row).collect::<Vec<_>>(), [4, 3, 1, 2, 0, 5]);
    assert!(hits[4].distance == f32::INFINITY && hits[5].distance == f32::INFINITY);
}

#[test]
fn a_search_that_nobody_waits_for_is_not_begun() {
    let flag = AtomicBool::new(true);
    let stop = Stop { cancelled: Some(&flag), deadline: None };
    let ((offsets, entries), bytes) = (sparse(100, 1), floats(100, 1));
    let rows = SparseColumn::new(&offsets, &entries).unwrap();
    let column = Column::new(&bytes, 100, 1, Element::F32).unwrap();
    let queries = Queries::new(&column, Element::F32, Metric::L2).unwrap();
    assert_eq!(scan_sparse(&rows, &rows, None, 1, Window::ALL, 2, stop), Err(Stopped));
    assert!(FlatStream::sparse(&rows, &rows, None, stop).is_err());
    assert!(FlatStream::dense(&queries, &column, Metric::L2, None, stop).is_err());
}
