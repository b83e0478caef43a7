//! A vector column as raw bytes, and what may be asked of it.

use crate::simd;

/// How an element of a vector is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    /// IEEE single, little-endian.
    F32,
    /// IEEE half, little-endian.
    F16,
    /// The upper half of an IEEE single, little-endian.
    Bf16,
    /// Signed byte.
    I8,
    /// One bit; eight to a byte.
    Bit,
}

impl Element {
    /// Bytes of a vector of `dim` elements.
    pub fn row_bytes(self, dim: usize) -> usize {
        match self {
            Element::F32 => dim * 4,
            Element::F16 | Element::Bf16 => dim * 2,
            Element::I8 => dim,
            Element::Bit => dim.div_ceil(8),
        }
    }

    /// Whether distances under `metric` are defined.
    pub fn supports(self, metric: Metric) -> bool {
        let on_bits = matches!(metric, Metric::Hamming | Metric::Jaccard);
        (self == Element::Bit) == on_bits
    }
}

/// How near two vectors are; the distance is smaller for the nearer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// Squared Euclidean distance.
    L2,
    /// Negative dot product.
    Ip,
    /// Negative cosine; zero where either vector is zero.
    Cosine,
    /// Number of differing bits.
    Hamming,
    /// One minus common bits over bits of either; zero where both are empty.
    Jaccard,
}

/// Dimensions a signed-byte vector may have: the greatest squared distance still fits 31 bits.
pub const MAX_I8_DIM: usize = 32_768;

/// Dimensions a vector may have: whatever the element, the bytes of a few vectors can be counted.
const MAX_DIM: usize = isize::MAX as usize / 64;

/// Rows a column may have: a row number shares a 64-bit key with its distance.
pub const MAX_ROWS: usize = u32::MAX as usize;

/// Rows of equal width, one after another, at any address.
#[derive(Clone, Copy)]
pub struct Column<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) rows: usize,
    pub(crate) dim: usize,
    pub(crate) element: Element,
}

impl<'a> Column<'a> {
    /// A column over the first `rows` rows of `bytes`; more bytes may follow.
    pub fn new(bytes: &'a [u8], rows: usize, dim: usize, element: Element) -> Result<Self, String> {
        if dim == 0
            || dim > MAX_DIM
            || (element == Element::I8 && dim > MAX_I8_DIM)
            || (element == Element::Bit && !dim.is_multiple_of(8))
        {
            return Err(format!("{element:?} vectors can't have {dim} dimensions"));
        }
        if rows > MAX_ROWS {
            return Err(format!("a column has at most {MAX_ROWS} rows, not {rows}"));
        }
        let whole = element.row_bytes(dim).checked_mul(rows).and_then(|needed| bytes.get(..needed));
        let bytes =
            whole.ok_or_else(|| format!("{} bytes don't hold {rows} rows of {dim} {element:?}", bytes.len()))?;
        Ok(Column { bytes, rows, dim, element })
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Elements of a vector.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// How an element is stored.
    pub fn element(&self) -> Element {
        self.element
    }

    /// The bytes of a row.
    pub fn row(&self, row: usize) -> &'a [u8] {
        &self.bytes[row * self.row_bytes()..(row + 1) * self.row_bytes()]
    }

    /// A row's elements as floats; bits have none.
    pub fn floats(&self, row: usize) -> Vec<f32> {
        let mut floats = Vec::with_capacity(self.dim);
        self.push_floats(row, &mut floats);
        floats
    }

    /// Appends a row's elements as floats; bits have none.
    pub fn push_floats(&self, row: usize, floats: &mut Vec<f32>) {
        let bytes = self.row(row);
        let halves = bytes.as_chunks::<2>().0.iter().map(|half| u16::from_le_bytes(*half));
        match self.element {
            Element::F32 => floats.extend(bytes.as_chunks::<4>().0.iter().map(|four| f32::from_le_bytes(*four))),
            Element::F16 => floats.extend(halves.map(simd::f16_to_f32)),
            Element::Bf16 => floats.extend(halves.map(simd::bf16_to_f32)),
            Element::I8 => floats.extend(bytes.iter().map(|&byte| f32::from(byte.cast_signed()))),
            Element::Bit => {}
        }
    }

    pub(crate) fn row_bytes(&self) -> usize {
        self.element.row_bytes(self.dim)
    }
}
