//! Bad luck: faults that calls meet by chance, and regions that are down for a while.

use chrono::{DateTime, Utc};

use crate::cloud::sandbox::chance::SplitMix64;
use crate::cloud::sandbox::fault::Fault;
use crate::domain::region::Region;

/// How likely a call is to meet which fault. The same seed draws the same faults for the same calls.
#[derive(Debug, Clone)]
pub struct Luck {
    chance: SplitMix64,
    rates: Vec<(Fault, f64)>,
}

impl Luck {
    /// Lets nothing go wrong, until told what.
    pub fn new(seed: u64) -> Self {
        Self { chance: SplitMix64(seed), rates: Vec::new() }
    }

    /// Lets calls meet `fault` at this rate, from 0.0 for never to 1.0 for always. A call meets one
    /// fault at most, so rates beyond 1.0 in all leave the last ones out.
    #[must_use]
    pub fn with(mut self, fault: Fault, rate: f64) -> Self {
        self.rates.push((fault, rate));
        self
    }

    /// Draws what happens to one call.
    pub(super) fn draw(&mut self) -> Option<Fault> {
        if self.rates.is_empty() {
            return None;
        }
        let mut left = self.chance.fraction();
        let struck = self.rates.iter().find(|(_, rate)| {
            left -= rate;
            left < 0.0
        });
        struck.map(|(fault, _)| fault.clone())
    }
}

/// A region that does not answer for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Outage {
    pub(super) region: Region,
    /// Inclusive.
    pub(super) from: DateTime<Utc>,
    /// Exclusive.
    pub(super) to: DateTime<Utc>,
}

impl Outage {
    pub(super) fn covers(&self, region: &Region, now: DateTime<Utc>) -> bool {
        self.region == *region && self.from <= now && now < self.to
    }
}

#[cfg(test)]
mod tests {
    use super::Luck;
    use crate::cloud::sandbox::fault::Fault;

    #[test]
    fn each_fault_is_met_at_its_rate_and_the_same_again() {
        let luck = Luck::new(3).with(Fault::Throttled, 0.1).with(Fault::LostReply, 0.3);
        let draw = |luck: &Luck| {
            let mut luck = luck.clone();
            (0..10_000).map(|_| luck.draw()).collect::<Vec<_>>()
        };
        let drawn = draw(&luck);
        let n_of = |fault: &Fault| drawn.iter().flatten().filter(|drawn| *drawn == fault).count();
        // As this seed has it; by the rates 1,000 and 3,000.
        assert_eq!((n_of(&Fault::Throttled), n_of(&Fault::LostReply)), (986, 3051));
        assert_eq!(drawn, draw(&luck));
        assert!(Luck::new(3).draw().is_none());
    }
}
