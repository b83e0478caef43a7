//! What streams cost beside one walk of the same size, and the graph of a column's value beside a filtered search.
//!
//! `streams BASE QUERIES DIM`: files of raw little-endian `f32` vectors of length one. Prints recall and CPU time a query.

use std::collections::HashSet;
use std::time::Instant;

use elanus_graph::{
    BuildSettings, ColumnRequest, ColumnSettings, Keep, Links, NONE, Request, Source, Stop, Strategy, Stream, Tuning,
    build, build_column, search, walk, with_scratch,
};
use elanus_kernels::{Column, ColumnScorer, Element, Hit, Metric, Queries, Scorer, Space};

/// Rows measured from each other by their own vectors.
struct Points<'a> {
    column: Column<'a>,
    queries: Queries,
}

impl Space for Points<'_> {
    fn rows(&self) -> usize {
        self.column.rows()
    }

    fn scorer_of(&self, row: u32) -> Box<dyn Scorer + '_> {
        Box::new(ColumnScorer::new(&self.queries, row as usize, &self.column, Metric::L2))
    }
}

/// Vectors and queries.
struct Bench<'a> {
    column: Column<'a>,
    queries: Queries,
}

/// The nearest rows of each query.
type Truth = Vec<Vec<Hit>>;

impl Bench<'_> {
    /// The 1,000 nearest rows that pass, of each query.
    fn truth(&self, keep: Option<Keep>) -> Truth {
        let nearest = |query| {
            let mut distances = vec![0.0; self.column.rows()];
            self.scorer(query).score_run(0, &mut distances);
            let hits = (0..).zip(distances).map(|(row, distance)| Hit { row, distance });
            let mut hits: Vec<Hit> = hits.filter(|hit| keep.is_none_or(|keep| keep.contains(hit.row))).collect();
            hits.sort_unstable_by(|a, b| a.distance.total_cmp(&b.distance).then(a.row.cmp(&b.row)));
            hits.truncate(1000);
            hits
        };
        (0..self.queries.count()).map(nearest).collect()
    }

    fn scorer(&self, query: usize) -> ColumnScorer<'_> {
        ColumnScorer::new(&self.queries, query, &self.column, Metric::L2)
    }

    /// Runs `search` for each query, the best of three rounds; prints its recall among the first `k`.
    fn measure(&self, name: &str, truth: &Truth, k: usize, mut search: impl FnMut(&dyn Scorer, &mut Vec<Hit>)) {
        let (mut best, mut shared) = (f64::INFINITY, 0);
        for _ in 0..3 {
            let start = cpu_seconds();
            shared = 0;
            for (query, truth) in truth.iter().enumerate() {
                let mut hits = Vec::new();
                search(&self.scorer(query), &mut hits);
                let rows: HashSet<u32> = hits.iter().take(k).map(|hit| hit.row).collect();
                shared += truth[..k].iter().filter(|hit| rows.contains(&hit.row)).count();
            }
            best = best.min((cpu_seconds() - start) / truth.len() as f64);
        }
        let recall = shared as f64 / (truth.len() * k) as f64;
        println!("{name:<32} recall {recall:.4}  {:8.1} us a query", best * 1e6);
    }
}

fn cpu_seconds() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes one timespec, which lives here.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [base, queries, dim] = &arguments[..] else { panic!("streams BASE QUERIES DIM") };
    let dim: usize = dim.parse().expect("DIM is a number");
    let [base, queries] = [base, queries].map(|path| std::fs::read(path).expect("the file can be read"));
    let column = column(&base, dim);
    let prepared = |vectors: &Column| Queries::new(vectors, Element::F32, Metric::L2).expect("vectors are queries");
    let queries = prepared(&column_of_first(&queries, dim, 300));
    let points = Points { column, queries: prepared(&column) };
    let start = Instant::now();
    let settings = BuildSettings { m: 16, ef_construction: 100, threads: 2, seed: 1 };
    let built = build(&points, None, &settings, &|_| true).expect("nobody stops it");
    println!("built in {:.1} s", start.elapsed().as_secs_f64());
    let (bench, links) = (Bench { column, queries }, built.links());
    compare_batches(&bench, &links);
    let rows = column.rows();
    let random: Vec<u32> = (0..rows as u64).map(|row| ((row * 0x9E37_79B9_7F4A_7C15) >> 33) as u32 % 10).collect();
    println!("\na value of 10 % of the rows, at random");
    compare_value(&bench, &points, &links, &random);
    println!("\na value of the 10 % nearest to one row");
    let mut distances = vec![0.0; rows];
    points.scorer_of(rows as u32 / 3).score_run(0, &mut distances);
    let mut sorted = distances.clone();
    let bound = *sorted.select_nth_unstable_by(rows / 10, f32::total_cmp).1;
    let near: Vec<u32> = distances.iter().map(|&distance| u32::from(distance >= bound)).collect();
    compare_value(&bench, &points, &links, &near);
}

fn column(bytes: &[u8], dim: usize) -> Column<'_> {
    Column::new(bytes, bytes.len() / dim / 4, dim, Element::F32).expect("the file holds vectors")
}

fn column_of_first(bytes: &[u8], dim: usize, rows: usize) -> Column<'_> {
    column(&bytes[..bytes.len().min(rows * dim * 4)], dim)
}

const STOP: Stop<'static> = Stop { cancelled: None, deadline: None };

/// One walk against a stream of batches.
fn compare_batches(bench: &Bench, links: &Links) {
    let truth = bench.truth(None);
    for (batches, batch) in [(1, 10), (10, 10), (10, 100)] {
        let k = batches * batch;
        for ef in [1.0, 1.2, 1.5, 2.0, 3.0, 5.0].map(|more| (k as f64 * more) as usize) {
            bench.measure(&format!("walk {k}, ef {ef}"), &truth, k, |scorer, hits| {
                with_scratch(|scratch| {
                    walk(links, scorer, ef, scratch, STOP).expect("nobody stops it");
                    let found = scratch.pool.items().iter().take(k);
                    hits.extend(found.map(|item| Hit { row: item.row(), distance: item.distance }));
                });
            });
        }
        for ef in [16, 32, 64, 128, 256] {
            let name = format!("stream {batches} x {batch}, ef {ef}");
            bench.measure(&name, &truth, k, |scorer, hits| stream(links, scorer, None, ef, [batches, batch], hits));
        }
    }
}

fn stream(links: &Links, scorer: &dyn Scorer, keep: Option<Keep>, ef: usize, size: [usize; 2], hits: &mut Vec<Hit>) {
    let source = Source { links, walk: scorer, exact: scorer, keep, stop: STOP };
    let mut stream = Stream::new(links.rows(), ef);
    for _ in 0..size[0] {
        stream.next(&source, size[1], hits).expect("nobody stops it");
    }
}

/// The graph of value 0 against searches and streams of the whole graph under a filter, and against a scan.
fn compare_value(bench: &Bench, points: &Points, links: &Links, values: &[u32]) {
    let mut bits = vec![0; values.len().div_ceil(8)];
    for (row, _) in values.iter().enumerate().filter(|&(_, &value)| value == 0) {
        bits[row / 8] |= 1 << (row % 8);
    }
    let keep = Keep::new(&bits, values.len());
    let truth = bench.truth(keep);
    let start = Instant::now();
    let only: Vec<u32> = values.iter().map(|&value| if value == 0 { 0 } else { NONE }).collect();
    let settings = ColumnSettings { threads: 2, ..ColumnSettings::default() };
    let built = build_column(points, &only, None, &settings, &|_| true).expect("nobody stops it");
    println!("graph of {} rows built in {:.1} s", built.members.len(), start.elapsed().as_secs_f64());
    let graph = built.graph();
    let tuning = Tuning::default();
    for ef in [10, 16, 24, 32, 48, 64, 96, 128] {
        println!("expected: {:.1} us", graph.cost(&[0], ef, 1.0, &tuning) / 1e3);
        bench.measure(&format!("column graph, ef {ef}"), &truth, 10, |scorer, hits| {
            let request = ColumnRequest { values: &[0], k: 10, ef, refine: 10, keep: None, stop: STOP };
            graph.search_values(scorer, scorer, &tuning, &request, hits).expect("nobody stops it");
        });
    }
    for strategy in [Strategy::Auto, Strategy::Plain, Strategy::Mix, Strategy::Bridge, Strategy::Scan] {
        for ef in [16, 32, 64, 128] {
            bench.measure(&format!("{strategy:?}, ef {ef}"), &truth, 10, |scorer, hits| {
                let request = Request { k: 10, ef, refine: 10, strategy, keep, stop: STOP };
                search(links, scorer, scorer, &tuning, &request, hits).expect("nobody stops it");
            });
        }
    }
    for (ef, size) in [16, 32, 64, 128].into_iter().flat_map(|ef| [(ef, [1, 10]), (ef, [10, 10])]) {
        bench.measure(
            &format!("stream {} x {}, ef {ef}", size[0], size[1]),
            &truth,
            size[0] * size[1],
            |scorer, hits| {
                stream(links, scorer, keep, ef, size, hits);
            },
        );
    }
}
