//! Arrays that are damaged, or made to do damage: refused with the section's name, or searched without harm.

mod common;

use elanus_graph::{Stop, Stream};
use elanus_hnsw::{Hnsw, Made, Query, Storage};
use elanus_kernels::{Column, Element, Metric};

use common::{Random, STRATEGIES, built, clustered, found, request};

const ROWS: usize = 300;
const DIM: usize = 16;
const ROUNDS: usize = 3_000;

fn damage<T: Copy>(array: &mut Vec<T>, random: &mut Random, other: impl Fn(&mut Random) -> T) {
    match random.below(4) {
        0 if !array.is_empty() => {
            let place = random.below(array.len());
            array[place] = other(random);
        }
        1 => array.truncate(random.below(array.len() + 1)),
        2 => array.push(other(random)),
        _ if !array.is_empty() => {
            for _ in 0..array.len() / 4 {
                let place = random.below(array.len());
                array[place] = other(random);
            }
        }
        _ => {}
    }
}

fn any_row(random: &mut Random) -> u32 {
    match random.below(4) {
        0 => u32::MAX - random.below(3) as u32,
        1 => random.next() as u32,
        _ => random.below(ROWS + 2) as u32,
    }
}

fn any_float(random: &mut Random) -> f32 {
    f32::from_bits(random.next() as u32 ^ (random.next() as u32) << 16)
}

fn damaged(made: &Made, random: &mut Random) -> Made {
    let mut made = made.clone();
    match random.below(9) {
        0 => damage(&mut made.base, random, any_row),
        1 => damage(&mut made.upper_rows, random, any_row),
        2 => damage(&mut made.upper_ends, random, any_row),
        3 => damage(&mut made.upper_links, random, any_row),
        4 => damage(&mut made.codes, random, |random| random.next() as u8),
        5 => damage(&mut made.tails, random, any_float),
        6 => damage(&mut made.mean, random, any_float),
        7 => made.facts.entry = any_row(random),
        _ => {
            let facts = &mut made.facts;
            let number = [&mut facts.rows, &mut facts.dim, &mut facts.width, &mut facts.upper_width];
            *number.into_iter().nth(random.below(4)).unwrap() = any_row(random) as usize;
        }
    }
    made
}

#[test]
fn damaged_arrays_are_refused_or_searched_without_harm() {
    let bytes = clustered(ROWS, DIM, Element::F32, 1);
    let column = Column::new(&bytes, ROWS, DIM, Element::F32).unwrap();
    let mut random = Random(42);
    let (mut refused, mut searched) = (0, 0);
    for (_, storage) in Storage::NAMES {
        let made = built(&column, Metric::L2, storage);
        for _ in 0..ROUNDS / Storage::NAMES.len() {
            let bad = damaged(&made, &mut random);
            match Hnsw::open(bad.facts, bad.arrays()) {
                Err(damage) => {
                    assert!(!damage.to_string().is_empty());
                    refused += 1;
                }
                Ok(index) if index.fits(&column).is_ok() => {
                    use_it(&index, &column, &mut random);
                    searched += 1;
                }
                Ok(_) => {}
            }
        }
    }
    assert!(refused > ROUNDS / 4 && searched > ROUNDS / 10, "{refused} refused, {searched} searched");
}

fn use_it(index: &Hnsw, column: &Column, random: &mut Random) {
    let query = Query::new(column, column, Metric::L2).unwrap();
    let strategy = STRATEGIES[random.below(STRATEGIES.len())];
    let bits: Vec<u8> = (0..ROWS.div_ceil(8)).map(|_| random.next() as u8).collect();
    let keep = elanus_graph::Keep::new(&bits, ROWS).unwrap();
    let hits = found(index, column, &query, &request(7, 20, strategy, Some(keep)));
    assert_eq!(hits.len(), 7.min(keep.count()));
    assert!(hits.iter().all(|hit| keep.contains(hit.row)));
    let (mut stream, mut rows) = (Stream::new(ROWS, 20), Vec::new());
    while index.pull(&mut stream, &query, column, (Some(keep), 50, Stop::default()), &mut rows).unwrap() > 0 {}
    assert_eq!(rows.len(), keep.count());
}

#[test]
fn columns_that_cannot_be_indexed_are_refused_and_those_that_can_are_taken() {
    let bytes = clustered(2, 32_776, Element::Bit, 1);
    let wide = vec![0; 2 * 4 * 32_776];
    for element in [Element::F32, Element::F16, Element::Bf16, Element::I8, Element::Bit] {
        for dim in [8, 32_768, 32_776] {
            let bytes = if element == Element::Bit { &bytes } else { &wide };
            let Ok(column) = Column::new(bytes, 2, dim, element) else { continue };
            for metric in [Metric::L2, Metric::Ip, Metric::Cosine, Metric::Hamming, Metric::Jaccard] {
                for (name, storage) in Storage::NAMES {
                    let fits =
                        element.supports(metric) && (name == "column" || dim <= 32_768 && element != Element::Bit);
                    assert_eq!(storage.takes(&column, metric).is_ok(), fits, "{element:?} {dim} {metric:?} {name}");
                    if fits && dim == 8 {
                        assert_eq!(built(&column, metric, storage).facts.rows, 2);
                    }
                }
            }
        }
    }
}

#[test]
fn queries_of_other_vectors_never_read_past_their_end() {
    let (narrow, wide) = (clustered(1, DIM, Element::F32, 1), clustered(ROWS, 64 * DIM, Element::F32, 1));
    let (narrow, wide) = (
        Column::new(&narrow, 1, DIM, Element::F32).unwrap(),
        Column::new(&wide, ROWS, 64 * DIM, Element::F32).unwrap(),
    );
    let query = Query::new(&narrow, &narrow, Metric::L2).unwrap();
    for name in ["sq8", "column"] {
        let made = built(&wide, Metric::L2, Storage::named(name).unwrap());
        let index = Hnsw::open(made.facts, made.arrays()).unwrap();
        let search = || found(&index, &wide, &query, &request(3, 10, STRATEGIES[0], None));
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(search)).is_err(), "{name}");
    }
}
