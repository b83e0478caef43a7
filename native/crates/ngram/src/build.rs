//! Building postings in bounded memory: by ranges of the hash, in one pass where they fit.

use std::fmt;

use elanus_keys::{BadOffsets, Strings};
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use crate::codes::push;
use crate::grams::{Cutter, Lengths};

/// What a pass may hold beside the postings that are done.
pub const WORKING_BYTES: usize = 256 << 20;

/// Why rows can not be indexed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Row numbers have 32 bits.
    Rows(usize),
    /// The offsets of a row name no bytes.
    Offsets(BadOffsets),
}

impl fmt::Display for Refused {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rows(count) => write!(out, "{count} rows need row numbers of more than 32 bits"),
            Self::Offsets(bad) => bad.fmt(out),
        }
    }
}

impl std::error::Error for Refused {}

/// Postings as `Postings` reads them.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Built {
    /// The hash of each gram, ascending.
    pub hashes: Vec<u64>,
    /// How many rows have it.
    pub counts: Vec<u32>,
    /// Where its rows end in `rows`.
    pub ends: Vec<u64>,
    /// The rows of all grams, coded.
    pub rows: Vec<u8>,
}

/// Returns the postings of the grams of all rows that `is_known`; `working_bytes` bounds what is held meanwhile.
///
/// When a pass holds too much it leaves the upper half of its hashes to a later pass.
pub fn build(
    texts: Strings<'_>,
    is_known: impl Fn(usize) -> bool,
    lengths: Lengths,
    working_bytes: usize,
) -> Result<Built, Refused> {
    u32::try_from(texts.len()).map_err(|_| Refused::Rows(texts.len()))?;
    let mut built = Built::default();
    let mut cutter = Cutter::default();
    let mut first = 0;
    loop {
        let mut pass = Pass::new(first, working_bytes);
        for row in (0..texts.len()).filter(|&row| is_known(row)) {
            let text = texts.row(row).map_err(Refused::Offsets)?;
            lengths.each_gram(text, &mut cutter, |hash| pass.add(hash, row as u32));
            pass.shrink();
        }
        let last = pass.last;
        pass.finish(texts.len(), &mut built);
        match last.checked_add(1) {
            Some(next) => first = next,
            None => return Ok(built),
        }
    }
}

/// The rows of one gram so far: the first as it is, the others as gaps.
struct Run {
    hash: u64,
    first: u32,
    last: u32,
    count: u32,
    gaps: Vec<u8>,
}

/// The grams whose hashes lie in `first..=last`.
struct Pass {
    first: u64,
    last: u64,
    runs: HashTable<Run>,
    gap_bytes: usize,
    limit: usize,
}

/// Hashes of one pass may share their upper bits, which the table tells entries apart by.
fn spread(hash: u64) -> u64 {
    hash ^ (hash << 32)
}

impl Pass {
    fn new(first: u64, limit: usize) -> Self {
        Self { first, last: u64::MAX, runs: HashTable::new(), gap_bytes: 0, limit }
    }

    fn add(&mut self, hash: u64, row: u32) {
        if hash < self.first || hash > self.last {
            return;
        }
        match self.runs.entry(spread(hash), |run| run.hash == hash, |run| spread(run.hash)) {
            Entry::Occupied(mut entry) => {
                let run = entry.get_mut();
                if run.last != row {
                    let held = run.gaps.capacity();
                    push(&mut run.gaps, row - run.last - 1);
                    self.gap_bytes += run.gaps.capacity() - held;
                    run.last = row;
                    run.count += 1;
                }
            }
            Entry::Vacant(entry) => {
                entry.insert(Run { hash, first: row, last: row, count: 1, gaps: Vec::new() });
            }
        }
    }

    fn held(&self) -> usize {
        self.gap_bytes + self.runs.capacity() * size_of::<Run>()
    }

    /// Gives up the upper half of the range as often as it takes.
    fn shrink(&mut self) {
        while self.held() > self.limit && self.first < self.last {
            self.last = self.first.midpoint(self.last);
            let last = self.last;
            self.runs.retain(|run| run.hash <= last);
            self.runs.shrink_to_fit(|run| spread(run.hash));
            self.gap_bytes = self.runs.iter().map(|run| run.gaps.capacity()).sum();
        }
    }

    fn finish(self, num_rows: usize, built: &mut Built) {
        let mut runs: Vec<Run> = self.runs.into_iter().collect();
        runs.sort_unstable_by_key(|run| run.hash);
        for run in runs {
            built.hashes.push(run.hash);
            built.counts.push(run.count);
            run.write(num_rows, &mut built.rows);
            built.ends.push(built.rows.len() as u64);
        }
    }
}

impl Run {
    /// Writes the rows as gaps, or as one bit a row where gaps would not be shorter: the length tells which.
    fn write(&self, num_rows: usize, out: &mut Vec<u8>) {
        let start = out.len();
        push(out, self.first);
        out.extend_from_slice(&self.gaps);
        if out.len() - start < num_rows.div_ceil(8) {
            return;
        }
        let mut bits = vec![0_u8; num_rows.div_ceil(8)];
        for row in crate::codes::Gaps::new(&out[start..]).flatten() {
            bits[row as usize / 8] |= 1 << (row % 8);
        }
        out.truncate(start);
        out.extend_from_slice(&bits);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postings::Postings;
    use std::collections::{BTreeMap, BTreeSet};

    fn column(texts: &[String]) -> (Vec<i64>, Vec<u8>) {
        let mut offsets = vec![0];
        let mut data = Vec::new();
        for text in texts {
            data.extend_from_slice(text.as_bytes());
            offsets.push(data.len() as i64);
        }
        (offsets, data)
    }

    fn brute(texts: &[String], lengths: Lengths) -> BTreeMap<u64, BTreeSet<u32>> {
        let mut wanted: BTreeMap<u64, BTreeSet<u32>> = BTreeMap::new();
        for (row, text) in texts.iter().enumerate().filter(|(row, _)| row % 5 != 4) {
            lengths.each_gram(text.as_bytes(), &mut Cutter::default(), |hash| {
                wanted.entry(hash).or_default().insert(row as u32);
            });
        }
        wanted
    }

    #[test]
    fn every_gram_has_its_rows_whatever_memory_there_is() {
        let texts: Vec<String> = (0..900_u32).map(|row| format!("a{}b{}", row * row % 97, row.pow(3) % 1013)).collect();
        let (offsets, data) = column(&texts);
        let lengths = Lengths::new(1, 3).expect("good lengths");
        let wanted = brute(&texts, lengths);
        for working_bytes in [usize::MAX, 20_000, 3_000] {
            let built = build(Strings::new(&offsets, &data), |row| row % 5 != 4, lengths, working_bytes).expect("rows");
            let postings = Postings::new(&built.hashes, &built.counts, &built.ends, &built.rows, texts.len());
            let postings = postings.expect("a good index");
            assert_eq!(built.hashes, wanted.keys().copied().collect::<Vec<_>>());
            for (hash, rows) in &wanted {
                assert_eq!(postings.rows(*hash), Ok(rows.iter().copied().collect()));
                assert_eq!(postings.count(*hash) as usize, rows.len());
            }
        }
    }

    #[test]
    fn no_rows_and_empty_rows_have_no_grams() {
        let lengths = Lengths::new(2, 2).expect("good lengths");
        for offsets in [&[0][..], &[0, 0, 0], &[0, 1]] {
            let built = build(Strings::new(offsets, b"x"), |_| true, lengths, WORKING_BYTES);
            assert_eq!(built, Ok(Built::default()));
        }
    }

    #[test]
    fn offsets_that_name_no_bytes_are_refused() {
        let lengths = Lengths::new(2, 2).expect("good lengths");
        assert!(build(Strings::new(&[0, 9], b"abc"), |_| true, lengths, WORKING_BYTES).is_err());
    }
}
