//! The top-level keys of objects.

use std::borrow::Cow;
use std::collections::HashSet;

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
    objects(rows.iter(), |object, data| {
        let named = |key: &[u8]| keys.iter().any(|wanted| text::spells(key, wanted));
        write_members(members(object).filter(|(key, _)| named(key)), data);
    })
}

/// Leaves out the members whose key is `name`; rows without it are what they were, byte for byte.
pub fn without_key(rows: Rows<'_>, name: &[u8]) -> Kept {
    objects(rows.iter(), |object, data| {
        if members(object).any(|(key, _)| text::spells(key, name)) {
            write_members(members(object).filter(|(key, _)| !text::spells(key, name)), data);
        } else {
            data.extend_from_slice(object);
        }
    })
}

/// Puts the members of each row of `newer` in the place of those of `rows` with the same key, the others beside them.
///
/// A row that one side has no member for is the other side's, byte for byte. The rows are equally many.
pub fn merge_objects(rows: Rows<'_>, newer: Rows<'_>) -> Kept {
    objects(rows.iter().zip(newer.iter()), |(older, newer), data| {
        if members(newer).next().is_none() {
            data.extend_from_slice(older);
        } else if members(older).next().is_none() {
            data.extend_from_slice(newer);
        } else {
            let replaced: HashSet<Cow<'_, [u8]>> = members(newer).map(|(key, _)| spelled(key)).collect();
            let kept = members(older).filter(|(key, _)| !replaced.contains(&spelled(key)));
            write_members(kept.chain(members(newer)), data);
        }
    })
}

/// Returns the texts that `write` makes of each row.
fn objects<R>(rows: impl Iterator<Item = R>, write: impl Fn(R, &mut Vec<u8>)) -> Kept {
    let mut kept = Kept { offsets: vec![0], data: Vec::new() };
    for row in rows {
        write(row, &mut kept.data);
        kept.offsets.push(kept.data.len() as i64);
    }
    kept
}

/// Appends an object of some members.
fn write_members<'a>(members: impl Iterator<Item = (&'a [u8], &'a [u8])>, data: &mut Vec<u8>) {
    data.push(b'{');
    let start = data.len();
    for (key, value) in members {
        if data.len() > start {
            data.push(b',');
        }
        data.push(b'"');
        data.extend_from_slice(key);
        data.extend_from_slice(b"\":");
        data.extend_from_slice(value);
    }
    data.push(b'}');
}

/// What the string between quotes `key` spells; itself where an escape is none of JSON's.
fn spelled(key: &[u8]) -> Cow<'_, [u8]> {
    if !key.contains(&b'\\') {
        return Cow::Borrowed(key);
    }
    let mut resolved = Vec::with_capacity(key.len());
    if text::unescape(key, &mut resolved) { Cow::Owned(resolved) } else { Cow::Borrowed(key) }
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

    #[test]
    fn newer_members_replace_those_of_the_same_key_however_it_is_spelled() {
        let older = br#"{"a":1,"\u0062":[2, 3],"c":1.50}{"a":1}{}{ "a" : 1 }"#;
        let newer = br#"{"b":null,"d":{}}{}{"x":9007199254740993}{"\u0061":2}"#;
        let older = Rows::new(&[0, 32, 39, 41, 52], older).unwrap();
        let newer = Rows::new(&[0, 17, 19, 41, 53], newer).unwrap();
        let merged = merge_objects(older, newer);
        let rows = Rows::new(&merged.offsets, &merged.data).unwrap();
        let expected: [&[u8]; 4] =
            [br#"{"a":1,"c":1.50,"b":null,"d":{}}"#, br#"{"a":1}"#, br#"{"x":9007199254740993}"#, br#"{"\u0061":2}"#];
        assert_eq!(rows.iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_key_is_left_out_at_the_top_level_only() {
        let data = br#"{"v":1,"a":{"v":2}}{"\u0076":3}{ "b": 1 }"#;
        let left = without_key(Rows::new(&[0, 19, 31, 41], data).unwrap(), b"v");
        assert_eq!(left.data, br#"{"a":{"v":2}}{}{ "b": 1 }"#);
        assert_eq!(left.offsets, [0, 13, 15, 25]);
    }
}
