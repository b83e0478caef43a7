//! Instants: microseconds since 1970 UTC from and to ISO 8601 text, in any time zone of the IANA database.
//!
//! Years 1 to 9999 of the proleptic Gregorian calendar. Nothing here panics, whatever the text or the zone's file holds.

#![forbid(unsafe_code)]

mod civil;
mod posix;
mod text;
mod tzif;
mod zone;

pub use text::{Refusal, format, parse};
pub use zone::{BadZone, Zone};

/// Microseconds in a second.
pub const SECOND: i64 = 1_000_000;

/// The first instant that is kept: 0001-01-01T00:00:00Z.
pub const FIRST: i64 = -62_135_596_800 * SECOND;

/// The last one: 9999-12-31T23:59:59.999999Z.
pub const LAST: i64 = 253_402_300_800 * SECOND - 1;
