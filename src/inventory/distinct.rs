//! How many different values: exactly while they are few, then estimated in constant memory.
//!
//! The estimate is HyperLogLog (Flajolet et al., 2007) with 1,024 registers: its standard error is 3.3 %. Values come as
//! hashes; the order in which they come doesn't matter.

use crate::limits::CLIENTS_EXACT_MAX;

const REGISTER_BITS: u32 = 10;
const REGISTERS: usize = 1 << REGISTER_BITS;

/// A set of hashes of which only the size is asked for.
#[derive(Clone, Debug)]
pub(super) enum Distinct {
    /// All of them, sorted.
    Exact(Vec<u64>),
    /// The longest run of leading zeros, plus one, by the first bits of the hash.
    Sketch(Box<[u8; REGISTERS]>),
}

impl Default for Distinct {
    fn default() -> Self {
        Self::Exact(Vec::new())
    }
}

impl Distinct {
    pub(super) fn insert(&mut self, hash: u64) {
        match self {
            Self::Exact(all) => match all.binary_search(&hash) {
                Ok(_) => (),
                Err(place) if all.len() < CLIENTS_EXACT_MAX => all.insert(place, hash),
                Err(_) => {
                    let mut registers = Box::new([0; REGISTERS]);
                    all.iter().chain([&hash]).for_each(|hash| register(&mut registers, *hash));
                    *self = Self::Sketch(registers);
                }
            },
            Self::Sketch(registers) => register(registers, hash),
        }
    }

    /// How many there are, and whether that is an estimate.
    pub(super) fn count(&self) -> (u64, bool) {
        match self {
            Self::Exact(all) => (all.len() as u64, false),
            Self::Sketch(registers) => (estimate(registers), true),
        }
    }
}

fn register(registers: &mut [u8; REGISTERS], hash: u64) {
    let index = (hash >> (64 - REGISTER_BITS)) as usize;
    // The set bit behind the rest ends the run of zeros.
    let rank = ((hash << REGISTER_BITS) | 1 << (REGISTER_BITS - 1)).leading_zeros() as u8 + 1;
    if let Some(register) = registers.get_mut(index) {
        *register = rank.max(*register);
    }
}

fn estimate(registers: &[u8; REGISTERS]) -> u64 {
    let m = REGISTERS as f64;
    let sum: f64 = registers.iter().map(|rank| (-f64::from(*rank)).exp2()).sum();
    let raw = 0.7213 / (1.0 + 1.079 / m) * m * m / sum;
    let empty = registers.iter().filter(|rank| **rank == 0).count();
    // Below 2.5 m the registers that are still empty tell more (linear counting).
    let value = if raw <= 2.5 * m && empty > 0 { m * (m / empty as f64).ln() } else { raw };
    value.round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use xxhash_rust::xxh3::xxh3_64;

    #[test]
    fn exact_then_within_its_error() {
        let mut distinct = Distinct::default();
        let mut added = 0u64;
        for step in [1, 10, CLIENTS_EXACT_MAX as u64, 200, 1000, 5000, 100_000, 1_000_000] {
            while added < step {
                distinct.insert(xxh3_64(&added.to_le_bytes()));
                distinct.insert(xxh3_64(&(added / 2).to_le_bytes()));
                added += 1;
            }
            let (count, estimated) = distinct.count();
            assert_eq!(estimated, step > CLIENTS_EXACT_MAX as u64);
            let error = count.abs_diff(step) as f64 / step as f64;
            assert!(if estimated { error < 0.1 } else { error == 0.0 }, "{step}: {count}");
        }
    }

    #[test]
    fn order_does_not_matter() {
        let hashes: Vec<u64> = (0..500u64).map(|value| xxh3_64(&value.to_le_bytes())).collect();
        let count = |hashes: &mut dyn Iterator<Item = &u64>| {
            let mut distinct = Distinct::default();
            hashes.for_each(|hash| distinct.insert(*hash));
            distinct.count()
        };
        assert_eq!(count(&mut hashes.iter()), count(&mut hashes.iter().rev()));
    }
}
