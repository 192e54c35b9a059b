//! Chance that comes out the same in every run.

/// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
///
/// Own code, so that no upgrade of a crate changes the ids of a kept sandbox or what a seed means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SplitMix64(pub u64);

impl SplitMix64 {
    /// Returns any number.
    #[expect(clippy::should_implement_trait, reason = "it never ends, so it is no iterator")]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Returns a number below `end`; zero if that is zero.
    pub fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.next() % end).unwrap_or_default()
    }

    /// Returns true at this rate, from 0.0 for never to 1.0 for always.
    pub fn happens(&mut self, rate: f64) -> bool {
        self.fraction() < rate
    }

    /// Returns a number from zero on and below one.
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
    pub fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::SplitMix64;

    #[test]
    fn a_seed_means_the_same_for_ever() {
        let mut chance = SplitMix64(1_234_567);
        // As the reference implementation draws.
        let drawn = [chance.next(), chance.next()];
        assert_eq!(drawn, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
    }

    #[test]
    fn rates_are_met() {
        let mut chance = SplitMix64(1);
        let mut n_of = |rate| (0..10_000).filter(|_| chance.happens(rate)).count();
        assert_eq!((n_of(0.0), n_of(1.0)), (0, 10_000));
        let n_quarter = n_of(0.25);
        assert!((2_400..2_600).contains(&n_quarter), "{n_quarter}");
    }
}
