//! Building an index, opening its arrays, searching it.

use std::fmt;

use elanus_codes::{CodeQuery, CodeScorer, Codes, ColumnSpace, encode};
use elanus_graph::{
    BuildSettings, Built, Keep, Layer, Links, Report, Request, Source, Stop, Stopped, Stream, Tuning, build, search,
    tune,
};
use elanus_kernels::{Column, ColumnScorer, Hit, Metric, Scorer};

use crate::facts::{Facts, Storage};
use crate::query::Query;

/// The arrays of an index, wherever they lie.
#[derive(Clone, Copy, Debug, Default)]
pub struct Arrays<'a> {
    /// Links of each row on the base layer.
    pub base: &'a [u32],
    /// Rows of the layers above, one layer after another, the lowest first.
    pub upper_rows: &'a [u32],
    /// Where each layer's rows end.
    pub upper_ends: &'a [u32],
    /// Links of those rows.
    pub upper_links: &'a [u32],
    /// Codes of every row; empty where the column is walked on.
    pub codes: &'a [u8],
    /// What belongs to a code besides, as `elanus_codes` lays it out.
    pub tails: &'a [f32],
    /// What was subtracted from every vector; empty for nothing.
    pub mean: &'a [f32],
}

/// An index as it was built: arrays of its own.
#[derive(Clone, Debug)]
pub struct Made {
    /// The numbers.
    pub facts: Facts,
    /// As in [`Arrays`].
    pub base: Vec<u32>,
    /// As in [`Arrays`].
    pub upper_rows: Vec<u32>,
    /// As in [`Arrays`].
    pub upper_ends: Vec<u32>,
    /// As in [`Arrays`].
    pub upper_links: Vec<u32>,
    /// As in [`Arrays`].
    pub codes: Vec<u8>,
    /// As in [`Arrays`].
    pub tails: Vec<f32>,
    /// As in [`Arrays`].
    pub mean: Vec<f32>,
}

impl Made {
    /// The arrays.
    pub fn arrays(&self) -> Arrays<'_> {
        Arrays {
            base: &self.base,
            upper_rows: &self.upper_rows,
            upper_ends: &self.upper_ends,
            upper_links: &self.upper_links,
            codes: &self.codes,
            tails: &self.tails,
            mean: &self.mean,
        }
    }
}

/// Why arrays are no index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage(String);

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Damage {}

/// An index, checked; see [`make`] and [`Hnsw::open`].
pub struct Hnsw<'a> {
    facts: Facts,
    links: Links<'a>,
    /// What is walked on; `None` for the column itself.
    pub(crate) codes: Option<Codes<'a>>,
}

/// Builds the index of the kept rows of `column`; `None` when `progress` asked to stop.
///
/// Cost: about 0.2 ms of CPU a row at M 16, efConstruction 200 and 384 dimensions.
pub fn make(
    column: &Column,
    metric: Metric,
    storage: Storage,
    keep: Option<Keep>,
    settings: &BuildSettings,
    progress: &(dyn Fn(usize) -> bool + Sync),
) -> Option<Made> {
    let bits = keep.map(|keep| keep.bits());
    let mut made = match storage {
        Storage::Codes(code) => {
            let encoded = encode(column, metric, code, bits, settings.threads);
            let view =
                Codes::new(code, metric, column.rows(), column.dim(), &encoded.codes, &encoded.tails, &encoded.mean);
            let built = build(&view.expect("codes fit what they were made of"), keep, settings, progress)?;
            let mut made = assembled(column, metric, storage, built);
            (made.codes, made.tails, made.mean) = (encoded.codes, encoded.tails, encoded.mean);
            made
        }
        Storage::Column => {
            let built = build(&ColumnSpace::new(*column, metric), keep, settings, progress)?;
            assembled(column, metric, storage, built)
        }
    };
    made.facts.tuning = tuned(&made, column);
    Some(made)
}

/// What searches of a new index cost, measured from one of its rows.
fn tuned(made: &Made, column: &Column) -> Tuning {
    let index = Hnsw::open(made.facts, made.arrays()).expect("a graph that was just built is whole");
    let Some(entry) = index.links.entry() else { return Tuning::default() };
    let query = Query::of_row(column, entry as usize, made.facts.metric);
    let exact = ColumnScorer::new(&query.exact, 0, column, made.facts.metric);
    index.with_walk(&query, 0, &exact, |walk| tune(&index.links, walk, &exact))
}

fn assembled(column: &Column, metric: Metric, storage: Storage, built: Built) -> Made {
    let facts = Facts {
        rows: column.rows(),
        dim: column.dim(),
        metric,
        element: column.element(),
        storage,
        width: built.width,
        upper_width: built.upper_width,
        entry: built.entry,
        tuning: Tuning::default(),
    };
    let mut made = Made {
        facts,
        base: built.base,
        upper_rows: Vec::new(),
        upper_ends: Vec::new(),
        upper_links: Vec::new(),
        codes: Vec::new(),
        tails: Vec::new(),
        mean: Vec::new(),
    };
    for layer in built.upper {
        made.upper_rows.extend(layer.rows);
        made.upper_links.extend(layer.links);
        made.upper_ends.push(made.upper_rows.len() as u32);
    }
    made
}

impl<'a> Hnsw<'a> {
    /// Takes the arrays of an index; fails, naming the section, for arrays that are none.
    ///
    /// Cost: one pass over the links.
    pub fn open(facts: Facts, arrays: Arrays<'a>) -> Result<Self, Damage> {
        let upper = layers(&facts, &arrays)?;
        let links = Links::new(facts.rows, facts.width, arrays.base, facts.upper_width, upper, facts.entry)
            .map_err(|damage| Damage(damage.to_string()))?;
        let codes = match facts.storage {
            Storage::Codes(code) => {
                let (codes, tails, mean) = (arrays.codes, arrays.tails, arrays.mean);
                Some(Codes::new(code, facts.metric, facts.rows, facts.dim, codes, tails, mean).map_err(Damage)?)
            }
            Storage::Column => None,
        };
        Ok(Hnsw { facts, links, codes })
    }

    /// The numbers of the index.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The links.
    pub fn links(&self) -> &Links<'a> {
        &self.links
    }

    /// Whether `column` can be the one that the index was built over.
    pub fn fits(&self, column: &Column) -> Result<(), String> {
        let facts = &self.facts;
        let found = (column.rows(), column.dim(), column.element());
        if found == (facts.rows, facts.dim, facts.element) {
            return Ok(());
        }
        let (rows, dim, element) = found;
        Err(format!(
            "the index is of {} rows of {} {:?}, not {rows} of {dim} {element:?}",
            facts.rows, facts.dim, facts.element
        ))
    }

    /// Finds the nearest rows of one of the queries; see [`elanus_graph::search`]. The column must fit.
    pub fn search(
        &self,
        query: &Query,
        number: usize,
        column: &Column,
        request: &Request,
        out: &mut Vec<Hit>,
    ) -> Result<Report, Stopped> {
        let exact = ColumnScorer::new(&query.exact, number, column, self.facts.metric);
        self.with_walk(query, number, &exact, |walk| {
            search(&self.links, walk, &exact, &self.facts.tuning, request, out)
        })
    }

    /// Takes the next rows of a stream that was made for this index, of a single query; see [`Stream::next`].
    pub fn pull(
        &self,
        stream: &mut Stream,
        query: &Query,
        column: &Column,
        (keep, count, stop): (Option<Keep>, usize, Stop),
        out: &mut Vec<Hit>,
    ) -> Result<usize, Stopped> {
        let exact = ColumnScorer::new(&query.exact, 0, column, self.facts.metric);
        self.with_walk(query, 0, &exact, |walk| {
            stream.next(&Source { links: &self.links, walk, exact: &exact, keep, stop }, count, out)
        })
    }

    /// Gives `work` what measures rows from one of the queries as a walk sees them.
    pub(crate) fn with_walk<T>(
        &self,
        query: &Query,
        number: usize,
        exact: &dyn Scorer,
        work: impl FnOnce(&dyn Scorer) -> T,
    ) -> T {
        match &self.codes {
            Some(codes) => {
                let prepared: CodeQuery = codes.prepare(query.floats_of(number));
                let scorer: CodeScorer = codes.scorer(&prepared);
                work(&scorer)
            }
            None => work(exact),
        }
    }
}

fn layers<'a>(facts: &Facts, arrays: &Arrays<'a>) -> Result<Vec<Layer<'a>>, Damage> {
    let damage = |problem: String| Err(Damage(format!("section upper_ends: {problem}")));
    let mut layers = Vec::with_capacity(arrays.upper_ends.len());
    let mut first = 0;
    for &end in arrays.upper_ends {
        let end = end as usize;
        let (Some(rows), Some(links)) = (
            arrays.upper_rows.get(first..end),
            first
                .checked_mul(facts.upper_width)
                .zip(end.checked_mul(facts.upper_width))
                .and_then(|(first, end)| arrays.upper_links.get(first..end)),
        ) else {
            return damage(format!("a layer of rows {first}..{end} is not among {}", arrays.upper_rows.len()));
        };
        layers.push(Layer { rows, links });
        first = end;
    }
    if first != arrays.upper_rows.len() || Some(arrays.upper_links.len()) != first.checked_mul(facts.upper_width) {
        return damage(format!("{} rows above the base are in no layer", arrays.upper_rows.len() - first));
    }
    Ok(layers)
}
