//! Nanoseconds a row: scattered lists of 20 rows and sequential runs, by code, instruction set and lookahead, beside
//! the exact distances of a column of floats; then the time to encode.
//!
//! `cargo run --release -p elanus-codes --example distances [rows] [dim] [small|huge]`: pages of 4 KiB or 2 MiB.

use std::time::Duration;

use elanus_codes::{Code, Codes, encode};
use elanus_kernels::simd::{self, Level};
use elanus_kernels::{Column, ColumnScorer, Element, Metric, Queries, Scorer, Space};

/// Rows of a list: the neighbours that a step of a walk has not met before.
const LIST: usize = 20;

/// Lists of a measurement.
const LISTS: usize = 250;

/// Measurements, of which the best counts: short and many, to fall between what else the machine does.
const TIMES: usize = 200;

#[cfg(target_os = "linux")]
unsafe extern "C" {
    fn madvise(address: *mut std::ffi::c_void, length: usize, advice: i32) -> i32;
    fn clock_gettime(clock: i32, time: *mut [i64; 2]) -> i32;
}

/// The time this thread ran, so that a busy machine disturbs less.
#[cfg(target_os = "linux")]
fn now() -> Duration {
    let mut time = [0; 2];
    // SAFETY: writes seconds and nanoseconds (CLOCK_THREAD_CPUTIME_ID).
    unsafe { clock_gettime(3, &raw mut time) };
    Duration::new(time[0] as u64, time[1] as u32)
}

#[cfg(not(target_os = "linux"))]
fn now() -> Duration {
    static START: std::sync::LazyLock<std::time::Instant> = std::sync::LazyLock::new(std::time::Instant::now);
    START.elapsed()
}

/// `len` bytes at a huge page's boundary, within more.
struct Pages {
    bytes: Vec<u8>,
    start: usize,
    len: usize,
}

impl Pages {
    fn of(source: &[u8], huge: bool) -> Pages {
        const HUGE: usize = 2 << 20;
        let mut bytes: Vec<u8> = Vec::with_capacity(source.len() + 2 * HUGE);
        let start = bytes.as_ptr().align_offset(HUGE);
        #[cfg(target_os = "linux")]
        if huge {
            // SAFETY: the range was allocated, and the advice (MADV_HUGEPAGE) changes no content.
            unsafe { madvise(bytes.as_mut_ptr().add(start).cast(), source.len().next_multiple_of(HUGE), 14) };
        }
        bytes.resize(start, 0);
        bytes.extend_from_slice(source);
        Pages { bytes, start, len: source.len() }
    }

    fn get(&self) -> &[u8] {
        &self.bytes[self.start..self.start + self.len]
    }

    fn floats(&self) -> &[f32] {
        // SAFETY: any four bytes are a float, and the start of a page is aligned.
        unsafe { std::slice::from_raw_parts(self.get().as_ptr().cast(), self.len / 4) }
    }
}

/// A linear congruential generator: Knuth's constants for 64 bits.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 32) as u32
    }

    fn float(&mut self) -> f32 {
        (self.next().cast_signed() as f32 + self.next().cast_signed() as f32) / 4_294_967_296.0
    }
}

fn best(mut work: impl FnMut()) -> Duration {
    let timed = (0..TIMES).map(|_| {
        let start = now();
        work();
        now().saturating_sub(start)
    });
    timed.min().unwrap_or_default()
}

fn nanoseconds(elapsed: Duration, rows: usize) -> f64 {
    elapsed.as_secs_f64() * 1e9 / rows as f64
}

fn scattered(scorer: &dyn Scorer, rows: usize) -> f64 {
    let mut random = Random(7);
    let mut lists: Vec<[u32; LIST]> = vec![[0; LIST]; LISTS];
    let mut out = [0.0_f32; LIST];
    let nothing = std::hint::black_box(0);
    let elapsed = (0..TIMES).map(|_| {
        for row in lists.as_flattened_mut() {
            *row = random.next() % rows as u32;
        }
        let start = now();
        for list in &mut lists {
            // As in a walk, where to go on depends on what was found.
            let found = out.iter().fold(0, |all, distance| all | distance.to_bits()) & nothing;
            for row in list.iter_mut() {
                *row |= found;
            }
            scorer.score(list, &mut out);
        }
        now().saturating_sub(start)
    });
    nanoseconds(elapsed.min().unwrap_or_default(), LIST * LISTS)
}

fn sequential(scorer: &dyn Scorer, rows: usize) -> f64 {
    let mut out = vec![0.0; 4096.min(rows)];
    let mut first = 0;
    let elapsed = best(|| {
        scorer.score_run(first as u32, &mut out);
        first = if first + 2 * out.len() <= rows { first + out.len() } else { 0 };
    });
    nanoseconds(elapsed, out.len())
}

fn measure_code(code: Code, column: &Column, query: &[f32], huge: bool) {
    let start = now();
    let encoded = encode(column, Metric::L2, code, None, 1);
    let encoding = now().saturating_sub(start).as_secs_f64();
    let bytes = Pages::of(&encoded.codes, huge);
    let tail_bytes: Vec<u8> = encoded.tails.iter().flat_map(|value| value.to_ne_bytes()).collect();
    let tails = Pages::of(&tail_bytes, huge);
    let (rows, dim) = (column.rows(), column.dim());
    let codes = Codes::new(code, Metric::L2, rows, dim, bytes.get(), tails.floats(), &encoded.mean)
        .expect("codes fit what they were made of");
    let prepared = codes.prepare(query);
    let each = bytes.len / rows + tails.len / rows;
    println!("{code:?}: {each} bytes a row, encoded in {encoding:.2} s by one thread");
    for level in Level::ALL.into_iter().filter(|&level| simd::choose(level)) {
        print!("  {:7} run {:5.1} | list, lookahead", level.name(), sequential(&codes.scorer(&prepared), rows));
        for lookahead in [0, 2, 4, 6, 8, 12, 16, 20] {
            let found = scattered(&codes.scorer(&prepared).with_lookahead(lookahead), rows);
            print!("  {lookahead}: {found:.1}");
        }
        println!();
    }
    simd::choose(Level::widest());
    let preparing = best(|| drop(std::hint::black_box(codes.prepare(std::hint::black_box(query)))));
    let scorer_of = best(|| (0..1000).for_each(|row| drop(std::hint::black_box(codes.scorer_of(row)))));
    let (preparing, scorer_of) = (nanoseconds(preparing, 1), nanoseconds(scorer_of, 1000));
    println!("  a query prepared in {preparing:.0} ns, a row as a query in {scorer_of:.0} ns");
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, or: usize| arguments.get(at).and_then(|text| text.parse().ok()).unwrap_or(or);
    let (rows, dim) = (number(0, 100_000), number(1, 384));
    let huge = arguments.get(2).is_none_or(|pages| pages != "small");
    let mut random = Random(1);
    let values: Vec<u8> = (0..rows * dim).flat_map(|_| random.float().to_ne_bytes()).collect();
    let pages = Pages::of(&values, huge);
    drop(values);
    let query: Vec<f32> = (0..dim).map(|_| random.float()).collect();
    let column = Column::new(pages.get(), rows, dim, Element::F32).expect("a column of these floats");
    for code in Code::ALL {
        measure_code(code, &column, &query, huge);
    }
    let bytes: Vec<u8> = query.iter().flat_map(|value| value.to_ne_bytes()).collect();
    let one = Column::new(&bytes, 1, dim, Element::F32).expect("a query");
    let queries = Queries::new(&one, Element::F32, Metric::L2).expect("a query");
    println!("f32 column: {} bytes a row", dim * 4);
    for level in Level::ALL.into_iter().filter(|&level| simd::choose(level)) {
        let scorer = ColumnScorer::new(&queries, 0, &column, Metric::L2);
        println!("  {:7} run {:5.1} | list {:.1}", level.name(), sequential(&scorer, rows), scattered(&scorer, rows));
    }
}
