//! Columns to `FieldData` messages, and the few other bulky messages of results.

use std::ops::Range;

use crate::kind::Kind;
use crate::slices::{EncodeError, Slices, check_offsets};
use crate::writer::{field_len, number_len, put_bytes, put_head, put_number};

const SCALARS: u32 = 3;
const VECTORS: u32 = 4;
const STRUCT_ARRAYS: u32 = 8;

/// All of a `FieldData` but its payload.
#[derive(Clone, Copy, Debug, Default)]
pub struct Header<'a> {
    /// Field name.
    pub name: &'a str,
    /// `DataType` number.
    pub data_type: i32,
    /// Field id, 0 to leave it out.
    pub field_id: i64,
    /// Whether it carries the dynamic field.
    pub is_dynamic: bool,
    /// Which rows are not null, one byte a row, 0 for null; empty to leave it out.
    pub valid: &'a [u8],
}

/// A payload: what [`crate::Payload`] is, borrowed.
#[derive(Clone, Debug)]
pub struct Source<'a> {
    /// Which arm to write.
    pub kind: Kind,
    /// Dimension of vectors.
    pub dim: i64,
    /// The values, or for lists all their elements one after the other.
    pub values: Slices<'a>,
    /// For lists: row `i` is `values[lists[i]..lists[i + 1]]`.
    pub lists: &'a [i64],
    /// For lists: kind of the elements.
    pub child_kind: Kind,
    /// For lists: `DataType` of the elements, 0 to leave it out.
    pub element_type: i32,
    /// For struct arrays: one serialized `FieldData` a sub column.
    pub parts: Vec<&'a [u8]>,
}

impl Source<'_> {
    fn check(&self) -> Result<(), EncodeError> {
        let kind = match self.kind {
            Kind::Mixed | Kind::Unsupported => return Err(EncodeError("the kind has no encoding")),
            Kind::Array | Kind::VectorArray => {
                check_offsets(self.lists, self.values.len())?;
                self.check_child()?;
                self.child_kind
            }
            kind => kind,
        };
        if self.values.shape() != kind.shape() {
            return Err(EncodeError("the values are not what the kind calls for"));
        }
        self.values.check()
    }

    fn check_child(&self) -> Result<(), EncodeError> {
        let fits = match (self.kind, self.child_kind) {
            (_, Kind::Array | Kind::VectorArray | Kind::Sparse) => false,
            // Rows without an element have no kind.
            (_, Kind::None) => true,
            (Kind::Array, child) => child.scalar_arm().is_some(),
            (_, child) => child.vector_arm().is_some(),
        };
        if fits { Ok(()) } else { Err(EncodeError("lists cannot hold elements of that kind")) }
    }

    /// Number of `FieldData`'s arm.
    fn family(&self) -> Option<u32> {
        if self.kind == Kind::Struct {
            return Some(STRUCT_ARRAYS);
        }
        self.kind.scalar_arm().map(|_| SCALARS).or(self.kind.vector_arm().map(|_| VECTORS))
    }

    fn arm(&self) -> u32 {
        self.kind.scalar_arm().or(self.kind.vector_arm()).unwrap_or_default()
    }

    fn child_arm(&self) -> Option<u32> {
        self.child_kind.scalar_arm().or(self.child_kind.vector_arm())
    }

    /// Dimension of `VectorField`; scalars have none.
    fn outer_dim(&self) -> u64 {
        if self.kind.vector_arm().is_some() { self.dim as u64 } else { 0 }
    }

    fn rows(&self) -> impl Iterator<Item = Range<usize>> {
        self.lists.windows(2).map(|pair| pair[0] as usize..pair[1] as usize)
    }

    /// Length of one row of a list: a `ScalarField` or a `VectorField`.
    fn row_len(&self, row: Range<usize>) -> usize {
        let arm = self.child_arm().map_or(0, |arm| field_len(arm, self.values.arm_len(row)));
        number_len(1, self.outer_dim()) + arm
    }

    fn put_row(&self, row: Range<usize>, out: &mut Vec<u8>) {
        put_number(out, 1, self.outer_dim());
        if let Some(arm) = self.child_arm() {
            put_head(out, arm, self.values.arm_len(row.clone()));
            self.values.put_arm(row, out);
        }
    }

    /// Length of the arm's own message.
    fn arm_len(&self) -> usize {
        let rows = || self.rows().map(|row| field_len(1, self.row_len(row))).sum::<usize>();
        match self.kind {
            Kind::Array => rows() + number_len(2, i64::from(self.element_type) as u64),
            Kind::VectorArray => {
                number_len(1, self.dim as u64) + rows() + number_len(3, i64::from(self.element_type) as u64)
            }
            Kind::Sparse => self.values.arm_len(0..self.values.len()) + number_len(2, self.dim as u64),
            _ => self.values.arm_len(0..self.values.len()),
        }
    }

    fn put_arm(&self, out: &mut Vec<u8>) {
        let put_rows = |number, out: &mut Vec<u8>| {
            for row in self.rows() {
                put_head(out, number, self.row_len(row.clone()));
                self.put_row(row, out);
            }
        };
        match self.kind {
            Kind::Array => {
                put_rows(1, out);
                put_number(out, 2, i64::from(self.element_type) as u64);
            }
            Kind::VectorArray => {
                put_number(out, 1, self.dim as u64);
                put_rows(2, out);
                put_number(out, 3, i64::from(self.element_type) as u64);
            }
            Kind::Sparse => {
                self.values.put_arm(0..self.values.len(), out);
                put_number(out, 2, self.dim as u64);
            }
            _ => self.values.put_arm(0..self.values.len(), out),
        }
    }

    fn put(&self, out: &mut Vec<u8>) {
        let length = self.arm_len();
        let outer = number_len(1, self.outer_dim()) + field_len(self.arm(), length);
        out.reserve(outer + 16);
        put_head(out, self.family().unwrap_or_default(), outer);
        put_number(out, 1, self.outer_dim());
        put_head(out, self.arm(), length);
        self.put_arm(out);
    }

    fn put_struct(&self, out: &mut Vec<u8>) {
        put_head(out, STRUCT_ARRAYS, self.parts.iter().map(|part| field_len(1, part.len())).sum());
        for part in &self.parts {
            put_bytes(out, 1, part);
        }
    }
}

/// Returns a serialized `FieldData`, fields in the order of their numbers and defaults left out.
pub fn encode(header: &Header<'_>, source: &Source<'_>) -> Result<Vec<u8>, EncodeError> {
    source.check()?;
    let mut out = Vec::with_capacity(header.name.len() + header.valid.len() + 64);
    put_number(&mut out, 1, i64::from(header.data_type) as u64);
    if !header.name.is_empty() {
        put_bytes(&mut out, 2, header.name.as_bytes());
    }
    if matches!(source.family(), Some(SCALARS | VECTORS)) {
        source.put(&mut out);
    }
    put_number(&mut out, 5, header.field_id as u64);
    put_number(&mut out, 6, u64::from(header.is_dynamic));
    put_field(&mut out, 7, &Slices::Bool(header.valid));
    if source.kind == Kind::Struct {
        source.put_struct(&mut out);
    }
    Ok(out)
}

/// Writes a packed field, or nothing when there are no values.
pub(crate) fn put_field(out: &mut Vec<u8>, number: u32, values: &Slices<'_>) {
    let all = 0..values.len();
    if !all.is_empty() {
        let length = values.packed_len(all.clone());
        out.reserve(length + 20);
        put_head(out, number, length);
        values.put_packed(all, out);
    }
}

/// Returns each payload as a length-delimited field `number`, one after the other.
pub fn wrap(number: u32, payloads: &[&[u8]]) -> Vec<u8> {
    let total = payloads.iter().map(|payload| field_len(number, payload.len())).sum();
    let mut out = Vec::with_capacity(total);
    for payload in payloads {
        put_bytes(&mut out, number, payload);
    }
    out
}

/// Returns a serialized `IDs`: `int_id` for `Long`, `str_id` for `Text`.
pub fn encode_ids(ids: &Slices<'_>) -> Result<Vec<u8>, EncodeError> {
    let (number, length) = ids_arm(ids)?;
    let mut out = Vec::with_capacity(field_len(number, length));
    put_head(&mut out, number, length);
    ids.put_arm(0..ids.len(), &mut out);
    Ok(out)
}

/// Returns the number and the length of the arm of an `IDs`.
pub(crate) fn ids_arm(ids: &Slices<'_>) -> Result<(u32, usize), EncodeError> {
    let number = match ids {
        Slices::Long(_) => 1,
        Slices::Text(..) => 2,
        _ => return Err(EncodeError("ids are 64-bit integers or strings")),
    };
    ids.check()?;
    Ok((number, ids.arm_len(0..ids.len())))
}

/// Returns a packed `repeated float` field with its tag; nothing when there are no values.
pub fn encode_floats(number: u32, values: &[f32]) -> Vec<u8> {
    let mut out = Vec::new();
    put_field(&mut out, number, &Slices::Float(values));
    out
}

/// Returns a packed `repeated int64` field with its tag; nothing when there are no values.
pub fn encode_longs(number: u32, values: &[i64]) -> Vec<u8> {
    let mut out = Vec::new();
    put_field(&mut out, number, &Slices::Long(values));
    out
}
