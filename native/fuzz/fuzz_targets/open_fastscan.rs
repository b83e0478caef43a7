//! Edited arrays of product codes: refused, or searched and grown without harm.
#![no_main]

use std::sync::OnceLock;

use arbitrary::Arbitrary;
use elanus_fastscan::{Arrays, Facts, FastScan, Question, Request, Settings};
use elanus_fuzz::{DIM, Edit, Number, ROWS, bitmap, check_hits, clustered, floats};
use elanus_graph::Keep;
use elanus_kernels::simd::{self, Level};
use elanus_kernels::{Column, ColumnScorer, Element, Metric, Queries, Stop};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Input {
    index: u8,
    edits: Vec<(u8, Edit)>,
    facts: Vec<(u8, Number)>,
    queries: [Vec<u32>; 2],
    keep: Vec<u8>,
    k: Number,
    refine: Number,
    seen: Option<u8>,
    grown: bool,
    shared: bool,
    level: u8,
}

const METRICS: [Metric; 3] = [Metric::L2, Metric::Ip, Metric::Cosine];
/// Rows that the codes are trained on; the others may be appended.
const TRAINED: usize = 170;

fn column(bytes: &[u8], rows: usize) -> Column<'_> {
    Column::new(bytes, rows, DIM, Element::F32).unwrap()
}

type Saved = (Facts, Arrays<Vec<u8>, Vec<f32>>);

fn data() -> &'static (Vec<u8>, Vec<Saved>) {
    static DATA: OnceLock<(Vec<u8>, Vec<Saved>)> = OnceLock::new();
    DATA.get_or_init(|| {
        let bytes = clustered(ROWS, DIM);
        let kinds = METRICS.iter().flat_map(|&metric| [1, 5].map(|width| (metric, width)));
        let saved = |(metric, width)| {
            let settings = Settings { width, ..Settings::default() };
            let codes = FastScan::train(&column(&bytes, TRAINED), metric, None, &settings).unwrap();
            (codes.facts(), codes.arrays())
        };
        let indexes = kinds.map(saved).collect();
        (bytes, indexes)
    })
}

fn opened(input: &Input, (mut facts, mut arrays): Saved) -> Result<FastScan, String> {
    for &(section, edit) in &input.edits {
        match section % 4 {
            0 => edit.apply(&mut arrays.codes, |value| value as u8),
            1 => edit.apply(&mut arrays.present, |value| value as u8),
            2 => edit.apply(&mut arrays.centroids, f32::from_bits),
            _ => edit.apply(&mut arrays.squares, f32::from_bits),
        }
    }
    for &(fact, number) in &input.facts {
        let fact = [&mut facts.rows, &mut facts.dim, &mut facts.width].into_iter().nth(usize::from(fact % 3));
        *fact.unwrap() = number.get() as usize;
    }
    let Arrays { codes, present, centroids, squares } = &arrays;
    FastScan::open(
        &facts,
        &Arrays { codes: &codes[..], present: &present[..], centroids: &centroids[..], squares: &squares[..] },
    )
}

fuzz_target!(|input: Input| {
    let (bytes, indexes) = data();
    simd::choose(Level::ALL[usize::from(input.level) % 3]);
    let Ok(codes) = opened(&input, indexes[usize::from(input.index) % indexes.len()].clone()) else { return };
    let base = column(bytes, ROWS);
    if codes.dim() != DIM {
        return;
    }
    let bits = bitmap(&input.keep);
    if input.grown && codes.rows() < ROWS {
        codes.append(&base, bits.as_deref(), ROWS, 1).unwrap();
    }
    let asked = input.queries.each_ref().map(|bits| floats(bits, DIM)).concat();
    let asked = column(&asked, 2);
    let queries = Queries::new(&asked, Element::F32, codes.metric()).unwrap();
    let vectors = [0, 1].map(|query| asked.floats(query));
    let scorers = [0, 1].map(|query| ColumnScorer::new(&queries, query, &base, codes.metric()));
    let questions = [0, 1].map(|query| Question { vector: &vectors[query], exact: &scorers[query] });
    let request = Request {
        k: input.k.get() as usize,
        refine: input.refine.get() as usize,
        rows: input.seen.map_or(ROWS, |seen| usize::from(seen).min(ROWS)),
        keep: bits.as_deref(),
        threads: if input.shared { 3 } else { 1 },
        stop: Stop::default(),
    };
    let keep = bits.as_deref().and_then(|bits| Keep::new(bits, ROWS));
    let present = codes.arrays().present;
    let passes = |row: u32| {
        let row = row as usize;
        row < request.rows
            && row < codes.rows()
            && present[row / 8] >> (row % 8) & 1 == 1
            && keep.is_none_or(|keep| keep.contains(row as u32))
    };
    let passing = (0..ROWS as u32).filter(|&row| passes(row)).count();
    for hits in codes.search(&questions, &request).unwrap() {
        assert_eq!(hits.len(), request.k.min(passing));
        check_hits(&hits, passes);
    }
});
