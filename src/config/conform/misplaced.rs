//! Keys that are right, but stand in the wrong table.

use serde_json::Value;

/// A table that holds keys of a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    Policy,
    Defaults,
    Override,
}

/// What belongs to the whole policy, whatever the region.
const OF_WHOLE_POLICY: [&str; 4] = ["name", "accounts", "regions", "renamed_from"];

/// Returns true if the table at `path` is an override, which cannot have `key` as a policy has.
pub(super) fn is_not_overridable(path: &str, key: &str) -> bool {
    let is_override =
        enclosing(path).is_some_and(|(owner, above)| owner == Owner::Override && above == path);
    is_override && OF_WHOLE_POLICY.contains(&key)
}

/// Returns true if the table at `path` holds keys of a policy.
pub(super) fn holds_policy_keys(path: &str) -> bool {
    enclosing(path).is_some_and(|(_, above)| above == path)
}

/// A key of a policy that stands in one of its tables.
pub(super) struct Sunk<'p> {
    /// Path of the table in which it belongs.
    pub(super) home: &'p str,
    /// Where to move it.
    pub(super) hint: String,
}

/// Returns where `key` belongs, if the table at `path`, which begins with `header`, is part of a
/// policy that has such a key.
pub(super) fn sunk<'p>(schema: &Value, path: &'p str, header: &str, key: &str) -> Option<Sunk<'p>> {
    let (owner, home) = enclosing(path)?;
    let (definition, name, above) = match owner {
        Owner::Policy => ("Policy", "the policy", "the first `[policy.…]` table"),
        Owner::Defaults => ("Defaults", "`[defaults]`", "the first `[defaults.…]` table"),
        Owner::Override => ("Override", "the override", "the first table in it"),
    };
    let keys = schema.pointer(&format!("/$defs/{definition}/properties"))?;
    if home == path || keys.get(key).is_none() {
        return None;
    }
    let inner = path.rsplit('/').next().unwrap_or_default();
    let hint = if header.starts_with('[') {
        format!("`{key}` is a key of {name}: move it above {above}")
    } else {
        format!("`{key}` is a key of {name}: move it out of `{inner}`")
    };
    Some(Sunk { home, hint })
}

/// Returns the nearest table around `path` that holds keys of a policy, and its path.
fn enclosing(path: &str) -> Option<(Owner, &str)> {
    let (owner, n_parts) = match path.split('/').next()? {
        "policy" => (Owner::Policy, 2),
        "defaults" => (Owner::Defaults, 1),
        _ => return None,
    };
    let parts: Vec<&str> = path.split('/').collect();
    let (owner, n_parts) = match parts.get(n_parts) {
        Some(&"override") if n_parts + 2 <= parts.len() => (Owner::Override, n_parts + 2),
        _ => (owner, n_parts),
    };
    let length = parts.get(..n_parts)?.iter().map(|part| part.len() + 1).sum::<usize>() - 1;
    Some((owner, path.get(..length)?))
}

#[cfg(test)]
mod tests {
    use super::{Owner, enclosing, holds_policy_keys, is_not_overridable};

    #[test]
    fn the_nearest_table_of_policy_keys_is_found() {
        for (path, expected) in [
            ("", None),
            ("limits", None),
            ("policy/0", Some((Owner::Policy, "policy/0"))),
            ("policy/0/retention/daily", Some((Owner::Policy, "policy/0"))),
            ("policy/0/override", Some((Owner::Policy, "policy/0"))),
            ("defaults/select", Some((Owner::Defaults, "defaults"))),
            (
                "policy/12/override/us-east-1/select",
                Some((Owner::Override, "policy/12/override/us-east-1")),
            ),
            ("defaults/override/us-east-1", Some((Owner::Override, "defaults/override/us-east-1"))),
        ] {
            assert_eq!(enclosing(path), expected, "{path}");
        }
        assert!(holds_policy_keys("defaults") && !holds_policy_keys("policy/0/copy/0"));
        assert!(is_not_overridable("policy/0/override/us-east-1", "name"));
        assert!(!is_not_overridable("policy/0/override/us-east-1/select", "name"));
    }
}
