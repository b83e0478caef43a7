//! The top-level keys of objects.

use crate::rows::Rows;
use crate::{scan, text};

/// Objects cut down to some of their members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Where each object ends in `data`, after a leading zero.
    pub offsets: Vec<i64>,
    /// The objects' texts.
    pub data: Vec<u8>,
}

/// Returns the first row with a top-level key among `names`, and that name's position.
pub fn find_key(rows: Rows<'_>, names: &[&[u8]]) -> Option<(usize, usize)> {
    rows.iter().enumerate().find_map(|(row, object)| {
        members(object).find_map(|(key, _)| Some((row, names.iter().position(|name| text::spells(key, name))?)))
    })
}

/// Keeps the members whose key is among `keys`, in each row's own order; `{}` for a row without any.
pub fn project_keys(rows: Rows<'_>, keys: &[&[u8]]) -> Kept {
    let mut offsets = Vec::with_capacity(rows.len() + 1);
    offsets.push(0);
    let mut data = Vec::new();
    for object in rows.iter() {
        data.push(b'{');
        let start = data.len();
        for (key, value) in members(object).filter(|(key, _)| keys.iter().any(|wanted| text::spells(key, wanted))) {
            if data.len() > start {
                data.push(b',');
            }
            data.push(b'"');
            data.extend_from_slice(key);
            data.extend_from_slice(b"\":");
            data.extend_from_slice(value);
        }
        data.push(b'}');
        offsets.push(data.len() as i64);
    }
    Kept { offsets, data }
}

/// Each member of the object `row`: the key between its quotes and the value's text; nothing for other values.
fn members(row: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let start = scan::space(row, 0);
    let mut next = (row.get(start) == Some(&b'{')).then_some(start + 1);
    std::iter::from_fn(move || {
        let member = scan::member(row, next?)?;
        let end = scan::value(row, member.value)?;
        next = scan::next(row, end);
        Some((&row[member.key + 1..member.key_end - 1], &row[member.value..end]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requested_members_are_kept_in_order() {
        let data = br#"{"a":1,"b":[1,2],"c":"x"}{"b": null }{}"#;
        let rows = Rows::new(&[0, 25, 37, 39], data).unwrap();
        let kept = project_keys(rows, &[b"c", b"b"]);
        assert_eq!(kept.data, br#"{"b":[1,2],"c":"x"}{"b":null}{}"#);
        assert_eq!(kept.offsets, [0, 19, 29, 31]);
    }

    #[test]
    fn a_forbidden_key_is_found_at_the_top_level_only() {
        let data = br#"{"a":{"id":1}}{"b":1,"\u0069d":2}"#;
        let rows = Rows::new(&[0, 14, 33], data).unwrap();
        assert_eq!(find_key(rows, &[b"$meta", b"id"]), Some((1, 1)));
        assert_eq!(find_key(rows, &[b"z"]), None);
    }
}
