//! Query vectors, in the forms that the exact column and the codes are asked with.

use elanus_kernels::{Column, Element, Metric, Queries};

/// Queries of one search.
pub struct Query {
    /// For exact distances.
    pub(crate) exact: Queries,
    /// As floats, one query after another, for the codes.
    pub(crate) floats: Vec<f32>,
    dim: usize,
}

impl Query {
    /// Prepares `queries` for an index over `column`; fails where their elements or dimensions don't fit.
    pub fn new(queries: &Column, column: &Column, metric: Metric) -> Result<Self, String> {
        if queries.dim() != column.dim() {
            return Err(format!("queries of {} dimensions for a column of {}", queries.dim(), column.dim()));
        }
        let exact = Queries::new(queries, column.element(), metric)?;
        let mut floats = Vec::with_capacity(queries.rows() * queries.dim());
        (0..queries.rows()).for_each(|row| queries.push_floats(row, &mut floats));
        Ok(Query { exact, floats, dim: queries.dim() })
    }

    /// Prepares a row of `column` as the only query.
    pub(crate) fn of_row(column: &Column, row: usize, metric: Metric) -> Self {
        let floats: Vec<u8> = column.floats(row).into_iter().flat_map(f32::to_le_bytes).collect();
        let (bytes, element) = match column.element() {
            exact @ (Element::I8 | Element::Bit) => (column.row(row), exact),
            _ => (&floats[..], Element::F32),
        };
        let query = Column::new(bytes, 1, column.dim(), element);
        query.and_then(|query| Query::new(&query, column, metric)).expect("a column's row can be asked for")
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.exact.count()
    }

    pub(crate) fn floats_of(&self, query: usize) -> &[f32] {
        &self.floats[query * self.dim..(query + 1) * self.dim]
    }
}
