//! Reasons in words: one short line each, the same in every report.

use std::fmt;

use chrono::{DateTime, Utc};

use crate::config::Tier;
use crate::plan::model::{ExpireReason, Keep, KeepReason};
use crate::plan::retention::{Hold, Holds, Lapse};

impl fmt::Display for Lapse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended(tier, at) => write!(f, "{} ended {}", tier.name(), minute(*at)),
            Self::Beyond(tier, count) => write!(f, "past newest {count} {}", tier.name()),
            Self::NotTaken => f.write_str("no tier takes it"),
        }
    }
}

impl fmt::Display for ExpireReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Retention(lapse) => lapse.fmt(f),
            Self::Orphan(lapse) => write!(f, "source is gone, {lapse}"),
            Self::Replaced(lapse) => write!(f, "newer point covers the volume, {lapse}"),
            Self::Surplus => f.write_str("second point of its slot"),
            Self::Failed => f.write_str("failed over 24 hours ago"),
            Self::FailedInTheWay => f.write_str("failed, in the way of the next attempt"),
            Self::Retired => f.write_str(
                "unencrypted, and its encrypted copy and all copies asked for are complete",
            ),
            Self::LeftOver(image_id) => write!(f, "left over of {image_id}, which is gone"),
            Self::GivenUp(lapse) => write!(f, "{lapse}, gave up on its copy"),
        }
    }
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tier(tier) => tier.name(),
            Self::Last => "keep_last",
            Self::Forever => "forever",
            Self::NewestIncomplete => "incomplete, none newer is complete",
            Self::Future => "of the future",
        })
    }
}

impl fmt::Display for Keep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            KeepReason::Held(holds) => f.write_str(&held(*holds, self.until)),
            KeepReason::Vetoed(_) | KeepReason::Failed => {
                f.write_str(&self.why())?;
                self.until.map_or(Ok(()), |until| write!(f, " until {}", minute(until)))
            }
        }
    }
}

/// Returns what holds a point: its tiers and when the last of them ends, then all else.
pub fn held(holds: Holds, until: Option<DateTime<Utc>>) -> String {
    let tiers: Vec<&str> = holds.tiers().map(Tier::name).collect();
    let until = until.map(|at| format!(" until {}", minute(at))).unwrap_or_default();
    let others = holds.iter().filter(|hold| !matches!(hold, Hold::Tier(_)));
    let tiers = Some(format!("{}{until}", tiers.join(", "))).filter(|text| !text.is_empty());
    let parts: Vec<String> = tiers.into_iter().chain(others.map(|hold| hold.to_string())).collect();
    parts.join("; ")
}

impl Keep {
    /// Returns why it stays, without until when.
    pub fn why(&self) -> String {
        match &self.reason {
            KeepReason::Held(holds) => held(*holds, None),
            KeepReason::Vetoed(vetoed) => {
                let (reason, veto) = vetoed.as_ref();
                format!("{}; would go: {reason}", veto.cause)
            }
            KeepReason::Failed => "failed, the memory of its attempt".to_owned(),
        }
    }

    /// Returns the names of the tiers that hold it, from the shortest period on.
    pub fn tier_names(&self) -> Vec<&'static str> {
        match &self.reason {
            KeepReason::Held(holds) => holds.tiers().map(Tier::name).collect(),
            KeepReason::Vetoed(_) | KeepReason::Failed => Vec::new(),
        }
    }
}

/// Returns an instant to the minute, in UTC: `2026-11-20 03:00Z`.
pub fn minute(at: DateTime<Utc>) -> String {
    at.format("%F %RZ").to_string()
}
