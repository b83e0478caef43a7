//! Measures recall and queries a second of processor time: `measure FOLDER [WIDTH...]`.
//!
//! FOLDER holds `base.f16.npy` and `queries.f16.npy`, half floats of the same dimensions in version 1 of numpy's format.

use std::path::Path;

use elanus_fastscan::{FastScan, Question, Request, Settings};
use elanus_kernels::{Column, ColumnScorer, Element, Hit, Metric, Queries, Scan, Stop, Window, scan};

/// Queries asked, and rows wanted of each.
const QUERIES: usize = 300;
const K: usize = 10;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().expect("a folder");
    let widths: Vec<usize> = arguments.map(|width| width.parse().expect("a number")).collect();
    let (base, rows, dim) = load(&Path::new(&folder).join("base.f16.npy"));
    let (queries, count, _) = load(&Path::new(&folder).join("queries.f16.npy"));
    let base = Column::new(&base, rows, dim, Element::F16).expect("a column");
    let queries = Column::new(&queries, count, dim, Element::F16).expect("queries");
    let vectors: Vec<Vec<f32>> = (0..QUERIES.min(count)).map(|query| queries.floats(query)).collect();
    for width in if widths.is_empty() { vec![0] } else { widths } {
        measure(&base, &vectors, width);
    }
}

/// Seconds that this thread has run: the clock's would count other processes.
fn processor_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux' statistics of a thread");
    text.split(' ').next().and_then(|nanoseconds| nanoseconds.parse::<f64>().ok()).expect("nanoseconds") * 1e-9
}

/// Reads an array of half floats: bytes, rows, dimensions.
fn load(path: &Path) -> (Vec<u8>, usize, usize) {
    let file = std::fs::read(path).expect("a readable file");
    let header = usize::from(u16::from_le_bytes([file[8], file[9]]));
    let text = String::from_utf8_lossy(&file[10..10 + header]).into_owned();
    let shape = text.split("'shape': (").nth(1).and_then(|rest| rest.split(')').next()).expect("a shape");
    let sizes: Vec<usize> = shape.split(',').filter_map(|size| size.trim().parse().ok()).collect();
    (file[10 + header..].to_vec(), sizes[0], sizes[1])
}

fn measure(base: &Column, vectors: &[Vec<f32>], width: usize) {
    let started = processor_seconds();
    let settings = Settings { width, ..Settings::default() };
    let codes = FastScan::train(base, Metric::Cosine, None, &settings).expect("codes");
    let trained = processor_seconds() - started;
    println!("width {width}: {trained:.2} s, {} bytes a row", codes.memory_bytes() / base.rows());
    let bytes: Vec<u8> = vectors.iter().flatten().flat_map(|value| value.to_le_bytes()).collect();
    let asked = Column::new(&bytes, vectors.len(), base.dim(), Element::F32).expect("queries");
    let queries = Queries::new(&asked, base.element(), Metric::Cosine).expect("queries");
    let scorers: Vec<_> =
        (0..vectors.len()).map(|query| ColumnScorer::new(&queries, query, base, Metric::Cosine)).collect();
    let questions: Vec<Question> =
        vectors.iter().zip(&scorers).map(|(vector, exact)| Question { vector, exact }).collect();
    for one_in in [1, 10, 30, 50, 100, 1000] {
        let keep: Vec<u8> = (0..base.rows().div_ceil(8)).map(|byte| bits(byte, one_in)).collect();
        let keep = (one_in > 1).then_some(&keep[..]);
        let (column, metric, lengths, window, stop) = (*base, Metric::Cosine, None, Window::ALL, Stop::default());
        let exact = Scan { queries: &queries, column, metric, lengths, keep, k: K, window, threads: 1, stop };
        let exact = scan(&exact).expect("nobody stops it");
        for refine in [0, 80, 160] {
            let request = Request { k: K, refine, rows: base.rows(), keep, threads: 1, stop };
            report(&codes, &questions, &request, &exact, one_in);
        }
    }
}

/// Eight rows of which one in so many passes, scattered.
fn bits(byte: usize, one_in: u64) -> u8 {
    let passes = |row: usize| {
        let mixed = (row as u64 ^ row as u64 >> 9).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ mixed >> 29).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ mixed >> 32).is_multiple_of(one_in)
    };
    (0..8).fold(0, |bits, bit| bits | u8::from(passes(byte * 8 + bit)) << bit)
}

fn report(codes: &FastScan, questions: &[Question], request: &Request, exact: &[Vec<Hit>], one_in: u64) {
    let mut best = [f64::INFINITY; 2];
    let mut found = Vec::new();
    for _ in 0..5 {
        let started = processor_seconds();
        found = questions.chunks(1).flat_map(|one| codes.search(one, request).expect("nobody stops it")).collect();
        best[0] = best[0].min(processor_seconds() - started);
        let started = processor_seconds();
        codes.search(questions, request).expect("nobody stops it");
        best[1] = best[1].min(processor_seconds() - started);
    }
    let [single, batch] = best.map(|seconds| questions.len() as f64 / seconds);
    let (recall, refine) = (recall(&found, exact), request.refine);
    println!("  1/{one_in:<5} refine {refine:<4} recall {recall:.4}  {single:8.0} QPS, {batch:8.0} QPS in one call");
}

fn recall(found: &[Vec<Hit>], exact: &[Vec<Hit>]) -> f64 {
    let shared = |(found, exact): (&Vec<Hit>, &Vec<Hit>)| {
        let last = exact.last().map_or(f32::INFINITY, |hit| hit.distance);
        found.iter().filter(|hit| hit.distance <= last + 1e-6).count()
    };
    let all: usize = exact.iter().map(Vec::len).sum();
    found.iter().zip(exact).map(shared).sum::<usize>() as f64 / all as f64
}
