//! Chance for one purpose: a stream of its own for each, so that one more draw here changes nothing
//! there.

use snapkeep::cloud::sandbox::SplitMix64;

/// A stream of draws.
#[derive(Debug, Clone)]
pub(crate) struct Chance(SplitMix64);

impl Chance {
    /// The stream of `seed` for `purpose`.
    pub(crate) fn of(seed: u64, purpose: &str) -> Self {
        let mixed = purpose.bytes().fold(seed ^ 0x5eed, |hash, byte| {
            SplitMix64(hash.wrapping_mul(257).wrapping_add(u64::from(byte))).next()
        });
        Self(SplitMix64(mixed))
    }

    /// Returns any number, to be the seed of something else.
    pub(crate) fn seed(&mut self) -> u64 {
        self.0.next()
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0.below(end)
    }

    /// Returns a number from `from` to `to`, both included.
    pub(crate) fn within(&mut self, from: i64, to: i64) -> i64 {
        let n = usize::try_from(to - from + 1).unwrap();
        from + i64::try_from(self.0.below(n)).unwrap()
    }

    pub(crate) fn happens(&mut self, rate: f64) -> bool {
        self.0.happens(rate)
    }

    /// Returns one of `all`, which must not be empty.
    pub(crate) fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }

    /// Returns one of `all`, by weights.
    pub(crate) fn weighted<T: Copy>(&mut self, all: &[(usize, T)]) -> T {
        let mut left = self.below(all.iter().map(|(weight, _)| weight).sum());
        for (weight, choice) in all {
            if left < *weight {
                return *choice;
            }
            left -= weight;
        }
        unreachable!("weights add up")
    }
}
