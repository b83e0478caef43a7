//! Searches against exact scans: recall, filters, growth, saved arrays.

mod support;

use std::sync::atomic::{AtomicBool, Ordering};

use elanus_fastscan::{Arrays, Facts, FastScan, Request, Settings};
use elanus_kernels::{Column, Element, Hit, Metric, Queries, Scan, Window, scan};

use support::{all, clustered, floats, search};

fn exact(base: &Column, asked: &Column, metric: Metric, request: &Request) -> Vec<Vec<Hit>> {
    let queries = Queries::new(asked, base.element(), metric).expect("queries");
    let Request { k, keep, .. } = *request;
    let (column, lengths, window, stop) = (*base, None, Window::ALL, request.stop);
    scan(&Scan { queries: &queries, column, metric, lengths, keep, k, window, threads: 1, stop })
        .expect("nobody stops it")
}

#[test]
fn candidates_of_all_passing_rows_make_a_search_exact() {
    let (base, asked) = (clustered(1000, 24, 1), clustered(10, 24, 2));
    let (base, asked) = (floats(&base, 24), floats(&asked, 24));
    for metric in [Metric::L2, Metric::Ip, Metric::Cosine] {
        let codes = FastScan::train(&base, metric, None, &Settings::default()).expect("codes");
        for k in [1, 10, 999, 1000, 2000] {
            let request = Request { refine: 1000, ..all(1000, k) };
            assert_eq!(search(&codes, &base, &asked, &request), exact(&base, &asked, metric, &request));
        }
    }
}

#[test]
fn threads_and_batches_change_nothing() {
    let (base, asked) = (clustered(9000, 12, 1), clustered(25, 12, 2));
    let (base, asked) = (floats(&base, 12), floats(&asked, 12));
    let alone = FastScan::train(&base, Metric::L2, None, &Settings::default()).expect("codes");
    let shared = FastScan::train(&base, Metric::L2, None, &Settings { threads: 3, ..Settings::default() });
    assert_eq!(alone.arrays(), shared.expect("codes").arrays());
    let keep: Vec<u8> = (0..1125_u32).map(|byte| (byte * 97 % 251) as u8).collect();
    for keep in [None, Some(&keep[..])] {
        let request = Request { keep, ..all(9000, 10) };
        let together = search(&alone, &base, &asked, &request);
        for threads in [3, 40] {
            assert_eq!(search(&alone, &base, &asked, &Request { threads, ..request }), together);
        }
        let bytes = clustered(25, 12, 2);
        for (query, found) in together.iter().enumerate() {
            let one = floats(&bytes[query * 48..(query + 1) * 48], 12);
            for threads in [1, 4] {
                assert_eq!(search(&alone, &base, &one, &Request { threads, ..request })[0], *found);
            }
        }
    }
}

#[test]
fn rows_grown_in_steps_have_the_codes_of_rows_encoded_at_once() {
    let base = clustered(10_000, 6, 1);
    let whole = floats(&base, 6);
    let first = Column::new(&base, 1000, 6, Element::F32).expect("a column");
    let keep: Vec<u8> = (0..1250_u32).map(|byte| (byte * 89 % 253) as u8 | 1).collect();
    let steps = FastScan::train(&first, Metric::L2, Some(&keep), &Settings::default()).expect("codes");
    let at_once = FastScan::train(&first, Metric::L2, Some(&keep), &Settings::default()).expect("codes");
    for upto in [1001, 1001, 1063, 1064, 1065, 4095, 4097, 500, 9000, 10_000] {
        steps.append(&whole, Some(&keep), upto, 2).expect("rows");
    }
    at_once.append(&whole, Some(&keep), 10_000, 1).expect("rows");
    assert_eq!(steps.rows(), 10_000);
    assert_eq!(steps.arrays(), at_once.arrays());
    let request = Request { keep: Some(&keep), refine: 10_000, ..all(10_000, 10_000) };
    let last = floats(&base[9999 * 24..], 6);
    assert_eq!(
        search(&steps, &whole, &last, &Request { keep: None, ..request }),
        exact(&whole, &last, Metric::L2, &request)
    );
    assert!(steps.append(&first, None, 10_001, 1).is_err());
}

#[test]
fn readers_see_only_rows_that_were_published() {
    let base = clustered(12_000, 8, 1);
    let whole = floats(&base, 8);
    let first = Column::new(&base, 500, 8, Element::F32).expect("a column");
    let codes = FastScan::train(&first, Metric::L2, None, &Settings::default()).expect("codes");
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for upto in (500..=12_000).step_by(250) {
                codes.append(&whole, None, upto, 1).expect("rows");
            }
            done.store(true, Ordering::Release);
        });
        let mut finished = false;
        while !finished {
            finished = done.load(Ordering::Acquire);
            let before = codes.rows();
            // The row itself is nearest to each of these, and is found as soon as it is counted.
            for row in [0, before / 2, before - 1] {
                let asked = floats(&base[row * 32..(row + 1) * 32], 8);
                let hits = search(&codes, &whole, &asked, &all(12_000, 3));
                assert_eq!(hits[0][0].row as usize, row);
                let limited = search(&codes, &whole, &asked, &all(row, 3));
                assert!(limited[0].iter().all(|hit| (hit.row as usize) < row) && limited[0].len() == row.min(3));
            }
        }
    });
    assert_eq!(codes.rows(), 12_000);
}

/// Arrays that are held.
type Owned = Arrays<Vec<u8>, Vec<f32>>;

/// Saved codes, to be tampered with.
fn saved() -> (Facts, Owned) {
    let base = clustered(300, 9, 1);
    let settings = Settings { width: 2, ..Settings::default() };
    let codes = FastScan::train(&floats(&base, 9), Metric::L2, None, &settings).expect("codes");
    (codes.facts(), codes.arrays())
}

fn open(facts: &Facts, arrays: &Owned) -> Result<FastScan, String> {
    let Arrays { codes, present, centroids, squares } = arrays;
    FastScan::open(
        facts,
        &Arrays { codes: &codes[..], present: &present[..], centroids: &centroids[..], squares: &squares[..] },
    )
}

#[test]
fn opened_arrays_are_the_saved_ones() {
    let (facts, arrays) = saved();
    let opened = open(&facts, &arrays).expect("codes");
    assert_eq!((opened.facts(), opened.arrays()), (facts, arrays));
}

#[test]
fn arrays_that_do_not_fit_are_refused_by_name() {
    let refusal = |tamper: &dyn Fn(&mut Facts, &mut Owned)| {
        let (mut facts, mut arrays) = saved();
        tamper(&mut facts, &mut arrays);
        open(&facts, &arrays).err().unwrap_or_default()
    };
    assert!(refusal(&|_, arrays| arrays.codes.truncate(100)).starts_with("section codes: 100 elements"));
    assert!(refusal(&|_, arrays| arrays.codes.push(0)).starts_with("section codes"));
    assert!(refusal(&|_, arrays| arrays.present.truncate(8)).starts_with("section present"));
    assert!(refusal(&|_, arrays| arrays.present[39] = 1).starts_with("section present: rows beyond 300"));
    assert!(refusal(&|_, arrays| arrays.centroids.truncate(16)).starts_with("section centroids"));
    assert!(refusal(&|_, arrays| arrays.centroids[3] = f32::NAN).starts_with("section centroids: values"));
    assert!(refusal(&|_, arrays| arrays.squares[3] = f32::INFINITY).starts_with("section squares: values"));
    assert!(refusal(&|facts, _| facts.rows = 301 + 64).starts_with("section codes"));
    assert!(refusal(&|facts, _| facts.rows = usize::MAX).starts_with("no codes"));
    assert!(refusal(&|facts, _| facts.width = 0).starts_with("no codes"));
    assert!(refusal(&|facts, _| facts.dim = usize::MAX).starts_with("section centroids"));
    assert!(refusal(&|facts, _| facts.metric = Metric::Hamming).starts_with("no product codes"));
}

#[test]
fn bits_are_not_trained_on() {
    let bits = Column::new(&[0; 8], 8, 8, Element::Bit).expect("a column");
    assert!(FastScan::train(&bits, Metric::Hamming, None, &Settings::default()).is_err());
    let short = clustered(100, 4, 1);
    assert!(FastScan::train(&floats(&short, 4), Metric::L2, Some(&[0; 12]), &Settings::default()).is_err());
}
