//! Late interaction: how near a list of vectors is to the lists that rows own.

use std::ops::Range;

use crate::column::{Column, Metric};
use crate::distance::{Pairing, Rows, kernel};
use crate::queries::Queries;
use crate::simd;
use crate::topk::canonical;

/// Queries whose distances are computed before their least is taken.
const QUERY_GROUP: usize = 16;

/// Writes the distance of the queries, taken as one list, to the list of each of `rows`.
///
/// It is the sum over the queries of the distance to the nearest element; infinity for a row without elements. Row `r`
/// owns the elements `offsets[r]..offsets[r + 1]` of the column. Fails, having written nothing of use, where a row has
/// no offsets or they don't lie in the column.
pub fn max_sim(
    queries: &Queries,
    column: &Column,
    metric: Metric,
    offsets: &[i64],
    rows: &[i64],
    out: &mut [f32],
) -> Result<(), String> {
    let pairing = Pairing::new(queries, column, None);
    let kernel = kernel(simd::active(), column.element, metric, false);
    let mut distances = Vec::new();
    for (&row, out) in rows.iter().zip(out) {
        let elements = elements_of(row, offsets, column.rows)?;
        if elements.is_empty() {
            *out = f32::INFINITY;
            continue;
        }
        let run = Rows::Run { first: elements.start as u32, len: elements.len() };
        distances.resize(distances.len().max(QUERY_GROUP * elements.len()), 0.0);
        let mut sum = 0.0;
        for first in (0..queries.count()).step_by(QUERY_GROUP) {
            let group = first..(first + QUERY_GROUP).min(queries.count());
            let count = group.len();
            // SAFETY: the level is available, the elements lie in the column, the queries exist, and the buffer holds
            // a group's distances to the row's elements.
            unsafe { kernel(&pairing, group, run, &mut distances) };
            sum += distances.chunks_exact(elements.len()).take(count).map(least).sum::<f64>();
        }
        *out = canonical(sum as f32);
    }
    Ok(())
}

/// The elements that a row owns.
fn elements_of(row: i64, offsets: &[i64], elements: usize) -> Result<Range<usize>, String> {
    let place =
        usize::try_from(row).ok().and_then(|row| Some((*offsets.get(row)?, *offsets.get(row.checked_add(1)?)?)));
    let (start, end) = place.ok_or_else(|| format!("row {row} has no offsets"))?;
    if start < 0 || start > end || end as usize > elements {
        return Err(format!("row {row} can't own the elements {start}..{end} of {elements}"));
    }
    Ok(start as usize..end as usize)
}

fn least(distances: &[f32]) -> f64 {
    f64::from(distances.iter().map(|&distance| canonical(distance)).fold(f32::INFINITY, f32::min))
}
