//! What is built for a column, and what is refused as one.

mod stream_support;

use elanus_graph::{ColumnArrays, ColumnGraph, ColumnRequest, ColumnSettings, Keep, NONE, Tuning, build_column};
use stream_support::{NEVER, Points, Random, World, bitmap, clusters};

const ROWS: usize = 1500;

fn settings() -> ColumnSettings {
    ColumnSettings { min_rows: 100, ef_construction: 32, ..ColumnSettings::default() }
}

fn values(seed: u64) -> Vec<u32> {
    let mut random = Random(seed);
    (0..ROWS).map(|_| [7, 7, 7, 9, 9, 200, NONE][random.below(7)]).collect()
}

#[test]
fn what_is_built_is_accepted_and_leads_to_every_row_of_a_value() {
    let world = World::bare(&clusters(ROWS, 6, 1), 6);
    let (values, some) = (values(1), bitmap(ROWS, |row| row % 5 != 0));
    for keep in [None, Keep::new(&some, ROWS)] {
        for threads in [1, 2, 5] {
            let settings = ColumnSettings { threads, ..settings() };
            let built = build_column(&Points::new(&world), &values, keep, &settings, &|_| true).unwrap();
            let graph = ColumnGraph::new(ROWS, built.width, built.arrays()).unwrap();
            assert_eq!(graph.rows(), ROWS);
            for value in [7, 9, 200] {
                let is_member =
                    |&row: &u32| values[row as usize] == value && keep.is_none_or(|keep| keep.contains(row));
                let expected: Vec<u32> = (0..ROWS as u32).filter(is_member).collect();
                assert_eq!(graph.rows_of(value), expected);
                assert!(graph.has_graph(value));
                // A walk that keeps all rows in view meets those that links lead to.
                let tuning = Tuning { list: f32::INFINITY, ..Tuning::default() };
                let (k, mut out) = (expected.len(), Vec::new());
                let request = ColumnRequest { values: &[value], k, ef: k, refine: k, keep: None, stop: NEVER };
                let report = world
                    .with_scorer(&[0.0; 6], |scorer| graph.search_values(scorer, scorer, &tuning, &request, &mut out))
                    .unwrap();
                assert_eq!((out.len(), report.scanned, report.scored), (k, 0, k));
            }
        }
    }
}

#[test]
fn equal_settings_give_equal_graphs_and_progress_ends_them() {
    let world = World::bare(&clusters(ROWS, 6, 2), 6);
    let points = Points::new(&world);
    let values = values(2);
    let built = build_column(&points, &values, None, &settings(), &|_| true);
    assert_eq!(built, build_column(&points, &values, None, &settings(), &|_| true));
    assert_eq!(build_column(&points, &values, None, &settings(), &|rows| rows < 300), None);
}

#[test]
fn columns_without_rows_values_or_differences() {
    let empty = World::bare(&[], 4);
    let built = build_column(&Points::new(&empty), &[], None, &settings(), &|_| true).unwrap();
    assert!(ColumnGraph::new(0, built.width, built.arrays()).unwrap().rows_of(0).is_empty());
    let world = World::bare(&vec![1.0; 400 * 4], 4);
    let none = build_column(&Points::new(&world), &[NONE; 400], None, &settings(), &|_| true).unwrap();
    assert!(none.values.is_empty() && ColumnGraph::new(400, none.width, none.arrays()).is_ok());
    let halves: Vec<u32> = (0..400).map(|row| row % 2).collect();
    let built = build_column(&Points::new(&world), &halves, None, &settings(), &|_| true).unwrap();
    let (graph, mut out) = (ColumnGraph::new(400, built.width, built.arrays()).unwrap(), Vec::new());
    let tuning = Tuning { list: f32::INFINITY, ..Tuning::default() };
    let request = ColumnRequest { values: &[1], k: 300, ef: 10, refine: 10, keep: None, stop: NEVER };
    world.with_scorer(&[1.0; 4], |scorer| graph.search_values(scorer, scorer, &tuning, &request, &mut out)).unwrap();
    assert!(out.iter().map(|hit| hit.row).eq((0..400).filter(|row| row % 2 == 1)));
}

#[test]
fn links_that_lead_nowhere_do_not_cost_rows() {
    let world = World::bare(&clusters(ROWS, 6, 5), 6);
    let mut built = build_column(&Points::new(&world), &values(5), None, &settings(), &|_| true).unwrap();
    built.links.fill(NONE);
    let graph = ColumnGraph::new(ROWS, built.width, built.arrays()).unwrap();
    let tuning = Tuning { list: f32::INFINITY, ..Tuning::default() };
    let (mut out, some) = (Vec::new(), bitmap(ROWS, |row| row % 7 != 0));
    for keep in [None, Keep::new(&some, ROWS)] {
        let request = ColumnRequest { values: &[7], k: 12, ef: 12, refine: 12, keep, stop: NEVER };
        let search =
            |scorer: &dyn elanus_kernels::Scorer| graph.search_values(scorer, scorer, &tuning, &request, &mut out);
        let report = world.with_scorer(&[0.0; 6], search).unwrap();
        assert!(out.len() == 12 && report.scanned >= 12, "{report:?}");
    }
}

#[test]
fn arrays_that_are_no_column_are_refused_by_the_name_of_their_section() {
    let world = World::bare(&clusters(ROWS, 6, 3), 6);
    let built = build_column(&Points::new(&world), &values(3), None, &settings(), &|_| true).unwrap();
    let refused = |arrays: ColumnArrays| ColumnGraph::new(ROWS, built.width, arrays).unwrap_err().section;
    let (good, first_of_9) = (built.arrays(), built.ends[0] as usize);
    let owner_row = built.members[0] as usize;
    let other = built.members[first_of_9];
    let edited = |array: &[u32], place: usize, value: u32| {
        let mut array = array.to_vec();
        array[place] = value;
        array
    };
    assert_eq!(refused(ColumnArrays { values: &edited(good.values, 0, 300), ..good }), "column_values");
    assert_eq!(refused(ColumnArrays { values: &edited(good.values, 2, NONE), ..good }), "column_values");
    assert_eq!(refused(ColumnArrays { ends: &good.ends[1..], ..good }), "column_ends");
    assert_eq!(refused(ColumnArrays { ends: &edited(good.ends, 0, NONE), ..good }), "column_ends");
    assert_eq!(refused(ColumnArrays { ends: &edited(good.ends, 2, NONE), ..good }), "column_ends");
    assert_eq!(refused(ColumnArrays { members: &good.members[1..], ..good }), "column_ends");
    assert_eq!(refused(ColumnArrays { members: &edited(good.members, first_of_9 - 1, 5000), ..good }), "column_rows");
    assert_eq!(refused(ColumnArrays { members: &edited(good.members, 1, built.members[0]), ..good }), "column_rows");
    assert_eq!(refused(ColumnArrays { entries: &good.entries[1..], ..good }), "column_entries");
    assert_eq!(refused(ColumnArrays { entries: &edited(good.entries, 0, other), ..good }), "column_entries");
    assert_eq!(refused(ColumnArrays { entries: &edited(good.entries, 0, NONE), ..good }), "column_entries");
    assert_eq!(refused(ColumnArrays { links: &good.links[1..], ..good }), "column_links");
    let place = owner_row * built.width;
    assert_eq!(refused(ColumnArrays { links: &edited(good.links, place, other), ..good }), "column_links");
    assert_eq!(refused(ColumnArrays { links: &edited(good.links, place, 5000), ..good }), "column_links");
    assert_eq!(refused(ColumnArrays { links: &edited(good.links, place, NONE), ..good }), "column_links");
    assert_eq!(ColumnGraph::new(ROWS, 0, ColumnArrays::default()).unwrap_err().section, "column_links");
    let swapped = [built.members[first_of_9..].to_vec(), built.members[..first_of_9].to_vec()].concat();
    assert!(ColumnGraph::new(ROWS, built.width, ColumnArrays { members: &swapped, ..good }).is_err());
}

#[test]
fn whatever_is_accepted_can_be_searched() {
    let world = World::bare(&clusters(ROWS, 6, 4), 6);
    let good = build_column(&Points::new(&world), &values(4), None, &settings(), &|_| true).unwrap();
    let mut random = Random(4);
    let mut accepted = 0;
    for _ in 0..400 {
        let mut bad = good.clone();
        let arrays = [&mut bad.values, &mut bad.ends, &mut bad.members, &mut bad.entries, &mut bad.links];
        let array = arrays.into_iter().nth(random.below(5)).unwrap();
        let place = random.below(array.len());
        let near = array[random.below(array.len())];
        array[place] = [NONE, 0, ROWS as u32, near, random.below(ROWS) as u32][random.below(5)];
        if random.below(8) == 0 {
            array.truncate(place);
        }
        let Ok(graph) = ColumnGraph::new(ROWS, bad.width, bad.arrays()) else { continue };
        accepted += 1;
        for &value in &bad.values {
            let request = ColumnRequest { values: &[value], k: 20, ef: 30, refine: 20, keep: None, stop: NEVER };
            for tuning in [Tuning::default(), Tuning { list: f32::INFINITY, ..Tuning::default() }] {
                let mut out = Vec::new();
                let search = |scorer: &dyn elanus_kernels::Scorer| {
                    graph.search_values(scorer, scorer, &tuning, &request, &mut out)
                };
                world.with_scorer(&[0.5; 6], search).unwrap();
                assert_eq!(out.len(), graph.rows_of(value).len().min(20));
                assert!(out.iter().all(|hit| graph.rows_of(value).contains(&hit.row)));
            }
        }
    }
    assert!((20..380).contains(&accepted), "{accepted} of 400 were accepted");
}
