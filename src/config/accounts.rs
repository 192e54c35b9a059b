//! `[accounts]`: where policies apply beside the own account.
//!
//! Here is what the tables say together; each value is read in `layer`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::config::Config;
use crate::config::diagnose::{Findings, Place, did_you_mean};
use crate::config::layer::{AccountNames, Reader};
use crate::config::resolve::{ParsedFile, Placed};
use crate::config::shape::At;

/// How `accounts` names the account whose credentials snapkeep was started with.
pub(super) const OWN: &str = "self";

/// The name of an account; none is the own one.
pub type AccountName = Option<Arc<str>>;

/// A role that is assumed in another account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// Its ARN.
    pub arn: Arc<str>,
    /// ExternalId of AssumeRole.
    pub external_id: Option<Arc<str>>,
}

impl Role {
    /// Returns the id of its account.
    pub fn account_id(&self) -> Option<&str> {
        self.arn.split(':').nth(4)
    }
}

impl Config {
    /// Returns the accounts in which any policy applies; the own one first, then by name.
    pub fn account_names(&self) -> BTreeSet<AccountName> {
        self.policies.iter().flat_map(|policy| policy.accounts.iter().cloned()).collect()
    }

    /// Returns what the configuration says about one account.
    #[must_use]
    pub fn of_account(&self, name: &AccountName) -> Self {
        let mut config = self.clone();
        config.policies.retain(|policy| policy.accounts.contains(name));
        config.account.clone_from(name);
        config
    }
}

/// What the files say about accounts.
pub(super) struct Accounts {
    given: BTreeMap<Arc<str>, (Place, Option<Role>)>,
    /// Whether that is all that they say.
    is_whole: bool,
}

impl Accounts {
    /// Reads the tables of all files; `is_complete` is false if some file could not be read.
    pub(super) fn read(
        files: &[ParsedFile],
        is_complete: bool,
        findings: &mut Findings<'_>,
    ) -> Self {
        let mut accounts = Self { given: BTreeMap::new(), is_whole: is_complete };
        for parsed in files {
            accounts.is_whole &= !parsed.broken.touches("accounts");
            for (name, at) in parsed.shape.accounts.iter().flat_map(At::value) {
                let place = Place::new(parsed.file, name.span());
                let mut reader = Reader::new(parsed.file, &parsed.broken, findings);
                let read_name = reader.account_name(name);
                let role = reader.role(at, &place, &format!("accounts/{}", name.value()));
                let Some(name) = read_name else {
                    accounts.is_whole = false;
                    continue;
                };
                if let Some((first, _)) = accounts.given.get(&name) {
                    let message = format!("account `{name}` is given in two files");
                    let hint =
                        format!("it is given in {} already; keep one", findings.line_at(first));
                    findings.report(&place, message, hint);
                } else {
                    accounts.given.insert(name, (place, role));
                }
            }
        }
        accounts.check_are_different(findings);
        accounts
    }

    /// One account under two names would get every recovery point twice.
    fn check_are_different(&self, findings: &mut Findings<'_>) {
        let mut seen: BTreeMap<&str, (&str, &Place)> = BTreeMap::new();
        for (name, (place, role)) in &self.given {
            let Some(id) = role.as_ref().and_then(Role::account_id) else {
                continue;
            };
            if let Some((other, at)) = seen.get(id) {
                let message = format!("accounts `{other}` and `{name}` are both {id}");
                let hint = format!("`{other}` is in {}; keep one", findings.line_at(at));
                findings.report(place, message, hint);
            } else {
                seen.insert(id, (name, place));
            }
        }
    }

    /// Returns the accounts that a policy names; reports those that are not there.
    pub(super) fn resolve(
        &self,
        named: &AccountNames,
        findings: &mut Findings<'_>,
    ) -> Option<BTreeSet<AccountName>> {
        let mut is_valid = true;
        let mut accounts = BTreeSet::new();
        for (name, place) in named {
            if name.as_ref() == OWN {
                accounts.insert(None);
            } else if self.given.contains_key(name) || !self.is_whole {
                accounts.insert(Some(Arc::clone(name)));
            } else {
                is_valid = false;
                let known = || self.given.keys().map(AsRef::as_ref).chain([OWN]);
                let hint = match did_you_mean(name, known()) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => format!(
                        "write `[accounts.{name}]` with a `role_arn`, or `{OWN}` for the account \
                         whose credentials are used"
                    ),
                };
                findings.report(place, format!("there is no account `{name}`"), hint);
            }
        }
        is_valid.then_some(accounts)
    }

    /// An account about which something is said has to be one where something is done.
    pub(super) fn check_are_used(&self, placed: &[Placed], findings: &mut Findings<'_>) {
        let is_used = |name: &Arc<str>| {
            let mut policies = placed.iter().map(|placed| &placed.policy);
            // One that could not be read may apply anywhere.
            policies.any(|policy| {
                policy.as_ref().is_none_or(|policy| policy.accounts.contains(&Some(name.clone())))
            })
        };
        for (name, (place, _)) in self.given.iter().filter(|(name, _)| !is_used(name)) {
            let message = format!("no policy applies in account `{name}`");
            let hint = format!("add `accounts = [\"{name}\"]` to a policy, or remove the table");
            findings.report(place, message, hint);
        }
    }

    /// Returns the roles that are given.
    pub(super) fn into_roles(self) -> BTreeMap<Arc<str>, Role> {
        self.given.into_iter().filter_map(|(name, (_, role))| Some((name, role?))).collect()
    }
}
