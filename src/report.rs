//! Reports: plans, outcomes and explanations as text, JSON and HTML, and metrics.
//!
//! Decides nothing and prints nothing: everything here returns or writes text, which is the same
//! for the same input. What comes from outside is escaped before a terminal sees it.

pub mod drift;
pub mod emf;
pub mod exit;
pub mod explain_text;
pub mod iam;
pub mod json;
pub mod log;
pub mod message;
pub mod metrics;
pub mod page;
pub mod plan_text;
pub mod preflight_text;
pub mod run_text;
pub mod simulation;
pub mod status;
pub mod text;
pub mod trouble;

pub use drift::Drift;
pub use exit::ExitCode;
pub use message::Message;
pub use trouble::Cycle;
