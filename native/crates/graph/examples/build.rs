//! Builds a graph over a file of half floats and says what it cost and what it finds.
//!
//! `cargo run --release -p elanus-graph --example build -- BASE.f16.npy QUERIES.f16.npy [rows] [m] [ef] [threads]`
//!
//! Times are of the processor, so that other work on the machine counts little.

use std::sync::atomic::{AtomicUsize, Ordering};

use elanus_codes::{Code, CodeQuery, Codes, encode};
use elanus_graph::{BuildSettings, Built, Stop, build, walk, with_scratch};
use elanus_kernels::{Column, ColumnScorer, Element, Hit, Metric, Queries, Scan, Scorer, Space, Window, scan};

/// Codes that count how often they are asked.
struct Counted<'a> {
    codes: &'a Codes<'a>,
    scorers: AtomicUsize,
    distances: AtomicUsize,
}

struct CountedScorer<'a> {
    scorer: Box<dyn Scorer + 'a>,
    distances: &'a AtomicUsize,
}

impl Space for Counted<'_> {
    fn rows(&self) -> usize {
        self.codes.rows()
    }

    fn scorer_of(&self, row: u32) -> Box<dyn Scorer + '_> {
        self.scorers.fetch_add(1, Ordering::Relaxed);
        Box::new(CountedScorer { scorer: self.codes.scorer_of(row), distances: &self.distances })
    }
}

impl Scorer for CountedScorer<'_> {
    fn score(&self, rows: &[u32], out: &mut [f32]) {
        self.distances.fetch_add(rows.len(), Ordering::Relaxed);
        self.scorer.score(rows, out);
    }

    fn score_run(&self, first: u32, out: &mut [f32]) {
        self.scorer.score_run(first, out);
    }
}

/// A file's vectors: their bytes, and how many elements each has.
fn read(path: &str) -> (Vec<u8>, usize) {
    let file = std::fs::read(path).expect("the file can be read");
    let start = usize::from(u16::from_le_bytes([file[8], file[9]])) + 10;
    let header = String::from_utf8_lossy(&file[10..start]).into_owned();
    let shape = header.split_once('(').and_then(|(_, rest)| rest.split_once(')')).expect("a shape").0;
    let dim = shape.split(',').nth(1).and_then(|dim| dim.trim().parse().ok()).expect("two dimensions");
    (file[start..].to_vec(), dim)
}

/// Seconds that the process has had a core.
fn cpu_seconds() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the clock exists and the place to write to is ours.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn timed<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let (cpu, wall) = (cpu_seconds(), std::time::Instant::now());
    let result = work();
    println!("{what}: {:.2} s of processor, {:.2} s of time", cpu_seconds() - cpu, wall.elapsed().as_secs_f64());
    result
}

/// Walks, re-ranks twice as many as wanted, and compares with the truth.
fn measure(built: &Built, codes: &Codes, column: &Column, asked: &[Vec<f32>], queries: &Queries, truth: &[Vec<Hit>]) {
    let links = built.links();
    let prepared: Vec<CodeQuery> = asked.iter().map(|query| codes.prepare(query)).collect();
    for ef in [10, 14, 20, 32, 64, 128, 256] {
        let (mut found, mut scored, start) = (0, 0, cpu_seconds());
        for (query, truth) in truth.iter().enumerate() {
            let near: Vec<u32> = with_scratch(|scratch| {
                let walked = walk(&links, &codes.scorer(&prepared[query]), ef, scratch, Stop::default());
                scored += walked.expect("nothing stops it").scored;
                scratch.pool.items().iter().take(20).map(|item| item.row()).collect()
            });
            let mut exact = vec![0.0; near.len()];
            ColumnScorer::new(queries, query, column, Metric::Cosine).score(&near, &mut exact);
            exact.sort_by(f32::total_cmp);
            found += exact.iter().take(10).filter(|&&distance| distance <= truth[9].distance).count();
        }
        let (seconds, count) = (cpu_seconds() - start, truth.len());
        let recall = found as f64 / (10 * count) as f64;
        println!("ef {ef:3}: recall {recall:.4}, {:6.0} QPS, {} scored", count as f64 / seconds, scored / count);
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let number =
        |place: usize, usual: usize| arguments.get(place).map_or(usual, |text| text.parse().expect("a number"));
    let (base, dim) = read(&arguments[1]);
    let rows = number(3, usize::MAX).min(base.len() / 2 / dim);
    let column = Column::new(&base, rows, dim, Element::F16).expect("the file holds half floats");
    let (m, ef_construction, threads) = (number(4, 16), number(5, 200), number(6, 1));
    let encoded = timed("encode", || encode(&column, Metric::Cosine, Code::Sq8, None, 1));
    let codes = Codes::new(Code::Sq8, Metric::Cosine, rows, dim, &encoded.codes, &encoded.tails, &encoded.mean)
        .expect("the codes are whole");
    let space = Counted { codes: &codes, scorers: AtomicUsize::new(0), distances: AtomicUsize::new(0) };
    let settings = BuildSettings { m, ef_construction, threads, seed: 1 };
    let built = timed("build", || build(&space, None, &settings, &|_| true)).expect("nothing stops it");
    let per_row = |counter: AtomicUsize| counter.into_inner() as f64 / rows as f64;
    println!("distances per row: {:.0}, scorers: {:.1}", per_row(space.distances), per_row(space.scorers));
    let links: usize = built.base.iter().filter(|&&link| link != elanus_graph::NONE).count();
    println!(
        "links per row: {:.1}, entry {}, {} layers",
        links as f64 / rows as f64,
        built.entry,
        built.upper.len() + 1
    );
    let (asked, _) = read(&arguments[2]);
    let count = (asked.len() / 2 / dim).min(1_000);
    let halves = Column::new(&asked, count, dim, Element::F16).expect("the file holds half floats");
    let asked: Vec<Vec<f32>> = (0..count).map(|query| halves.floats(query)).collect();
    let bytes: Vec<u8> = asked.iter().flatten().flat_map(|x| x.to_le_bytes()).collect();
    let floats = Column::new(&bytes, count, dim, Element::F32).expect("as many floats");
    let queries = Queries::new(&floats, Element::F16, Metric::Cosine).expect("floats ask half floats");
    let window = Window::ALL;
    let all = Scan {
        queries: &queries,
        column,
        metric: Metric::Cosine,
        lengths: None,
        keep: None,
        k: 10,
        window,
        threads: 1,
        stop: Stop::default(),
    };
    let truth = timed("truth", || scan(&all).expect("nobody stops it"));
    measure(&built, &codes, &column, &asked, &queries, &truth);
}
