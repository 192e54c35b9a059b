//! What is counted from the start of the process on.

use std::collections::BTreeMap;

use crate::domain::api_calls::{ApiCalls, Calls};
use crate::plan::Action;
use crate::report::ExitCode;
use crate::report::metrics::Cycle;
use crate::report::metrics::exposition::Exposition;

/// Counters over all cycles of a process.
#[derive(Debug, Clone, Default)]
pub struct Totals {
    cycles: BTreeMap<ExitCode, u64>,
    /// By operation and what became of it.
    actions: BTreeMap<(&'static str, &'static str), u64>,
    calls: ApiCalls,
}

/// Of each counter of calls: its name, what it says, and which number it is.
type CallCounter = (&'static str, &'static str, fn(Calls) -> u64);

const CALL_COUNTERS: [CallCounter; 3] = [
    ("snapkeep_api_calls_total", "Calls to AWS, answered or not.", |calls| calls.all),
    (
        "snapkeep_api_throttled_total",
        "Calls that were refused because there were too many.",
        |calls| calls.throttled,
    ),
    ("snapkeep_api_errors_total", "Calls that failed in another way.", |calls| calls.failed),
];

impl Totals {
    /// Adds one cycle, and the calls that it made.
    pub fn add(&mut self, cycle: &Cycle<'_>, calls: &ApiCalls) {
        *self.cycles.entry(cycle.exit_code).or_default() += 1;
        let operations = cycle.plan.actions.iter().map(Action::operation);
        for (operation, outcome) in operations.zip(cycle.outcomes) {
            *self.actions.entry((operation, outcome.word())).or_default() += 1;
        }
        self.calls.add(calls);
    }

    pub(super) fn render(&self, out: &mut Exposition) {
        let name = "snapkeep_cycles_total";
        out.family(name, "counter", "Cycles by what a run would have exited with.");
        // What is there from the start can be seen to grow from nothing.
        for code in [ExitCode::Done, ExitCode::Failed, ExitCode::Withheld, ExitCode::Incomplete] {
            let n = self.cycles.get(&code).copied().unwrap_or_default();
            out.sample(&[("exit_code", &code.number().to_string())], n);
        }
        for (code, n) in self
            .cycles
            .iter()
            .filter(|(code, _)| matches!(code, ExitCode::Usage | ExitCode::Actions))
        {
            out.sample(&[("exit_code", &code.number().to_string())], n);
        }
        let help = "Actions by EC2 operation and what became of them.";
        out.family("snapkeep_actions_total", "counter", help);
        for ((operation, outcome), n) in &self.actions {
            out.sample(&[("operation", operation), ("outcome", outcome)], n);
        }
        for (name, help, number) in CALL_COUNTERS {
            out.family(name, "counter", help);
            for (region, operation, calls) in self.calls.iter() {
                let region = region.map_or_else(String::new, |region| region.to_string());
                out.sample(&[("region", &region), ("operation", operation)], number(calls));
            }
        }
    }
}
