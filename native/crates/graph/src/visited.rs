//! Which rows a walk has met.

/// A set of rows that is emptied between walks.
#[derive(Debug, Default)]
pub struct Visited {
    words: Vec<u64>,
}

impl Visited {
    /// Empties the set and makes room for rows below `rows`; cost a memset of `rows / 8` bytes.
    pub fn reset(&mut self, rows: usize) {
        self.words.clear();
        self.words.resize(rows.div_ceil(64), 0);
    }

    /// Adds a row; returns whether it is new.
    #[inline]
    pub fn insert(&mut self, row: u32) -> bool {
        let word = &mut self.words[row as usize / 64];
        let bit = 1 << (row % 64);
        let new = *word & bit == 0;
        *word |= bit;
        new
    }

    /// Adds a row if it is `wanted`; returns whether it is wanted and new. Free of branches.
    #[inline]
    pub fn insert_if(&mut self, row: u32, wanted: bool) -> bool {
        let word = &mut self.words[row as usize / 64];
        let (met, wanted) = (*word >> (row % 64) & 1, u64::from(wanted));
        *word |= wanted << (row % 64);
        wanted & !met == 1
    }

    /// Adds the rows, and leaves those that are new in `new`. Free of branches: which they are can't be foreseen.
    #[inline]
    pub fn insert_all(&mut self, rows: &[u32], new: &mut Vec<u32>) {
        new.resize(rows.len(), 0);
        let mut len = 0;
        for &row in rows {
            new[len] = row;
            len += usize::from(self.insert(row));
        }
        new.truncate(len);
    }

    /// Whether a row is in the set.
    #[inline]
    pub fn contains(&self, row: u32) -> bool {
        self.words[row as usize / 64] >> (row % 64) & 1 == 1
    }
}
