//! The shortest script that still breaks the same rule. Only ever asked for after a failure.

use crate::script::{Act, Script, Weather};
use crate::year::{self, Failure};

/// So many scripts are tried at most.
const TRIES_MAX: usize = 400;

/// Returns a shorter script, and how many were tried.
pub(crate) fn shrink(script: &Script, failure: &Failure) -> (Script, usize) {
    let mut shrinking = Shrinking { rule: failure.broken.rule, n_tries: 0, best: script.clone() };
    shrinking.best.steps.truncate(failure.step + 1);
    shrinking.drop_steps();
    shrinking.drop_sources();
    shrinking.calm_down();
    shrinking.drop_steps();
    (shrinking.best, shrinking.n_tries)
}

struct Shrinking {
    rule: &'static str,
    n_tries: usize,
    best: Script,
}

impl Shrinking {
    /// Takes `candidate` if it still fails.
    fn takes(&mut self, mut candidate: Script) -> bool {
        if TRIES_MAX <= self.n_tries {
            return false;
        }
        self.n_tries += 1;
        let Some(failure) = year::run(&candidate, false).failure else { return false };
        let is_same = failure.broken.rule == self.rule;
        if is_same {
            candidate.steps.truncate(failure.step + 1);
            self.best = candidate;
        }
        is_same
    }

    /// Leaves out runs of steps, ever shorter ones.
    fn drop_steps(&mut self) {
        let mut len = self.best.steps.len() / 2;
        while 0 < len {
            let mut from = 0;
            while from < self.best.steps.len() {
                let mut candidate = self.best.clone();
                let to = (from + len).min(candidate.steps.len());
                candidate.steps.drain(from..to);
                if !self.takes(candidate) {
                    from += len;
                }
            }
            len /= 2;
        }
    }

    fn drop_sources(&mut self) {
        for n in (0..self.best.world.sources.len()).rev() {
            let mut candidate = self.best.clone();
            candidate.world.sources.remove(n);
            self.takes(candidate);
        }
    }

    /// Lets single cycles have a calm day.
    fn calm_down(&mut self) {
        for n in 0..self.best.steps.len() {
            let mut candidate = self.best.clone();
            let Some(step) = candidate.steps.get_mut(n) else { return };
            match &step.act {
                Act::Cycle(weather) if !weather.is_fine() => {
                    step.act = Act::Cycle(Box::new(Weather::calm()));
                    self.takes(candidate);
                }
                _ => {}
            }
        }
    }
}
