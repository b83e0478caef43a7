//! Paths and elements of whole columns.

use crate::locate::{Step, locate};
use crate::rows::Rows;
use crate::scan;
use crate::values::{HOLLOW, Kind, Values};

/// Reads the value at one path of every row. One pass; a row is read only as far as its value.
pub fn extract_path(rows: Rows<'_>, steps: &[Step]) -> Values {
    let mut values = Values::with_capacity(rows.len());
    for row in rows.iter() {
        match locate(row, steps) {
            Some(span) => values.push_span(span),
            None => values.push_missing(),
        }
    }
    values
}

/// Reads the elements of every row that is an array, row after row.
///
/// `kinds` tells which rows are arrays, as `Values` does. Returns where each row's elements end (after a leading zero)
/// and the elements.
pub fn explode(kinds: &[u8], rows: Rows<'_>) -> (Vec<i64>, Values) {
    let mut ends = Vec::with_capacity(rows.len() + 1);
    ends.push(0);
    let mut values = Values::with_capacity(rows.len());
    for (kind, row) in kinds.iter().zip(rows.iter()) {
        if kind & !HOLLOW == Kind::Array as u8 {
            push_elements(row, &mut values);
        }
        ends.push(values.kinds.len() as i64);
    }
    (ends, values)
}

fn push_elements(row: &[u8], values: &mut Values) {
    let mut next = scan::first_element(row, 0);
    while let Some(start) = next {
        let at = scan::space(row, start);
        let Some(end) = scan::value(row, at) else {
            return;
        };
        values.push_span(&row[at..end]);
        next = scan::next(row, end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(texts: &[&str]) -> (Vec<i64>, Vec<u8>) {
        let mut offsets = vec![0];
        let mut data = Vec::new();
        for text in texts {
            data.extend_from_slice(text.as_bytes());
            offsets.push(data.len() as i64);
        }
        (offsets, data)
    }

    fn key(name: &str) -> Step {
        Step::Key(name.as_bytes().to_vec())
    }

    fn kinds(texts: &[&str], steps: &[Step]) -> Vec<u8> {
        let (offsets, data) = column(texts);
        extract_path(Rows::new(&offsets, &data).unwrap(), steps).kinds
    }

    #[test]
    fn every_kind_is_told_apart() {
        let texts = [
            r#"{"k":1}"#,
            r#"{"k":1.5}"#,
            r#"{"k":"1"}"#,
            r#"{"k":true}"#,
            r#"{"k":null}"#,
            r#"{"k":[1]}"#,
            r#"{"k":{"x":1}}"#,
            r#"{"z":1}"#,
            "",
            "[1]",
            "7",
        ];
        assert_eq!(kinds(&texts, &[key("k")]), [3, 4, 5, 2, 1, 6, 7, 0, 0, 0, 0]);
    }

    #[test]
    fn hollow_containers_are_marked() {
        let texts = ["[]", "{}", "[null]", r#"{"x":{}}"#, r#"{"x":[null,{"y":[]}]}"#, r#"[""]"#, r#"{"x":{"y":0}}"#];
        assert_eq!(kinds(&texts, &[]), [0x16, 0x17, 0x16, 0x17, 0x17, 6, 7]);
    }

    #[test]
    fn paths_go_through_objects_and_arrays() {
        let text = r#" { "s" : "}]\"" , "arr" : [ {"z":1} , {"z": [4, 5 ]} ] , "7":"seven" } "#;
        let (offsets, data) = column(&[text]);
        let rows = Rows::new(&offsets, &data).unwrap();
        let found = extract_path(rows, &[key("arr"), Step::index(1), key("z"), Step::index(1)]);
        assert_eq!((found.kinds[0], found.numbers[0]), (Kind::Int as u8, 5));
        assert_eq!(extract_path(rows, &[Step::index(7)]).text, b"seven");
        assert_eq!(extract_path(rows, &[key("s")]).text, b"}]\"");
        assert_eq!(extract_path(rows, &[key("arr"), key("1")]).kinds, [0]);
        assert_eq!(extract_path(rows, &[key("arr"), Step::index(2)]).kinds, [0]);
    }

    #[test]
    fn the_first_of_equal_keys_counts() {
        let (offsets, data) = column(&[r#"{"k":1,"k":2}"#]);
        assert_eq!(extract_path(Rows::new(&offsets, &data).unwrap(), &[key("k")]).numbers, [1]);
    }

    #[test]
    fn broken_rows_are_missing() {
        let texts = [
            "{",
            r#"{"k"#,
            r#"{"k":"#,
            r#"{"k":tru}"#,
            r#"{"k":"a"#,
            r#"{"k":[1"#,
            r#"{"k":"\q"}"#,
            "nul",
            r#"{"k" 1}"#,
        ];
        assert!(kinds(&texts, &[key("k")]).iter().all(|kind| *kind == 0));
    }

    #[test]
    fn every_prefix_of_a_row_is_read_without_a_panic() {
        let text = r#"{"a\u0041":[1,{"b":[null,"\\\""]},-1.5e3],"k":{"z":true}}"#;
        for end in 0..text.len() {
            let (offsets, data) = column(&[&text[..end]]);
            let rows = Rows::new(&offsets, &data).unwrap();
            for steps in [vec![], vec![key("aA"), Step::index(1), key("b")], vec![key("k"), key("z")]] {
                let found = extract_path(rows, &steps);
                let texts = Rows::new(&found.offsets, &found.text).unwrap();
                explode(&found.kinds, texts);
            }
        }
    }

    #[test]
    fn elements_are_laid_end_to_end() {
        let (offsets, data) = column(&["[1, 2.5 ,\"x\"]", "{}", "[]", "[ [1,2] , null ]"]);
        let found = extract_path(Rows::new(&offsets, &data).unwrap(), &[]);
        let (ends, elements) = explode(&found.kinds, Rows::new(&found.offsets, &found.text).unwrap());
        assert_eq!(ends, [0, 3, 3, 3, 5]);
        assert_eq!(elements.kinds, [3, 4, 5, 6, 1]);
        assert_eq!(elements.text, b"x[1,2]");
    }
}
