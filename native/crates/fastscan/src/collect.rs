//! The best candidates of a query, by integer distance.

use crate::kernel::Sums;

/// Keeps the rows of least sum, of equals the first; rows are offered in ascending order.
///
/// A histogram of what was taken gives the exact limit at every moment: the least sum that `room` rows do not exceed.
pub(crate) struct Collector {
    /// How many rows taken have each sum.
    counts: Vec<u32>,
    /// Sums of rows that still count don't exceed this.
    edge: u16,
    /// How many rows taken do not exceed the edge.
    within: usize,
    room: usize,
    limit: u16,
    /// Sums above, rows below.
    taken: Vec<u64>,
}

/// Room for the candidates of a common search without growing.
const FIRST_CAPACITY: usize = 4096;

impl Collector {
    /// Collects `room` rows, at least one, of sums up to `most`.
    pub(crate) fn new(room: usize, most: u16) -> Self {
        Collector {
            counts: vec![0; usize::from(most) + 1],
            edge: most,
            within: 0,
            room,
            limit: u16::MAX,
            taken: Vec::with_capacity(FIRST_CAPACITY),
        }
    }

    /// Only rows of sums below it are wanted; no sum reaches the greatest limit.
    #[inline]
    pub(crate) fn limit(&self) -> u16 {
        self.limit
    }

    /// Takes those rows of a block that are set in `found` and still below the limit.
    #[inline(never)]
    pub(crate) fn offer(&mut self, first: u32, mut found: u64, sums: &Sums) {
        while found != 0 {
            let place = found.trailing_zeros();
            found &= found - 1;
            let sum = sums[place as usize];
            if sum < self.limit {
                self.take(sum, first + place);
            }
        }
    }

    #[inline]
    fn take(&mut self, sum: u16, row: u32) {
        self.taken.push(u64::from(sum) << 32 | u64::from(row));
        self.counts[usize::from(sum)] += 1;
        self.within += 1;
        if self.within >= self.room {
            self.tighten();
        }
    }

    /// Moves the edge down as far as enough rows stay within it. Later rows at the edge itself come after all of them.
    fn tighten(&mut self) {
        loop {
            let at_edge = self.counts[usize::from(self.edge)] as usize;
            if self.within - at_edge < self.room {
                break;
            }
            self.within -= at_edge;
            self.edge -= 1;
        }
        self.limit = self.edge;
        if self.taken.len() > 8 * self.room + FIRST_CAPACITY {
            let edge = u64::from(self.edge);
            self.taken.retain(|&key| key >> 32 <= edge);
        }
    }

    /// Considers what another collector took of later rows.
    pub(crate) fn absorb(&mut self, later: Collector) {
        for (sum, row) in later.into_nearest() {
            if sum < self.limit {
                self.take(sum, row);
            }
        }
    }

    /// Returns sums and rows, ascending, at most as many as there was room for.
    pub(crate) fn into_nearest(mut self) -> Vec<(u16, u32)> {
        let edge = u64::from(self.edge);
        self.taken.retain(|&key| key >> 32 <= edge);
        self.taken.sort_unstable();
        self.taken.truncate(self.room);
        self.taken.into_iter().map(|key| ((key >> 32) as u16, key as u32)).collect()
    }
}
