//! Bytes from strangers: every cut and a stream of mutations end in a column or an error, and round trips hold.

use elanus_codec::{
    Column, Elements, Header, Kind, Payload, Slices, Source, Span, Store, decode, encode, placeholder, split, wrap,
};

fn source(kind: Kind, values: Slices<'_>) -> Source<'_> {
    Source { kind, dim: 0, values, lists: &[], child_kind: Kind::None, element_type: 0, parts: Vec::new() }
}

fn lists<'a>(kind: Kind, lists: &'a [i64], child_kind: Kind, values: Slices<'a>) -> Source<'a> {
    Source { lists, child_kind, element_type: 5, dim: 2, ..source(kind, values) }
}

/// A message of every shape.
fn messages() -> Vec<Vec<u8>> {
    let header = Header { name: "field", data_type: 21, field_id: 100, is_dynamic: true, valid: &[1, 0, 1] };
    let long = Slices::Long(&[1, -1, i64::MAX, i64::MIN]);
    let text = Slices::Text(&[0, 1, 1, 4], "aé!".as_bytes());
    let sources = [
        source(Kind::None, Slices::Empty),
        source(Kind::Bool, Slices::Bool(&[0, 1, 7])),
        source(Kind::Int, Slices::Int(&[0, -1, i32::MAX])),
        source(Kind::Long, long),
        source(Kind::Float, Slices::Float(&[0.5, -0.0])),
        source(Kind::Double, Slices::Double(&[0.5, f64::MAX])),
        source(Kind::String, text),
        source(Kind::Sparse, text),
        source(Kind::FloatVector, Slices::Float(&[1.0, 2.0])),
        source(Kind::Int8Vector, Slices::Byte(&[1, 255])),
        lists(Kind::Array, &[0, 2, 2, 4], Kind::Long, long),
        lists(Kind::Array, &[0, 1, 3], Kind::String, text),
        lists(Kind::VectorArray, &[0, 2, 4], Kind::FloatVector, Slices::Float(&[1.0, 2.0, 3.0, 4.0])),
    ];
    sources.iter().map(|source| encode(&header, source).unwrap()).collect()
}

fn whole(body: &[u8]) -> Span {
    Span { start: 0, end: body.len() }
}

/// A few thousand messages of which some bytes were changed.
fn mutations(corpus: &[Vec<u8>]) -> impl Iterator<Item = Vec<u8>> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    (0..if cfg!(miri) { 300 } else { 20_000 }).map(move |_| {
        let mut body = corpus[next(corpus.len())].clone();
        for _ in 0..=next(3) {
            let place = next(body.len());
            body[place] = next(256) as u8;
        }
        body
    })
}

/// Groups of one placeholder: two vectors; one, of elements; none; and one with a group inside.
fn placeholder_groups() -> Vec<Vec<u8>> {
    let placeholders: [&[u8]; 4] = [
        b"\x0a\x02$0\x10\x65\x1a\x08abcdefgh\x1a\x08ijklmnop",
        b"\x10\x64\x1a\x01a\x20\x01",
        b"",
        b"\x2b\x1a\x01x\x2c\x1a\x02ab",
    ];
    placeholders.iter().map(|one| wrap(1, &[one])).collect()
}

#[test]
fn vectors_of_placeholders_lie_in_their_span_whatever_the_bytes() {
    const MOST: usize = 3;
    let groups = placeholder_groups();
    assert!(groups.iter().all(|body| placeholder(body, whole(body), MOST).unwrap().is_some()));
    let check = |body: &[u8], span: Span| {
        if let Ok(Some(found)) = placeholder(body, span, MOST) {
            assert!(found.values.len() <= MOST);
            assert!(found.values.is_sorted_by_key(|value| value.start));
            for value in found.values {
                assert!(span.start < value.start && value.start <= value.end && value.end <= span.end);
            }
        }
    };
    for body in &groups {
        for place in 0..=body.len() {
            check(body, Span { start: 0, end: place });
            check(body, Span { start: place, end: body.len() });
            check(&body[..place], whole(&body[..place]));
        }
        for span in [Span { start: 1, end: 0 }, Span { start: 0, end: usize::MAX }] {
            assert!(placeholder(body, span, MOST).is_err());
        }
    }
    mutations(&groups).for_each(|body| check(&body, whole(&body)));
}

#[test]
fn every_cut_is_survived() {
    for body in messages() {
        for end in 0..body.len() {
            let _ = decode(&body, Span { start: 0, end });
            let _ = decode(&body, Span { start: end, end: body.len() });
            let _ = split(&body[..end], 3);
        }
    }
}

#[test]
fn mutations_are_survived_without_inventing_values() {
    for body in mutations(&messages()) {
        if let Ok(column) = decode(&body, whole(&body)) {
            assert!(values_in(&column.payload) <= body.len());
        }
    }
}

fn values_in(payload: &Payload) -> usize {
    match &payload.store {
        Store::Empty => 0,
        Store::Elements(elements) => elements.len(),
        Store::Lists { offsets, child, .. } => offsets.len() - 1 + values_in(child),
        Store::Parts(parts) => parts.len(),
    }
}

#[test]
fn columns_come_back_as_they_were_written() {
    let decoded: Vec<Column> = messages().iter().map(|body| decode(body, whole(body)).unwrap()).collect();
    for column in &decoded {
        assert_eq!((column.name.as_str(), column.data_type, column.field_id), ("field", 21, 100));
        assert_eq!(column.valid.as_deref(), Some(&[true, false, true][..]));
    }
    let elements = |place: usize| decoded[place].payload.store.clone();
    assert_eq!(elements(1), Store::Elements(Elements::Bool(vec![false, true, true])));
    assert_eq!(elements(2), Store::Elements(Elements::Int(vec![0, -1, i32::MAX])));
    assert_eq!(elements(3), Store::Elements(Elements::Long(vec![1, -1, i64::MAX, i64::MIN])));
    assert_eq!(elements(9), Store::Elements(Elements::Byte(vec![1, 255])));
}

#[test]
fn splitting_and_wrapping_are_inverse() {
    let payloads = messages();
    let slices: Vec<&[u8]> = payloads.iter().map(Vec::as_slice).collect();
    let body = [b"\x08\x01".to_vec(), wrap(5, &slices), b"\x38\x07".to_vec()].concat();
    let (rest, parts) = split(&body, 5).unwrap();
    assert_eq!(rest, b"\x08\x01\x38\x07");
    assert!(parts.iter().map(|span| span.of(&body)).eq(slices));
}

#[test]
fn kinds_are_found_by_their_names() {
    assert!(Kind::ALL.iter().all(|&kind| Kind::named(kind.name()) == Some(kind)));
    assert_eq!(Kind::named("no such kind"), None);
}
