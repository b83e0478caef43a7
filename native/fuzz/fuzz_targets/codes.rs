//! Codes of any content and queries of any floats: distances are numbers, and integers the same at every level.
#![no_main]

use arbitrary::Arbitrary;
use elanus_codes::{Code, Codes};
use elanus_kernels::simd::{self, Level};
use elanus_kernels::{Metric, Scorer, Space};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Input {
    code: u8,
    metric: u8,
    dim: u16,
    bytes: Vec<u8>,
    tails: Vec<u32>,
    mean: Option<Vec<u32>>,
    query: Vec<u32>,
    rows: Vec<u8>,
    first: u8,
}

const METRICS: [Metric; 3] = [Metric::L2, Metric::Ip, Metric::Cosine];
const MAX_ROWS: usize = 9;

fn repeated<T: Copy>(values: &[T], count: usize, nothing: T) -> Vec<T> {
    (0..count).map(|at| values.get(at % values.len().max(1)).copied().unwrap_or(nothing)).collect()
}

fn any_floats(bits: &[u32], count: usize) -> Vec<f32> {
    repeated(bits, count, 0).into_iter().map(f32::from_bits).collect()
}

/// Distances to the listed rows, then to those from `first` on.
fn measured(scorer: &dyn Scorer, list: &[u32], first: usize) -> Vec<u32> {
    let mut out = vec![0.0; list.len() + MAX_ROWS - first];
    let (listed, run) = out.split_at_mut(list.len());
    scorer.score(list, listed);
    scorer.score_run(first as u32, run);
    assert!(out.iter().all(|distance| !distance.is_nan()), "{out:?}");
    out.into_iter().map(f32::to_bits).collect()
}

fuzz_target!(|input: Input| {
    let code = Code::ALL[usize::from(input.code % 4)];
    let metric = METRICS[usize::from(input.metric % 3)];
    let dim = usize::from(input.dim % 600) + 1;
    let bytes = repeated(&input.bytes, MAX_ROWS * code.row_bytes(dim), 0);
    let tails = any_floats(&input.tails, MAX_ROWS * code.tail_len());
    let mean = input.mean.as_ref().map_or(Vec::new(), |mean| any_floats(mean, dim));
    let Ok(codes) = Codes::new(code, metric, MAX_ROWS, dim, &bytes, &tails, &mean) else { return };
    let query = any_floats(&input.query, dim);
    let list: Vec<u32> = input.rows.iter().map(|&row| u32::from(row) % MAX_ROWS as u32).collect();
    let first = usize::from(input.first) % MAX_ROWS;
    let mut found = Vec::new();
    for level in Level::ALL.into_iter().filter(|&level| simd::choose(level)) {
        let prepared = codes.prepare(&query);
        let mut distances = measured(&codes.scorer(&prepared), &list, first);
        distances.extend(measured(&*codes.scorer_of(first as u32), &list, first));
        found.push((level, distances));
    }
    if matches!(code, Code::Sq8 | Code::Sq4) {
        assert!(found.iter().all(|(_, distances)| *distances == found[0].1), "{found:?}");
    }
});
