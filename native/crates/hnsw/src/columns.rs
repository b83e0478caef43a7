//! Graphs of the rows that share a value, beside the graph of all rows: built over the same codes, chosen by cost.

use elanus_codes::ColumnSpace;
use elanus_graph::{
    BuiltColumn, ColumnGraph, ColumnReport, ColumnRequest, ColumnSettings, Keep, Report, Request, Stopped, Strategy,
    build_column, expected_cost,
};
use elanus_kernels::{Column, ColumnScorer, Hit, Scorer};

use crate::index::Hnsw;
use crate::query::Query;

/// Values of a column that a filter leaves: every row that passes it has one of them.
#[derive(Clone, Copy, Debug)]
pub struct Among<'a> {
    /// The graphs of the column.
    pub graph: &'a ColumnGraph<'a>,
    /// The values.
    pub values: &'a [u32],
    /// Whether the column's graphs are searched whatever it costs.
    pub forced: bool,
}

impl Among<'_> {
    /// How many rows have one of the values.
    fn rows(&self) -> usize {
        let mut values = self.values.to_vec();
        values.sort_unstable();
        values.dedup();
        values.into_iter().map(|value| self.graph.rows_of(value).len()).sum()
    }
}

/// What a search among values did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// The graph of all rows was searched.
    ByGraph(Report),
    /// The graphs of the values were.
    ByColumn(ColumnReport),
}

impl Hnsw<'_> {
    /// Builds the graphs of a column's values over the kept rows; see [`build_column`]. The column must fit.
    pub fn build_column(
        &self,
        column: &Column,
        values: &[u32],
        keep: Option<Keep>,
        settings: &ColumnSettings,
        progress: &(dyn Fn(usize) -> bool + Sync),
    ) -> Option<BuiltColumn> {
        if let Some(codes) = &self.codes {
            return build_column(codes, values, keep, settings, progress);
        }
        build_column(&ColumnSpace::new(*column, self.facts().metric), values, keep, settings, progress)
    }

    /// Finds what [`Hnsw::search`] finds where all rows that pass have one of some values: in the graphs of those values,
    /// where that is expected to cost less than what the request's strategy leads to.
    ///
    /// A strategy other than [`Strategy::Auto`] is obeyed. Both columns must fit.
    pub fn search_among(
        &self,
        query: &Query,
        number: usize,
        column: &Column,
        (among, request): (&Among, &Request),
        out: &mut Vec<Hit>,
    ) -> Result<Done, Stopped> {
        assert_eq!(among.graph.rows(), self.facts().rows, "a column of other rows");
        let rows = among.rows();
        if !self.prefers(among, rows, request) {
            return self.search(query, number, column, request, out).map(Done::ByGraph);
        }
        let tuning = &self.facts().tuning;
        let exact = ColumnScorer::new(&query.exact, number, column, self.facts().metric);
        let Request { k, ef, refine, keep, stop, .. } = *request;
        let search = |keep: Option<Keep>, out: &mut Vec<Hit>| {
            let asked = ColumnRequest { values: among.values, k, ef, refine, keep, stop };
            let search = |walk: &dyn Scorer| among.graph.search_values(walk, &exact, tuning, &asked, out);
            self.with_walk(query, number, &exact, search).map(Done::ByColumn)
        };
        let Some(kept) = keep.filter(|keep| keep.count() == rows) else { return search(keep, out) };
        // As many rows pass as have one of the values, so all of these do: unless a damaged file says otherwise.
        let done = search(None, out)?;
        if out.iter().all(|hit| kept.contains(hit.row)) { Ok(done) } else { search(keep, out) }
    }

    /// Whether the values' graphs are to be searched, `rows` rows in all.
    fn prefers(&self, among: &Among, rows: usize, request: &Request) -> bool {
        if among.forced || request.strategy != Strategy::Auto {
            return among.forced;
        }
        let passing = request.keep.map_or(self.facts().rows, |keep| keep.count());
        let ef = request.ef.max(request.refine).max(request.k).min(passing);
        let share = (passing as f32 / rows.max(1) as f32).min(1.0);
        let tuning = &self.facts().tuning;
        let column = among.graph.cost(among.values, ef, share, tuning);
        column < expected_cost(tuning, self.links(), request.keep, ef)
    }
}
