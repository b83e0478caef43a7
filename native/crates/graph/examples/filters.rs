//! Searches under filters by each strategy, and says how fast and how well.
//!
//! `cargo run --release -p elanus-graph --example filters -- BASE.f16.npy QUERIES.f16.npy MASKS [filters] [strategies]`
//!
//! MASKS is a folder with a bitmap `NAME.bits` for each filter, the first row in the lowest bit; from a table:
//! `np.packbits(table["u"].to_numpy() < 0.1, bitorder="little").tofile("MASKS/f10.bits")`. The filter `all` needs none.
//! The first thousand queries are asked; times are of the processor. Filters and strategies are lists with commas.

use std::path::Path;

use elanus_codes::{Code, CodeQuery, Codes, encode};
use elanus_graph::{BuildSettings, Keep, Links, Request, Stop, Strategy, Tuning, build, search, tune};
use elanus_kernels::{Column, ColumnScorer, Element, Hit, Metric, Queries, Scan, Window, scan};

const K: usize = 10;

const STRATEGIES: [(&str, Strategy); 6] = [
    ("auto", Strategy::Auto),
    ("plain", Strategy::Plain),
    ("alpha", Strategy::Alpha),
    ("mix", Strategy::Mix),
    ("bridge", Strategy::Bridge),
    ("scan", Strategy::Scan),
];

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

/// An index with queries that have been prepared.
struct Bench<'a> {
    links: Links<'a>,
    codes: Codes<'a>,
    column: Column<'a>,
    queries: &'a Queries,
    prepared: Vec<CodeQuery>,
    tuning: Tuning,
}

impl Bench<'_> {
    fn exact(&self, query: usize) -> ColumnScorer<'_> {
        ColumnScorer::new(self.queries, query, &self.column, Metric::Cosine)
    }

    /// Asks all queries; prints a line and returns the recall.
    fn measure(
        &self,
        name: &str,
        strategy: (&str, Strategy),
        ef: usize,
        keep: Option<Keep>,
        truth: &[Vec<Hit>],
    ) -> f64 {
        let (mut found, mut hits, mut switched) = (0, Vec::new(), 0);
        let (mut hops, mut scored, mut scanned) = (0, 0, 0);
        let mut seconds = f64::INFINITY;
        for _ in 0..2 {
            (found, hops, scored, scanned, switched) = (0, 0, 0, 0, 0);
            let start = cpu_seconds();
            for (query, truth) in truth.iter().enumerate() {
                let request = Request { k: K, ef, refine: 2 * K, strategy: strategy.1, keep, stop: Stop::default() };
                let (walk, exact) = (self.codes.scorer(&self.prepared[query]), self.exact(query));
                let report = search(&self.links, &walk, &exact, &self.tuning, &request, &mut hits).expect("no stop");
                let farthest = truth.last().map_or(f32::INFINITY, |hit| hit.distance);
                found += hits.iter().filter(|hit| hit.distance <= farthest).count();
                hops += report.hops;
                scored += report.scored;
                scanned += report.scanned;
                switched += usize::from(report.switched);
            }
            seconds = seconds.min(cpu_seconds() - start);
        }
        let count = truth.len();
        let recall = found as f64 / truth.iter().map(Vec::len).sum::<usize>() as f64;
        println!(
            "{name:4} {:6} ef {ef:3}: recall {recall:.4}, {:6.0} QPS; {} hops, {} scored, {} scanned, {:.0} % switched",
            strategy.0,
            count as f64 / seconds,
            hops / count,
            scored / count,
            scanned / count,
            100.0 * switched as f64 / count as f64,
        );
        recall
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let chosen = |place: usize, usual: &str| arguments.get(place).map_or(usual, String::as_str).to_owned();
    let (base, dim) = read(&arguments[1]);
    let rows = base.len() / 2 / dim;
    let column = Column::new(&base, rows, dim, Element::F16).expect("the file holds half floats");
    let encoded = encode(&column, Metric::Cosine, Code::Sq8, None, 2);
    let codes = Codes::new(Code::Sq8, Metric::Cosine, rows, dim, &encoded.codes, &encoded.tails, &encoded.mean)
        .expect("the codes are whole");
    let settings = BuildSettings { m: 16, ef_construction: 200, threads: 2, seed: 1 };
    let built = build(&codes, None, &settings, &|_| true).expect("nothing stops it");
    let (asked, _) = read(&arguments[2]);
    let count = (asked.len() / 2 / dim).min(1_000);
    let halves = Column::new(&asked, count, dim, Element::F16).expect("the file holds half floats");
    let floats: Vec<f32> = (0..count).flat_map(|query| halves.floats(query)).collect();
    let bytes: Vec<u8> = floats.iter().flat_map(|x| x.to_le_bytes()).collect();
    let asked = Column::new(&bytes, count, dim, Element::F32).expect("as many floats");
    let queries = Queries::new(&asked, Element::F16, Metric::Cosine).expect("floats ask half floats");
    let prepared = floats.chunks_exact(dim).map(|query| codes.prepare(query)).collect();
    let tuning = Tuning::default();
    let mut bench = Bench { links: built.links(), codes, column, queries: &queries, prepared, tuning };
    bench.tuning = tune(&bench.links, &bench.codes.scorer(&bench.prepared[0]), &bench.exact(0));
    println!("{:?}", bench.tuning);
    let strategies = chosen(5, "auto");
    for name in chosen(4, "all,f50,f10,f1,f01,c50,c10,c1,c01").split(',') {
        let bits = std::fs::read(Path::new(&arguments[3]).join(format!("{name}.bits"))).ok();
        let keep = bits.as_ref().map(|bits| Keep::new(bits, rows).expect("a bit for each row"));
        let (keep_bits, metric, window) = (bits.as_deref(), Metric::Cosine, Window::ALL);
        let (lengths, stop) = (None, Stop::default());
        let whole =
            Scan { queries: &queries, column, metric, lengths, keep: keep_bits, k: K, window, threads: 2, stop };
        let truth = scan(&whole).expect("nobody stops it");
        for strategy in STRATEGIES.into_iter().filter(|strategy| strategies.split(',').any(|name| name == strategy.0)) {
            for ef in [20, 24, 28, 32, 48, 64, 96, 128, 192] {
                if bench.measure(name, strategy, ef, keep, &truth) >= 0.995 {
                    break;
                }
            }
        }
    }
}
