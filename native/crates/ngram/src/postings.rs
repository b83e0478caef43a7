//! Postings where they lie, mapped or in memory.

use std::fmt;

use crate::codes::Gaps;

/// Arrays that are not those of n-gram postings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Damaged;

impl fmt::Display for Damaged {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("the arrays are not those of n-gram postings over these rows")
    }
}

impl std::error::Error for Damaged {}

/// The rows of each gram; fields as in `Built`.
#[derive(Debug, Clone, Copy)]
pub struct Postings<'a> {
    hashes: &'a [u64],
    counts: &'a [u32],
    ends: &'a [u64],
    rows: &'a [u8],
    num_rows: usize,
}

/// The rows of one gram as they are coded.
#[derive(Debug, Clone)]
pub enum Coded<'a> {
    /// Gaps between rows.
    Gaps(Gaps<'a>),
    /// One bit a row.
    Bits(&'a [u8]),
}

impl<'a> Postings<'a> {
    /// Takes the arrays; `Damaged` when their lengths don't go together.
    pub fn new(
        hashes: &'a [u64],
        counts: &'a [u32],
        ends: &'a [u64],
        rows: &'a [u8],
        num_rows: usize,
    ) -> Result<Self, Damaged> {
        let fits = hashes.len() == counts.len()
            && hashes.len() == ends.len()
            && ends.last().copied().unwrap_or_default() == rows.len() as u64
            && u32::try_from(num_rows).is_ok();
        if fits { Ok(Self { hashes, counts, ends, rows, num_rows }) } else { Err(Damaged) }
    }

    /// Looks at every gram and every row, after which no query fails: `Damaged` where one can't be used.
    pub fn check(&self) -> Result<(), Damaged> {
        let ascending = self.hashes.windows(2).all(|pair| pair[0] < pair[1]);
        if !ascending {
            return Err(Damaged);
        }
        for (&hash, &count) in self.hashes.iter().zip(self.counts) {
            let found = match self.coded(hash)? {
                Some(Coded::Gaps(mut gaps)) => {
                    gaps.try_fold(
                        0,
                        |found, row| {
                            if (row? as usize) < self.num_rows { Ok(found + 1) } else { Err(Damaged) }
                        },
                    )?
                }
                Some(Coded::Bits(bits)) => count_bits(bits, self.num_rows)?,
                None => 0,
            };
            if found != u64::from(count) {
                return Err(Damaged);
            }
        }
        Ok(())
    }

    /// How many rows there are.
    pub fn num_rows(&self) -> usize {
        self.num_rows
    }

    /// Returns how many rows have a gram.
    pub fn count(&self, hash: u64) -> u32 {
        self.place(hash).map_or(0, |place| self.counts[place])
    }

    /// Returns the rows of a gram as they are coded, `None` when no row has it.
    pub fn coded(&self, hash: u64) -> Result<Option<Coded<'a>>, Damaged> {
        let Some(place) = self.place(hash) else { return Ok(None) };
        let start = if place == 0 { 0 } else { self.ends[place - 1] };
        let bytes = self.rows.get(start as usize..self.ends[place] as usize).ok_or(Damaged)?;
        if bytes.len() == self.num_rows.div_ceil(8) {
            return Ok(Some(Coded::Bits(bytes)));
        }
        Ok(Some(Coded::Gaps(Gaps::new(bytes))))
    }

    /// Returns the rows of a gram, ascending.
    pub fn rows(&self, hash: u64) -> Result<Vec<u32>, Damaged> {
        match self.coded(hash)? {
            None => Ok(Vec::new()),
            Some(Coded::Gaps(mut gaps)) => gaps.try_fold(Vec::with_capacity(self.capacity(hash)), |mut rows, row| {
                let row = row?;
                rows.push(row);
                if (row as usize) < self.num_rows { Ok(rows) } else { Err(Damaged) }
            }),
            Some(Coded::Bits(bits)) => set_bits(bits, self.num_rows),
        }
    }

    /// The count is only a hint: a file may lie.
    fn capacity(&self, hash: u64) -> usize {
        (self.count(hash) as usize).min(self.num_rows)
    }

    fn place(&self, hash: u64) -> Option<usize> {
        self.hashes.binary_search(&hash).ok()
    }
}

fn set_bits(bits: &[u8], num_rows: usize) -> Result<Vec<u32>, Damaged> {
    let mut rows = Vec::new();
    for (place, &byte) in bits.iter().enumerate() {
        let mut left = byte;
        while left != 0 {
            rows.push((place * 8) as u32 + left.trailing_zeros());
            left &= left - 1;
        }
    }
    if rows.last().is_none_or(|&last| (last as usize) < num_rows) { Ok(rows) } else { Err(Damaged) }
}

fn count_bits(bits: &[u8], num_rows: usize) -> Result<u64, Damaged> {
    let past_the_last = bits.last().is_some_and(|&last| !num_rows.is_multiple_of(8) && last >> (num_rows % 8) != 0);
    if past_the_last { Err(Damaged) } else { Ok(bits.iter().map(|byte| u64::from(byte.count_ones())).sum()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_that_do_not_go_together_are_damage() {
        assert!(Postings::new(&[], &[], &[], &[], 0).is_ok());
        assert!(Postings::new(&[1], &[], &[1], &[0], 9).is_err());
        assert!(Postings::new(&[1], &[1], &[2], &[0], 9).is_err());
        assert!(Postings::new(&[], &[], &[], &[0], 9).is_err());
    }

    #[test]
    fn rows_that_are_not_there_are_damage() {
        let postings = |ends: &'static [u64], rows: &'static [u8], num_rows| {
            Postings::new(&[1, 2], &[1, 1], ends, rows, num_rows).and_then(|postings| postings.rows(2))
        };
        assert_eq!(postings(&[1, 2], &[0, 3], 20), Ok(vec![3]));
        assert_eq!(postings(&[1, 2], &[0, 30], 20), Err(Damaged));
        assert_eq!(postings(&[9, 2], &[0, 3], 20), Err(Damaged));
        assert_eq!(postings(&[1, 2], &[0, 0b11], 5), Ok(vec![0, 1]));
        assert_eq!(postings(&[1, 2], &[0, 0b1000_0000], 5), Err(Damaged));
    }

    #[test]
    fn a_check_finds_what_a_query_would_trip_over() {
        let check = |hashes: [u64; 2], counts: [u32; 2], ends: [u64; 2], rows: &[u8], num_rows| {
            Postings::new(&hashes, &counts, &ends, rows, num_rows).and_then(|postings| postings.check())
        };
        let (hashes, counts, ends) = ([1, 2], [1, 2], [1, 3]);
        assert_eq!(check(hashes, counts, ends, &[4, 3, 0], 40), Ok(()));
        assert_eq!(check([2, 1], counts, ends, &[4, 3, 0], 40), Err(Damaged));
        assert_eq!(check([1, 1], counts, ends, &[4, 3, 0], 40), Err(Damaged));
        assert_eq!(check(hashes, [1, 1], ends, &[4, 3, 0], 40), Err(Damaged));
        assert_eq!(check(hashes, counts, [4, 3], &[4, 3, 0], 40), Err(Damaged));
        assert_eq!(check(hashes, counts, ends, &[4, 3, 0x80], 40), Err(Damaged));
        assert_eq!(check(hashes, counts, ends, &[4, 39, 0], 40), Err(Damaged));
        assert_eq!(check(hashes, [1, 3], [1, 2], &[1, 0b111], 3), Ok(()));
        assert_eq!(check(hashes, [1, 3], [1, 2], &[1, 0b1011], 3), Err(Damaged));
    }
}
