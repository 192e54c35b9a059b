//! Whole cycles on the sandbox, with everything that goes wrong in an account.
//!
//! Each test runs what a command runs: observe, plan, check, execute. Its name is the fact that it
//! shows.

mod adoption;
mod apply;
mod attempts;
mod calls;
mod choosing;
mod copies;
mod creating;
mod daily;
mod deleting;
mod encryption;
mod families;
mod gaps;
mod images;
mod images_foreign;
mod images_going;
mod images_kind;
mod images_leftover;
mod images_uses;
mod lambda;
mod limits;
mod orphans;
mod pace;
mod protection;
mod reviewed;
mod reviewed_images;
mod runners;
mod simulated;
mod telling;
mod twins;
mod waiting;
mod whole_way;
mod world;
