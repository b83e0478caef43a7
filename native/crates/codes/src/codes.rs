//! Codes as arrays, checked once.

use elanus_kernels::{Metric, Scorer, Space};

use crate::code::{Code, MAX_DIM};
use crate::query::{CodeQuery, RowQuery};
use crate::scorer::CodeScorer;

/// Rows that can be numbered.
const MAX_ROWS: usize = u32::MAX as usize;

/// The codes of a column, over arrays at any address.
#[derive(Clone, Copy)]
pub struct Codes<'a> {
    code: Code,
    metric: Metric,
    rows: usize,
    dim: usize,
    bytes: &'a [u8],
    tails: &'a [f32],
    mean: &'a [f32],
}

impl<'a> Codes<'a> {
    /// Takes the arrays that [`crate::encode`] made, wherever they lie now; fails for arrays of other lengths.
    ///
    /// Any content is safe: bad codes give bad distances, never NaN.
    pub fn new(
        code: Code,
        metric: Metric,
        rows: usize,
        dim: usize,
        bytes: &'a [u8],
        tails: &'a [f32],
        mean: &'a [f32],
    ) -> Result<Self, String> {
        if matches!(metric, Metric::Hamming | Metric::Jaccard) {
            return Err(format!("section codes: none are defined under {metric:?}"));
        }
        if dim == 0 || dim > MAX_DIM || rows > MAX_ROWS {
            return Err(format!("section codes: {rows} rows of {dim} dimensions"));
        }
        let expect = |section: &str, each: usize, found: usize| match rows.checked_mul(each) {
            Some(length) if length == found => Ok(()),
            _ => Err(format!("section {section}: {found} elements, not {each} for each of {rows} rows")),
        };
        expect("codes", code.row_bytes(dim), bytes.len())?;
        expect("tails", code.tail_len(), tails.len())?;
        if !mean.is_empty() && (mean.len() != dim || metric == Metric::Ip) {
            return Err(format!("section mean: {} elements for {dim} dimensions under {metric:?}", mean.len()));
        }
        Ok(Codes { code, metric, rows, dim, bytes, tails, mean })
    }

    /// Turns a query into what a scorer reads; it has as many dimensions as the codes.
    pub fn prepare(&self, query: &[f32]) -> CodeQuery {
        assert_eq!(query.len(), self.dim);
        CodeQuery::new(self.code, self.metric, query, self.mean)
    }

    /// Measures from `query`, which was prepared for these codes.
    pub fn scorer<'s>(&'s self, query: &'s CodeQuery) -> CodeScorer<'s> {
        CodeScorer::new(self, query)
    }

    /// How a row is coded.
    pub fn code(&self) -> Code {
        self.code
    }

    /// The metric by which distances order.
    pub fn metric(&self) -> Metric {
        self.metric
    }

    /// Elements of a vector.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    pub(crate) fn row_bytes(&self) -> usize {
        self.code.row_bytes(self.dim)
    }

    pub(crate) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    pub(crate) fn tails(&self) -> &'a [f32] {
        self.tails
    }

    pub(crate) fn row(&self, row: usize) -> &'a [u8] {
        &self.bytes[row * self.row_bytes()..(row + 1) * self.row_bytes()]
    }

    pub(crate) fn tail(&self, row: usize) -> &'a [f32] {
        &self.tails[row * self.code.tail_len()..(row + 1) * self.code.tail_len()]
    }
}

impl Space for Codes<'_> {
    fn rows(&self) -> usize {
        self.rows
    }

    fn scorer_of(&self, row: u32) -> Box<dyn Scorer + '_> {
        Box::new(RowQuery::new(self, CodeQuery::of_row(self, row as usize)))
    }

    fn apart(&self, one: u32, other: u32, distance: f32) -> f32 {
        if self.metric != Metric::Ip {
            return distance;
        }
        self.tail(one as usize)[1] + self.tail(other as usize)[1] + 2.0 * distance
    }
}
