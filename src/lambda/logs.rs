//! Logs as Lambda's log groups take them: one JSON object a line on stderr, with the id of the
//! invocation. stdout is for metrics.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;

use crate::report::log::{Lines, Shape};
use crate::report::text::count;
use crate::run::{Outcome, Report, Severity};

/// Starts logging from `level` on; others than snapkeep only tell errors.
pub(super) fn start(level: LevelFilter) {
    let filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::ERROR.into())
        .parse_lossy(format!("snapkeep={level}"));
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_writer(|| Lines::new(std::io::stderr(), Shape::Json))
        .json()
        .flatten_event(true)
        .with_span_list(false);
    // A subscriber that is there already belongs to a test, which then wants it.
    let _ = logs.try_init();
}

/// Returns the span in which everything that an invocation logs bears its id.
#[cfg(feature = "aws")]
pub(super) fn invocation(request_id: &str) -> tracing::Span {
    // Of the highest level, so that no filter leaves it out.
    tracing::error_span!("invocation", request_id)
}

/// Logs what a person should know of a cycle. What became of each action stands in the log already.
pub(super) fn tell(report: &Report) {
    let Report { plan, outcomes, .. } = report;
    let account = plan.account.as_deref();
    for gap in &plan.gaps {
        let region = gap.region.as_ref().map(ToString::to_string);
        tracing::warn!(account, region, call = gap.operation, why = %gap.error, "could not be read");
    }
    for note in &plan.notes {
        let region = note.region.as_ref().map(ToString::to_string);
        match note.severity {
            Severity::Info => tracing::debug!(account, region, "{}", note.message),
            Severity::Warning => tracing::warn!(account, region, "{}", note.message),
            Severity::Fatal => tracing::error!(account, region, "{}", note.message),
        }
    }
    if let Some(withheld) = plan.withheld.first() {
        let n_withheld = count(plan.withheld.len(), "deletion");
        tracing::warn!(account, limit = %withheld.limit, "a limit withholds {n_withheld}");
    }
    let n_not_started = outcomes.iter().filter(|o| matches!(o, Outcome::NotStarted(_))).count();
    if 0 < n_not_started {
        let n_not_started = count(n_not_started, "action");
        tracing::warn!(account, "{n_not_started} not started; the next run plans anew");
    }
    let n_done = outcomes.iter().filter(|outcome| outcome.is_done()).count();
    let (n_actions, n_waiting) = (outcomes.len(), plan.waiting.len());
    tracing::info!(account, n_actions, n_done, n_waiting, "cycle ended");
}
