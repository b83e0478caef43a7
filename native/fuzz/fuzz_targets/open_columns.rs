//! Edited arrays of a column's graphs: refused, or searched without harm.
#![no_main]

use std::sync::OnceLock;

use arbitrary::Arbitrary;
use elanus_codes::ColumnSpace;
use elanus_fuzz::{DIM, Edit, Number, ROWS, bitmap, check_hits, clustered, floats};
use elanus_graph::{BuiltColumn, ColumnGraph, ColumnRequest, ColumnSettings, Keep, NONE, Stop, Tuning, build_column};
use elanus_kernels::{Column, ColumnScorer, Element, Metric, Queries};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Input {
    edits: Vec<(u8, Edit)>,
    rows: Option<Number>,
    width: Option<Number>,
    values: Vec<u8>,
    query: Vec<u32>,
    keep: Vec<u8>,
    k: Number,
    ef: Number,
    refine: Number,
    /// Costs with which scans look dear, so that values are walked.
    walks: bool,
}

fn data() -> &'static (Vec<u8>, BuiltColumn) {
    static DATA: OnceLock<(Vec<u8>, BuiltColumn)> = OnceLock::new();
    DATA.get_or_init(|| {
        let bytes = clustered(ROWS, DIM);
        let space = ColumnSpace::new(Column::new(&bytes, ROWS, DIM, Element::F32).unwrap(), Metric::L2);
        let values: Vec<u32> =
            (0..ROWS as u32).map(|row| if row % 10 == 9 { NONE } else { row % 5 * row % 4 }).collect();
        let settings =
            ColumnSettings { width: 6, min_rows: 20, max_share: 1.0, entries: 3, ..ColumnSettings::default() };
        let column = build_column(&space, &values, None, &settings, &|_| true).unwrap();
        (bytes, column)
    })
}

fuzz_target!(|input: Input| {
    let (bytes, column) = data();
    let mut column = column.clone();
    for &(section, edit) in &input.edits {
        let arrays =
            [&mut column.values, &mut column.ends, &mut column.members, &mut column.entries, &mut column.links];
        edit.apply(arrays.into_iter().nth(usize::from(section % 5)).unwrap(), |value| value);
    }
    let rows = input.rows.map_or(ROWS, |rows| rows.get() as usize);
    let width = input.width.map_or(column.width, |width| width.get() as usize);
    let Ok(graph) = ColumnGraph::new(rows, width, column.arrays()) else { return };
    if graph.rows() != ROWS {
        return;
    }
    let base = Column::new(bytes, ROWS, DIM, Element::F32).unwrap();
    let query = floats(&input.query, DIM);
    let queries = Queries::new(&Column::new(&query, 1, DIM, Element::F32).unwrap(), Element::F32, Metric::L2).unwrap();
    let scorer = ColumnScorer::new(&queries, 0, &base, Metric::L2);
    let bits = bitmap(&input.keep);
    let keep = bits.as_deref().and_then(|bits| Keep::new(bits, ROWS));
    let values: Vec<u32> = input.values.iter().map(|&value| u32::from(value % 6)).collect();
    let request = ColumnRequest {
        values: &values,
        k: input.k.get() as usize,
        ef: input.ef.get() as usize,
        refine: input.refine.get() as usize,
        keep,
        stop: Stop::default(),
    };
    let tuning = Tuning { list: if input.walks { 1e6 } else { 16.0 }, ..Tuning::default() };
    let has_value = |row: u32| values.iter().any(|&value| graph.rows_of(value).binary_search(&row).is_ok());
    let passes = |row: u32| has_value(row) && keep.is_none_or(|keep| keep.contains(row));
    let passing = (0..ROWS as u32).filter(|&row| passes(row)).count();
    let mut hits = Vec::new();
    graph.search_values(&scorer, &scorer, &tuning, &request, &mut hits).unwrap();
    assert_eq!(hits.len(), request.k.min(passing));
    check_hits(&hits, passes);
});
