//! The life of the service: a cycle, then nothing until there is a reason for the next one.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use chrono::{DateTime, Utc};

use crate::config::{Config, Listen};
use crate::domain::region::Region;
use crate::report::metrics::{Cycle, Gauges};
use crate::report::page::{AccountView, LastCycle};
use crate::report::trouble::Trouble;
use crate::report::{ExitCode, plan_text, run_text};
use crate::run::look::{LOOK_MAX, UNSEEN_FOR, makes_anything, whole_second};
use crate::run::notify::{After, Delivery, Notifier};
use crate::run::wake::next_wake_up;
use crate::run::{Account, Accounts, Looks, Plan, Present, Report, Request, Stop, WorldError};
use crate::service::board::{Board, Seen, time};
use crate::service::events::Events;
use crate::service::http::Server;
use crate::service::{Options, locks, systemd, wake};

/// The service at work.
pub(super) struct Life {
    pub(super) options: Options,
    /// The configuration that is followed.
    pub(super) config: Config,
    pub(super) accounts: Accounts,
    pub(super) board: Arc<Board>,
    pub(super) server: Server,
    pub(super) stop: Stop,
    pub(super) notifier: Notifier,
    /// When the last cycle ended, if it made anything.
    pub(super) made_at: Option<DateTime<Utc>>,
}

impl Life {
    /// Runs cycles until the wish to stop is set.
    pub(super) async fn go_on(mut self, events: &mut Events) {
        let mut looks: Vec<Looks> = Vec::new();
        let mut told = String::new();
        loop {
            let wake_at = self.cycle(events, &mut looks, &mut told).await;
            if self.stop.is_set() {
                return;
            }
            self.idle(events, &mut looks, wake_at).await;
            // What woke it may have been a signal, or a clock that was set. What the last cycle
            // made may not be listed yet, and the next one would make it again.
            loop {
                let (now, not_before) = (self.accounts.now(), self.not_before());
                if not_before <= now || self.stop.is_set() {
                    break;
                }
                self.tell_idle(not_before, self.board.n_cycles());
                self.idle(events, &mut looks, not_before).await;
            }
            if self.stop.is_set() {
                return;
            }
        }
    }

    /// Does nothing until `until`, or until there is another configuration, which is followed.
    async fn idle(&mut self, events: &mut Events, looks: &mut Vec<Looks>, until: DateTime<Utc>) {
        self.board.idle(until);
        let idle = self.stop.unless_set(self.accounts.idle_until(until));
        events.attend_until_reloaded(idle).await;
        if let Some(config) = events.take_fresh().filter(|_| !self.stop.is_set()) {
            self.follow(config).await;
            looks.clear();
        }
    }

    /// Returns before when no cycle may begin, whatever the clock shows now.
    fn not_before(&self) -> DateTime<Utc> {
        let now = self.accounts.now();
        self.made_at.map_or(now, |made_at| (made_at + UNSEEN_FOR).min(now + UNSEEN_FOR))
    }

    /// Keeps the cycles of other processes and those of this configuration apart.
    pub(super) fn set_locks(&mut self) {
        let (board, outlet) = (Arc::clone(&self.board), Arc::clone(&self.options.outlet));
        let tell = Arc::new(move |what: &str| {
            if !what.starts_with("warning") {
                board.locked_out(what);
            }
            systemd::status(what);
            outlet.tell(what);
        });
        self.accounts.set_locks(locks(&self.options, &self.config, tell));
    }

    /// Follows another configuration from now on.
    async fn follow(&mut self, config: Config) {
        if let Err(err) = self.accounts.configure(&config).await {
            let text = format!("{}; the configuration stays as it was", chain(&err));
            self.options.outlet.tell(&text);
            self.board.reloaded(Some(text));
            return;
        }
        let listen = self.options.listen.unwrap_or(config.listen);
        if listen != self.server.listen() {
            self.listen(listen).await;
        }
        self.config = config;
        self.set_locks();
    }

    /// Listens somewhere else, or where it did if that cannot be.
    async fn listen(&mut self, listen: Listen) {
        let (board, outlet) = (Arc::clone(&self.board), Arc::clone(&self.options.outlet));
        let before = self.server.listen();
        let is_same_port = before.port().is_some_and(|port| listen.port() == Some(port));
        if is_same_port {
            // Two addresses of one port may exclude each other.
            self.server.close().await;
        }
        match Server::start(listen, &board, &*outlet).await {
            Ok(server) => std::mem::replace(&mut self.server, server).close().await,
            Err(err) => {
                let text = format!("the rest is followed, but {}; {before} stays", chain(&err));
                outlet.tell(&text);
                board.reloaded(Some(text));
                if is_same_port {
                    match Server::start(before, &board, &*outlet).await {
                        Ok(server) => self.server = server,
                        Err(err) => outlet.tell(&chain(&err)),
                    }
                }
            }
        }
    }

    /// Runs one cycle; returns when the next one is due.
    async fn cycle(
        &mut self,
        events: &mut Events,
        looks: &mut Vec<Looks>,
        told: &mut String,
    ) -> DateTime<Utc> {
        let (number, now, begun) = (self.board.begins(), self.accounts.now(), Instant::now());
        systemd::status(&format!("cycle {number} of {}", time(now)));
        let request = Request::at(now);
        let reports = events.attend(self.reports(&request)).await;
        // Later, if another process came first.
        let judged = reports.iter().flatten().map(|report| report.plan.now);
        let now = judged.max().unwrap_or(now);
        let ended_at = self.accounts.now();
        let mut last = LastCycle {
            number,
            begun_at: now,
            ended_at,
            took: begun.elapsed(),
            exit_codes: vec![ExitCode::Failed.number()],
            error: None,
        };
        let look_at = match &reports {
            Ok(reports) => {
                last.exit_codes = self.exit_codes(reports);
                self.made_at = reports.iter().any(makes_anything).then_some(ended_at);
                self.tell_reports(reports, told);
                looks.resize_with(reports.len(), || Looks::up_to(LOOK_MAX));
                let pairs = looks.iter_mut().zip(reports);
                pairs.filter_map(|(looks, report)| looks.next(report, ended_at)).min()
            }
            Err(err) => {
                let text = chain(err);
                self.options.outlet.tell(&format!("error: {text}"));
                last.error = Some(text);
                looks.resize_with(looks.len().max(1), || Looks::up_to(LOOK_MAX));
                looks.iter_mut().map(|looks| looks.after_failure(ended_at)).min()
            }
        };
        // What came due during the cycle is due now.
        let slot = next_wake_up(&self.config, now);
        let wake_at = slot.into_iter().chain(look_at).min().unwrap_or(ended_at + LOOK_MAX);
        let wake_at = whole_second(wake_at.max(self.not_before()));
        let seen = reports.as_ref().ok().map(|reports| self.seen(reports, &last));
        self.board.ended(last, seen);
        if let Ok(reports) = &reports {
            events.attend(self.tell_people(reports)).await;
        }
        if self.stop.is_set() {
            self.options.outlet.tell(&format!("stopped, cycle {number} done"));
        } else {
            self.tell_idle(wake_at, number);
        }
        wake_at
    }

    /// Tells people what a cycle came to, if they want to know.
    async fn tell_people(&mut self, reports: &[Report]) {
        if self.options.is_dry_run {
            return;
        }
        let reload_error = self.board.reload_error();
        let troubles = reload_error.iter().map(|why| Trouble::of_configuration(why)).collect();
        let after = After { reports, troubles, is_partial: false };
        let told = self.notifier.tell(&self.config, &self.accounts, after).await;
        for text in told.iter().filter_map(Delivery::rehearsed) {
            self.options.outlet.tell(&text);
        }
    }

    /// Returns what became of each account.
    async fn reports(&self, request: &Request) -> Result<Vec<Report>, WorldError> {
        if !self.options.is_dry_run {
            return self.accounts.run(request, &self.stop, &*self.board).await;
        }
        let plans = self.stop.unless_set(self.accounts.plan_telling(request, &*self.board)).await;
        let report = |plan| Report { plan, ..Report::default() };
        Ok(plans.into_iter().flatten().map(report).collect())
    }

    /// Returns all exit codes of a report, the first first.
    fn codes_of(&self, Report { plan, outcomes, .. }: &Report) -> Vec<ExitCode> {
        if self.options.is_dry_run {
            ExitCode::of_plan(plan, false)
        } else {
            ExitCode::of_run(plan, outcomes)
        }
    }

    fn exit_codes(&self, reports: &[Report]) -> Vec<u8> {
        let codes = reports.iter().map(|report| self.codes_of(report));
        ExitCode::of_all(codes).into_iter().map(ExitCode::number).collect()
    }

    /// Writes the reports, unless they say the same as before, which may be every few minutes.
    fn tell_reports(&self, reports: &[Report], told: &mut String) {
        let texts = reports.iter().map(|Report { plan, outcomes, .. }| {
            if self.options.is_dry_run {
                plan_text::render(plan, false)
            } else {
                run_text::render(plan, outcomes)
            }
        });
        let texts: Vec<String> = texts.collect();
        // The first line of each is its instant.
        let news = texts.iter().map(|text| text.split_once('\n').map_or("", |(_, rest)| rest));
        let news: String = news.collect();
        if news != *told {
            self.options.outlet.report(&format!("{}\n", texts.join("\n")));
            *told = news;
        }
    }

    /// Returns what is shown of each account, and what is counted there.
    fn seen<'r>(&self, reports: &'r [Report], last: &LastCycle) -> Vec<Seen<'r>> {
        let seen = |(account, report): (&Account, &'r Report)| {
            let Report { plan, outcomes, .. } = report;
            let expected = wake::expected(&account.config, &regions_of(plan), last.begun_at);
            let cycle = Cycle {
                plan,
                outcomes,
                ended_at: last.ended_at,
                took: last.took,
                exit_code: self.codes_of(report).first().copied().unwrap_or(ExitCode::Done),
            };
            let slots = expected.iter().filter_map(|expected| {
                Some((Arc::clone(&expected.policy), expected.region, expected.next_slot?))
            });
            let gauges = Gauges::of(&cycle).with_next_slots(slots);
            Seen { view: AccountView::new(plan, outcomes, &expected), gauges, cycle }
        };
        self.accounts.iter().zip(reports).map(seen).collect()
    }

    /// Tells that nothing happens until then, in a line that programs may read.
    fn tell_idle(&self, until: DateTime<Utc>, number: u64) {
        let line = format!("idle until {}, cycle {number} done", time(until));
        systemd::status(&line);
        match self.options.present {
            // Whoever feeds the clock has to know what it waits for.
            Present::Fed(_) => self.options.outlet.tell(&line),
            Present::Machine | Present::From(_) => tracing::info!("{line}"),
        }
    }
}

/// Returns the regions that a plan says anything about.
fn regions_of(plan: &Plan) -> BTreeSet<Region> {
    let protected = plan.protection.iter().map(|protection| protection.region);
    let with_points = plan.n_points.keys().map(|(_, region)| *region);
    let unread = plan.gaps.iter().filter_map(|gap| gap.region);
    protected.chain(with_points).chain(unread).collect()
}

/// Returns an error with its causes.
fn chain(err: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(err.source(), |cause| cause.source());
    causes.fold(err.to_string(), |text, cause| format!("{text}: {cause}"))
}
