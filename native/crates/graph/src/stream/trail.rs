//! Where the walk has been of late.

use std::collections::VecDeque;

/// The least distance of the last `width` expansions.
#[derive(Debug)]
pub(crate) struct Trail {
    width: usize,
    steps: usize,
    /// Steps with their distances, both ascending: the first is the least, each next the least after it.
    minima: VecDeque<(usize, f32)>,
}

impl Trail {
    /// A trail that remembers `width` expansions, at least one.
    pub(crate) fn new(width: usize) -> Self {
        Trail { width: width.max(1), steps: 0, minima: VecDeque::new() }
    }

    /// Adds an expansion.
    #[inline]
    pub(crate) fn push(&mut self, distance: f32) {
        self.steps += 1;
        while self.minima.back().is_some_and(|&(_, least)| least >= distance) {
            self.minima.pop_back();
        }
        self.minima.push_back((self.steps, distance));
        if self.minima.front().is_some_and(|&(step, _)| step + self.width <= self.steps) {
            self.minima.pop_front();
        }
    }

    /// The walk has left behind what is nearer than this: nothing before `width` expansions.
    #[inline]
    pub(crate) fn passed(&self) -> f32 {
        if self.steps < self.width { f32::NEG_INFINITY } else { self.minima[0].1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_least_of_the_last_steps() {
        for width in [1, 2, 7, 32] {
            let mut trail = Trail::new(width);
            let distances: Vec<f32> = (0..200_u32).map(|i| (i * 7919 % 101) as f32).collect();
            for (step, &distance) in distances.iter().enumerate() {
                trail.push(distance);
                let least = distances[(step + 1).saturating_sub(width)..=step].iter().fold(f32::MAX, |a, &b| a.min(b));
                let expected = if step + 1 < width { f32::NEG_INFINITY } else { least };
                assert_eq!(trail.passed().to_bits(), expected.to_bits());
            }
        }
    }
}
