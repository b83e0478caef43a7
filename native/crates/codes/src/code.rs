//! How a row's code is laid out.

/// Dimensions a coded vector may have: every integer dot product fits 31 bits.
pub(crate) const MAX_DIM: usize = 32_768;

/// Rows start at multiples of this, so that a row lies in as few cache lines as it can and kernels read no part of one.
pub(crate) const ROW_ALIGN: usize = 32;

/// Elements of an [`Code::Sq4`] group: 64 bytes, of which the low nibbles come first.
pub(crate) const NIBBLE_GROUP: usize = 128;

/// How vectors are stored for distances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// A byte an element: `scale * (byte - 128)`.
    Sq8,
    /// Half a byte an element: `offset + scale * nibble`.
    ///
    /// In a group of 128 elements (64 where fewer than 65 are left) the low nibbles hold the first half.
    Sq4,
    /// IEEE halves under a power of two.
    F16,
    /// Upper halves of floats under a power of two.
    Bf16,
}

impl Code {
    /// Every code.
    pub const ALL: [Code; 4] = [Code::Sq8, Code::Sq4, Code::F16, Code::Bf16];

    /// Bytes of a row of `dim` elements.
    pub fn row_bytes(self, dim: usize) -> usize {
        let bytes = match self {
            Code::Sq8 => dim,
            Code::Sq4 => dim.div_ceil(2),
            Code::F16 | Code::Bf16 => dim * 2,
        };
        bytes.next_multiple_of(ROW_ALIGN)
    }

    /// Floats of a row's tail: scale, aux and, of [`Code::Sq4`], the offset and the sum of the elements.
    pub fn tail_len(self) -> usize {
        match self {
            Code::Sq4 => 4,
            _ => 2,
        }
    }

    /// Bytes of a query: a signed byte an element for integer codes, else a float; and a register to spare.
    pub(crate) fn query_bytes(self, dim: usize) -> usize {
        let bytes = match self {
            Code::Sq8 => self.row_bytes(dim),
            Code::Sq4 | Code::F16 | Code::Bf16 => self.row_bytes(dim) * 2,
        };
        bytes + 64
    }
}
