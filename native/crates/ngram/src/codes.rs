//! Ascending rows as gaps of few bytes: seven bits a byte, the lowest first, the top bit where more follow.

use crate::postings::Damaged;

/// Appends a number.
pub fn push(out: &mut Vec<u8>, mut value: u32) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Rows read back from gaps: each code is one less than the distance to the row before, the first counts from 0.
#[derive(Debug, Clone)]
pub struct Gaps<'a> {
    rest: &'a [u8],
    next: u64,
}

impl<'a> Gaps<'a> {
    /// Begins with the first row.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, next: 0 }
    }

    fn code(&mut self) -> Option<u64> {
        let (&first, rest) = self.rest.split_first()?;
        self.rest = rest;
        if first < 0x80 { Some(u64::from(first)) } else { self.long_code(first) }
    }

    fn long_code(&mut self, first: u8) -> Option<u64> {
        let mut code = u64::from(first & 0x7f);
        for shift in [7, 14, 21, 28] {
            let (&byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            code |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(code);
            }
        }
        None
    }
}

impl Iterator for Gaps<'_> {
    type Item = Result<u32, Damaged>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let row = self.code().and_then(|code| u32::try_from(self.next + code).ok());
        let Some(row) = row else {
            self.rest = &[];
            return Some(Err(Damaged));
        };
        self.next = u64::from(row) + 1;
        Some(Ok(row))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back() {
        let rows = [0, 1, 128, 129, 16_640, 5_000_000, u32::MAX - 1, u32::MAX];
        let mut bytes = Vec::new();
        let mut next = 0;
        for row in rows {
            push(&mut bytes, row - next);
            next = row.saturating_add(1);
        }
        assert_eq!(Gaps::new(&bytes).collect::<Result<Vec<_>, _>>(), Ok(rows.to_vec()));
    }

    #[test]
    fn codes_that_end_early_or_run_over_are_damage() {
        for bytes in [&[0x80][..], &[0xff; 5], &[0xff, 0xff, 0xff, 0xff, 0x7f], &[0x80, 0x80, 0x80, 0x80, 0x80, 0]] {
            assert_eq!(Gaps::new(bytes).collect::<Result<Vec<_>, _>>(), Err(Damaged));
        }
        let past_the_last = [0xff, 0xff, 0xff, 0xff, 0x0f, 0];
        assert_eq!(Gaps::new(&past_the_last).collect::<Result<Vec<_>, _>>(), Err(Damaged));
    }
}
