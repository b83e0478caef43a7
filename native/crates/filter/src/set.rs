//! Sets of numbers in the form that answers fastest: a short list, a table of bits, a hash table.

use std::hash::{BuildHasher, RandomState};

/// Up to so many values are compared with one after another, 64 rows at a time, rather than looked up in a table.
const FEWER_THAN_A_LOOK: usize = 4;
/// Up to so many, rather than hashed.
const FEWER_THAN_A_HASH: usize = 32;
/// Up to so many bits a table is taken whatever the number of values: it fits a core's own cache.
const SMALL_TABLE_BITS: u64 = 1 << 21;
/// Larger tables must be worth their memory.
const TABLE_BITS_PER_VALUE: u64 = 128;

/// A set of integers.
pub struct IntSet {
    form: Form,
}

enum Form {
    Few(Vec<i64>),
    Table(Table),
    Hashed(Hashed),
}

impl Form {
    fn of(sorted: Vec<i64>) -> Self {
        let (Some(low), Some(high)) = (sorted.first(), sorted.last()) else { return Form::Few(sorted) };
        if sorted.len() <= FEWER_THAN_A_LOOK {
            return Form::Few(sorted);
        }
        let span = high.abs_diff(*low);
        if span < SMALL_TABLE_BITS || span / TABLE_BITS_PER_VALUE < sorted.len() as u64 {
            return Form::Table(Table::new(&sorted, *low, span));
        }
        if sorted.len() <= FEWER_THAN_A_HASH { Form::Few(sorted) } else { Form::Hashed(Hashed::new(&sorted)) }
    }
}

/// A set's form, for kernels that choose their loop by it.
#[derive(Clone, Copy)]
pub(crate) enum Look<'a> {
    Few(&'a [i64]),
    Table(&'a Table),
    Hashed(&'a Hashed),
}

impl IntSet {
    /// Prepares a set; values may repeat.
    pub fn new(values: &[i64]) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        Self { form: Form::of(sorted) }
    }

    /// Whether a value is in the set.
    #[inline]
    pub fn holds(&self, value: i64) -> bool {
        match &self.form {
            Form::Few(few) => few.contains(&value),
            Form::Table(table) => table.holds(value),
            Form::Hashed(hashed) => hashed.holds(value),
        }
    }

    pub(crate) fn look(&self) -> Look<'_> {
        match &self.form {
            Form::Few(few) => Look::Few(few),
            Form::Table(table) => Look::Table(table),
            Form::Hashed(hashed) => Look::Hashed(hashed),
        }
    }
}

/// A set of doubles: -0.0 is 0.0, NaN is never in it.
pub struct FloatSet {
    few: Option<Vec<f64>>,
    keys: IntSet,
}

impl FloatSet {
    /// Prepares a set; values may repeat.
    pub fn new(values: &[f64]) -> Self {
        let numbers = values.iter().copied().filter(|value| !value.is_nan());
        let keys = IntSet::new(&numbers.map(Self::key).collect::<Vec<_>>());
        let few = match &keys.form {
            Form::Few(few) => Some(few.iter().map(|key| f64::from_bits(key.cast_unsigned())).collect()),
            Form::Table(_) | Form::Hashed(_) => None,
        };
        Self { few, keys }
    }

    /// Whether a value is in the set.
    #[inline]
    pub fn holds(&self, value: f64) -> bool {
        self.keys.holds(Self::key(value))
    }

    /// The bits that stand for a value; both zeros have the same.
    #[inline(always)]
    pub(crate) fn key(value: f64) -> i64 {
        (value + 0.0).to_bits().cast_signed()
    }

    /// The values themselves where they are few.
    pub(crate) fn few(&self) -> Option<&[f64]> {
        self.few.as_deref()
    }

    pub(crate) fn look(&self) -> Look<'_> {
        self.keys.look()
    }
}

/// A bit a number from the least value on.
pub(crate) struct Table {
    low: i64,
    span: u64,
    bits: Vec<u64>,
}

impl Table {
    fn new(sorted: &[i64], low: i64, span: u64) -> Self {
        let mut bits = vec![0; (span / 64 + 1) as usize];
        for value in sorted {
            let at = value.abs_diff(low);
            bits[(at / 64) as usize] |= 1 << (at % 64);
        }
        Self { low, span, bits }
    }

    #[inline(always)]
    pub(crate) fn holds(&self, value: i64) -> bool {
        let at = value.wrapping_sub(self.low).cast_unsigned();
        let inside = at <= self.span;
        let at = if inside { at } else { 0 };
        let word = self.bits.get((at / 64) as usize).copied().unwrap_or(0);
        (word >> (at % 64) & 1 == 1) & inside
    }
}

/// Open addressing over a power of two of slots, at most half of them full, behind a filter of bits.
pub(crate) struct Hashed {
    // Seeded a set: values are chosen by users, and must not be choosable to collide.
    seed: u64,
    filter: Filter,
    /// A value that is not in the set marks a free slot.
    free: i64,
    mask: usize,
    slots: Vec<i64>,
}

impl Hashed {
    fn new(sorted: &[i64]) -> Self {
        let seed = RandomState::new().hash_one(sorted.len());
        let free = first_gap(sorted);
        let mask = (sorted.len() * 2).next_power_of_two() - 1;
        let mut set = Self { seed, filter: Filter::new(sorted.len()), free, mask, slots: vec![free; mask + 1] };
        for value in sorted {
            let hash = set.hash(*value);
            set.filter.add(hash);
            let mut at = hash as usize & mask;
            while set.slots[at] != free {
                at = (at + 1) & mask;
            }
            set.slots[at] = *value;
        }
        set
    }

    /// A folded multiplication: every bit of the value moves every bit of the hash.
    #[inline(always)]
    fn hash(&self, value: i64) -> u64 {
        folded(value.cast_unsigned() ^ self.seed, 0x9E37_79B9_7F4A_7C15)
    }

    /// Whether a value may be in the set; false for nearly all that are not, without a branch.
    #[inline(always)]
    pub(crate) fn may_hold(&self, value: i64) -> bool {
        self.filter.may_hold(self.hash(value))
    }

    #[inline(always)]
    pub(crate) fn holds(&self, value: i64) -> bool {
        let mut at = self.hash(value) as usize;
        loop {
            let found = self.slots[at & self.mask];
            if found == self.free {
                return false;
            }
            if found == value {
                return true;
            }
            at += 1;
        }
    }
}

/// Both halves of a product, each a mix of both factors.
#[inline(always)]
pub(crate) fn folded(left: u64, right: u64) -> u64 {
    let product = u128::from(left) * u128::from(right);
    (product >> 64) as u64 ^ product as u64
}

/// A bit for each hash that is in a set: what finds its bit clear is not, what finds it set has to be looked up.
pub(crate) struct Filter {
    /// How far a hash is shifted to be a bit's number.
    shift: u32,
    bits: Vec<u64>,
}

impl Filter {
    /// Room for 16 to 32 bits a member, one in about twenty of the others passing.
    pub(crate) fn new(members: usize) -> Self {
        let words = members.div_ceil(4).next_power_of_two();
        Self { shift: 58 - words.trailing_zeros(), bits: vec![0; words] }
    }

    pub(crate) fn add(&mut self, hash: u64) {
        let at = hash >> self.shift;
        self.bits[(at / 64) as usize] |= 1 << (at % 64);
    }

    #[inline(always)]
    pub(crate) fn may_hold(&self, hash: u64) -> bool {
        let at = hash >> self.shift;
        self.bits.get((at / 64) as usize).copied().unwrap_or(0) >> (at % 64) & 1 == 1
    }
}

/// A number that is not among ascending ones.
fn first_gap(sorted: &[i64]) -> i64 {
    let gap = sorted.windows(2).find(|pair| pair[0] + 1 != pair[1]);
    gap.map_or_else(|| sorted.last().map_or(0, |last| last.wrapping_add(1)), |pair| pair[0] + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_of_int64_are_ordinary_members() {
        for extra in [0, 3, 100] {
            let wanted: Vec<i64> = [i64::MIN, i64::MAX, 0].into_iter().chain((0..extra).map(|at| at << 40)).collect();
            let set = IntSet::new(&wanted);
            assert!(wanted.iter().all(|value| set.holds(*value)));
            assert!([1, -1, i64::MIN + 1, i64::MAX - 1].iter().all(|value| !set.holds(*value)));
        }
    }

    #[test]
    fn whatever_marks_a_free_slot_is_no_member() {
        let wanted: Vec<i64> = (0..1000).map(|at| at * at * 1_000_000_007).collect();
        let Form::Hashed(hashed) = &IntSet::new(&wanted).form else { panic!("a wide span is hashed") };
        assert!(!hashed.holds(hashed.free));
        assert!(wanted.iter().all(|value| hashed.holds(*value)));
        assert!((1..1000).all(|value| !hashed.holds(value * 3 + 1)));
    }

    #[test]
    fn a_table_knows_nothing_outside_its_span() {
        let set = IntSet::new(&(100..200).collect::<Vec<_>>());
        assert!(matches!(set.form, Form::Table(_)));
        for value in [99, 200, i64::MIN, i64::MAX, 99 - 64, 200 + 64] {
            assert!(!set.holds(value));
        }
    }
}
