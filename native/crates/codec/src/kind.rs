//! The kinds of columns, and the numbers of the `oneof` arms that carry them.

/// Declares the kinds with their names, so that names and parsing cannot drift apart.
macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $name:literal),* $(,)?) => {
        /// What a column's payload is: the arm of `ScalarField` or `VectorField` that was set.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Kind {
            $($(#[$doc])* $variant),*
        }

        impl Kind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Returns the kind's name as Python sees it.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// Returns the kind of that name.
            pub fn named(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

kinds! {
    /// No payload was set.
    None = "none",
    /// Array rows whose elements are of different kinds.
    Mixed = "mixed",
    /// An arm that no supported type uses.
    Unsupported = "unsupported",
    /// Booleans.
    Bool = "bool",
    /// 32-bit integers: Int8, Int16 and Int32.
    Int = "int",
    /// 64-bit integers.
    Long = "long",
    /// Single precision.
    Float = "float",
    /// Double precision.
    Double = "double",
    /// UTF-8 text.
    String = "string",
    /// Opaque bytes.
    Bytes = "bytes",
    /// One JSON document a row.
    Json = "json",
    /// Lists of scalars.
    Array = "array",
    /// Well-known binary.
    Geometry = "geometry",
    /// Well-known text.
    GeometryWkt = "geometry_wkt",
    /// Microseconds since 1970, UTC.
    Timestamptz = "timestamptz",
    /// Dense single precision vectors, flat.
    FloatVector = "float_vector",
    /// Bit vectors, dim / 8 bytes a row.
    BinaryVector = "binary_vector",
    /// Half precision, 2 bytes a value.
    Float16Vector = "float16_vector",
    /// bfloat16, 2 bytes a value.
    Bfloat16Vector = "bfloat16_vector",
    /// Signed bytes.
    Int8Vector = "int8_vector",
    /// Sparse rows: (uint32 index, float32 value) pairs.
    Sparse = "sparse",
    /// An array of structs: sub columns.
    Struct = "struct",
    /// Lists of dense vectors.
    VectorArray = "vector_array",
}

/// Arms of `ScalarField`, the kind of arm `i` at `i - 1`.
const SCALAR_ARMS: [Kind; 12] = [
    Kind::Bool,
    Kind::Int,
    Kind::Long,
    Kind::Float,
    Kind::Double,
    Kind::String,
    Kind::Bytes,
    Kind::Array,
    Kind::Json,
    Kind::Geometry,
    Kind::Timestamptz,
    Kind::GeometryWkt,
];
/// `ScalarField`'s arms end here: 13 to 16 carry types that are not supported.
pub(crate) const LAST_SCALAR_ARM: u32 = 16;

/// Arms of `VectorField`, from number 2 on (1 is the dimension).
const VECTOR_ARMS: [Kind; 7] = [
    Kind::FloatVector,
    Kind::BinaryVector,
    Kind::Float16Vector,
    Kind::Bfloat16Vector,
    Kind::Sparse,
    Kind::Int8Vector,
    Kind::VectorArray,
];
pub(crate) const FIRST_VECTOR_ARM: u32 = 2;
pub(crate) const LAST_VECTOR_ARM: u32 = 8;

/// How a kind's values lie in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// No values of its own.
    Empty,
    /// One byte a boolean.
    Bool,
    /// `i32`.
    Int,
    /// `i64`.
    Long,
    /// `f32`.
    Float,
    /// `f64`.
    Double,
    /// Raw bytes of fixed width rows.
    Byte,
    /// Offsets and bytes.
    Text,
}

impl Kind {
    /// Returns how values of the kind are stored.
    pub fn shape(self) -> Shape {
        match self {
            Self::Bool => Shape::Bool,
            Self::Int => Shape::Int,
            Self::Long | Self::Timestamptz => Shape::Long,
            Self::Float | Self::FloatVector => Shape::Float,
            Self::Double => Shape::Double,
            Self::String | Self::Bytes | Self::Json | Self::Geometry | Self::GeometryWkt | Self::Sparse => Shape::Text,
            Self::BinaryVector | Self::Float16Vector | Self::Bfloat16Vector | Self::Int8Vector => Shape::Byte,
            Self::None | Self::Mixed | Self::Unsupported | Self::Array | Self::Struct | Self::VectorArray => {
                Shape::Empty
            }
        }
    }

    /// Tells whether the kind's bytes have to be UTF-8.
    pub fn is_text(self) -> bool {
        matches!(self, Self::String | Self::Json | Self::GeometryWkt)
    }

    pub(crate) fn of_scalar_arm(arm: u32) -> Self {
        match arm {
            0 => Self::None,
            _ => SCALAR_ARMS.get(arm as usize - 1).copied().unwrap_or(Self::Unsupported),
        }
    }

    pub(crate) fn of_vector_arm(arm: u32) -> Self {
        match arm.checked_sub(FIRST_VECTOR_ARM) {
            None => Self::None,
            Some(place) => VECTOR_ARMS.get(place as usize).copied().unwrap_or(Self::Unsupported),
        }
    }

    pub(crate) fn scalar_arm(self) -> Option<u32> {
        SCALAR_ARMS.iter().position(|&kind| kind == self).map(|place| place as u32 + 1)
    }

    pub(crate) fn vector_arm(self) -> Option<u32> {
        VECTOR_ARMS.iter().position(|&kind| kind == self).map(|place| place as u32 + FIRST_VECTOR_ARM)
    }
}
