//! One cycle: observe, plan, check, execute. The only place that joins the rooms, and the only one
//! that reads the wall clock.
//!
//! Every way of starting a cycle ends here.

pub mod clock;
pub mod cycle;

pub use clock::{SandboxClock, SystemClock};
pub use cycle::{Report, observe, run};
