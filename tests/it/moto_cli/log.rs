//! What EC2 and KMS were asked, as text that a test can show.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::Machine;
use crate::support::moto::Call;

impl Machine {
    /// Runs a cycle at `now` and returns what a person sees before and after it, and what was asked
    /// between.
    pub(super) fn cycle(&self, now: &str) -> String {
        self.moto.set_now(now);
        let plan = self.snapkeep(&format!("plan --now {now}")).quiet(0);
        let run = |machine: &Self| machine.snapkeep(&format!("run --now {now}")).quiet(0);
        let (told, log) = self.log_of(run);
        format!("$ snapkeep plan\n{plan}\n$ snapkeep run\n{told}\n{log}\n")
    }

    /// Returns what was asked while `work` went on: in each region, how often each thing was read,
    /// and each call that changes something with all that it said.
    pub(super) fn log_of<T>(&self, work: impl FnOnce(&Self) -> T) -> (T, String) {
        let n_before = self.moto.calls().len();
        let res = work(self);
        let mut regions: BTreeMap<String, Vec<Call>> = BTreeMap::new();
        for call in self.moto.calls().into_iter().skip(n_before) {
            regions.entry(call.region.clone()).or_default().push(call);
        }
        let mut text = String::new();
        for (region, calls) in regions {
            writeln!(text, "{region}").unwrap();
            log_of_region(&calls, &mut text);
        }
        (res, text)
    }
}

/// Calls may come in any order.
fn log_of_region(calls: &[Call], text: &mut String) {
    let is_reading = |call: &&Call| call.action.starts_with("Describe");
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for call in calls.iter().filter(is_reading) {
        *counts.entry(&call.action).or_default() += 1;
    }
    let counts: Vec<String> = counts.iter().map(|(action, n)| format!("{n} {action}")).collect();
    writeln!(text, "  {}", counts.join(", ")).unwrap();
    let mut kinds: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for call in calls.iter().filter(|call| !is_reading(call)) {
        kinds.entry(&call.action).or_default().push(params_of(call));
    }
    for (action, mut asked) in kinds {
        asked.sort();
        // What is only an id stands in one line for all.
        if asked.iter().all(|params| !params.contains('\n')) {
            let params: Vec<&str> = asked.iter().map(|params| params.trim()).collect();
            writeln!(text, "  {action}: {}", params.join(", ")).unwrap();
            continue;
        }
        for params in asked {
            writeln!(text, "  {action}\n{params}").unwrap();
        }
    }
}

/// Tags stand as `image: key = value`.
fn params_of(call: &Call) -> String {
    let mut text = String::new();
    let mut params: Vec<(&String, &String)> = call.params.iter().collect();
    // Numbers in names count: the tenth tag comes after the second.
    params.sort_by_cached_key(|(name, _)| {
        let parts = name.split('.').map(|part| (part.parse().unwrap_or(0), part.to_owned()));
        parts.collect::<Vec<(u32, String)>>()
    });
    for (name, value) in params {
        if name.ends_with(".ResourceType") || name.ends_with(".Key") {
            continue;
        }
        let name = match name.strip_suffix(".Value") {
            None => name.clone(),
            Some(tag) => {
                let key = &call.params[&format!("{tag}.Key")];
                let kind = tag
                    .rsplit_once(".Tag.")
                    .and_then(|(of, _)| call.params.get(&format!("{of}.ResourceType")));
                kind.map_or(key.clone(), |kind| format!("{kind}: {key}"))
            }
        };
        // It says when it was signed; the server has looked at it.
        let value = if name == "PresignedUrl" { "[..]" } else { value };
        writeln!(text, "    {name} = {value}").unwrap();
    }
    text.truncate(text.trim_end().len());
    text
}
