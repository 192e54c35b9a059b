//! Who is told what: `[notify]`, with all defaults filled in.
//!
//! Where a secret is to be found stands here, never the secret.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use chrono_tz::Tz;

use crate::config::schedule::Schedule;
use crate::domain::event::Event;
use crate::domain::region::Region;
use crate::domain::span::Span;

/// What is told, when, and by which channels.
#[derive(Debug, Clone, PartialEq)]
pub struct Notify {
    /// What is told.
    pub on: BTreeSet<Event>,
    /// When the summary is due; none if it is not told.
    pub summary: Option<Schedule>,
    /// On whose calendar `summary` and `repeat` are.
    pub timezone: Tz,
    /// After how long an unchanged failure or refusal is told again.
    pub repeat: Span,
    /// The SNS topic, if that is a channel.
    pub sns: Option<Topic>,
    /// Where the webhook's URL is found, if that is a channel.
    pub webhook: Option<UrlSource>,
    /// The program and its arguments, if that is a channel.
    pub command: Option<Vec<String>>,
}

/// An SNS topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// Its ARN.
    pub arn: Arc<str>,
    /// Its region, as the ARN names it.
    pub region: Region,
}

/// Where a URL is found that is a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UrlSource {
    /// In this variable of the environment.
    Env(String),
    /// In the file of this absolute path.
    File(PathBuf),
    /// In the file of this name in systemd's `$CREDENTIALS_DIRECTORY`.
    Credential(String),
}
