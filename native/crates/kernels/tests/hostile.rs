//! Shapes that no memory has: refused before a byte is read.

use elanus_kernels::{Column, ColumnScorer, Element, Metric, Queries};

#[test]
fn dimensions_whose_bytes_overflow_are_refused() {
    for dim in [1 << 62, (1 << 62) + 1, 1 << 63, usize::MAX - 7, usize::MAX] {
        for element in [Element::F32, Element::F16, Element::Bf16, Element::I8, Element::Bit] {
            for rows in [0, 1] {
                assert!(Column::new(&[0; 64], rows, dim, element).is_err(), "{rows} {dim} {element:?}");
            }
        }
    }
}

#[test]
fn queries_are_asked_of_the_columns_they_were_made_for_only() {
    let bytes = [0; 4096];
    let column = |dim, element| Column::new(&bytes, 1, dim, element).unwrap();
    let queries = Queries::new(&column(8, Element::F32), Element::F32, Metric::L2).unwrap();
    for other in
        [column(16, Element::F32), column(800, Element::F16), column(8, Element::I8), column(512, Element::Bit)]
    {
        let ask = || _ = ColumnScorer::new(&queries, 0, &other, Metric::L2);
        assert!(std::panic::catch_unwind(ask).is_err(), "{:?}", other.element());
    }
}
