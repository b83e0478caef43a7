//! Objects taken apart: which paths of object keys a column has, and the values of many of them in one walk.
//!
//! `Paths::discover` walks every row once and counts; `Paths::keep` chooses; `Paths::read` walks rows again, as many at a
//! time as the caller wants in memory, and skips what was not chosen. Arrays are not gone into. What is tracked is
//! bounded by `Limits`, whatever the rows hold.

use std::collections::HashMap;

use crate::rows::Rows;
use crate::values::{Kind, Values, is_hollow};
use crate::{scan, text};

/// How much is tracked of columns with very many paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Distinct paths that are counted, the root among them.
    pub paths: usize,
    /// Keys on the way to a value.
    pub depth: usize,
    /// Bytes of the keys of one path together.
    pub key_bytes: usize,
}

const ROOT: usize = 0;

/// One path; its parent comes before it.
#[derive(Debug)]
struct Path {
    parent: usize,
    key: Box<[u8]>,
    depth: usize,
    key_bytes: usize,
    /// Place among the parent's children.
    rank: usize,
    by_key: HashMap<Box<[u8]>, usize>,
    /// In the order in which they were first met, which is that of most rows.
    children: Vec<usize>,
    /// Rows with a value.
    count: usize,
    /// Bit `k` is set when a value of kind `k` was met.
    kinds: u8,
    /// Place among the chosen paths.
    column: Option<usize>,
}

impl Path {
    fn new(parent: usize, key: &[u8], depth: usize, key_bytes: usize, rank: usize) -> Self {
        Self {
            parent,
            key: key.into(),
            depth,
            key_bytes,
            rank,
            by_key: HashMap::new(),
            children: Vec::new(),
            count: 0,
            kinds: 0,
            column: None,
        }
    }
}

/// A path as others see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The keys that lead to it, none for the whole value.
    pub keys: Vec<Vec<u8>>,
    /// Rows with a value there.
    pub count: usize,
    /// Bit `k` is set when a row has a value of kind `k`.
    pub kinds: u8,
}

/// The paths of a column.
#[derive(Debug)]
pub struct Paths {
    all: Vec<Path>,
    kept: usize,
    complete: bool,
}

impl Paths {
    /// Walks every row and counts its paths. `O(bytes)` time; memory for at most `limits.paths` paths.
    pub fn discover(rows: Rows<'_>, limits: Limits) -> Self {
        let mut discovery = Discovery { paths: vec![Path::new(ROOT, b"", 0, 0, 0)], seen: vec![0], limits, cut: false };
        for (number, row) in rows.iter().enumerate() {
            walk(row, number, &mut discovery);
        }
        Self { all: discovery.paths, kept: 0, complete: !discovery.cut }
    }

    /// Whether every path that a row has was counted.
    pub fn complete(&self) -> bool {
        self.complete
    }

    /// Chooses the paths that at least `least` rows have, the most frequent ones when they are more than `most`.
    ///
    /// The paths on the way to a chosen one are chosen too.
    pub fn keep(&mut self, least: usize, most: usize) {
        // A parent is in at least as many rows and comes before: no child is chosen without it.
        let mut order: Vec<usize> = (0..self.all.len()).filter(|path| self.all[*path].count >= least.max(1)).collect();
        order.sort_by_key(|path| (std::cmp::Reverse(self.all[*path].count), *path));
        order.truncate(most);
        order.sort_unstable();
        for path in &mut self.all {
            path.column = None;
        }
        for (column, path) in order.iter().enumerate() {
            self.all[*path].column = Some(column);
        }
        self.kept = order.len();
    }

    /// The chosen paths, in the order in which `read` returns them.
    pub fn kept(&self) -> Vec<Found> {
        self.describe(|path| path.column.is_some())
    }

    /// The paths that some row has but that were not chosen.
    pub fn left_out(&self) -> Vec<Found> {
        self.describe(|path| path.column.is_none() && path.count > 0)
    }

    /// Reads the values of every chosen path: for each the same as `extract_path` of its keys.
    pub fn read(&self, rows: Rows<'_>) -> Vec<Values> {
        let columns = (0..self.kept).map(|_| Values::with_capacity(rows.len())).collect();
        let mut reading = Reading { paths: &self.all, columns };
        for (number, row) in rows.iter().enumerate() {
            walk(row, number, &mut reading);
        }
        reading.columns.iter_mut().for_each(|values| values.pad(rows.len()));
        reading.columns
    }

    fn describe(&self, wanted: impl Fn(&Path) -> bool) -> Vec<Found> {
        let found =
            |(number, path): (usize, &Path)| Found { keys: self.keys(number), count: path.count, kinds: path.kinds };
        self.all.iter().enumerate().filter(|(_, path)| wanted(path)).map(found).collect()
    }

    fn keys(&self, mut path: usize) -> Vec<Vec<u8>> {
        let mut keys = Vec::with_capacity(self.all[path].depth);
        while path != ROOT {
            keys.push(self.all[path].key.to_vec());
            path = self.all[path].parent;
        }
        keys.reverse();
        keys
    }
}

/// What a walk over a row tells of.
trait Sink {
    /// Returns the path that a key of `parent` leads to; `None` when its value is to be passed over, as the second
    /// value of a key in one row always is. `guess` is where among the children the next key is likely to be.
    fn enter(&mut self, parent: usize, key: &[u8], guess: &mut usize, row: usize) -> Option<usize>;

    /// Whether the whole value of a row is wanted at all.
    fn wants_root(&self) -> bool;

    /// The value of a path, not an object.
    fn value(&mut self, path: usize, row: usize, span: &[u8]);

    /// An object, after its members.
    fn object(&mut self, path: usize, row: usize, hollow: bool);
}

fn walk(row: &[u8], number: usize, sink: &mut impl Sink) {
    let start = scan::space(row, 0);
    if sink.wants_root() {
        // Rows that are not JSON end early; what they have is what is read before.
        let _ = walk_value(row, start, ROOT, number, sink);
    }
}

/// Walks the value at `at`; returns where it ends and whether it is hollow. Recurs once a key of the path.
fn walk_value(row: &[u8], at: usize, path: usize, number: usize, sink: &mut impl Sink) -> Option<(usize, bool)> {
    if row.get(at) == Some(&b'{') {
        let (end, hollow) = walk_object(row, at, path, number, sink)?;
        sink.object(path, number, hollow);
        return Some((end, hollow));
    }
    let end = scan::value(row, at)?;
    let span = &row[at..end];
    sink.value(path, number, span);
    Some((end, is_hollow(span)))
}

fn walk_object(row: &[u8], object: usize, path: usize, number: usize, sink: &mut impl Sink) -> Option<(usize, bool)> {
    let (mut hollow, mut guess) = (true, 0);
    let mut at = scan::space(row, object + 1);
    if row.get(at) == Some(&b'}') {
        return Some((at + 1, true));
    }
    loop {
        let member = scan::member(row, at)?;
        let key = &row[member.key + 1..member.key_end - 1];
        let (end, empty) = if let Some(child) = enter(key, path, &mut guess, number, sink) {
            walk_value(row, member.value, child, number, sink)?
        } else {
            let end = scan::value(row, member.value)?;
            (end, hollow && is_hollow(&row[member.value..end]))
        };
        hollow &= empty;
        let after = scan::space(row, end);
        match row.get(after)? {
            b',' => at = after + 1,
            b'}' => return Some((after + 1, hollow)),
            _ => return None,
        }
    }
}

fn enter(body: &[u8], path: usize, guess: &mut usize, number: usize, sink: &mut impl Sink) -> Option<usize> {
    if !body.contains(&b'\\') {
        return sink.enter(path, body, guess, number);
    }
    let mut key = Vec::with_capacity(body.len());
    if !text::unescape(body, &mut key) {
        return None;
    }
    sink.enter(path, &key, guess, number)
}

/// Finds a child by its key: where it is expected, or else by its hash.
#[inline]
fn find(paths: &[Path], parent: usize, key: &[u8], guess: &mut usize) -> Option<usize> {
    let siblings = &paths[parent];
    let expected = siblings.children.get(*guess).copied();
    let child = match expected.filter(|child| *paths[*child].key == *key) {
        Some(child) => child,
        None => *siblings.by_key.get(key)?,
    };
    *guess = paths[child].rank + 1;
    Some(child)
}

/// Counts paths and adds new ones.
struct Discovery {
    paths: Vec<Path>,
    /// For each path one more than the last row that has it.
    seen: Vec<usize>,
    limits: Limits,
    cut: bool,
}

impl Discovery {
    fn add(&mut self, parent: usize, key: &[u8]) -> Option<usize> {
        let above = &self.paths[parent];
        let (depth, key_bytes) = (above.depth + 1, above.key_bytes + key.len());
        if self.paths.len() >= self.limits.paths || depth > self.limits.depth || key_bytes > self.limits.key_bytes {
            self.cut = true;
            return None;
        }
        let (child, rank) = (self.paths.len(), above.children.len());
        self.paths.push(Path::new(parent, key, depth, key_bytes, rank));
        self.seen.push(0);
        self.paths[parent].children.push(child);
        self.paths[parent].by_key.insert(key.into(), child);
        Some(child)
    }

    fn count(&mut self, path: usize, kind: Kind) {
        self.paths[path].count += 1;
        self.paths[path].kinds |= 1 << kind as u8;
    }
}

impl Sink for Discovery {
    fn enter(&mut self, parent: usize, key: &[u8], guess: &mut usize, row: usize) -> Option<usize> {
        let child = match find(&self.paths, parent, key, guess) {
            Some(child) => child,
            None => self.add(parent, key)?,
        };
        (std::mem::replace(&mut self.seen[child], row + 1) != row + 1).then_some(child)
    }

    fn wants_root(&self) -> bool {
        true
    }

    fn value(&mut self, path: usize, _row: usize, span: &[u8]) {
        self.count(path, Kind::of(span));
    }

    fn object(&mut self, path: usize, _row: usize, _hollow: bool) {
        self.count(path, Kind::Object);
    }
}

/// Reads the chosen paths.
struct Reading<'a> {
    paths: &'a [Path],
    columns: Vec<Values>,
}

impl Reading<'_> {
    /// The column of a path, filled up to `row`.
    fn column(&mut self, path: usize, row: usize) -> Option<&mut Values> {
        let values = &mut self.columns[self.paths[path].column?];
        values.pad(row);
        Some(values)
    }
}

impl Sink for Reading<'_> {
    fn enter(&mut self, parent: usize, key: &[u8], guess: &mut usize, row: usize) -> Option<usize> {
        let child = find(self.paths, parent, key, guess)?;
        (self.columns[self.paths[child].column?].kinds.len() <= row).then_some(child)
    }

    fn wants_root(&self) -> bool {
        self.paths[ROOT].column.is_some()
    }

    fn value(&mut self, path: usize, row: usize, span: &[u8]) {
        if let Some(values) = self.column(path, row) {
            values.push_span(span);
        }
    }

    fn object(&mut self, path: usize, row: usize, hollow: bool) {
        if let Some(values) = self.column(path, row) {
            values.push_object(hollow);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Step, extract_path};

    const LIMITS: Limits = Limits { paths: 100, depth: 8, key_bytes: 256 };

    fn column(texts: &[&[u8]]) -> (Vec<i64>, Vec<u8>) {
        let ends = texts.iter().scan(0, |end, text| {
            *end += text.len() as i64;
            Some(*end)
        });
        (std::iter::once(0).chain(ends).collect(), texts.concat())
    }

    /// Every chosen path reads as `extract_path` does.
    fn assert_reads_alike(texts: &[&[u8]]) -> Paths {
        let (offsets, data) = column(texts);
        let rows = Rows::new(&offsets, &data).unwrap();
        let mut paths = Paths::discover(rows, LIMITS);
        paths.keep(1, 100);
        for (found, values) in paths.kept().iter().zip(paths.read(rows)) {
            let steps: Vec<Step> = found.keys.iter().cloned().map(Step::Key).collect();
            assert_eq!(values, extract_path(rows, &steps), "{steps:?}");
        }
        paths
    }

    fn names(found: &[Found]) -> Vec<String> {
        found.iter().map(|path| String::from_utf8(path.keys.join(&b'.')).unwrap()).collect()
    }

    #[test]
    fn every_path_reads_as_it_does_alone() {
        let paths = assert_reads_alike(&[
            br#"{"a":1,"b":{"c":"x\n","d":[1,{"e":2}],"n":null},"f":1.5}"#,
            br#" { "b" : { "c" : true , "c" : 2 , "d":{} } , "a":-0, "a":{"z":1} } "#,
            br#"{"\u0061":"first","a":2,"b":{"n":{"m":[null]}}}"#,
            b"",
            b"null",
            br#"[{"a":1}]"#,
            br#""{\"a\":1}""#,
            br#"{"f":1e400,"":{"":0},"a":9223372036854775808}"#,
            br#"{"b":{"d":[[],{}]}}"#,
            b"{}",
        ]);
        let mut found = names(&paths.kept());
        found.sort();
        assert_eq!(found, ["", "", ".", "a", "b", "b.c", "b.d", "b.n", "b.n.m", "f"]);
        assert!(paths.complete());
    }

    #[test]
    fn rare_paths_are_left_out() {
        let (offsets, data) = column(&[br#"{"a":{"b":1}}"#, br#"{"a":{"c":1}}"#, br#"{"a":{"c":2},"r":[]}"#]);
        let rows = Rows::new(&offsets, &data).unwrap();
        let mut paths = Paths::discover(rows, LIMITS);
        paths.keep(2, 100);
        assert_eq!(names(&paths.kept()), ["", "a", "a.c"]);
        assert_eq!(names(&paths.left_out()), ["a.b", "r"]);
        assert_eq!(paths.read(rows)[2].numbers, [0, 1, 2]);
        paths.keep(1, 2);
        assert_eq!(names(&paths.kept()), ["", "a"]);
        assert_eq!(paths.read(rows)[1].kinds, [7, 7, 7]);
    }

    #[test]
    fn hollow_objects_are_told_whatever_is_left_out_of_them() {
        let texts: [&[u8]; 5] = [
            br#"{"a":{"x":null,"y":[{}]}}"#,
            br#"{"a":{"x":{"y":0}}}"#,
            br#"{"a":{"x":null,"x":1}}"#,
            br#"{"a":{}}"#,
            br#"{"a":{"w":"","x":null}}"#,
        ];
        let (offsets, data) = column(&texts);
        let rows = Rows::new(&offsets, &data).unwrap();
        let mut paths = Paths::discover(rows, LIMITS);
        paths.keep(5, 100);
        assert_eq!(paths.read(rows)[1].kinds, [0x17, 7, 7, 0x17, 7]);
    }

    #[test]
    fn what_is_tracked_is_bounded() {
        let texts: Vec<String> = (0..500).map(|row| format!(r#"{{"k{row}":{{"same":{row}}},"always":1}}"#)).collect();
        let texts: Vec<&[u8]> = texts.iter().map(String::as_bytes).collect();
        let (offsets, data) = column(&texts);
        let rows = Rows::new(&offsets, &data).unwrap();
        let mut paths = Paths::discover(rows, LIMITS);
        assert!(!paths.complete());
        assert_eq!(paths.all.len(), LIMITS.paths);
        paths.keep(10, 100);
        assert_eq!(names(&paths.kept()), ["", "always"]);
        assert!(paths.read(rows)[1].numbers.iter().all(|number| *number == 1));
    }

    #[test]
    fn depth_and_length_of_keys_are_bounded() {
        let deep = [br#"{"a":"#.repeat(512), b"1".to_vec(), b"}".repeat(512)].concat();
        let paths = assert_reads_alike(&[&deep]);
        assert_eq!(paths.kept().len(), LIMITS.depth + 1);
        assert!(!paths.complete());
        let long = [br#"{""#.as_slice(), &b"k".repeat(60_000), br#"":1}"#].concat();
        let paths = assert_reads_alike(&[&long]);
        assert_eq!(names(&paths.kept()), [""]);
        assert!(!paths.complete());
    }

    #[test]
    fn any_bytes_are_walked_without_a_panic() {
        let text: &[u8] = br#"{"a\u0041":[1,{"b":[null,"\\\""]},-1.5e3],"k":{"z":true,"y":{}},"a\ud800":"\u00e9"}"#;
        for end in 0..text.len() {
            let (offsets, data) = column(&[text, &text[..end], &text[end..]]);
            let rows = Rows::new(&offsets, &data).unwrap();
            let mut paths = Paths::discover(rows, LIMITS);
            paths.keep(1, 100);
            assert!(paths.read(rows).iter().all(|values| values.kinds.len() == 3));
            for byte in [0, b'"', b'\\', b'{', b'}', b'[', b']', b',', b':', b'1', b'n', 0xFF] {
                let mut changed = text.to_vec();
                changed[end] = byte;
                let (offsets, data) = column(&[&changed, text]);
                let rows = Rows::new(&offsets, &data).unwrap();
                let mut paths = Paths::discover(rows, LIMITS);
                paths.keep(1, 100);
                assert!(paths.read(rows).iter().all(|values| values.kinds.len() == 2));
            }
        }
    }
}
