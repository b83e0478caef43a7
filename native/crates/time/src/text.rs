//! ISO 8601 text: `2025-01-31T08:00:00.25+08:00` and its relatives.

use std::fmt;

use crate::zone::Zone;
use crate::{FIRST, LAST, SECOND, civil};

const DAY: i64 = 86_400 * SECOND;
const EARLIEST_OFFSET: i64 = -12 * 3600;
const LATEST_OFFSET: i64 = 14 * 3600;

/// Why a text is no instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It is not written as a time is, or names a day or hour that does not exist.
    Format,
    /// Its offset from UTC, in whole hours, is none that any place has.
    Offset(i64),
    /// It is before year 1 or after year 9999.
    Year,
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Format => out.write_str("Does not match any known format"),
            Self::Offset(hours) => write!(out, "UTC offset hour {hours} is out of the valid range [-12, 14]"),
            Self::Year => out.write_str("Outside of the years 0001 to 9999 (UTC)"),
        }
    }
}

/// Returns the instant that a text names; without an offset it is a local time of `zone`.
///
/// `YYYY-MM-DD`, `T` or a space, `hh:mm:ss`, a fraction of which six digits count, `Z` or `±hh[:mm]` or nothing.
pub fn parse(text: &[u8], zone: &Zone) -> Result<i64, Refusal> {
    let mut reader = Reader { rest: text };
    let local = reader.local_time().ok_or(Refusal::Format)?;
    let instant = if reader.rest.is_empty() {
        zone.to_instant(local)
    } else {
        let offset = reader.offset().ok_or(Refusal::Format)?;
        if !(EARLIEST_OFFSET..=LATEST_OFFSET).contains(&offset) {
            return Err(Refusal::Offset(offset / 3600));
        }
        local - offset * SECOND
    };
    if (FIRST..=LAST).contains(&instant) { Ok(instant) } else { Err(Refusal::Year) }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    /// Date, time and fraction in microseconds.
    fn local_time(&mut self) -> Option<i64> {
        let year = self.digits(4)?;
        let month = self.after(b"-")?;
        let day = self.after(b"-")?;
        let hour = self.after(b"T ")?;
        let minute = self.after(b":")?;
        let second = self.after(b":")?;
        let real = (1..=12).contains(&month)
            && (1..=civil::days_in_month(year, month)).contains(&day)
            && hour < 24
            && minute < 60
            && second < 60;
        let micros = self.fraction()?;
        real.then(|| civil::days(year, month, day) * DAY + ((hour * 60 + minute) * 60 + second) * SECOND + micros)
    }

    fn digits(&mut self, count: usize) -> Option<i64> {
        let digits = self.rest.get(..count)?;
        self.rest = &self.rest[count..];
        digits.iter().try_fold(0, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0')))
    }

    /// Two digits behind one of the given bytes.
    fn after(&mut self, marks: &[u8]) -> Option<i64> {
        let (mark, rest) = self.rest.split_first()?;
        self.rest = rest;
        if marks.contains(mark) { self.digits(2) } else { None }
    }

    /// The fraction of a second in microseconds, 0 when there is none; further digits are cut off.
    fn fraction(&mut self) -> Option<i64> {
        let Some((b'.' | b',', rest)) = self.rest.split_first() else {
            return Some(0);
        };
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = rest.split_at(count);
        self.rest = rest;
        let place = |at: usize| digits.get(at).map_or(0, |byte| i64::from(byte - b'0'));
        (count > 0).then(|| (0..6).fold(0, |sum, at| sum * 10 + place(at)))
    }

    /// `Z`, `±hh` or `±hh:mm` in seconds, and nothing behind it.
    fn offset(&mut self) -> Option<i64> {
        if self.rest == b"Z" {
            return Some(0);
        }
        let west = self.rest.first() == Some(&b'-');
        let hours = self.after(b"+-")?;
        let minutes = if self.rest.is_empty() { 0 } else { self.after(b":")? };
        let seconds = (hours * 60 + minutes) * 60;
        (self.rest.is_empty() && hours <= 24 && minutes < 60).then_some(if west { -seconds } else { seconds })
    }
}

/// Appends an instant as RFC 3339 has it: no trailing zeros in the fraction, the zone's offset in whole minutes.
pub fn format(instant: i64, zone: &Zone, out: &mut Vec<u8>) {
    let offset = i64::from(zone.offset_at(instant.div_euclid(SECOND)));
    let local = instant.saturating_add(offset * SECOND);
    let (year, month, day) = civil::date(local.div_euclid(DAY));
    let (seconds, micros) = (local.rem_euclid(DAY) / SECOND, local.rem_euclid(SECOND));
    push(out, year.max(0), 4);
    for (mark, part) in
        [(b'-', month), (b'-', day), (b'T', seconds / 3600), (b':', seconds / 60 % 60), (b':', seconds % 60)]
    {
        out.push(mark);
        push(out, part, 2);
    }
    if micros != 0 {
        out.push(b'.');
        push(out, micros, 6);
        while out.last() == Some(&b'0') {
            out.pop();
        }
    }
    let minutes = offset / 60;
    if minutes == 0 {
        out.push(b'Z');
        return;
    }
    out.push(if minutes < 0 { b'-' } else { b'+' });
    push(out, minutes.abs() / 60, 2);
    out.push(b':');
    push(out, minutes.abs() % 60, 2);
}

/// Appends a number of at least `width` digits.
fn push(out: &mut Vec<u8>, number: i64, width: u32) {
    let mut scale = 10_i64.pow(width - 1);
    while number / scale >= 10 {
        scale *= 10;
    }
    while scale > 0 {
        out.push(b'0' + (number / scale % 10) as u8);
        scale /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<i64, Refusal> {
        parse(text.as_bytes(), &Zone::utc())
    }

    fn written(instant: i64) -> String {
        let mut out = Vec::new();
        format(instant, &Zone::utc(), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_way_to_write_an_instant() {
        for text in [
            "2025-01-01T00:00:00Z",
            "2025-01-01 00:00:00",
            "2025-01-01T00:00:00.000000999+00:00",
            "2025-01-01 08:00:00+08",
            "2025-01-01T05:45:00+05:45",
            "2024-12-31T12:00:00.0-12:00",
        ] {
            assert_eq!(read(text), Ok(1_735_689_600 * SECOND), "{text}");
        }
        assert_eq!(read("1969-12-31T23:59:59.999999Z"), Ok(-1));
        assert_eq!(read("1970-01-01T00:00:00.1234567"), Ok(123_456));
    }

    #[test]
    fn what_is_no_instant_is_refused() {
        for text in [
            "",
            "yesterday",
            "2025-01-01",
            "2025-13-01T00:00:00Z",
            "2025-02-29T00:00:00Z",
            "2025-01-01T24:00:00Z",
            "2025-01-01T00:00:60Z",
            "2025-01-01T00:00:00.Z",
            "2025-01-01T00:00:00z",
            "2025-01-01T00:00:00+8",
            "2025-01-01T00:00:00+08:00 ",
            "2025-01-01T00:00:00+08:60",
            "2025-01-01T00:00",
            "25-01-01T00:00:00Z",
            "2025-01-01T00:00:00+25:00",
            "2025-01-0aT00:00:00Z",
            "2025-01-01T00:00:00+0800",
        ] {
            assert_eq!(read(text), Err(Refusal::Format), "{text}");
        }
        assert_eq!(read("2025-01-01T00:00:00+14:01"), Err(Refusal::Offset(14)));
        assert_eq!(read("2025-01-01T00:00:00-13:00"), Err(Refusal::Offset(-13)));
        assert_eq!(read("0000-12-31T23:59:59Z"), Err(Refusal::Year));
        assert_eq!(read("9999-12-31T23:59:59-01:00"), Err(Refusal::Year));
    }

    #[test]
    fn text_comes_back_as_it_went() {
        for text in [
            "0001-01-01T00:00:00Z",
            "1969-12-31T23:59:59.9Z",
            "2024-02-29T12:34:56.00001Z",
            "9999-12-31T23:59:59.999999Z",
        ] {
            assert_eq!(written(read(text).unwrap()), text);
        }
        assert_eq!(read(&written(FIRST)), Ok(FIRST));
        written(i64::MIN);
        written(i64::MAX);
    }
}
