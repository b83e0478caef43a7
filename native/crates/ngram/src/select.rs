//! The rows that have every gram of a query.

use crate::postings::{Coded, Damaged, Postings};
use crate::query::Query;

/// Looking at a candidate costs about as much as reading so many postings.
const POSTINGS_A_CANDIDATE: usize = 64;

impl Postings<'_> {
    /// Returns about how many rows a query leaves, from the counts alone: no fewer than it does.
    pub fn estimate(&self, query: &Query) -> usize {
        let grams = query.grams.iter().map(|&hash| self.count(hash) as usize);
        let choices = query.choices.iter().map(|some| some.iter().map(|query| self.estimate(query)).sum());
        grams.chain(choices).min().unwrap_or(self.num_rows()).min(self.num_rows())
    }

    /// Returns the candidates as bits, row `r` being bit `r % 8` of byte `r / 8`.
    pub fn candidates(&self, query: &Query) -> Result<Vec<u8>, Damaged> {
        let mut bits = vec![0_u8; self.num_rows().div_ceil(8)];
        for row in self.candidate_rows(query)? {
            bits[row as usize / 8] |= 1 << (row % 8);
        }
        Ok(bits)
    }

    /// Goes from the rarest gram to the most frequent one, as long as reading on is worth it.
    fn candidate_rows(&self, query: &Query) -> Result<Vec<u32>, Damaged> {
        let mut order: Vec<(usize, Step<'_>)> =
            query.grams.iter().map(|&hash| (self.count(hash) as usize, Step::Gram(hash))).collect();
        order.extend(query.choices.iter().map(|some| {
            let postings = some.iter().map(|query| self.estimate(query)).sum();
            (postings, Step::Choice(some.as_slice()))
        }));
        order.sort_by_key(|&(postings, _)| postings);
        let mut steps = order.into_iter();
        let Some((_, first)) = steps.next() else { return Ok((0..self.num_rows() as u32).collect()) };
        let mut rows = match first {
            Step::Gram(hash) => self.rows(hash)?,
            Step::Choice(some) => self.union(some)?,
        };
        for (postings, step) in steps {
            if postings / POSTINGS_A_CANDIDATE > rows.len() || rows.is_empty() {
                break;
            }
            match step {
                Step::Gram(hash) => self.keep(&mut rows, hash)?,
                Step::Choice(some) => keep_common(&mut rows, self.union(some)?.into_iter().map(Ok))?,
            }
        }
        Ok(rows)
    }

    fn union(&self, queries: &[Query]) -> Result<Vec<u32>, Damaged> {
        let mut rows = Vec::new();
        for query in queries {
            rows.extend(self.candidate_rows(query)?);
        }
        rows.sort_unstable();
        rows.dedup();
        Ok(rows)
    }

    /// Keeps the rows that have a gram.
    fn keep(&self, rows: &mut Vec<u32>, hash: u64) -> Result<(), Damaged> {
        match self.coded(hash)? {
            None => rows.clear(),
            Some(Coded::Gaps(gaps)) => keep_common(rows, gaps)?,
            Some(Coded::Bits(bits)) => rows.retain(|&row| bits[row as usize / 8] >> (row % 8) & 1 == 1),
        }
        Ok(())
    }
}

enum Step<'a> {
    Gram(u64),
    Choice(&'a [Query]),
}

/// Keeps the rows that are among `others`, both ascending.
fn keep_common(rows: &mut Vec<u32>, others: impl Iterator<Item = Result<u32, Damaged>>) -> Result<(), Damaged> {
    let (mut read, mut kept) = (0, 0);
    for other in others {
        let other = other?;
        while read < rows.len() && rows[read] < other {
            read += 1;
        }
        if read == rows.len() {
            break;
        }
        if rows[read] == other {
            rows[kept] = other;
            kept += 1;
            read += 1;
        }
    }
    rows.truncate(kept);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::{Built, WORKING_BYTES, build};
    use crate::grams::Lengths;
    use crate::need::Need;
    use elanus_keys::Strings;

    fn lengths() -> Lengths {
        Lengths::new(2, 3).expect("good lengths")
    }

    /// Texts that repeat with different periods, so that grams are rare, frequent and everywhere.
    fn texts() -> Vec<String> {
        (0..2000).map(|row| format!("all {} w{} {}", row % 3, row % 50, row)).collect()
    }

    fn index(texts: &[String]) -> Built {
        let mut offsets = vec![0];
        offsets.extend(texts.iter().scan(0, |end, text| {
            *end += text.len() as i64;
            Some(*end)
        }));
        build(Strings::new(&offsets, texts.concat().as_bytes()), |_| true, lengths(), WORKING_BYTES).expect("rows")
    }

    fn found(built: &Built, num_rows: usize, need: &Need) -> Vec<usize> {
        let postings = Postings::new(&built.hashes, &built.counts, &built.ends, &built.rows, num_rows).expect("good");
        let query = Query::new(need, lengths()).expect("grams");
        let bits = postings.candidates(&query).expect("good postings");
        let rows: Vec<usize> = (0..num_rows).filter(|row| bits[row / 8] >> (row % 8) & 1 == 1).collect();
        assert!(rows.len() <= postings.estimate(&query));
        rows
    }

    #[test]
    fn candidates_hold_every_row_that_contains_the_text() {
        let texts = texts();
        let built = index(&texts);
        for part in ["all", "w1", " w49 ", "1 w7 100", "999", "l 2 w", "all 0 w0 0", "nowhere"] {
            let rows = found(&built, texts.len(), &Need::Text(part.into()));
            let wanted: Vec<usize> = (0..texts.len()).filter(|&row| texts[row].contains(part)).collect();
            assert!(wanted.iter().all(|row| rows.binary_search(row).is_ok()), "{part}");
            assert!(rows.len() <= 2 * wanted.len() + 40, "{part}: {} for {}", rows.len(), wanted.len());
        }
    }

    #[test]
    fn choices_are_united_and_then_narrowed() {
        let texts = texts();
        let built = index(&texts);
        let either = Need::any([Need::Text(" w11 ".into()), Need::Text(" w12 ".into())]);
        let need = Need::all([Need::Text("all 1".into()), either]);
        let wanted: Vec<usize> = (0..2000).filter(|row| row % 3 == 1 && matches!(row % 50, 11 | 12)).collect();
        assert_eq!(found(&built, texts.len(), &need), wanted);
    }

    #[test]
    fn common_rows_are_those_of_both() {
        for (mut left, right, wanted) in
            [(vec![1, 3, 5], vec![0, 3, 4, 5, 9], vec![3, 5]), (vec![], vec![1], vec![]), (vec![1], vec![], vec![])]
        {
            keep_common(&mut left, right.into_iter().map(Ok)).expect("good rows");
            assert_eq!(left, wanted);
        }
    }
}
