//! From names that somebody gave to what is asked of a plan; names that the configuration does not
//! have are refused.

use chrono::{DateTime, Utc};

use crate::config::Config;
use crate::domain::region::Region;
use crate::plan::Request;

/// Something was named that the configuration does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    /// No such policy.
    #[error("no policy is called `{name}`; the configuration has {}", known.join(", "))]
    Policy {
        /// What was named.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// No such region.
    #[error("no policy applies in {0}, and none copies to it")]
    Region(Region),
}

/// Returns the request for these policies and regions at `now`; for all, where none is named.
pub fn request(
    config: &Config,
    policies: &[String],
    regions: &[Region],
    now: DateTime<Utc>,
) -> Result<Request, ScopeError> {
    let known = || config.policies.iter().map(|policy| policy.name.as_ref());
    if let Some(name) = policies.iter().find(|name| !known().any(|known| known == name.as_str())) {
        let known = known().map(str::to_owned).collect();
        return Err(ScopeError::Policy { name: name.clone(), known });
    }
    for region in regions {
        let is_destination = config.named_regions().contains(region);
        if !is_destination && !config.policies.iter().any(|policy| policy.applies_in(region)) {
            return Err(ScopeError::Region(*region));
        }
    }
    let (policies, regions) = (policies.to_vec(), regions.to_vec());
    Ok(Request { policies, regions, ..Request::at(now) })
}
