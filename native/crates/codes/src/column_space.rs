//! Exact distances between the rows of a column, for graphs that are built without codes.

use elanus_kernels::{Column, ColumnScorer, Element, Metric, Queries, Scorer, Space, norms};

/// The rows of a column as points: see the crate's table; bits by their own distance.
pub struct ColumnSpace<'a> {
    column: Column<'a>,
    metric: Metric,
    /// Per row: one over the length under COSINE, the added element under IP, else nothing.
    extra: Vec<f32>,
    /// Squared length of the longest vector, under IP.
    longest: f32,
}

impl<'a> ColumnSpace<'a> {
    /// Takes a column whose element supports `metric`.
    ///
    /// Cost: one pass over the vectors under COSINE and IP.
    pub fn new(column: Column<'a>, metric: Metric) -> Self {
        assert!(column.element().supports(metric), "no {metric:?} distance between vectors of {:?}", column.element());
        let mut space = ColumnSpace { column, metric, extra: Vec::new(), longest: 0.0 };
        if matches!(metric, Metric::Cosine | Metric::Ip) {
            space.extra = norms(&column).expect("the column has dimensions");
        }
        match metric {
            Metric::Cosine => {
                for length in &mut space.extra {
                    *length = if *length > 0.0 { length.recip() } else { 0.0 };
                }
            }
            Metric::Ip => {
                let longest = space.extra.iter().copied().filter(|length| length.is_finite()).fold(0.0, f32::max);
                space.longest = longest * longest;
                for length in &mut space.extra {
                    *length = (space.longest - *length * *length).max(0.0).sqrt();
                }
            }
            _ => {}
        }
        space
    }

    fn queries(&self, row: u32) -> Result<Queries, String> {
        let (column, dim) = (&self.column, self.column.dim());
        let metric = if self.metric == Metric::Cosine { Metric::Ip } else { self.metric };
        match column.element() {
            element @ (Element::F16 | Element::Bf16) => {
                let floats: Vec<u8> = column.floats(row as usize).into_iter().flat_map(f32::to_le_bytes).collect();
                Queries::new(&Column::new(&floats, 1, dim, Element::F32)?, element, metric)
            }
            element => Queries::new(&Column::new(column.row(row as usize), 1, dim, element)?, element, metric),
        }
    }
}

impl Space for ColumnSpace<'_> {
    fn rows(&self) -> usize {
        self.column.rows()
    }

    fn scorer_of(&self, row: u32) -> Box<dyn Scorer + '_> {
        let queries = self.queries(row).expect("a row of the column is a query of it");
        Box::new(RowScorer { space: self, queries, row: row as usize })
    }
}

/// Measures from a row to others.
struct RowScorer<'a> {
    space: &'a ColumnSpace<'a>,
    queries: Queries,
    row: usize,
}

impl RowScorer<'_> {
    fn exact(&self) -> ColumnScorer<'_> {
        let metric = if self.space.metric == Metric::Cosine { Metric::Ip } else { self.space.metric };
        ColumnScorer::new(&self.queries, 0, &self.space.column, metric)
    }

    /// Turns negative dot products into squared distances.
    fn finish(&self, rows: impl Iterator<Item = usize>, out: &mut [f32]) {
        let (extra, longest) = (&self.space.extra, self.space.longest);
        let squared: &dyn Fn(f32, f32, f32) -> f32 = match self.space.metric {
            Metric::Cosine => &|distance, from, to| 2.0 + 2.0 * distance * (from * to),
            Metric::Ip => &|distance, from, to| 2.0 * (longest + distance - from * to),
            _ => return,
        };
        for (distance, row) in out.iter_mut().zip(rows) {
            let found = squared(*distance, extra[self.row], extra[row]);
            *distance = if found < f32::INFINITY { found } else { f32::INFINITY };
        }
    }
}

impl Scorer for RowScorer<'_> {
    fn score(&self, rows: &[u32], out: &mut [f32]) {
        self.exact().score(rows, out);
        self.finish(rows.iter().map(|&row| row as usize), out);
    }

    fn score_run(&self, first: u32, out: &mut [f32]) {
        self.exact().score_run(first, out);
        self.finish(first as usize..first as usize + out.len(), out);
    }
}
