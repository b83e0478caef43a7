//! Columns to and from protobuf `FieldData`, without an object per value.
//!
//! Reading trusts nothing: bytes from strangers give a column or a [`DecodeError`] that says what is wrong and at which
//! byte; memory stays within a small multiple of the bytes given. Writing gives what a protobuf library would.

#![forbid(unsafe_code)]

#[cfg(target_endian = "big")]
compile_error!("vectors and floats are copied as little endian bytes");

mod column;
mod decode;
mod encode;
mod kind;
mod packed;
mod reader;
mod search;
mod slices;
mod writer;

pub use column::{Column, Elements, Payload, Store, Strings};
pub use decode::decode;
pub use encode::{Header, Source, encode, encode_floats, encode_ids, encode_longs, wrap};
pub use kind::{Kind, Shape};
pub use reader::{DecodeError, Span, split};
pub use search::{Placeholder, encode_hits, placeholder};
pub use slices::{EncodeError, Slices};
