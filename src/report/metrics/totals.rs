//! What is counted from the start of the process on.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::api_calls::{ApiCalls, Calls};
use crate::domain::region::Region;
use crate::report::ExitCode;
use crate::report::metrics::Cycle;
use crate::report::metrics::exposition::Exposition;

/// Counters over all cycles of a process.
#[derive(Debug, Clone, Default)]
pub struct Totals {
    /// By account; none is the own one.
    cycles: BTreeMap<Account, BTreeMap<ExitCode, u64>>,
    /// By account, policy, region, operation and what became of it.
    actions: BTreeMap<(Account, Arc<str>, Region, &'static str, &'static str), u64>,
    calls: BTreeMap<Account, ApiCalls>,
}

/// What the configuration calls an account.
type Account = Option<Arc<str>>;

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
        let account = &cycle.plan.account_name;
        let cycles = self.cycles.entry(account.clone()).or_default();
        *cycles.entry(cycle.exit_code).or_default() += 1;
        for (action, outcome) in cycle.plan.actions.iter().zip(cycle.outcomes) {
            let policy = Arc::clone(&action.policy);
            let (operation, outcome) = (action.operation(), outcome.word());
            let key = (account.clone(), policy, action.region, operation, outcome);
            *self.actions.entry(key).or_default() += 1;
        }
        self.calls.entry(account.clone()).or_default().add(calls);
    }

    pub(super) fn render(&self, out: &mut Exposition) {
        let name = "snapkeep_cycles_total";
        out.family(name, "counter", "Cycles by what a run would have exited with.");
        // What is there from the start can be seen to grow from nothing.
        let usual = [ExitCode::Done, ExitCode::Failed, ExitCode::Withheld, ExitCode::Incomplete];
        let from_the_start = BTreeMap::from([(None, BTreeMap::new())]);
        let cycles = if self.cycles.is_empty() { &from_the_start } else { &self.cycles };
        for (account, cycles) in cycles {
            let others = cycles.keys().copied().filter(|code| !usual.contains(code));
            for code in usual.into_iter().chain(others) {
                let n = cycles.get(&code).copied().unwrap_or_default();
                out.sample(&[label(account), ("exit_code", &code.number().to_string())], n);
            }
        }
        let help = "Actions by EC2 operation and what became of them.";
        out.family("snapkeep_actions_total", "counter", help);
        for ((account, policy, region, operation, outcome), n) in &self.actions {
            let place = [label(account), ("policy", policy), ("region", region.as_str())];
            let what = [("operation", *operation), ("outcome", *outcome)];
            out.sample(&[&place[..], &what[..]].concat(), n);
        }
        for (name, help, number) in CALL_COUNTERS {
            out.family(name, "counter", help);
            let of_accounts = self.calls.iter();
            let all =
                of_accounts.flat_map(|(account, calls)| calls.iter().map(move |c| (account, c)));
            for (account, (region, operation, calls)) in all {
                let region = region.map_or_else(String::new, |region| region.to_string());
                let labels = [label(account), ("region", &region), ("operation", operation)];
                out.sample(&labels, number(calls));
            }
        }
    }
}

fn label(account: &Account) -> (&str, &str) {
    ("account", account.as_deref().unwrap_or_default())
}
