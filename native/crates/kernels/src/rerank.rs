//! Exact distances to rows already chosen, and lengths of rows.

use crate::column::{Column, Element, Metric};
use crate::distance::{Pairing, Rows, kernel};
use crate::queries::Queries;
use crate::simd;
use crate::topk::canonical;

/// Writes the distance of each query to its own `rows`, `each` to a query; a negative row gives infinity.
///
/// Fails, having written nothing of use, where a row is not below the column's rows.
pub fn distances_of(
    queries: &Queries,
    column: &Column,
    metric: Metric,
    rows: &[i64],
    each: usize,
    out: &mut [f32],
) -> Result<(), String> {
    let pairing = Pairing::new(queries, column, None);
    let kernel = kernel(simd::active(), column.element, metric, false);
    let mut list = Vec::with_capacity(each);
    let mut distances = vec![0.0; each];
    let pairs = rows.chunks_exact(each.max(1)).zip(out.chunks_exact_mut(each.max(1)));
    for (query, (rows, out)) in pairs.enumerate().take(queries.count()) {
        list.clear();
        for &row in rows.iter().filter(|&&row| row >= 0) {
            if row as usize >= column.rows {
                return Err(format!("row {row} is not among {} rows", column.rows));
            }
            list.push(row as u32);
        }
        // SAFETY: the level is available, every listed row is below the column's rows, and the query exists.
        unsafe { kernel(&pairing, query..query + 1, Rows::List(&list), &mut distances) };
        out.fill(f32::INFINITY);
        let wanted = out.iter_mut().zip(rows).filter(|&(_, &row)| row >= 0);
        for ((out, _), &distance) in wanted.zip(&distances) {
            *out = canonical(distance);
        }
    }
    Ok(())
}

/// Returns the length of each row, for [`crate::Scan::lengths`].
pub fn norms(column: &Column) -> Result<Vec<f32>, String> {
    let zero = vec![0; Element::F32.row_bytes(column.dim)];
    let zero =
        Column::new(&zero, 1, column.dim, if column.element == Element::I8 { Element::I8 } else { Element::F32 })?;
    let queries = Queries::new(&zero, column.element, Metric::L2)?;
    let mut lengths = vec![0.0; column.rows];
    let rows = Rows::Run { first: 0, len: column.rows };
    let pairing = Pairing::new(&queries, column, None);
    // SAFETY: the level is available, the rows are all of the column, and there is the one query.
    unsafe { kernel(simd::active(), column.element, Metric::L2, false)(&pairing, 0..1, rows, &mut lengths) };
    for length in &mut lengths {
        *length = length.sqrt();
    }
    Ok(lengths)
}
