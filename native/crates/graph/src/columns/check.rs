//! Whether arrays are the graphs of a column.

use super::{ColumnArrays, until_none};
use crate::links::{Damage, NONE};

fn damage<T>(section: &'static str, problem: String) -> Result<T, Damage> {
    Err(Damage { section, problem })
}

pub(super) fn check(rows: usize, width: usize, arrays: &ColumnArrays) -> Result<(), Damage> {
    if rows > NONE as usize >> 1 {
        return damage("column_links", format!("a graph has fewer than 2^31 rows, not {rows}"));
    }
    if width == 0 || Some(arrays.links.len()) != rows.checked_mul(width) {
        return damage("column_links", format!("{} links are not {width} for each of {rows} rows", arrays.links.len()));
    }
    check_lists(arrays)?;
    let owners = owners(rows, arrays)?;
    check_entries(arrays, &owners)?;
    for (row, links) in arrays.links.chunks_exact(width).enumerate() {
        if let Err(problem) = check_within(links, owners[row], &owners) {
            return damage("column_links", format!("row {row}: {problem}"));
        }
    }
    Ok(())
}

/// Checks that each value has its part of the rows.
fn check_lists(arrays: &ColumnArrays) -> Result<(), Damage> {
    let ColumnArrays { values, ends, members, .. } = *arrays;
    if values.windows(2).any(|pair| pair[0] >= pair[1]) || values.last() == Some(&NONE) {
        return damage("column_values", "the values do not ascend".to_owned());
    }
    if ends.len() != values.len() || ends.windows(2).any(|pair| pair[0] > pair[1]) {
        return damage("column_ends", format!("{} ends do not divide rows among {} values", ends.len(), values.len()));
    }
    let last = ends.last().map_or(0, |&end| end as usize);
    if last != members.len() {
        return damage("column_ends", format!("the last list ends at {last}, not at {}", members.len()));
    }
    Ok(())
}

/// The place of each row's value, [`NONE`] for a row without.
fn owners(rows: usize, arrays: &ColumnArrays) -> Result<Vec<u32>, Damage> {
    let mut owners = vec![NONE; rows];
    let mut first = 0;
    for (place, &end) in arrays.ends.iter().enumerate() {
        let members = &arrays.members[first..end as usize];
        if members.windows(2).any(|pair| pair[0] >= pair[1]) {
            return damage("column_rows", format!("the rows of list {place} do not ascend"));
        }
        for &row in members {
            match owners.get_mut(row as usize) {
                None => return damage("column_rows", format!("row {row} is not among {rows} rows")),
                Some(owner) if *owner != NONE => return damage("column_rows", format!("row {row} is in two lists")),
                Some(owner) => *owner = place as u32,
            }
        }
        first = end as usize;
    }
    Ok(owners)
}

fn check_entries(arrays: &ColumnArrays, owners: &[u32]) -> Result<(), Damage> {
    let ColumnArrays { values, entries, .. } = *arrays;
    if values.is_empty() && entries.is_empty() {
        return Ok(());
    }
    if values.is_empty() || !entries.len().is_multiple_of(values.len()) {
        return damage(
            "column_entries",
            format!("{} entries are not shared by {} values", entries.len(), values.len()),
        );
    }
    let each = entries.len() / values.len();
    for place in 0..values.len() {
        if let Err(problem) = check_within(&entries[place * each..(place + 1) * each], place as u32, owners) {
            return damage("column_entries", format!("list {place}: {problem}"));
        }
    }
    Ok(())
}

/// Checks that all rows have the value `owner`, and that only padding follows padding.
fn check_within(list: &[u32], owner: u32, owners: &[u32]) -> Result<(), String> {
    let rows = until_none(list);
    if list[rows.len()..].iter().any(|&link| link != NONE) {
        return Err("a row follows the end of the list".to_owned());
    }
    let outside = rows.iter().find(|&&row| owner == NONE || owners.get(row as usize) != Some(&owner));
    outside.map_or(Ok(()), |row| Err(format!("row {row} does not have the same value")))
}
