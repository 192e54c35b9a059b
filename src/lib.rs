//! snapkeep keeps the right EBS snapshots and AMIs in the right regions, encrypted with the right
//! keys, and removes the rest; it always shows beforehand what it would do and why.
//!
//! # Map
//!
//! Data flows one way: configuration → inventory → plan → check → execution → report. Each room
//! imports only rooms above it in this table, which a test enforces.
//!
//! | room | holds | may import |
//! |---|---|---|
//! | [`domain`] | the nouns: ids, regions, spans, tags, inventory | nothing |
//! | [`config`] | TOML → a valid [`config::Config`]; schedules, selectors | domain |
//! | [`plan`] | configuration, inventory, now → a [`plan::Plan`]; its check | config, domain |
//! | [`cloud`] | the port to EC2; the real one, the sandbox, saved inventories | domain |
//! | [`execute`] | a plan → outcomes: order, pace, looking again | cloud, plan, domain |
//! | [`report`] | plans and outcomes → text, JSON, metrics, a page, exit codes | execute, plan, domain |
//! | [`run`] | one cycle, the clocks, simulations, and who is told | all above |
//! | [`service`] | cycles at their slots, for ever; a page about them | run, report, config, cloud, domain |
//! | [`lambda`] | the AWS Lambda function | run, report, config, cloud, domain |
//! | [`cli`] | the command line | service, run, report, config, cloud, domain |
//!
//! The ways of starting a cycle know nothing of each other; the command line starts the service, as
//! it starts everything.
//!
//! `cloud::aws` is the only place that names the SDK, `run::clock` the only one that reads the
//! wall clock, and `cli` and `lambda`, which know nothing of each other, the only ones that read the
//! environment and print.
//!
//! # Invariants
//!
//! The only state is in the tags of the snapshots and images. No step is remembered between cycles, so a
//! crash or a second runner loses nothing.
//!
//! 1. The planner does no I/O, reads no clock and uses no randomness: same input, same bytes out.
//! 2. Execution makes no choices. Every action names its ids and what it was planned against; just
//!    before a deletion what goes and what is to stay in its place, in other regions too, are read
//!    again, and a mismatch skips it.
//! 3. A gap never causes a deletion or a duplicate. A gap in a region's snapshots or images stops
//!    creations there, copies into it and all deletions there, and deletions of points that are to
//!    be copied there; one in instances or volumes stops `orphans`. A source is gone only when
//!    asking for its id says so.
//! 4. Only what is ours, or what a policy explicitly adopts, is ever deleted or deregistered.
//! 5. The newest `keep_last` (at least 1) complete points of a lineage are never deleted, whatever
//!    the tiers say; `orphans` is the one exception.
//! 6. Nothing is deleted that backs a registered image, is locked or held, is managed by another
//!    service, or is the source of an unfinished copy. A veto on one member vetoes the recovery
//!    point.
//! 7. Creations and copies carry their tags in the creating call and are never blindly repeated:
//!    after an ambiguous failure the slot is looked up for a minute, then the next cycle decides.
//!    Of two points of one slot the earliest complete one stays; another is surplus only once it
//!    is.
//! 8. One failing item, policy or region never stops the others; nothing is reported as done that
//!    was not.
//! 9. When the clock and EC2's own `Date` header differ by more than 5 minutes, nothing is deleted.
//! 10. After a finished run, a plan for the same instant has no actions, except creations of
//!     policies without a schedule and what was refused, failed or vetoed.

#![forbid(unsafe_code)]

pub mod cli;
pub mod cloud;
pub mod config;
pub mod domain;
pub mod execute;
pub mod lambda;
pub mod plan;
pub mod report;
pub mod run;
pub mod service;
