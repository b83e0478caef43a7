//! Lists against lists, held against the distances of their pairs.

use elanus_kernels::{Column, Element, Metric, Queries, distances_of, max_sim};

const DIM: usize = 16;
const ELEMENTS: usize = 60;

/// Bytes that differ and are ordinary numbers as every element.
fn bytes(count: usize, element: Element, seed: u32) -> Vec<u8> {
    let values =
        (0..count * DIM).map(|at| ((at as u32 + 1).wrapping_mul(seed).wrapping_mul(2_654_435_761) >> 16) as u8);
    match element {
        Element::F32 => values.flat_map(|value| f32::from(value.cast_signed()).to_le_bytes()).collect(),
        Element::F16 | Element::Bf16 => values.flat_map(|value| [value, 0x3C]).collect(),
        Element::I8 => values.collect(),
        Element::Bit => values.take(count * DIM / 8).collect(),
    }
}

#[test]
fn a_list_is_as_far_as_its_vectors_are_from_their_nearest_elements() {
    let offsets = [0, 0, 1, 20, 20, 53, 60_i64];
    let rows = [4, 0, 1, 2, 5, 3_i64];
    for (element, metric) in [
        (Element::F32, Metric::L2),
        (Element::F32, Metric::Ip),
        (Element::F32, Metric::Cosine),
        (Element::F16, Metric::L2),
        (Element::Bf16, Metric::Ip),
        (Element::I8, Metric::Cosine),
        (Element::Bit, Metric::Hamming),
        (Element::Bit, Metric::Jaccard),
    ] {
        for count in [1, 3, 16, 37] {
            let stored = bytes(ELEMENTS, element, 7);
            let column = Column::new(&stored, ELEMENTS, DIM, element).unwrap();
            let asked = if matches!(element, Element::F16 | Element::Bf16) { Element::F32 } else { element };
            let given = bytes(count, asked, 11);
            let queries = Queries::new(&Column::new(&given, count, DIM, asked).unwrap(), element, metric).unwrap();
            let every: Vec<i64> = (0..count).flat_map(|_| 0..ELEMENTS as i64).collect();
            let mut pairs = vec![0.0; every.len()];
            distances_of(&queries, &column, metric, &every, ELEMENTS, &mut pairs).unwrap();
            let mut found = vec![0.0; rows.len()];
            max_sim(&queries, &column, metric, &offsets, &rows, &mut found).unwrap();
            for (&row, &found) in rows.iter().zip(&found) {
                let owned = offsets[row as usize] as usize..offsets[row as usize + 1] as usize;
                let nearest =
                    |pairs: &[f32]| f64::from(pairs[owned.clone()].iter().copied().fold(f32::INFINITY, f32::min));
                let expected = pairs.chunks_exact(ELEMENTS).map(nearest).sum::<f64>() as f32;
                assert_eq!(found.to_bits(), expected.to_bits(), "{element:?} {metric:?} {count} row {row}");
            }
        }
    }
}

#[test]
fn rows_and_offsets_outside_the_column_are_refused() {
    let stored = bytes(4, Element::F32, 3);
    let column = Column::new(&stored, 4, DIM, Element::F32).unwrap();
    let queries = Queries::new(&column, Element::F32, Metric::L2).unwrap();
    for (offsets, row) in [
        (vec![0, 4], 1),
        (vec![0, 4], -1),
        (vec![0, 4], i64::MAX),
        (vec![0, 5], 0),
        (vec![-1, 2], 0),
        (vec![3, 2], 0),
        (vec![], 0),
    ] {
        let refused = max_sim(&queries, &column, Metric::L2, &offsets, &[row], &mut [0.0]);
        assert!(refused.is_err(), "{offsets:?} {row}");
    }
}
