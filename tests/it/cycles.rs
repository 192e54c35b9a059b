//! Whole cycles on the sandbox, with everything that goes wrong in an account.
//!
//! Each test runs what a command runs: observe, plan, check, execute. Its name is the fact that it
//! shows.

mod attempts;
mod choosing;
mod creating;
mod deleting;
mod gaps;
mod limits;
mod orphans;
mod runners;
mod twins;
mod world;
