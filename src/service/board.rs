//! What the service shows: the page, its health, its metrics. Written by the task that runs the
//! cycles, read by HTTP.
//!
//! Holds what is worth showing and no plan: a plan of a large account is too big to keep.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use crate::domain::api_calls::ApiCalls;
use crate::report::metrics::{self, Cycle, Gauges, Totals};
use crate::report::page::{self, AccountView, LastCycle, Scene};
use crate::run::{Action, Clock as _, Outcome, Progress, WorldClock};
use crate::service::health::Phase;

/// What the service shows.
pub(super) struct Board {
    clock: WorldClock,
    is_dry_run: bool,
    state: Mutex<State>,
}

struct State {
    phase: Phase,
    n_cycles: u64,
    last: Option<LastCycle>,
    accounts: Vec<AccountView>,
    totals: Totals,
    gauges: Vec<Gauges>,
    /// Calls of the cycle that is under way.
    calls: BTreeMap<Option<Arc<str>>, ApiCalls>,
    /// What is wrong with the configuration that was read last, and since when.
    reload_error: Option<(DateTime<Utc>, String)>,
}

/// What a cycle saw and did in one account.
pub(super) struct Seen<'r> {
    /// For the page.
    pub(super) view: AccountView,
    /// For the metrics, as things stand.
    pub(super) gauges: Gauges,
    /// For the metrics that only grow.
    pub(super) cycle: Cycle<'r>,
}

impl Board {
    pub(super) fn new(clock: WorldClock, is_dry_run: bool) -> Self {
        let state = State {
            phase: Phase::Cycle(Instant::now()),
            n_cycles: 0,
            last: None,
            accounts: Vec::new(),
            totals: Totals::default(),
            gauges: Vec::new(),
            calls: BTreeMap::new(),
            reload_error: None,
        };
        Self { clock, is_dry_run, state: Mutex::new(state) }
    }

    /// A cycle begins; returns its number.
    pub(super) fn begins(&self) -> u64 {
        let mut state = self.lock();
        state.n_cycles += 1;
        state.phase = Phase::Cycle(Instant::now());
        state.n_cycles
    }

    /// Returns the number of the last cycle.
    pub(super) fn n_cycles(&self) -> u64 {
        self.lock().n_cycles
    }

    /// Another process is in the way.
    pub(super) fn locked_out(&self, text: &str) {
        self.lock().phase = Phase::LockedOut(text.to_owned());
    }

    /// A cycle has ended. Where there is no report of it, what was seen before is still shown.
    pub(super) fn ended(&self, last: LastCycle, seen: Option<Vec<Seen<'_>>>) {
        let mut state = self.lock();
        state.last = Some(last);
        let mut calls = std::mem::take(&mut state.calls);
        let Some(seen) = seen else { return };
        state.accounts.clear();
        state.gauges.clear();
        for Seen { view, gauges, cycle } in seen {
            state.gauges.push(gauges);
            let calls = calls.remove(&cycle.plan.account_name).unwrap_or_default();
            state.totals.add(&cycle, &calls);
            state.accounts.push(view);
        }
    }

    /// Nothing happens until then.
    pub(super) fn idle(&self, until: DateTime<Utc>) {
        self.lock().phase = Phase::Idle(until);
    }

    /// The configuration was read again, with this error.
    pub(super) fn reloaded(&self, error: Option<String>) {
        let now = self.clock.now();
        self.lock().reload_error = error.map(|error| (now, error));
    }

    /// Returns why the configuration could not be followed when it was read again.
    pub(super) fn reload_error(&self) -> Option<String> {
        self.lock().reload_error.as_ref().map(|(_, error)| error.clone())
    }

    /// Returns true if something should have happened by now that has not.
    pub(super) fn is_late(&self) -> bool {
        self.lock().phase.is_late(self.clock.now(), Instant::now())
    }

    /// Returns the page for people.
    pub(super) fn page(&self) -> String {
        let state = self.lock();
        let doing = match &state.phase {
            Phase::Idle(until) => page::Doing::Idle(*until),
            Phase::Cycle(_) => page::Doing::Cycle,
            Phase::LockedOut(what) => page::Doing::LockedOut(what),
        };
        page::render(&Scene {
            now: self.clock.now(),
            doing,
            is_dry_run: self.is_dry_run,
            last: state.last.as_ref(),
            accounts: &state.accounts,
            reload_error: state.reload_error.as_ref().map(|(at, error)| (*at, error.as_str())),
        })
    }

    /// Returns whether the service is well, and what it does, as JSON.
    pub(super) fn health(&self) -> (bool, Value) {
        let now = self.clock.now();
        let state = self.lock();
        let is_well = !state.phase.is_late(now, Instant::now());
        let last = state.last.as_ref().map(|last| {
            json!({
                "number": last.number,
                "begun_at": time(last.begun_at),
                "ended_at": time(last.ended_at),
                "age_seconds": (now - last.ended_at).num_seconds().max(0),
                "exit_codes": last.exit_codes,
                "error": last.error,
            })
        });
        let next = match &state.phase {
            Phase::Idle(until) => Some(time(*until)),
            Phase::Cycle(_) | Phase::LockedOut(_) => None,
        };
        let body = json!({
            "ready": true,
            "is_late": !is_well,
            "phase": state.phase.word(),
            "dry_run": self.is_dry_run,
            "last_cycle": last,
            "next_wake_up": next,
            "reload_error": state.reload_error.as_ref().map(|(_, error)| error),
        });
        (is_well, body)
    }

    /// Returns the metrics, as Prometheus reads them.
    pub(super) fn metrics(&self) -> String {
        let state = self.lock();
        let next = match &state.phase {
            Phase::Idle(until) => Some(*until),
            Phase::Cycle(_) | Phase::LockedOut(_) => None,
        };
        metrics::render(&state.totals, &state.gauges, next)
    }

    fn sign_of_life(&self) {
        self.lock().phase = Phase::Cycle(Instant::now());
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code that can panic half-way changes anything under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Progress for Board {
    fn observes(&self) {
        self.sign_of_life();
    }

    fn begins(&self, _n_actions: usize) {
        self.sign_of_life();
    }

    fn ended(&self, _action: &Action, _outcome: &Outcome) {
        self.sign_of_life();
    }

    fn ends(&self) {
        self.sign_of_life();
    }

    fn called(&self, account: Option<&Arc<str>>, calls: &ApiCalls) {
        self.lock().calls.entry(account.cloned()).or_default().add(calls);
    }
}

/// Returns an instant as it stands in JSON and in the line that tells how long the service is idle.
pub(super) fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}
