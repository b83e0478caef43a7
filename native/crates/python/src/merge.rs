//! Hits of several parts of the rows in one order: nearest first, equal ones by primary key.

use std::cmp::Ordering;

use numpy::{PyArray1, PyReadonlyArray2};
use pyo3::prelude::*;

use crate::graph::refused;
use crate::vectors::Bytes;

/// Distances less than this apart are equal, and the keys decide; they are only where distances are small.
const TOLERANCE: f32 = 1.19e-8;

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
    /// Takes the next query's hits at the places `offset..end` of their order.
    ///
    /// None where hits are equal without lying at the same distance: their order takes more than one look at two.
    pub(crate) fn page(&mut self, keys: &[Keys], offset: usize, end: usize) -> Option<()> {
        self.pending.sort_unstable_by(|a, b| a.compare(b, keys));
        let near = |two: &[Place]| {
            let apart = two[1].distance - two[0].distance;
            apart > 0.0 && apart < TOLERANCE
        };
        if self.pending.windows(2).any(near) {
            return None;
        }
        self.pending.truncate(end);
        let page = self.pending.drain(offset.min(self.pending.len())..);
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

/// Merges the hits of parts and takes the places `offset..offset + limit` of each query.
///
/// None where hits are equal without lying at the same distance.
#[pyfunction]
fn merge_hits<'py>(
    py: Python<'py>,
    parts: Vec<Part<'py>>,
    offset: usize,
    limit: usize,
) -> PyResult<Option<Located<'py>>> {
    let keys = parts.iter().map(|(_, _, keys)| keys.get()).collect::<PyResult<Vec<_>>>()?;
    let hits: Vec<_> = parts.iter().map(|(rows, distances, _)| (rows.as_array(), distances.as_array())).collect();
    let queries = hits.first().map_or(0, |(rows, _)| rows.nrows());
    let mut merged = Merged::default();
    for query in 0..queries {
        for (part, (rows, distances)) in hits.iter().enumerate() {
            if rows.dim() != distances.dim() || rows.nrows() != queries {
                return Err(refused("hits of other queries"));
            }
            for (&row, &distance) in rows.row(query).iter().zip(distances.row(query)) {
                match usize::try_from(row) {
                    Ok(row) if row < keys[part].rows() => merged.pending.push(Place { distance, part, row }),
                    Ok(_) => return Err(refused("a hit beyond the rows")),
                    Err(_) => {}
                }
            }
        }
        if merged.page(&keys, offset, offset.saturating_add(limit)).is_none() {
            return Ok(None);
        }
    }
    Ok(Some(merged.located(py)))
}

/// Adds the merge to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(merge_hits, module)?)
}
