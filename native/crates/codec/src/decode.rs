//! `FieldData` messages to columns.
//!
//! Merging follows protobuf: within a oneof the last arm wins, and occurrences of the same arm merge.

use crate::column::{Column, Elements, Payload, Store};
use crate::kind::{FIRST_VECTOR_ARM, Kind, LAST_SCALAR_ARM, LAST_VECTOR_ARM};
use crate::packed::append;
use crate::reader::{DecodeError, Reader, Span, Value};

const SCALARS: u32 = 3;
const VECTORS: u32 = 4;
const STRUCT_ARRAYS: u32 = 8;

/// The arm that a oneof ends with, and the spans that merge into it.
#[derive(Default)]
struct Arm {
    number: u32,
    spans: Vec<Span>,
}

impl Arm {
    fn set(&mut self, number: u32, span: Span) {
        if self.number != number {
            self.clear();
            self.number = number;
        }
        self.spans.push(span);
    }

    fn clear(&mut self) {
        self.number = 0;
        self.spans.clear();
    }
}

/// Decodes the `FieldData` message at `span` of `body`.
///
/// Values are copied once, from the body into their vectors. Sub columns of struct arrays are not decoded, only found.
pub fn decode(body: &[u8], span: Span) -> Result<Column, DecodeError> {
    let mut column = Column {
        name: String::new(),
        data_type: 0,
        field_id: 0,
        is_dynamic: false,
        valid: None,
        payload: Payload { kind: Kind::None, dim: 0, store: Store::Empty },
    };
    let (mut data, mut valid) = (Arm::default(), Vec::new());
    let mut reader = Reader::new(body, span)?;
    while let Some(field) = reader.field()? {
        match (field.number, field.value) {
            (1, Value::Varint(number)) => column.data_type = number as i32,
            (2, Value::Bytes(name)) => column.name = text(body, name)?,
            (SCALARS | VECTORS | STRUCT_ARRAYS, Value::Bytes(inner)) => data.set(field.number, inner),
            (5, Value::Varint(number)) => column.field_id = number as i64,
            (6, Value::Varint(number)) => column.is_dynamic = number != 0,
            (7, value) => append(body, value, &mut valid)?,
            _ => {}
        }
    }
    column.valid = (!valid.is_empty()).then_some(valid);
    column.payload = payload(body, &data)?;
    Ok(column)
}

fn text(body: &[u8], span: Span) -> Result<String, DecodeError> {
    let name = std::str::from_utf8(span.of(body));
    name.map(str::to_owned).map_err(|_| DecodeError { what: "field name is not UTF-8", at: span.start })
}

fn payload(body: &[u8], data: &Arm) -> Result<Payload, DecodeError> {
    match data.number {
        SCALARS => scalars(body, &data.spans),
        VECTORS => vectors(body, &data.spans),
        STRUCT_ARRAYS => {
            let parts = delimited(body, &data.spans, 1)?;
            Ok(Payload { kind: Kind::Struct, dim: 0, store: Store::Parts(parts) })
        }
        _ => Ok(Payload { kind: Kind::None, dim: 0, store: Store::Empty }),
    }
}

/// Returns every length-delimited field `number` of the messages in `spans`.
fn delimited(body: &[u8], spans: &[Span], number: u32) -> Result<Vec<Span>, DecodeError> {
    let mut found = Vec::new();
    for &span in spans {
        let mut reader = Reader::new(body, span)?;
        while let Some(field) = reader.field()? {
            if let Value::Bytes(inner) = field.value
                && field.number == number
            {
                found.push(inner);
            }
        }
    }
    Ok(found)
}

/// Returns the last varint field `number` of the messages in `spans`, 0 when there is none.
fn last_varint(body: &[u8], spans: &[Span], number: u32) -> Result<u64, DecodeError> {
    let mut last = 0;
    for &span in spans {
        let mut reader = Reader::new(body, span)?;
        while let Some(field) = reader.field()? {
            if let Value::Varint(value) = field.value
                && field.number == number
            {
                last = value;
            }
        }
    }
    Ok(last)
}

fn plain(body: &[u8], kind: Kind, dim: i64, spans: &[Span]) -> Result<Payload, DecodeError> {
    let store = match Elements::for_kind(kind) {
        None => Store::Empty,
        Some(mut elements) => {
            elements.append(body, spans)?;
            Store::Elements(elements)
        }
    };
    Ok(Payload { kind, dim, store })
}

/// Finds which arm of `ScalarField` the merged messages end with.
fn scalar_arm(body: &[u8], messages: &[Span], arm: &mut Arm) -> Result<Kind, DecodeError> {
    arm.clear();
    for &message in messages {
        let mut reader = Reader::new(body, message)?;
        while let Some(field) = reader.field()? {
            if let (1..=LAST_SCALAR_ARM, Value::Bytes(span)) = (field.number, field.value) {
                arm.set(field.number, span);
            }
        }
    }
    Ok(Kind::of_scalar_arm(arm.number))
}

fn scalars(body: &[u8], messages: &[Span]) -> Result<Payload, DecodeError> {
    let mut arm = Arm::default();
    match scalar_arm(body, messages, &mut arm)? {
        Kind::Array => arrays(body, &arm.spans),
        kind => plain(body, kind, 0, &arm.spans),
    }
}

/// Finds dimension and arm of merged `VectorField` messages.
fn vector_arm(body: &[u8], messages: &[Span], arm: &mut Arm) -> Result<(Kind, i64), DecodeError> {
    arm.clear();
    for &message in messages {
        let mut reader = Reader::new(body, message)?;
        while let Some(field) = reader.field()? {
            if let (FIRST_VECTOR_ARM..=LAST_VECTOR_ARM, Value::Bytes(span)) = (field.number, field.value) {
                arm.set(field.number, span);
            }
        }
    }
    Ok((Kind::of_vector_arm(arm.number), last_varint(body, messages, 1)? as i64))
}

fn vectors(body: &[u8], messages: &[Span]) -> Result<Payload, DecodeError> {
    let mut arm = Arm::default();
    let (kind, dim) = vector_arm(body, messages, &mut arm)?;
    match kind {
        Kind::VectorArray => vector_arrays(body, &arm.spans),
        Kind::Sparse => {
            let own = last_varint(body, &arm.spans, 2)? as i64;
            plain(body, kind, if own == 0 { dim } else { own }, &arm.spans)
        }
        _ => plain(body, kind, dim, &arm.spans),
    }
}

/// Gathers the elements of rows that each name their own kind.
struct Gather {
    kind: Kind,
    elements: Option<Elements>,
    dim: i64,
    offsets: Vec<i64>,
    fault: Option<Kind>,
}

impl Gather {
    fn new(rows: usize) -> Self {
        let mut offsets = Vec::with_capacity(rows + 1);
        offsets.push(0);
        Self { kind: Kind::None, elements: None, dim: 0, offsets, fault: None }
    }

    fn len(&self) -> usize {
        self.elements.as_ref().map_or(0, Elements::len)
    }

    fn push(&mut self, body: &[u8], kind: Kind, dim: i64, arm: &Arm) -> Result<(), DecodeError> {
        self.add(body, kind, dim, arm)?;
        self.offsets.push(self.len() as i64);
        Ok(())
    }

    fn add(&mut self, body: &[u8], kind: Kind, dim: i64, arm: &Arm) -> Result<(), DecodeError> {
        if kind != self.kind && kind != Kind::None {
            if self.len() > 0 {
                return self.add_stranger(body, kind, &arm.spans);
            }
            (self.kind, self.elements) = (kind, Elements::for_kind(kind));
        }
        let before = self.len();
        match &mut self.elements {
            Some(elements) => elements.append(body, &arm.spans)?,
            None => self.flag_alien(&arm.spans),
        }
        if self.len() > before {
            self.agree_on(dim);
        }
        Ok(())
    }

    /// A row of another kind is harmless while it is empty.
    fn add_stranger(&mut self, body: &[u8], kind: Kind, spans: &[Span]) -> Result<(), DecodeError> {
        let Some(mut elements) = Elements::for_kind(kind) else {
            self.flag_alien(spans);
            return Ok(());
        };
        elements.append(body, spans)?;
        if !elements.is_empty() {
            self.fault = self.fault.or(Some(Kind::Mixed));
        }
        Ok(())
    }

    fn flag_alien(&mut self, spans: &[Span]) {
        if spans.iter().any(|span| span.start < span.end) {
            self.fault = Some(Kind::Unsupported);
        }
    }

    fn agree_on(&mut self, dim: i64) {
        if self.dim == 0 {
            self.dim = dim;
        } else if dim != 0 && dim != self.dim {
            self.fault = self.fault.or(Some(Kind::Mixed));
        }
    }

    fn finish(self, kind: Kind, dim: i64, element_type: i32) -> Payload {
        let store = match self.elements {
            Some(elements) if self.fault.is_none() => Store::Elements(elements),
            _ => Store::Empty,
        };
        let child = Payload { kind: self.fault.unwrap_or(self.kind), dim: self.dim, store };
        Payload { kind, dim, store: Store::Lists { offsets: self.offsets, element_type, child: Box::new(child) } }
    }
}

/// `ArrayArray`: field 1 the rows, 2 the element type.
fn arrays(body: &[u8], spans: &[Span]) -> Result<Payload, DecodeError> {
    let rows = delimited(body, spans, 1)?;
    let (mut gather, mut arm) = (Gather::new(rows.len()), Arm::default());
    for row in rows {
        let kind = scalar_arm(body, &[row], &mut arm)?;
        gather.push(body, kind, 0, &arm)?;
    }
    Ok(gather.finish(Kind::Array, 0, last_varint(body, spans, 2)? as i32))
}

/// `VectorArray`: field 1 the dimension, 2 the rows, 3 the element type.
fn vector_arrays(body: &[u8], spans: &[Span]) -> Result<Payload, DecodeError> {
    let rows = delimited(body, spans, 2)?;
    let (mut gather, mut arm) = (Gather::new(rows.len()), Arm::default());
    for row in rows {
        let (kind, dim) = vector_arm(body, &[row], &mut arm)?;
        gather.push(body, kind, dim, &arm)?;
    }
    let dim = last_varint(body, spans, 1)? as i64;
    Ok(gather.finish(Kind::VectorArray, dim, last_varint(body, spans, 3)? as i32))
}
