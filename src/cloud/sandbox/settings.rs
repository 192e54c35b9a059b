//! How a sandbox behaves where EC2 leaves it open.

use chrono::TimeDelta;

/// Behaviour that tests and demonstrations choose. The default is an EC2 on its best day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// How many items a page holds.
    pub page_items: usize,
    /// Whether each listing starts with an empty page, as EC2's may.
    pub has_empty_pages: bool,
    /// How long a call takes, in virtual time; its effect is half-way.
    pub latency: TimeDelta,
    /// For how long listings leave out a snapshot that has just been created.
    pub invisible_for: TimeDelta,
    /// For how long listings still show a snapshot or image that has just been deleted.
    pub lingers_for: TimeDelta,
    /// Whether EC2's published request rates are enforced.
    pub is_throttling: bool,
    /// What [`Cloud::clock_skew`](crate::cloud::Cloud::clock_skew) returns.
    pub clock_skew: Option<TimeDelta>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            page_items: 1000,
            has_empty_pages: false,
            latency: TimeDelta::zero(),
            invisible_for: TimeDelta::zero(),
            lingers_for: TimeDelta::zero(),
            is_throttling: false,
            clock_skew: Some(TimeDelta::zero()),
        }
    }
}
