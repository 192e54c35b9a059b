//! One invocation: an event and a deadline go in, an answer comes out.
//!
//! Knows nothing of Lambda's Runtime API, of the environment, or of which EC2 it is, so that it
//! runs on the sandbox as it does in Lambda.

use chrono::SubsecRound as _;
use serde_json::Value;
use tokio::sync::watch;

use crate::config::Config;
use crate::lambda::answer::{self, Retry};
use crate::lambda::deadline::Deadline;
use crate::lambda::event::{Asked, request_of};
use crate::lambda::logs;
use crate::lambda::once::Once;
use crate::run::{Accounts, Plan, Report, Request, Stop, WorldError};

/// Why what may go better by itself is not repeated.
const NOT_REPEATED: &str = "it is not repeated, because points were made for an event without a \
                            `time`, and a repetition would make them once more";

/// What an invocation came to.
#[derive(Debug)]
pub struct Ended {
    /// What it answers.
    pub answer: Result<Value, Retry>,
    /// What was done in each account, where it came to that.
    pub reports: Vec<Report>,
    /// Whether something was refused: the event, the configuration, or a new one while the one
    /// that was read before stays; or that it is repeated, which would make points twice.
    pub is_refused: bool,
    /// Whether it was for some policies or regions only.
    pub is_partial: bool,
}

impl Ended {
    /// Returns that nothing was done because of something that only a person can change.
    pub fn refused(why: &str) -> Self {
        tracing::error!("{why}");
        let answer = Ok(answer::refusal(why));
        Self { answer, reports: Vec::new(), is_refused: true, is_partial: false }
    }

    /// Returns that Lambda should try again.
    pub fn again(retry: Retry) -> Self {
        tracing::error!(kind = retry.kind, "{retry}");
        Self { answer: Err(retry), reports: Vec::new(), is_refused: false, is_partial: false }
    }
}

/// Handles one event.
pub async fn handle(
    accounts: &Accounts,
    config: &Config,
    event: &Value,
    deadline: Option<Deadline>,
) -> Ended {
    // Slots stand in tags by the second.
    let now = accounts.now().trunc_subsecs(0);
    let Asked { dry_run, request, names_slot } = match request_of(event, config, now) {
        Ok(asked) => asked,
        Err(err) => return Ended::refused(&err.to_string()),
    };
    if dry_run {
        return planned(accounts, &request, deadline).await;
    }
    let once = Once::new(config, names_slot);
    let ran = run_until(accounts, &request, deadline, &once).await;
    let may_repeat = !once.forbids_repetition();
    let is_partial = !request.policies.is_empty() || !request.regions.is_empty();
    match ran {
        // Without a plan there is nothing to report; what other accounts did, the next one finds.
        Some(Ok(reports)) if may_repeat && reports.iter().any(|report| report.is_interrupted) => {
            Ended::again(unfinished())
        }
        Some(Ok(reports)) => {
            reports.iter().for_each(logs::tell);
            let mut ended =
                Ended { answer: answer::of_runs(&reports), reports, is_refused: false, is_partial };
            if let Err(retry) = &ended.answer {
                tracing::error!(kind = retry.kind, "{retry}");
                if !may_repeat {
                    tracing::error!("{NOT_REPEATED}");
                    ended.answer = Ok(answer::reported(&ended.reports));
                    ended.is_refused = true;
                }
            }
            ended
        }
        Some(Err(err)) => Ended::refused(&format!("{:#}", anyhow::Error::new(err))),
        None if may_repeat => Ended::again(unfinished()),
        None => {
            let why = format!("{}; {NOT_REPEATED}", unfinished());
            tracing::error!("{why}");
            let answer = Ok(answer::unfinished(&why));
            Ended { answer, reports: Vec::new(), is_refused: true, is_partial }
        }
    }
}

async fn planned(accounts: &Accounts, request: &Request, deadline: Option<Deadline>) -> Ended {
    let plans: Option<Vec<Plan>> = tokio::select! {
        biased;
        plans = accounts.plan(request) => Some(plans),
        () = passes(accounts, deadline.map(|deadline| deadline.answer_at)) => None,
    };
    let Some(plans) = plans else { return Ended::again(unfinished()) };
    let answer = Ok(answer::of_plans(&plans));
    Ended { answer, reports: Vec::new(), is_refused: false, is_partial: false }
}

/// Runs a cycle in each account; begins nothing new once the deadline is near, and gives up what is
/// not finished when only the answer matters.
async fn run_until(
    accounts: &Accounts,
    request: &Request,
    deadline: Option<Deadline>,
    once: &Once<'_>,
) -> Option<Result<Vec<Report>, WorldError>> {
    let (sender, stop) = Stop::new();
    tokio::select! {
        biased;
        reports = accounts.run(request, &stop, once) => Some(reports),
        () = stops(accounts, deadline, &sender) => None,
    }
}

/// Sets the wish to stop when the deadline is near; returns when only the answer matters.
async fn stops(accounts: &Accounts, deadline: Option<Deadline>, stop: &watch::Sender<bool>) {
    passes(accounts, deadline.map(|deadline| deadline.stop_at)).await;
    tracing::warn!("the time is nearly over: nothing new is begun, the next cycle goes on");
    // Without a receiver the cycle is over.
    let _ = stop.send(true);
    passes(accounts, deadline.map(|deadline| deadline.answer_at)).await;
}

/// Waits for an instant; for ever where there is none.
async fn passes(accounts: &Accounts, at: Option<chrono::DateTime<chrono::Utc>>) {
    match at {
        Some(at) => accounts.sleep_until(at).await,
        None => std::future::pending().await,
    }
}

fn unfinished() -> Retry {
    let why = "the time was over before the cycle was; what it had begun is found by the next";
    Retry { kind: "Unfinished", why: why.to_owned() }
}
