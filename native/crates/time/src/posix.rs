//! The rule behind the last transition of a zone, written as POSIX `TZ` strings are: `CET-1CEST,M3.5.0,M10.5.0/3`.

use crate::civil;

const DAY: i64 = 86_400;

/// Offsets for all times to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    standard: i32,
    daylight: Option<Daylight>,
}

/// The other offset, and when it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Daylight {
    offset: i32,
    begins: Change,
    ends: Change,
}

/// A change in each year: seconds of local time after the start of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Change {
    day: Day,
    seconds: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Day {
    /// `Mm.w.d`: the w-th weekday of a month, 5 being the last.
    Weekday { month: i64, week: i64, weekday: i64 },
    /// `Jn`: 1 to 365, February 29 is never counted.
    Julian(i64),
    /// `n`: 0 to 365, February 29 is counted.
    Ordinal(i64),
}

impl Rule {
    /// Reads a `TZ` string; `None` when it is none.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let mut reader = Reader { rest: text };
        reader.name()?;
        let standard = reader.offset()?;
        if reader.rest.is_empty() {
            return Some(Self { standard, daylight: None });
        }
        reader.name()?;
        let offset = if reader.next_is(b',') { standard + 3600 } else { reader.offset()? };
        let begins = reader.change()?;
        let ends = reader.change()?;
        reader.rest.is_empty().then_some(Self { standard, daylight: Some(Daylight { offset, begins, ends }) })
    }

    /// The offset at a second of UTC.
    pub fn offset_at(&self, second: i64) -> i32 {
        let Some(daylight) = self.daylight else {
            return self.standard;
        };
        let (year, _, _) = civil::date((second + i64::from(self.standard)).div_euclid(DAY));
        let begins = daylight.begins.in_year(year) - i64::from(self.standard);
        let ends = daylight.ends.in_year(year) - i64::from(daylight.offset);
        let holds = if begins < ends { (begins..ends).contains(&second) } else { !(ends..begins).contains(&second) };
        if holds { daylight.offset } else { self.standard }
    }
}

impl Change {
    /// The change in a year, as a second of its own local time.
    fn in_year(self, year: i64) -> i64 {
        self.day.in_year(year) * DAY + self.seconds
    }
}

impl Day {
    fn in_year(self, year: i64) -> i64 {
        match self {
            Self::Weekday { month, week, weekday } => {
                let first = civil::days(year, month, 1);
                let day = (weekday - civil::weekday(first)).rem_euclid(7) + (week - 1) * 7;
                first + if day < civil::days_in_month(year, month) { day } else { day - 7 }
            }
            Self::Julian(day) => {
                let leap_day_passed = day >= 60 && civil::is_leap(year);
                civil::days(year, 1, 1) + day - 1 + i64::from(leap_day_passed)
            }
            Self::Ordinal(day) => civil::days(year, 1, 1) + day,
        }
    }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    fn next_is(&self, byte: u8) -> bool {
        self.rest.first() == Some(&byte)
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        self.next_is(byte).then(|| self.rest = &self.rest[1..])
    }

    /// Letters, or anything between angle brackets.
    fn name(&mut self) -> Option<()> {
        let length = if self.next_is(b'<') {
            self.rest.iter().position(|byte| *byte == b'>')? + 1
        } else {
            self.rest.iter().take_while(|byte| byte.is_ascii_alphabetic()).count()
        };
        self.rest = &self.rest[length..];
        (length >= 3).then_some(())
    }

    fn number(&mut self, largest: i64) -> Option<i64> {
        let digits = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 || digits > 3 {
            return None;
        }
        let number = self.rest[..digits].iter().fold(0, |sum, byte| sum * 10 + i64::from(byte - b'0'));
        self.rest = &self.rest[digits..];
        (number <= largest).then_some(number)
    }

    /// `[+-]hh[:mm[:ss]]` in seconds.
    fn seconds(&mut self, hours: i64) -> Option<i64> {
        let negative = self.next_is(b'-');
        if negative || self.next_is(b'+') {
            self.rest = &self.rest[1..];
        }
        let mut seconds = self.number(hours)? * 3600;
        for unit in [60, 1] {
            if self.take(b':').is_some() {
                seconds += self.number(59)? * unit;
            } else {
                break;
            }
        }
        Some(if negative { -seconds } else { seconds })
    }

    /// POSIX counts offsets westward.
    fn offset(&mut self) -> Option<i32> {
        self.seconds(24).map(|seconds| -seconds as i32)
    }

    fn change(&mut self) -> Option<Change> {
        self.take(b',')?;
        let day = self.day()?;
        let seconds = if self.take(b'/').is_some() { self.seconds(167)? } else { 7200 };
        Some(Change { day, seconds })
    }

    fn day(&mut self) -> Option<Day> {
        if self.take(b'J').is_some() {
            let day = self.number(365)?;
            return (day > 0).then_some(Day::Julian(day));
        }
        if self.take(b'M').is_none() {
            return self.number(365).map(Day::Ordinal);
        }
        let month = self.number(12)?;
        self.take(b'.')?;
        let week = self.number(5)?;
        self.take(b'.')?;
        let weekday = self.number(6)?;
        (month > 0 && week > 0).then_some(Day::Weekday { month, week, weekday })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(rule: &str, year: i64, month: i64, day: i64, hour: i64) -> i32 {
        Rule::parse(rule.as_bytes()).unwrap().offset_at(civil::days(year, month, day) * DAY + hour * 3600)
    }

    #[test]
    fn summer_and_winter_of_both_hemispheres() {
        let berlin = "CET-1CEST,M3.5.0,M10.5.0/3";
        assert_eq!(at(berlin, 2050, 7, 1, 0), 7200);
        assert_eq!(at(berlin, 2050, 12, 1, 0), 3600);
        assert_eq!(at(berlin, 2025, 3, 30, 0), 3600);
        assert_eq!(at(berlin, 2025, 3, 30, 1), 7200);
        assert_eq!(at(berlin, 2025, 10, 26, 0), 7200);
        assert_eq!(at(berlin, 2025, 10, 26, 1), 3600);
        let sydney = "AEST-10AEDT,M10.1.0,M4.1.0/3";
        assert_eq!(at(sydney, 2050, 1, 1, 0), 39_600);
        assert_eq!(at(sydney, 2050, 7, 1, 0), 36_000);
        assert_eq!(at("IST-1GMT0,M10.5.0,M3.5.0/1", 2050, 1, 1, 0), 0);
        assert_eq!(at("<-02>2<-01>,M3.5.0/-1,M10.5.0/0", 2050, 7, 1, 0), -3600);
        assert_eq!(at("<+0545>-5:45", 2050, 7, 1, 0), 20_700);
    }

    #[test]
    fn julian_days_leave_the_leap_day_out_and_ordinal_ones_count_it() {
        for (year, month, day, julian, ordinal) in
            [(2023, 2, 28, 0, 0), (2023, 3, 1, 3600, 3600), (2024, 2, 29, 0, 3600), (2024, 3, 1, 3600, 3600)]
        {
            assert_eq!(at("AAA0BBB,J60/0,J300/0", year, month, day, 0), julian);
            assert_eq!(at("AAA0BBB,59/0,300/0", year, month, day, 0), ordinal);
        }
    }

    #[test]
    fn what_is_no_rule_is_refused() {
        for text in ["", "CET", "CET-1CEST", "CE-1", "CET-1CEST,M13.1.0,M1.1.0", "CET-1CEST,M3.5.0", "CET-1x", "<CET-1"]
        {
            assert_eq!(Rule::parse(text.as_bytes()), None, "{text}");
        }
    }
}
