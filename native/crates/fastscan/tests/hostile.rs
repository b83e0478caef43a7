//! Arrays that are damaged, or made to do damage, and vectors at the ends of what floats hold.

mod support;

use elanus_fastscan::{Arrays, Facts, FastScan, Request, Settings};
use elanus_kernels::simd::{self, Level};
use elanus_kernels::{Column, Metric};

use support::{all, clustered, floats, search};

const ROWS: usize = 300;
const DIM: usize = 12;
const ROUNDS: usize = 1_500;

/// A linear congruential generator: the same numbers everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 32) as u32
    }

    fn below(&mut self, bound: usize) -> usize {
        self.next() as usize % bound
    }

    fn size(&mut self) -> usize {
        match self.below(3) {
            0 => self.next() as usize,
            1 => usize::MAX - self.below(3),
            _ => self.below(ROWS + 2),
        }
    }
}

fn damage<T: Copy>(array: &mut Vec<T>, random: &mut Random, other: impl Fn(u32) -> T) {
    let places = array.len();
    match random.below(4) {
        0 if places > 0 => array[random.below(places)] = other(random.next()),
        1 => array.truncate(random.below(places + 1)),
        2 => array.push(other(random.next())),
        _ if places > 0 => (0..places / 4).for_each(|_| array[random.below(places)] = other(random.next())),
        _ => {}
    }
}

type Saved = (Facts, Arrays<Vec<u8>, Vec<f32>>);

fn damaged((facts, arrays): &Saved, random: &mut Random) -> Saved {
    let (mut facts, mut arrays) = (*facts, arrays.clone());
    // A small change of the bits leaves most floats finite.
    let near = |bits: u32| f32::from_bits(bits >> 2 | bits << 31);
    match random.below(6) {
        0 => damage(&mut arrays.codes, random, |bits| bits as u8),
        1 => damage(&mut arrays.present, random, |bits| bits as u8),
        2 => damage(&mut arrays.centroids, random, near),
        3 => damage(&mut arrays.squares, random, near),
        4 => damage(&mut arrays.centroids, random, f32::from_bits),
        _ => {
            let number = [&mut facts.rows, &mut facts.dim, &mut facts.width].into_iter().nth(random.below(3));
            *number.unwrap() = random.size();
        }
    }
    (facts, arrays)
}

fn open((facts, arrays): &Saved) -> Result<FastScan, String> {
    let Arrays { codes, present, centroids, squares } = arrays;
    let arrays = Arrays { codes: &codes[..], present: &present[..], centroids: &centroids[..], squares: &squares[..] };
    FastScan::open(facts, &arrays)
}

/// Searches, and returns how many rows each query found, having looked at what they are.
fn found(codes: &FastScan, base: &Column, asked: &Column, request: &Request) -> Vec<usize> {
    let present = codes.arrays().present;
    let is_set = |bits: &[u8], row: u32| bits[row as usize / 8] >> (row % 8) & 1 == 1;
    let passes = |row: u32| is_set(&present, row) && request.keep.is_none_or(|keep| is_set(keep, row));
    let counts = search(codes, base, asked, request).into_iter().map(|hits| {
        assert!(hits.iter().all(|hit| passes(hit.row) && !hit.distance.is_nan()));
        assert!(hits.windows(2).all(|pair| (pair[0].distance, pair[0].row) < (pair[1].distance, pair[1].row)));
        hits.len()
    });
    counts.collect()
}

#[test]
fn damaged_arrays_are_refused_or_searched_without_harm() {
    let bytes = clustered(ROWS, DIM, 1);
    let base = floats(&bytes, DIM);
    let mut random = Random(42);
    let (mut refused, mut searched) = (0, 0);
    for metric in [Metric::L2, Metric::Ip, Metric::Cosine] {
        let settings = Settings { width: 2, ..Settings::default() };
        let codes = FastScan::train(&base, metric, None, &settings).expect("codes");
        let saved = (codes.facts(), codes.arrays());
        for _ in 0..ROUNDS / 3 {
            match open(&damaged(&saved, &mut random)) {
                Err(problem) => {
                    assert!(problem.starts_with("section ") || problem.starts_with("no "), "{problem}");
                    refused += 1;
                }
                Ok(codes) if codes.dim() == DIM && codes.rows() == ROWS => {
                    let keep: Vec<u8> = (0..ROWS.div_ceil(8)).map(|_| random.next() as u8).collect();
                    let request = Request { refine: 20, keep: Some(&keep), ..all(ROWS, 7) };
                    let asked = floats(&bytes[random.below(ROWS) * DIM * 4..][..DIM * 4], DIM);
                    assert!(found(&codes, &base, &asked, &request)[0] <= 7);
                    searched += 1;
                }
                Ok(_) => {}
            }
        }
    }
    assert!(refused > ROUNDS / 4 && searched > ROUNDS / 4, "{refused} refused, {searched} searched");
}

#[test]
fn vectors_of_any_size_are_found_at_every_level() {
    // A dimension to a sub-space: the sums of 65 groups must stay within 16 bits.
    const WIDE: usize = 260;
    const FEW: usize = 100;
    let before = simd::active();
    let shape = clustered(FEW, WIDE, 3);
    let shape: Vec<f32> = (0..FEW).flat_map(|row| floats(&shape, WIDE).floats(row)).collect();
    for scale in [1e-40, 1e-19, 1e18, 1e38, f32::NAN] {
        let bytes: Vec<u8> = shape.iter().flat_map(|value| (value * scale).to_le_bytes()).collect();
        let (base, asked) = (floats(&bytes, WIDE), floats(&bytes[..8 * WIDE], WIDE));
        let settings = Settings { width: 1, ..Settings::default() };
        let codes = FastScan::train(&base, Metric::Ip, None, &settings).expect("codes");
        let mut of_levels = Vec::new();
        for _ in Level::ALL.into_iter().filter(|&level| simd::choose(level)) {
            let request = Request { refine: 2, ..all(FEW, 2) };
            assert_eq!(found(&codes, &base, &asked, &request), [2, 2], "{scale}");
            let hits = search(&codes, &base, &asked, &request);
            of_levels.push(hits.iter().flatten().map(|hit| hit.row).collect::<std::collections::BTreeSet<_>>());
        }
        assert!(of_levels.windows(2).all(|pair| pair[0] == pair[1]), "{scale}: {of_levels:?}");
    }
    assert!(simd::choose(before));
}

#[test]
fn the_largest_numbers_that_may_be_asked_for_are_bounded_by_the_rows() {
    let bytes = clustered(ROWS, DIM, 1);
    let base = floats(&bytes, DIM);
    let codes = FastScan::train(&base, Metric::L2, None, &Settings::default()).expect("codes");
    for (k, refine) in [(usize::MAX, 0), (usize::MAX, usize::MAX), (1, usize::MAX), (usize::MAX / 12 + 1, 0)] {
        let request = Request { refine, ..all(usize::MAX, k) };
        assert_eq!(found(&codes, &base, &floats(&bytes[..DIM * 4], DIM), &request), [k.min(ROWS)]);
    }
    assert_eq!(found(&codes, &base, &floats(&bytes[..DIM * 4], DIM), &all(ROWS, 0)), [0]);
    assert_eq!(found(&codes, &base, &floats(&[], DIM), &all(ROWS, 5)), []);
}
