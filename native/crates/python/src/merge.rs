//! Hits of several parts of the rows in one order: nearest first, equal ones by primary key.

use std::cmp::Ordering;
use std::ops::Range;

use numpy::ndarray::ArrayView2;
use numpy::{PyArray1, PyReadonlyArray2};
use pyo3::prelude::*;

use crate::graph::refused;
use crate::vectors::Bytes;

/// Where hits lie: the number of hits of each query, and the part, the row and the distance of each hit.
pub(crate) type Located<'py> =
    (Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<f32>>);

/// Primary keys as Arrow keeps them: numbers, or offsets and text.
#[derive(FromPyObject)]
pub(crate) struct KeyBytes(Bytes, Option<Bytes>);

impl KeyBytes {
    pub(crate) fn are_text(&self) -> bool {
        self.1.is_some()
    }

    pub(crate) fn get(&self) -> PyResult<Keys<'_>> {
        match &self.1 {
            None => Ok(Keys::Long(self.0.numbers("keys")?)),
            Some(text) => Ok(Keys::Text(self.0.numbers("keys")?, text.get())),
        }
    }
}

/// The primary keys of a part's rows.
pub(crate) enum Keys<'a> {
    Long(&'a [i64]),
    Text(&'a [i64], &'a [u8]),
}

impl<'a> Keys<'a> {
    pub(crate) fn rows(&self) -> usize {
        match self {
            Keys::Long(numbers) => numbers.len(),
            Keys::Text(offsets, _) => offsets.len().saturating_sub(1),
        }
    }

    /// The text of a row; none where the offsets don't lead to one.
    pub(crate) fn text(offsets: &[i64], bytes: &'a [u8], row: usize) -> Option<&'a [u8]> {
        let place = |at: usize| usize::try_from(*offsets.get(at)?).ok();
        bytes.get(place(row)?..place(row + 1)?)
    }

    fn compare(&self, row: usize, other: &Self, other_row: usize) -> Ordering {
        match (self, other) {
            (Keys::Long(a), Keys::Long(b)) => a[row].cmp(&b[other_row]),
            (Keys::Text(a, text), Keys::Text(b, other)) => {
                Self::text(a, text, row).cmp(&Self::text(b, other, other_row))
            }
            (Keys::Long(_), Keys::Text(..)) => Ordering::Less,
            (Keys::Text(..), Keys::Long(_)) => Ordering::Greater,
        }
    }
}

/// Where a hit lies.
pub(crate) struct Place {
    pub(crate) distance: f32,
    pub(crate) part: usize,
    pub(crate) row: usize,
}

impl Place {
    /// Nearest first, equal ones by key; a distance of minus zero is one of zero.
    fn compare(&self, other: &Self, keys: &[Keys]) -> Ordering {
        let by_key = || keys[self.part].compare(self.row, &keys[other.part], other.row);
        (self.distance + 0.0).total_cmp(&(other.distance + 0.0)).then_with(by_key)
    }
}

/// The pages of queries, one query after another.
#[derive(Default)]
pub(crate) struct Merged {
    pub(crate) counts: Vec<i64>,
    pub(crate) places: Vec<Place>,
    /// The hits of the next query, in any order.
    pub(crate) pending: Vec<Place>,
}

impl Merged {
    /// Takes the next query's hits at the places `page` of their order.
    ///
    /// None where hits lie less than `tolerance` apart and not at the same distance: their order takes more than one look
    /// at two.
    pub(crate) fn page(&mut self, keys: &[Keys], page: &Range<usize>, tolerance: f32) -> Option<()> {
        self.pending.sort_unstable_by(|a, b| a.compare(b, keys));
        let near = |two: &[Place]| {
            let apart = two[1].distance - two[0].distance;
            apart > 0.0 && apart < tolerance
        };
        if self.pending.windows(2).any(near) {
            return None;
        }
        self.pending.truncate(page.end);
        let page = self.pending.drain(page.start.min(self.pending.len())..);
        self.counts.push(page.len() as i64);
        self.places.extend(page);
        self.pending.clear();
        Some(())
    }

    /// The part and the row of each hit. Copied into what numpy allocates: for a page of hits that is the quickest.
    pub(crate) fn rows<'py>(&self, py: Python<'py>) -> (Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<i64>>) {
        let parts: Vec<i64> = self.places.iter().map(|place| place.part as i64).collect();
        let rows: Vec<i64> = self.places.iter().map(|place| place.row as i64).collect();
        (PyArray1::from_slice(py, &parts), PyArray1::from_slice(py, &rows))
    }

    pub(crate) fn located<'py>(&self, py: Python<'py>) -> Located<'py> {
        let distances: Vec<f32> = self.places.iter().map(|place| place.distance).collect();
        let (parts, rows) = self.rows(py);
        (PyArray1::from_slice(py, &self.counts), parts, rows, PyArray1::from_slice(py, &distances))
    }
}

/// Hits of one part: rows and distances `[queries, k]`, padded with rows of -1, and the keys of all its rows.
type Part<'py> = (PyReadonlyArray2<'py, i64>, PyReadonlyArray2<'py, f32>, KeyBytes);

/// The same as views, to be read with the interpreter released.
type Seen<'a> = (ArrayView2<'a, i64>, ArrayView2<'a, f32>);

/// Merges the hits of parts and takes the places `offset..offset + limit` of each query.
///
/// None where hits lie less than `tolerance` apart and not at the same distance.
#[pyfunction]
fn merge_hits<'py>(
    py: Python<'py>,
    parts: Vec<Part<'py>>,
    offset: usize,
    limit: usize,
    tolerance: f32,
) -> PyResult<Option<Located<'py>>> {
    let keys = parts.iter().map(|(_, _, keys)| keys.get()).collect::<PyResult<Vec<_>>>()?;
    let hits: Vec<Seen> = parts.iter().map(|(rows, distances, _)| (rows.as_array(), distances.as_array())).collect();
    let page = offset..offset.saturating_add(limit);
    let merged = py.detach(|| merge(&hits, &keys, &page, tolerance)).map_err(refused)?;
    Ok(merged.map(|merged| merged.located(py)))
}

fn merge(hits: &[Seen], keys: &[Keys], page: &Range<usize>, tolerance: f32) -> Result<Option<Merged>, &'static str> {
    let queries = hits.first().map_or(0, |(rows, _)| rows.nrows());
    if hits.iter().any(|(rows, distances)| rows.dim() != distances.dim() || rows.nrows() != queries) {
        return Err("hits of other queries");
    }
    let mut merged = Merged::default();
    for query in 0..queries {
        for (part, (rows, distances)) in hits.iter().enumerate() {
            for (&row, &distance) in rows.row(query).iter().zip(distances.row(query)) {
                match usize::try_from(row) {
                    Ok(row) if row < keys[part].rows() => merged.pending.push(Place { distance, part, row }),
                    Ok(_) => return Err("a hit beyond the rows"),
                    Err(_) => {} // padding
                }
            }
        }
        if merged.page(keys, page, tolerance).is_none() {
            return Ok(None);
        }
    }
    Ok(Some(merged))
}

/// Adds the merge to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(merge_hits, module)?)
}
