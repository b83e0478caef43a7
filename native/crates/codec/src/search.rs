//! Both ends of a search: the vectors that are asked for, and the hits as they are sent.

use crate::encode::{ids_arm, put_field};
use crate::reader::{DecodeError, Reader, Span, Value};
use crate::slices::{EncodeError, Slices};
use crate::writer::{field_len, put_head, put_number};

/// The one placeholder of a `PlaceholderGroup`.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Placeholder {
    /// `PlaceholderType` as sent.
    pub kind: u64,
    /// Whether vectors are compared with the elements of rows.
    pub element_level: bool,
    /// Where each vector lies in the body.
    pub values: Vec<Span>,
}

/// Reads the `PlaceholderGroup` at `span` of a body; None when it holds no placeholder or several, or more vectors than
/// `most`: what is kept of them is not for the sender to choose.
pub fn placeholder(body: &[u8], span: Span, most: usize) -> Result<Option<Placeholder>, DecodeError> {
    let (mut group, mut only) = (Reader::new(body, span)?, None);
    while let Some(field) = group.field()? {
        match (field.number, field.value) {
            (1, Value::Bytes(span)) if only.is_none() => only = Some(span),
            (1, _) => return Ok(None),
            _ => {}
        }
    }
    only.map_or(Ok(None), |span| one(body, span, most))
}

fn one(body: &[u8], span: Span, most: usize) -> Result<Option<Placeholder>, DecodeError> {
    let (mut reader, mut found) = (Reader::new(body, span)?, Placeholder::default());
    while let Some(field) = reader.field()? {
        match (field.number, field.value) {
            (2, Value::Varint(kind)) => found.kind = kind,
            (3, Value::Bytes(_)) if found.values.len() == most => return Ok(None),
            (3, Value::Bytes(value)) => found.values.push(value),
            (4, Value::Varint(flag)) => found.element_level = flag != 0,
            _ => {}
        }
    }
    Ok(Some(found))
}

const NUM_QUERIES: u32 = 1;
const SCORES: u32 = 4;
const IDS: u32 = 5;
const TOP_KS: u32 = 6;

/// Returns the fields of a `SearchResultData` that say what was found: `num_queries`, scores, ids and topks.
///
/// `counts` are the hits of each query; keys and scores of all of them stand one after the other.
pub fn encode_hits(counts: &[i64], keys: &Slices<'_>, scores: &[f32]) -> Result<Vec<u8>, EncodeError> {
    let (arm, length) = ids_arm(keys)?;
    let mut out = Vec::with_capacity(64 + scores.len() * 4 + length + counts.len() * 4);
    put_number(&mut out, NUM_QUERIES, counts.len() as u64);
    put_field(&mut out, SCORES, &Slices::Float(scores));
    put_head(&mut out, IDS, field_len(arm, length));
    put_head(&mut out, arm, length);
    keys.put_arm(0..keys.len(), &mut out);
    put_field(&mut out, TOP_KS, &Slices::Long(counts));
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::{encode_floats, encode_ids, encode_longs, wrap};
    use crate::writer::put_bytes;

    fn group(values: &[&[u8]], kind: u64) -> Vec<u8> {
        let mut inner = Vec::new();
        put_bytes(&mut inner, 1, b"$0");
        put_number(&mut inner, 2, kind);
        for value in values {
            put_bytes(&mut inner, 3, value);
        }
        wrap(1, &[&inner])
    }

    fn read(body: &[u8]) -> Result<Option<Placeholder>, DecodeError> {
        placeholder(body, Span { start: 0, end: body.len() }, 2)
    }

    #[test]
    fn the_vectors_of_a_placeholder_are_found() {
        let body = group(&[b"abcd", b"efgh"], 101);
        let found = read(&body).unwrap().unwrap();
        assert_eq!((found.kind, found.element_level), (101, false));
        let values: Vec<_> = found.values.iter().map(|value| value.of(&body)).collect();
        assert_eq!(values, [b"abcd", b"efgh"]);
    }

    #[test]
    fn none_and_several_placeholders_are_told_apart_from_one() {
        assert_eq!(read(b"").unwrap(), None);
        let twice = [group(&[b"a"], 1), group(&[b"b"], 1)].concat();
        assert_eq!(read(&twice).unwrap(), None);
    }

    #[test]
    fn no_more_vectors_are_taken_than_were_announced() {
        let body = group(&[b"a", b"b", b"c"], 1);
        let all = Span { start: 0, end: body.len() };
        assert_eq!(placeholder(&body, all, 2).unwrap(), None);
        assert_eq!(placeholder(&body, all, 3).unwrap().unwrap().values.len(), 3);
    }

    #[test]
    fn no_prefix_of_a_group_is_trusted() {
        let body = group(&[b"abcd", b"efgh"], 101);
        for end in 1..body.len() {
            assert!(read(&body[..end]).is_err(), "{end} bytes");
        }
    }

    #[test]
    fn hits_are_written_as_the_fields_of_a_result() {
        let written = encode_hits(&[2, 0], &Slices::Long(&[7, 9]), &[1.0, 0.5]).unwrap();
        let mut reader = Reader::new(&written, Span { start: 0, end: written.len() }).unwrap();
        let mut numbers = Vec::new();
        while let Some(field) = reader.field().unwrap() {
            numbers.push(field.number);
        }
        assert_eq!(numbers, [NUM_QUERIES, SCORES, IDS, TOP_KS]);
        let ids = encode_ids(&Slices::Long(&[7, 9])).unwrap();
        let mut expected = vec![NUM_QUERIES as u8 * 8, 2];
        expected.extend_from_slice(&encode_floats(SCORES, &[1.0, 0.5]));
        expected.extend_from_slice(&wrap(IDS, &[&ids]));
        expected.extend_from_slice(&encode_longs(TOP_KS, &[2, 0]));
        assert_eq!(written, expected);
        assert!(encode_hits(&[1], &Slices::Text(&[0, 9], b"ab"), &[1.0]).is_err());
    }
}
