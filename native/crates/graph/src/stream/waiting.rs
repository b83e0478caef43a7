//! Rows that were found and pass, on their way out: first by the walk's distance, then by the exact one.

use elanus_kernels::{Hit, Scorer};

use super::queue::{Queue, key};

/// A row on its way out.
#[derive(Clone, Copy, Debug)]
struct Measured {
    hit: Hit,
    /// Its distance in the walk.
    walked: f32,
}

/// Found rows, and a buffer of the next ones in which exact distances correct the order.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    queue: Queue,
    /// Taken from the queue, not measured yet.
    drawn: Vec<(f32, u32)>,
    measured: Vec<Measured>,
}

/// Rows to be measured beside the `count` that go out.
fn slack(count: usize) -> usize {
    (count / 2).max(20)
}

impl Waiting {
    /// Adds a row that was found at a distance of the walk.
    #[inline]
    pub(crate) fn push(&mut self, distance: f32, row: u32) {
        self.queue.push(distance, row);
    }

    /// Rows that have not gone out.
    pub(crate) fn len(&self) -> usize {
        self.queue.len() + self.drawn.len() + self.measured.len()
    }

    /// The walk's distance up to which the buffer must be final before `count` rows of it may go out.
    pub(crate) fn goal(&self, count: usize) -> f32 {
        let drawn = self.drawn.iter().map(|&(walked, _)| walked);
        let mut walked: Vec<f32> = self.measured.iter().map(|row| row.walked).chain(drawn).collect();
        if walked.is_empty() {
            return f32::NEG_INFINITY;
        }
        let last = count.min(walked.len()) - 1;
        *walked.select_nth_unstable_by(last, f32::total_cmp).1
    }

    /// Fills the buffer up to `count` rows with those that the walk has passed; returns whether there are as many.
    pub(crate) fn draw(&mut self, count: usize, passed: f32) -> bool {
        while self.drawn.len() + self.measured.len() < count {
            let Some(next) = self.queue.pop_below(passed) else { return false };
            self.drawn.push(next);
        }
        true
    }

    /// Hands out the `count` nearest of the buffer, ascending by exact distance, then row; returns how many there were.
    ///
    /// The buffer is filled up with the next rows in line, final or not: they only go out where they prove nearer.
    pub(crate) fn emit(&mut self, count: usize, exact: &dyn Scorer, out: &mut Vec<Hit>) -> usize {
        let goal = self.goal(count);
        while let Some(next) = self.queue.pop_below(goal) {
            self.drawn.push(next);
        }
        while self.drawn.len() + self.measured.len() < count.saturating_add(slack(count)) {
            let Some(next) = self.queue.pop() else { break };
            self.drawn.push(next);
        }
        self.measure(exact);
        let order = |row: &Measured| key(row.hit.distance, row.hit.row);
        let count = count.min(self.measured.len());
        if count < self.measured.len() {
            self.measured.select_nth_unstable_by_key(count, order);
        }
        self.measured[..count].sort_unstable_by_key(order);
        out.extend(self.measured.drain(..count).map(|row| row.hit));
        count
    }

    fn measure(&mut self, exact: &dyn Scorer) {
        let rows: Vec<u32> = self.drawn.iter().map(|&(_, row)| row).collect();
        let mut distances = vec![0.0; rows.len()];
        exact.score(&rows, &mut distances);
        let hits = rows.into_iter().zip(distances).map(|(row, distance)| Hit { row, distance });
        self.measured.extend(self.drawn.drain(..).zip(hits).map(|((walked, _), hit)| Measured { hit, walked }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A row's distance is its number.
    struct ByNumber;

    impl Scorer for ByNumber {
        fn score(&self, rows: &[u32], out: &mut [f32]) {
            out.iter_mut().zip(rows).for_each(|(distance, &row)| *distance = row as f32);
        }

        fn score_run(&self, _first: u32, _out: &mut [f32]) {
            unreachable!("rows on their way out are listed");
        }
    }

    fn emit(waiting: &mut Waiting, count: usize) -> Vec<u32> {
        let mut out = Vec::new();
        assert_eq!(waiting.emit(count, &ByNumber, &mut out), out.len());
        out.iter().map(|hit| hit.row).collect()
    }

    #[test]
    fn what_is_found_late_goes_before_what_is_in_the_buffer() {
        let mut waiting = Waiting::default();
        (10..200).for_each(|row| waiting.push(row as f32, row));
        assert_eq!(emit(&mut waiting, 100), (10..110).collect::<Vec<_>>());
        // The buffer now holds more rows than a batch of one needs.
        for row in [3, 7, 5] {
            waiting.push(row as f32, row);
        }
        assert_eq!((emit(&mut waiting, 1), emit(&mut waiting, 3)), (vec![3], vec![5, 7, 110]));
        assert_eq!(waiting.len(), 89);
    }

    #[test]
    fn a_batch_waits_for_rows_that_the_walk_has_passed() {
        let mut waiting = Waiting::default();
        (0..50).for_each(|row| waiting.push(row as f32, row));
        assert!(!waiting.draw(10, 9.0) && waiting.draw(10, 9.5));
        assert_eq!(emit(&mut waiting, 10), (0..10).collect::<Vec<_>>());
        assert!(waiting.draw(5, 0.0), "rows of the buffer count");
        assert_eq!([1, 5, 1000].map(|count| waiting.goal(count).to_bits()), [10.0, 14.0, 29.0].map(f32::to_bits));
    }
}
