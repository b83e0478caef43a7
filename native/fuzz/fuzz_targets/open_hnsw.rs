//! Edited arrays of an HNSW index: refused, or searched and streamed without harm.
#![no_main]

use std::sync::OnceLock;

use arbitrary::Arbitrary;
use elanus_fuzz::{DIM, Edit, Number, ROWS, bitmap, check_hits, clustered, floats, num_passing};
use elanus_graph::{BuildSettings, Keep, Request, Stop, Strategy, Stream};
use elanus_hnsw::{Hnsw, Made, Query, Storage, costs, make, tuning_of};
use elanus_kernels::{Column, Element, Metric};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Input {
    index: u8,
    edits: Vec<(u8, Edit)>,
    facts: Vec<(u8, Number)>,
    costs: Option<[u32; 6]>,
    query: Vec<u32>,
    keep: Vec<u8>,
    strategy: u8,
    k: Number,
    ef: Number,
    refine: Number,
    batches: Vec<Number>,
}

const METRICS: [Metric; 3] = [Metric::L2, Metric::Ip, Metric::Cosine];
const STRATEGIES: [Strategy; 6] =
    [Strategy::Auto, Strategy::Plain, Strategy::Alpha, Strategy::Mix, Strategy::Bridge, Strategy::Scan];

fn column(bytes: &[u8]) -> Column<'_> {
    Column::new(bytes, ROWS, DIM, Element::F32).unwrap()
}

fn data() -> &'static (Vec<u8>, Vec<Made>) {
    static DATA: OnceLock<(Vec<u8>, Vec<Made>)> = OnceLock::new();
    DATA.get_or_init(|| {
        let bytes = clustered(ROWS, DIM);
        let settings = BuildSettings { m: 4, ef_construction: 20, threads: 1, seed: 1 };
        let kinds = METRICS.iter().flat_map(|&metric| Storage::NAMES.map(|(_, storage)| (metric, storage)));
        let indexes = kinds
            .map(|(metric, storage)| make(&column(&bytes), metric, storage, None, &settings, &|_| true).unwrap())
            .collect();
        (bytes, indexes)
    })
}

fn edited(input: &Input, made: &Made) -> Made {
    let mut made = made.clone();
    for &(section, edit) in &input.edits {
        match section % 7 {
            0 => edit.apply(&mut made.base, |value| value),
            1 => edit.apply(&mut made.upper_rows, |value| value),
            2 => edit.apply(&mut made.upper_ends, |value| value),
            3 => edit.apply(&mut made.upper_links, |value| value),
            4 => edit.apply(&mut made.codes, |value| value as u8),
            5 => edit.apply(&mut made.tails, f32::from_bits),
            _ => edit.apply(&mut made.mean, f32::from_bits),
        }
    }
    let facts = &mut made.facts;
    for &(fact, number) in &input.facts {
        match fact % 5 {
            0 => facts.rows = number.get() as usize,
            1 => facts.dim = number.get() as usize,
            2 => facts.width = number.get() as usize,
            3 => facts.upper_width = number.get() as usize,
            _ => facts.entry = number.get(),
        }
    }
    let other = input.costs.and_then(|bits| tuning_of(bits.map(f32::from_bits)));
    facts.tuning = other.or(tuning_of(costs(&facts.tuning))).unwrap();
    made
}

fuzz_target!(|input: Input| {
    let (bytes, indexes) = data();
    let made = edited(&input, &indexes[usize::from(input.index) % indexes.len()]);
    let base = column(bytes);
    let Ok(index) = Hnsw::open(made.facts, made.arrays()) else { return };
    if index.fits(&base).is_err() {
        return;
    }
    let query = floats(&input.query, DIM);
    let query = Column::new(&query, 1, DIM, Element::F32).unwrap();
    let query = Query::new(&query, &base, index.facts().metric).unwrap();
    let bits = bitmap(&input.keep);
    let keep = bits.as_deref().and_then(|bits| Keep::new(bits, ROWS));
    let passes = |row: u32| (row as usize) < ROWS && keep.is_none_or(|keep| keep.contains(row));
    let request = Request {
        k: input.k.get() as usize,
        ef: input.ef.get() as usize,
        refine: input.refine.get() as usize,
        strategy: STRATEGIES[usize::from(input.strategy) % STRATEGIES.len()],
        keep,
        stop: Stop::default(),
    };
    let mut hits = Vec::new();
    index.search(&query, 0, &base, &request, &mut hits).unwrap();
    assert_eq!(hits.len(), request.k.min(num_passing(keep)));
    check_hits(&hits, passes);
    let mut stream = Stream::new(ROWS, request.ef);
    let mut streamed = Vec::new();
    let batches = input.batches.iter().map(|batch| batch.get() as usize).chain([50; 5]);
    for count in batches.take(20) {
        let mut batch = Vec::new();
        index.pull(&mut stream, &query, &base, (keep, count, Stop::default()), &mut batch).unwrap();
        check_hits(&batch, passes);
        streamed.extend(batch.iter().map(|hit| hit.row));
    }
    let found = streamed.len();
    streamed.sort_unstable();
    streamed.dedup();
    assert_eq!(streamed.len(), found, "a row came twice");
    if input.batches.len() < 15 {
        assert_eq!(found, num_passing(keep));
    }
});
