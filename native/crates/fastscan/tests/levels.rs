//! Every instruction set gives the same integers. Alone in its process, which it switches from one set to another.

mod support;

use elanus_fastscan::{FastScan, Request, Settings};
use elanus_kernels::Metric;
use elanus_kernels::simd::{self, Level};

use support::{all, clustered, floats, search};

#[test]
fn every_level_gives_the_same_codes_and_the_same_candidates() {
    let (base, asked) = (clustered(2000, 21, 1), clustered(10, 21, 2));
    let (base, asked) = (floats(&base, 21), floats(&asked, 21));
    let before = simd::active();
    for metric in [Metric::L2, Metric::Ip, Metric::Cosine] {
        let mut found = Vec::new();
        for level in Level::ALL {
            if simd::choose(level) {
                let settings = Settings { width: 3, ..Settings::default() };
                let codes = FastScan::train(&base, metric, None, &settings).expect("codes");
                let rows = search(&codes, &base, &asked, &Request { refine: 40, ..all(2000, 40) });
                // Exact distances differ in their last bits: the candidates are compared as sets.
                let rows = rows.into_iter().map(|hits| {
                    let mut rows: Vec<u32> = hits.iter().map(|hit| hit.row).collect();
                    rows.sort_unstable();
                    rows
                });
                found.push((codes.arrays(), rows.collect::<Vec<_>>()));
            }
        }
        assert!(found.windows(2).all(|pair| pair[0] == pair[1]), "{metric:?}");
    }
    assert!(simd::choose(before));
}
