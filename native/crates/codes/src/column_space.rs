//! Exact distances between the rows of a column, for graphs that are built without codes.

use elanus_kernels::{Column, ColumnScorer, Element, Metric, Queries, Scorer, Space, norms};

/// The rows of a column as points: see the crate's table; bits by their own distance.
pub struct ColumnSpace<'a> {
    column: Column<'a>,
    metric: Metric,
    /// One over each row's length under COSINE, its square under IP, else nothing.
    lengths: Vec<f32>,
}

impl<'a> ColumnSpace<'a> {
    /// Takes a column whose element supports `metric`.
    ///
    /// Cost: one pass over the vectors under COSINE and IP.
    pub fn new(column: Column<'a>, metric: Metric) -> Self {
        assert!(column.element().supports(metric), "no {metric:?} distance between vectors of {:?}", column.element());
        let mut lengths = Vec::new();
        if matches!(metric, Metric::Cosine | Metric::Ip) {
            lengths = norms(&column).expect("the column has dimensions");
            for length in &mut lengths {
                *length = match metric {
                    Metric::Ip => *length * *length,
                    _ if *length > 0.0 => length.recip(),
                    _ => 0.0,
                };
            }
        }
        ColumnSpace { column, metric, lengths }
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

    fn apart(&self, one: u32, other: u32, distance: f32) -> f32 {
        if self.metric != Metric::Ip {
            return distance;
        }
        self.lengths[one as usize] + self.lengths[other as usize] + 2.0 * distance
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

    /// Turns negative dot products into squared distances, under COSINE.
    fn finish(&self, rows: impl Iterator<Item = usize>, out: &mut [f32]) {
        if self.space.metric != Metric::Cosine {
            return;
        }
        let inverse = &self.space.lengths;
        for (distance, row) in out.iter_mut().zip(rows) {
            let found = 2.0 + 2.0 * *distance * (inverse[self.row] * inverse[row]);
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
