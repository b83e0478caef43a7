//! Searches from the bytes of their vectors to the bytes of their hits, over rows and settings that stay as they are.

use std::borrow::Cow;
use std::ops::Range;

use elanus_codec::{Slices, Span, encode_hits, placeholder};
use elanus_graph::{Keep, Request, Stop, Stopped, Strategy};
use elanus_hnsw::{Among, Query};
use elanus_kernels::{Column, Element, Hit};
use numpy::PyArray1;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::call_limit::{Limit, within};
use crate::column_graph::ColumnGraph;
use crate::graph::{GraphIndex, kept, refused};
use crate::merge::{KeyBytes, Keys, Located, Merged, Place};
use crate::vectors::{Bytes, Vectors, element_named};

/// What a search gives: the fields of a `SearchResultData`, and the part and the row of each hit.
type Answer<'py> = (Bound<'py, PyBytes>, Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<i64>>);

/// Graphs of a column, and the values of which every row that counts has one.
type Grouped = (Py<ColumnGraph>, Vec<u32>);

/// Rows with an index: the index, its vectors, their keys, the rows that count, ef, refine, graphs of their values.
#[derive(FromPyObject)]
struct Given(Py<GraphIndex>, Vectors, KeyBytes, Option<Bytes>, usize, usize, Option<Grouped>);

struct Part {
    index: Py<GraphIndex>,
    base: Vectors,
    keys: KeyBytes,
    keep: Option<Bytes>,
    ef: usize,
    refine: usize,
    among: Option<Grouped>,
}

/// A search that is settled but for its vectors.
#[pyclass(frozen, module = "elanus._native.core")]
struct DirectSearch {
    parts: Vec<Part>,
    takes: Vec<(u64, Element)>,
    page: Range<usize>,
    tolerance: f32,
    descending: bool,
}

#[pymethods]
impl DirectSearch {
    /// Settles a search: its parts, the placeholder types that it takes and their elements, offset and limit, the
    /// distance below which hits are equal, and whether scores are negated distances.
    #[new]
    fn new(parts: Vec<Given>, takes: Vec<(u64, String)>, page: (usize, usize), order: (f32, bool)) -> PyResult<Self> {
        let parts: Vec<Part> = parts
            .into_iter()
            .map(|Given(index, base, keys, keep, ef, refine, among)| Part {
                index,
                base,
                keys,
                keep,
                ef,
                refine,
                among,
            })
            .collect();
        parts.iter().try_for_each(Part::check)?;
        if parts.iter().any(|part| part.keys.are_text() != parts[0].keys.are_text()) {
            return Err(refused("the keys of all parts are of one type"));
        }
        let ((offset, limit), (tolerance, descending)) = (page, order);
        let end = offset.checked_add(limit).ok_or_else(|| refused("a page beyond all numbers"))?;
        let takes = takes.iter().map(|(kind, element)| Ok((*kind, element_named(element)?)));
        let takes = takes.collect::<PyResult<_>>()?;
        Ok(DirectSearch { parts, takes, page: offset..end, tolerance, descending })
    }

    /// Searches for the `nq` vectors of the placeholder group at `start..end` of a body.
    ///
    /// None where this is no search for it to answer: other vectors than the parts have, numbers that are none, or hits
    /// so near each other that their order takes more than their distances and keys.
    fn run<'py>(
        &self,
        py: Python<'py>,
        body: &[u8],
        start: usize,
        end: usize,
        nq: usize,
        limit: Limit,
    ) -> PyResult<Option<Answer<'py>>> {
        let found = within(py, &limit, |stop| self.answer(body, Span { start, end }, nq, stop))?;
        let Some((merged, written)) = found else { return Ok(None) };
        let (parts, rows) = merged.rows(py);
        Ok(Some((PyBytes::new(py, &written), parts, rows)))
    }

    /// Searches for vectors: the hits of each query, and the part, the row and the distance of each hit.
    ///
    /// None as for `run`.
    fn find<'py>(&self, py: Python<'py>, queries: Vectors, limit: Limit) -> PyResult<Option<Located<'py>>> {
        let queries = queries.column()?;
        let found = within(py, &limit, |stop| self.search(&queries, stop))?;
        let Some((merged, _)) = found else { return Ok(None) };
        Ok(Some(merged.located(py)))
    }
}

impl Part {
    /// Refuses what doesn't belong together. What each key is, only searches look at: there may be millions.
    fn check(&self) -> PyResult<()> {
        let rows = self.index.get().column(&self.base)?.rows();
        kept(self.keep.as_ref(), rows)?;
        let grouped = self.among.as_ref().is_none_or(|(column, _)| column.get().graph.rows() == rows);
        if self.keys()?.rows() == rows && grouped {
            return Ok(());
        }
        Err(refused("a part's keys and graphs are of its rows"))
    }

    fn prepared(&self, queries: &Column) -> Option<(Column<'_>, Query, Option<Keep<'_>>)> {
        let index = self.index.get();
        let column = index.column(&self.base).ok()?;
        let query = Query::new(queries, &column, index.hnsw.facts().metric).ok()?;
        let keep = kept(self.keep.as_ref(), column.rows()).ok()?;
        Some((column, query, keep))
    }

    fn keys(&self) -> PyResult<Keys<'_>> {
        self.keys.get()
    }
}

impl DirectSearch {
    fn answer(&self, body: &[u8], span: Span, nq: usize, stop: Stop) -> Result<Option<(Merged, Vec<u8>)>, Stopped> {
        let Some((bytes, element, dim)) = self.vectors(body, span, nq) else { return Ok(None) };
        let Ok(queries) = Column::new(&bytes, nq, dim, element) else { return Ok(None) };
        let Some((merged, keys)) = self.search(&queries, stop)? else { return Ok(None) };
        Ok(self.written(&merged, &keys).map(|written| (merged, written)))
    }

    fn search(&self, queries: &Column, stop: Stop) -> Result<Option<(Merged, Vec<Keys<'_>>)>, Stopped> {
        let mut found = Vec::with_capacity(self.parts.len());
        for part in &self.parts {
            let Some(hits) = self.of_part(part, queries, stop)? else { return Ok(None) };
            found.push(hits);
        }
        let keys: Option<Vec<Keys>> = self.parts.iter().map(|part| part.keys().ok()).collect();
        Ok(keys.and_then(|keys| self.merge(&found, &keys, queries.rows()).map(|merged| (merged, keys))))
    }

    /// The vectors' bytes, one after another, their element and dimensions; halves as floats. None of such as the parts
    /// don't have.
    fn vectors<'a>(&self, body: &'a [u8], span: Span, nq: usize) -> Option<(Cow<'a, [u8]>, Element, usize)> {
        let found = placeholder(body, span, nq).ok()??;
        let (_, element) = self.takes.iter().find(|(kind, _)| *kind == found.kind)?;
        let dim = self.parts.first()?.index.get().hnsw.facts().dim;
        let width = element.row_bytes(dim);
        let fits = found.values.iter().all(|value| value.end - value.start == width);
        if found.element_level || found.values.len() != nq || !fits {
            return None;
        }
        let values: Vec<&[u8]> = found.values.iter().map(|value| value.of(body)).collect();
        let bytes = if let [only] = values[..] { Cow::Borrowed(only) } else { Cow::Owned(values.concat()) };
        let (bytes, element) = match element {
            Element::F16 | Element::Bf16 => {
                (Cow::Owned(widened(&Column::new(&bytes, nq, dim, *element).ok()?)), Element::F32)
            }
            other => (bytes, *other),
        };
        (element != Element::F32 || all_finite(&bytes)).then_some((bytes, element, dim))
    }

    /// The nearest rows of each query; None of queries that the part doesn't take.
    fn of_part(&self, part: &Part, queries: &Column, stop: Stop) -> Result<Option<Vec<Vec<Hit>>>, Stopped> {
        let index = part.index.get();
        let Some((column, query, keep)) = part.prepared(queries) else { return Ok(None) };
        let k = self.page.end.min(column.rows());
        let request = Request { k, ef: part.ef, refine: part.refine, strategy: Strategy::Auto, keep, stop };
        let among = part.among.as_ref();
        let among = among.map(|(column, values)| Among { graph: &column.get().graph, values, forced: false });
        let search = |number| {
            let mut hits = Vec::with_capacity(k);
            match &among {
                Some(among) => {
                    index.hnsw.search_among(&query, number, &column, (among, &request), &mut hits)?;
                }
                None => {
                    index.hnsw.search(&query, number, &column, &request, &mut hits)?;
                }
            }
            Ok(hits)
        };
        (0..query.count()).map(search).collect::<Result<_, Stopped>>().map(Some)
    }

    /// The page of each query; None where their order takes more than distances and keys.
    fn merge(&self, found: &[Vec<Vec<Hit>>], keys: &[Keys], queries: usize) -> Option<Merged> {
        let mut merged = Merged::default();
        for query in 0..queries {
            for (part, hits) in found.iter().enumerate() {
                let place = |hit: &Hit| Place { distance: hit.distance, part, row: hit.row as usize };
                merged.pending.extend(hits[query].iter().map(place));
            }
            merged.page(keys, &self.page, self.tolerance)?;
        }
        Some(merged)
    }

    /// The fields of a result; none where a hit has no key.
    fn written(&self, merged: &Merged, keys: &[Keys]) -> Option<Vec<u8>> {
        let seen = |place: &Place| if self.descending { 0.0 - place.distance } else { place.distance };
        let scores: Vec<f32> = merged.places.iter().map(seen).collect();
        let (mut numbers, mut offsets, mut text) = (Vec::new(), vec![0], Vec::new());
        for place in &merged.places {
            match keys[place.part] {
                Keys::Long(all) => numbers.push(all[place.row]),
                Keys::Text(ends, bytes) => {
                    text.extend_from_slice(Keys::text(ends, bytes, place.row)?);
                    offsets.push(text.len() as i64);
                }
            }
        }
        let texts = matches!(keys.first(), Some(Keys::Text(..)));
        let keys = if texts { Slices::Text(&offsets, &text) } else { Slices::Long(&numbers) };
        encode_hits(&merged.counts, &keys, &scores).ok()
    }
}

/// Whether floats are all numbers. Looks at each, for that is quicker than to ask after each whether to go on.
fn all_finite(floats: &[u8]) -> bool {
    let finite = |value: &[u8; 4]| f32::from_le_bytes(*value).is_finite();
    floats.as_chunks::<4>().0.iter().fold(true, |all, value| all & finite(value))
}

/// The bytes of a column's values as floats.
fn widened(column: &Column) -> Vec<u8> {
    (0..column.rows()).flat_map(|row| column.floats(row)).flat_map(f32::to_le_bytes).collect()
}

/// Adds direct searches to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<DirectSearch>()
}
