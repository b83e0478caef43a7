//! Where a path leads in one row.

use crate::{scan, text};

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A member of an object.
    Key(Vec<u8>),
    /// An element of an array; in an object the member of that name, which `digits` spells.
    Index {
        /// The element's position.
        position: usize,
        /// The position in decimal digits.
        digits: Vec<u8>,
    },
}

impl Step {
    /// A bare number in a path.
    pub fn index(position: usize) -> Self {
        Self::Index { position, digits: position.to_string().into_bytes() }
    }
}

/// Returns the text of the value that the steps lead to; `None` when there is none.
#[inline]
pub fn locate<'a>(row: &'a [u8], steps: &[Step]) -> Option<&'a [u8]> {
    let mut at = scan::space(row, 0);
    for step in steps {
        at = match (row.get(at)?, step) {
            (b'{', Step::Key(key)) => find_member(row, at, key)?,
            (b'{', Step::Index { digits, .. }) => find_member(row, at, digits)?,
            (b'[', Step::Index { position, .. }) => find_element(row, at, *position)?,
            _ => return None,
        };
    }
    Some(&row[at..scan::value(row, at)?])
}

/// The first member of that name; later ones of the same name are not seen.
fn find_member(row: &[u8], object: usize, key: &[u8]) -> Option<usize> {
    let mut at = object + 1;
    loop {
        let member = scan::member(row, at)?;
        if text::spells(&row[member.key + 1..member.key_end - 1], key) {
            return Some(member.value);
        }
        at = scan::next(row, scan::value(row, member.value)?)?;
    }
}

fn find_element(row: &[u8], array: usize, position: usize) -> Option<usize> {
    let mut at = scan::first_element(row, array)?;
    for _ in 0..position {
        let after = scan::next(row, scan::value(row, at)?)?;
        at = scan::space(row, after);
    }
    Some(at)
}
