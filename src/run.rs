//! One cycle, or one after the other: observe, plan, check, execute. The only place that joins the rooms, and the only one
//! that reads the wall clock.
//!
//! Every way of starting a cycle ends here, so what such a way needs of the rooms above is handed
//! on from here.

pub mod accounts;
pub mod apply;
pub mod clock;
pub mod cycle;
pub mod fed;
pub mod lock;
pub mod look;
pub mod notify;
pub mod observe;
pub mod preflight;
pub mod saved;
pub mod scope;
pub mod signals;
pub mod simulate;
mod timer;
pub mod wait;
pub mod wake;
pub mod world;

pub use accounts::{Account, Accounts};
pub use apply::{Applied, ApplyError, Selection, Terms};
pub use clock::{Present, SandboxClock, SystemClock, WorldClock};
pub use cycle::{Report, run};
pub use fed::FedClock;
pub use lock::{Locks, Tell};
pub use look::Looks;
pub use observe::{observe, observe_saved};
pub use preflight::preflight;
pub use saved::{SavedError, SavedPlan};
pub use scope::ScopeError;
pub use signals::stop_on_signals;
pub use wait::run_until_settled;
pub use world::{Choice, OpenError, World, WorldError};

pub use crate::execute::{Clock, Outcome, Progress, Stop};
pub use crate::plan::preflight::Preflight;
pub use crate::plan::rights::rights;
pub use crate::plan::{Action, Plan, Request, Severity, explain, plan};
