//! Every instruction set against plain sums of doubles, and the ways to search against each other.

use std::sync::{Mutex, MutexGuard};

use elanus_kernels::simd::{self, Level};
use elanus_kernels::{Column, Element, Metric, Queries, Scan, Stop, Window, distances_of, norms, scan};

const ROWS: usize = 9;
const QUERIES: usize = 5;
const FLOATS: [Element; 3] = [Element::F32, Element::F16, Element::Bf16];
const PRODUCTS: [Metric; 3] = [Metric::L2, Metric::Ip, Metric::Cosine];

/// The level in use is one for the whole process.
static LEVEL: Mutex<()> = Mutex::new(());

fn for_each_level(mut check: impl FnMut(Level)) {
    let _one_at_a_time: MutexGuard<()> = LEVEL.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    for level in Level::ALL.into_iter().filter(|&level| simd::choose(level)) {
        check(level);
    }
    simd::choose(Level::widest());
}

fn dims() -> impl Iterator<Item = usize> {
    (1..=130).chain([384, 768, 1536])
}

/// A small reproducible source of numbers: Marsaglia's xorshift.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn float(&mut self) -> f32 {
        (self.next() >> 40) as f32 / 8_388_608.0 - 1.0
    }
}

/// Halves of ordinary size, and their values.
fn half(random: &mut Random, element: Element) -> (u16, f64) {
    let bits = random.next() as u16;
    if element == Element::Bf16 {
        let bits = bits & 0x807F | 0x3F00 | bits & 0x0080;
        return (bits, f64::from(f32::from_bits(u32::from(bits) << 16)));
    }
    let exponent = u16::from(bits & 0x0400 == 0) + 13;
    let bits = bits & 0x83FF | exponent << 10;
    let size = (1.0 + f64::from(bits & 0x03FF) / 1024.0) * 2_f64.powi(i32::from(exponent) - 15);
    (bits, if bits & 0x8000 == 0 { size } else { -size })
}

/// Bytes that start at an odd address, and the values they hold.
struct Data {
    bytes: Vec<u8>,
    shift: usize,
    values: Vec<f64>,
}

impl Data {
    fn new(count: usize, element: Element, seed: u64) -> Data {
        let mut random = Random(seed * 2 + 1);
        let mut data = Data { bytes: Vec::new(), shift: 0, values: Vec::new() };
        let mut payload = Vec::new();
        for _ in 0..count {
            match element {
                Element::F32 => {
                    let value = random.float();
                    payload.extend(value.to_le_bytes());
                    data.values.push(f64::from(value));
                }
                Element::F16 | Element::Bf16 => {
                    let (bits, value) = half(&mut random, element);
                    payload.extend(bits.to_le_bytes());
                    data.values.push(value);
                }
                Element::I8 | Element::Bit => {
                    let byte = random.next() as u8;
                    payload.push(byte);
                    data.values.push(f64::from(byte.cast_signed()));
                }
            }
        }
        data.bytes.reserve(payload.len() + 64);
        data.shift = 1 + data.bytes.as_ptr().addr() % 2 + (seed as usize % 16) * 2;
        data.bytes.resize(data.shift, 0xFF);
        data.bytes.extend(payload);
        data
    }

    fn column(&self, rows: usize, dim: usize, element: Element) -> Column<'_> {
        Column::new(&self.bytes[self.shift..], rows, dim, element).unwrap()
    }
}

fn expected(metric: Metric, query: &[f64], row: &[f64]) -> f64 {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
    let bits = |merge: fn(u8, u8) -> u8| -> f64 {
        query.iter().zip(row).map(|(&x, &y)| f64::from(merge(x as i8 as u8, y as i8 as u8).count_ones())).sum()
    };
    match metric {
        Metric::L2 => query.iter().zip(row).map(|(x, y)| (x - y) * (x - y)).sum(),
        Metric::Ip => -dot(query, row),
        Metric::Cosine => -dot(query, row) / (dot(query, query) * dot(row, row)).sqrt(),
        Metric::Hamming => bits(|x, y| x ^ y),
        Metric::Jaccard => 1.0 - bits(|x, y| x & y) / bits(|x, y| x | y),
    }
}

fn all_distances(queries: &Queries, column: Column, metric: Metric, lengths: Option<&[f32]>) -> Vec<Vec<f32>> {
    let (window, stop) = (Window::ALL, Stop::default());
    let search = Scan { queries, column, metric, lengths, keep: None, k: ROWS, window, threads: 1, stop };
    let by_row = |hits: Vec<elanus_kernels::Hit>| {
        let mut distances = vec![f32::NAN; ROWS];
        for hit in hits {
            distances[hit.row as usize] = hit.distance;
        }
        distances
    };
    scan(&search).unwrap().into_iter().map(by_row).collect()
}

fn check(element: Element, metric: Metric, dim: usize) {
    let asked = if matches!(element, Element::F16 | Element::Bf16) { Element::F32 } else { element };
    let values = if element == Element::Bit { dim / 8 } else { dim };
    let (base, questions) = (Data::new(ROWS * values, element, 7), Data::new(QUERIES * values, asked, dim as u64));
    let (column, questions_column) = (base.column(ROWS, dim, element), questions.column(QUERIES, dim, asked));
    let queries = Queries::new(&questions_column, element, metric).unwrap();
    let found = all_distances(&queries, column, metric, None);
    for (query, found) in questions.values.chunks(values).zip(&found) {
        for (row, &found) in base.values.chunks(values).zip(found) {
            let scale: f64 = query.iter().zip(row).map(|(x, y)| (x * y).abs()).sum();
            let allowed = match metric {
                Metric::Ip => 1e-6 * scale,
                Metric::L2 | Metric::Hamming => 1e-6 * expected(metric, query, row),
                _ => 1e-6,
            };
            let expected = expected(metric, query, row);
            let error = (f64::from(found) - expected).abs();
            assert!(error <= allowed, "{element:?} {metric:?} {dim}: {found} for {expected} at {:?}", simd::active());
        }
    }
    agree(&queries, &column, metric, &found);
}

/// Re-ranking gives the same bits as a scan.
fn agree(queries: &Queries, column: &Column, metric: Metric, found: &[Vec<f32>]) {
    let rows: Vec<i64> =
        (0..QUERIES as i64).flat_map(|q| (0..ROWS as i64).map(move |r| (r + q) % ROWS as i64)).collect();
    let mut again = vec![0.0; rows.len()];
    distances_of(queries, column, metric, &rows, ROWS, &mut again).unwrap();
    for (query, (rows, again)) in rows.chunks(ROWS).zip(again.chunks(ROWS)).enumerate() {
        for (&row, again) in rows.iter().zip(again) {
            assert_eq!(again.to_bits(), found[query][row as usize].to_bits());
        }
    }
}

#[test]
fn floats_of_every_width_and_address_are_exact() {
    for_each_level(|_| {
        for dim in dims() {
            for (element, metric) in FLOATS.into_iter().flat_map(|element| PRODUCTS.map(|metric| (element, metric))) {
                check(element, metric, dim);
            }
        }
    });
}

#[test]
fn signed_bytes_of_every_width_and_address_are_exact() {
    for_each_level(|_| dims().for_each(|dim| PRODUCTS.iter().for_each(|&metric| check(Element::I8, metric, dim))));
}

#[test]
fn bits_of_every_width_and_address_are_exact() {
    for_each_level(|_| {
        for dim in dims().map(|bytes| bytes * 8) {
            check(Element::Bit, Metric::Hamming, dim);
            check(Element::Bit, Metric::Jaccard, dim);
        }
    });
}

#[test]
fn greatest_signed_bytes_do_not_overflow() {
    let (low, high) = (vec![0x80; 32_768], vec![0x7F; 32_768]);
    let column = |bytes| Column::new(bytes, 1, 32_768, Element::I8).unwrap();
    for_each_level(|_| {
        for (metric, expected) in [(Metric::L2, 2_130_739_200.0), (Metric::Ip, 532_676_608.0), (Metric::Cosine, 1.0)] {
            let queries = Queries::new(&column(&low), Element::I8, metric).unwrap();
            let mut out = [0.0];
            distances_of(&queries, &column(&high), metric, &[0], 1, &mut out).unwrap();
            assert!((out[0] - expected).abs() <= expected * 1e-6, "{metric:?}: {}", out[0]);
        }
    });
}

#[test]
fn every_half_widens_as_the_hardware_does() {
    let halves: Vec<u8> = (0..=u16::MAX).flat_map(u16::to_le_bytes).collect();
    let one = 1_f32.to_le_bytes();
    for element in [Element::F16, Element::Bf16] {
        let mut by_level = Vec::new();
        for_each_level(|_| {
            let column = Column::new(&halves, 65_536, 1, element).unwrap();
            let queries = Queries::new(&Column::new(&one, 1, 1, Element::F32).unwrap(), element, Metric::Ip).unwrap();
            let mut out = vec![0.0; 65_536];
            distances_of(&queries, &column, Metric::Ip, &(0..65_536).collect::<Vec<_>>(), 65_536, &mut out).unwrap();
            by_level.push(out.iter().map(|x: &f32| if x.is_nan() { 0 } else { x.to_bits() }).collect::<Vec<_>>());
        });
        assert!(by_level.iter().all(|level| *level == by_level[0]), "{element:?}");
    }
}

#[test]
fn given_lengths_change_no_bit() {
    for_each_level(|_| {
        for (element, dim) in FLOATS.into_iter().flat_map(|element| [1, 17, 100, 384].map(|dim| (element, dim))) {
            let (base, questions) = (Data::new(ROWS * dim, element, 3), Data::new(QUERIES * dim, Element::F32, 4));
            let column = base.column(ROWS, dim, element);
            let queries = Queries::new(&questions.column(QUERIES, dim, Element::F32), element, Metric::Cosine).unwrap();
            let lengths = norms(&column).unwrap();
            let (without, with) = (
                all_distances(&queries, column, Metric::Cosine, None),
                all_distances(&queries, column, Metric::Cosine, Some(&lengths)),
            );
            assert_eq!(without, with);
        }
    });
}
