//! Time zones: the offset from UTC at any instant, and the instant of a local time.

use std::fmt;

use crate::SECOND;
use crate::posix::Rule;
use crate::tzif;

/// Larger offsets are in no zone.
const LARGEST_OFFSET: i32 = 26 * 3600;

/// A file that is no time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadZone;

impl fmt::Display for BadZone {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("the bytes are no time zone file (RFC 8536)")
    }
}

impl std::error::Error for BadZone {}

/// One time zone.
#[derive(Debug)]
pub struct Zone {
    before: i32,
    transitions: Vec<i64>,
    offsets: Vec<i32>,
    rule: Option<Rule>,
}

impl Zone {
    /// UTC.
    pub fn utc() -> Self {
        Self { before: 0, transitions: Vec::new(), offsets: Vec::new(), rule: None }
    }

    /// Reads a zone's file.
    pub fn from_tzif(file: &[u8]) -> Result<Self, BadZone> {
        let tzif::Contents { before, transitions, offsets, rule } = tzif::read(file)?;
        let ascending = transitions.windows(2).all(|pair| pair[0] < pair[1]);
        let sane = offsets.iter().chain([&before]).all(|offset| offset.abs() < LARGEST_OFFSET);
        if !ascending || !sane {
            return Err(BadZone);
        }
        Ok(Self { before, transitions, offsets, rule })
    }

    /// Seconds east of UTC at a second of UTC.
    pub fn offset_at(&self, second: i64) -> i32 {
        let passed = self.transitions.partition_point(|transition| *transition <= second);
        match self.rule {
            Some(rule) if passed == self.transitions.len() => rule.offset_at(second),
            _ if passed == 0 => self.before,
            _ => self.offsets[passed - 1],
        }
    }

    /// The local time of an instant, both in microseconds.
    pub fn to_local(&self, instant: i64) -> i64 {
        instant.saturating_add(i64::from(self.offset_at(instant.div_euclid(SECOND))) * SECOND)
    }

    /// The instant of a local time, both in microseconds.
    ///
    /// Where clocks were set back a local time comes twice, where they were set forward not at all. As Go's
    /// `time.Date` has it, the offset is the one at the UTC time that the offset at the local time, taken for UTC, leads
    /// to.
    pub fn to_instant(&self, local: i64) -> i64 {
        let shifted = |at: i64| local.saturating_sub(i64::from(self.offset_at(at.div_euclid(SECOND))) * SECOND);
        shifted(shifted(local))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file with one transition, from +1:00 to +2:00 at second 1000, and a footer.
    fn file(footer: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        for width in [4, 8] {
            bytes.extend(b"TZif2");
            bytes.extend([0; 15]);
            for count in [0_u32, 0, 0, 1, 2, 4] {
                bytes.extend(count.to_be_bytes());
            }
            bytes.extend(&1000_i64.to_be_bytes()[8 - width..]);
            bytes.push(1);
            for offset in [3600_i32, 7200] {
                bytes.extend(offset.to_be_bytes());
                bytes.extend([0, 0]);
            }
            bytes.extend(b"ABC\0");
        }
        bytes.extend(format!("\n{footer}\n").as_bytes());
        bytes
    }

    #[test]
    fn the_offset_changes_at_a_transition() {
        let zone = Zone::from_tzif(&file("")).unwrap();
        assert_eq!([999, 1000].map(|second| zone.offset_at(second)), [3600, 7200]);
        let zone = Zone::from_tzif(&file("ABC-3")).unwrap();
        assert_eq!([999, 1000, i64::MAX / 4].map(|second| zone.offset_at(second)), [3600, 10_800, 10_800]);
    }

    #[test]
    fn a_local_time_that_never_was_is_taken_with_the_offset_before() {
        let zone = Zone::from_tzif(&file("")).unwrap();
        // 4600 .. 8200 was skipped; local 5000 is after the change when taken for UTC, but not once it is shifted.
        assert_eq!(zone.to_instant(5000 * SECOND), 1400 * SECOND);
        assert_eq!(zone.to_instant(4599 * SECOND), 999 * SECOND);
        assert_eq!(zone.to_instant(8200 * SECOND), 1000 * SECOND);
        assert_eq!(zone.to_local(1000 * SECOND), 8200 * SECOND);
    }

    #[test]
    fn damaged_files_are_refused() {
        let whole = file("ABC-3");
        for length in 0..whole.len() {
            assert!(Zone::from_tzif(&whole[..length]).is_err(), "{length}");
        }
        for place in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[place] ^= 0xff;
            if let Ok(zone) = Zone::from_tzif(&damaged) {
                assert!(zone.offset_at(i64::MIN / SECOND).abs() < LARGEST_OFFSET);
                assert!(zone.offset_at(i64::MAX / SECOND).abs() < LARGEST_OFFSET);
            }
        }
    }
}
