//! snapkeep as an AWS Lambda function: the same cycle as `run`, started by an event.
//!
//! Its process is a whole program, like the command line's: it reads its environment and ends with
//! an exit code. What an event asks for, when an invocation has to stop, and what it answers are
//! functions of their own, and know nothing of Lambda's Runtime API.
//!
//! # What is invoked again
//!
//! Lambda repeats an asynchronous invocation that ends in an error: twice, after one and two
//! minutes, unless told otherwise. So an error means that it may go better by itself. Whatever only
//! a person can change is an answer; it is logged as an error and counted in a metric, so that an
//! alarm sees it.
//!
//! | what happened | it ends in | again |
//! |---|---|---|
//! | all done, nothing to do, or waiting | the report | no |
//! | deletions withheld by a limit | the report, `exit_codes` with 3 | no |
//! | the plan, or a part of it, refused by its check | the report, with 1 | no |
//! | an action failed because EC2 refused it: a right, a limit of the account | the report, with 1 | no |
//! | a listing that EC2 refuses: a right, a region that is not enabled | the report, with 4 | no |
//! | the time was nearly over: what was not begun is `not started` | the report, with 1 | no |
//! | a bad event, configuration or environment | `error`, `exit_codes` `[2]` | no |
//! | a listing failed by throttling, 5xx, the network, credentials | error `Incomplete` | yes |
//! | an action failed for such a reason | error `Failed` | yes |
//! | the configuration's parameter could not be read for such a reason | error `Configuration` | yes |
//! | the time was over in the middle of something | error `Unfinished` | yes |
//!
//! A repetition has the event's `time`, so it fills the same slot; all else is planned anew. What
//! was done before an error stays done. An event without a `time` is not repeated once it has made a
//! point for a policy without a schedule, since that would make another: what would be an error is
//! then an answer, and counted as refused.

use std::process::ExitCode;

pub mod answer;
pub mod configuration;
pub mod deadline;
pub mod event;
pub mod handler;
pub mod metrics;
pub mod settings;

#[cfg(feature = "aws")]
mod api;
mod logs;
mod once;

pub use handler::{Ended, handle};
pub use settings::is_lambda;

/// Serves invocations until Lambda ends the process.
#[cfg(feature = "aws")]
pub fn main() -> ExitCode {
    api::main()
}

/// Says that this build has nothing to serve with.
#[cfg(not(feature = "aws"))]
pub fn main() -> ExitCode {
    logs::start(tracing::level_filters::LevelFilter::WARN);
    tracing::error!("this build cannot run in Lambda: it was built without the feature `aws`");
    ExitCode::FAILURE
}
