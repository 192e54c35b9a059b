//! What holds for every part of a plan that a saved one selects, however that was edited.

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};
use snapkeep::domain::span::Span;
use snapkeep::plan::subset::left_out;
use snapkeep::plan::{Action, Plan, Request};
use snapkeep::report::json::write_plan;
use snapkeep::run::apply::select;
use snapkeep::run::{SavedPlan, Selection, saved};

use super::account::{Account, any_seeds, config, start};
use super::cases;
use super::copying::broken;

/// What somebody does to a file.
#[derive(Debug, Clone)]
enum Edit {
    Remove(Index),
    Repeat(Index, Index),
    Swap(Index, Index),
    /// Gives one action a field of another.
    Take(Index, Index, &'static str),
    /// Gives one action a parameter of another.
    TakeParam(Index, Index, Index),
    Overwrite(Index, &'static str, Junk),
    OverwriteParam(Index, Index, Junk),
    /// Has what a limit withholds done, and what is kept deleted.
    Allow,
    Delete(Index),
    Head(&'static str, Junk),
    Later(i64),
    /// Writes one byte somewhere.
    Byte(Index, u8),
    CutOff(Index),
}

#[derive(Debug, Clone)]
enum Junk {
    Text(String),
    Number(i64),
    Null,
    List,
}

impl Junk {
    fn value(&self) -> Value {
        match self {
            Self::Text(text) => json!(text),
            Self::Number(n) => json!(n),
            Self::Null => Value::Null,
            Self::List => json!([["snap-00000001"], {}]),
        }
    }
}

const FIELDS: [&str; 9] =
    ["id", "op", "policy", "region", "resource", "source", "reason", "after", "params"];
const HEADS: [&str; 7] =
    ["format", "now", "account", "account_name", "config_digest", "notes", "left_out"];

fn junk() -> impl Strategy<Value = Junk> {
    prop_oneof![
        any::<String>().prop_map(Junk::Text),
        "(eu-west-1|us-east-1|snap-[0-9a-f]{8}|DeleteSnapshot|snapkeep.plan/2)"
            .prop_map(Junk::Text),
        any::<i64>().prop_map(Junk::Number),
        Just(Junk::Null),
        Just(Junk::List),
    ]
}

fn edit() -> impl Strategy<Value = Edit> {
    let at = any::<Index>;
    let field = || prop::sample::select(&FIELDS[..]);
    prop_oneof![
        4 => at().prop_map(Edit::Remove),
        1 => (at(), at()).prop_map(|(a, b)| Edit::Repeat(a, b)),
        1 => (at(), at()).prop_map(|(a, b)| Edit::Swap(a, b)),
        3 => (at(), at(), field()).prop_map(|(a, b, key)| Edit::Take(a, b, key)),
        2 => (at(), at(), at()).prop_map(|(a, b, key)| Edit::TakeParam(a, b, key)),
        2 => (at(), field(), junk()).prop_map(|(a, key, junk)| Edit::Overwrite(a, key, junk)),
        2 => (at(), at(), junk()).prop_map(|(a, key, junk)| Edit::OverwriteParam(a, key, junk)),
        1 => Just(Edit::Allow),
        1 => at().prop_map(Edit::Delete),
        1 => (prop::sample::select(&HEADS[..]), junk()).prop_map(|(key, j)| Edit::Head(key, j)),
        1 => (-100_i64..100).prop_map(Edit::Later),
        1 => (at(), any::<u8>()).prop_map(|(at, byte)| Edit::Byte(at, byte)),
        1 => at().prop_map(Edit::CutOff),
    ]
}

/// Edits the text of a plan.
fn edited(text: &str, edits: &[Edit]) -> Vec<u8> {
    let mut plan: Value = serde_json::from_str(text).unwrap();
    let mut bytes = Vec::new();
    for edit in edits {
        edit_plan(&mut plan, edit);
    }
    serde_json::to_writer(&mut bytes, &plan).unwrap();
    for edit in edits {
        match edit {
            Edit::Byte(at, byte) if !bytes.is_empty() => {
                let n = at.index(bytes.len());
                bytes[n] = *byte;
            }
            Edit::CutOff(at) => bytes.truncate(at.index(bytes.len() + 1)),
            _ => {}
        }
    }
    bytes
}

fn edit_plan(plan: &mut Value, edit: &Edit) {
    match edit {
        Edit::Head(key, junk) => plan[*key] = junk.value(),
        Edit::Later(hours) => {
            let later = start() + TimeDelta::hours(*hours);
            plan["now"] = json!(later.to_rfc3339());
        }
        _ => {}
    }
    let kept: Vec<Value> = plan["keeps"].as_array().cloned().unwrap_or_default();
    let withheld: Vec<Value> = plan["withheld"].as_array().cloned().unwrap_or_default();
    let Some(actions) = plan["actions"].as_array_mut().filter(|actions| !actions.is_empty()) else {
        return;
    };
    let n_actions = actions.len();
    let at = |index: &Index| index.index(n_actions);
    match edit {
        Edit::Remove(a) => drop(actions.remove(at(a))),
        Edit::Repeat(a, b) => actions.insert(at(b), actions[at(a)].clone()),
        Edit::Swap(a, b) => actions.swap(at(a), at(b)),
        Edit::Take(a, b, key) => actions[at(a)][*key] = actions[at(b)][*key].clone(),
        Edit::TakeParam(a, b, key) => {
            let Some(params) = actions[at(b)]["params"].as_object().filter(|p| !p.is_empty())
            else {
                return;
            };
            let (key, value) = params.iter().nth(key.index(params.len())).unwrap();
            let (key, value) = (key.clone(), value.clone());
            if actions[at(a)]["params"].is_object() {
                actions[at(a)]["params"][key] = value;
            }
        }
        Edit::Overwrite(a, key, junk) => actions[at(a)][*key] = junk.value(),
        Edit::OverwriteParam(a, key, junk) => {
            if let Some(params) = actions[at(a)]["params"].as_object_mut().filter(|p| !p.is_empty())
            {
                let key = params.keys().nth(key.index(params.len())).unwrap().clone();
                params[&key] = junk.value();
            }
        }
        Edit::Allow => actions.extend(withheld.iter().map(|w| w["action"].clone())),
        Edit::Delete(n) if !kept.is_empty() => {
            let keep = &kept[n.index(kept.len())];
            let (region, id) =
                (keep["region"].as_str().unwrap(), keep["resource"].as_str().unwrap());
            actions.push(json!({
                "id": format!("DeleteSnapshot/{region}/{id}"), "op": "DeleteSnapshot",
                "policy": keep["policy"], "region": region, "resource": id,
                "source": keep["source"], "point_time": keep["point_time"],
                "reason": "because I say so", "after": [],
                "params": { "volume_size_gib": 8, "stays": [] },
            }));
        }
        _ => {}
    }
}

fn text_of(plan: &Plan) -> String {
    let mut text = Vec::new();
    write_plan(&mut text, plan, &[]).unwrap();
    String::from_utf8(text).unwrap()
}

fn day() -> Span {
    Span::days(1)
}

/// Selects from a fresh plan of `account` as `apply` does.
fn selected(account: &Account, saved: &SavedPlan, now: DateTime<Utc>) -> Selection {
    let request = Request { run_slot: saved.now, ..Request::at(now) };
    select(&config(), &account.inventory, &request, saved)
}

/// Returns what `part` has that `whole` has not.
fn more(part: &Plan, whole: &Plan) -> Vec<String> {
    let is_new = |action: &&Action| !whole.actions.contains(action);
    part.actions.iter().filter(is_new).map(Action::id).collect()
}

fn is_refused(plan: &Plan) -> bool {
    plan.actions.iter().any(|action| plan.refuses(action))
}

proptest! {
    #![proptest_config(cases(60))]

    #[test]
    fn a_plan_that_nobody_edited_is_applied_whole(
        seeds in any_seeds(25), is_settled in any::<bool>(),
    ) {
        let mut account = Account::new(&seeds, true);
        if is_settled {
            account.settle(None);
        }
        let plan = account.plan(&config(), start());
        let wanted = vec![true; plan.actions.len()];
        let out = left_out(&plan, &account.inventory, &wanted);
        prop_assert!(out.iter().all(Option::is_none), "{out:#?}");
        let saved = saved::read(text_of(&plan).as_bytes()).unwrap().remove(0);
        let Selection { plan: part, drift, .. } = selected(&account, &saved, start());
        prop_assert_eq!(drift.lines, vec![]);
        prop_assert_eq!((drift.n_new, drift.is_config_changed), (0, false));
        prop_assert_eq!(&part.actions, &plan.actions);
        prop_assert_eq!(part.withheld, plan.withheld);
        prop_assert_eq!(part.notes, plan.notes);
    }

    #[test]
    fn an_edited_plan_does_nothing_that_a_fresh_one_would_not(
        seeds in any_seeds(25), is_settled in any::<bool>(),
        edits in prop::collection::vec(edit(), 1..12), hours in 0_i64..23,
    ) {
        let (config, now) = (config(), start() + TimeDelta::hours(hours));
        let mut account = Account::new(&seeds, true);
        let bytes = edited(&text_of(&account.plan(&config, start())), &edits);
        if is_settled {
            account.settle(Some(4));
        }
        // Whatever was done to it: it is read, or refused with a reason.
        let plans = match saved::read(&bytes[..]) {
            Ok(plans) => plans,
            Err(err) => {
                prop_assert!(!err.to_string().is_empty());
                return Ok(());
            }
        };
        for saved in plans.iter().filter(|saved| saved.check_age(now, day()).is_ok()) {
            let request = Request { run_slot: saved.now, ..Request::at(now) };
            let fresh = snapkeep::plan::plan(&config, &account.inventory, &request);
            let Selection { plan: part, drift, .. } = selected(&account, saved, now);
            let more = more(&part, &fresh);
            prop_assert!(more.is_empty(), "{more:#?}");
            prop_assert_eq!(part.actions.len() + drift.lines.len(), saved.actions.len());
            // A part keeps its promises by itself, and EC2 accepts all of it.
            let broken = broken(&account, &config, &part, now);
            prop_assert!(broken.is_empty() && !is_refused(&part), "{broken:#?} {drift:#?}");
            account.clone().carry_out(&part.actions, now);
        }
    }

    #[test]
    fn what_is_left_to_the_next_run_is_done_by_it(
        seeds in any_seeds(25), edits in prop::collection::vec(any::<Index>(), 0..20),
    ) {
        let (config, now) = (config(), start());
        let mut account = Account::new(&seeds, true);
        account.settle(None);
        let plan = account.plan(&config, now);
        let edits: Vec<Edit> = edits.into_iter().map(Edit::Remove).collect();
        let saved = saved::read(&edited(&text_of(&plan), &edits)[..]).unwrap().remove(0);
        let part = selected(&account, &saved, now).plan;
        account.carry_out(&part.actions, now);
        let rest = account.plan(&config, now);
        let broken = broken(&account, &config, &rest, now);
        prop_assert!(broken.is_empty(), "{broken:#?}");
        // A point goes as a whole or not at all, so that what was left out is planned as before.
        let ids: Vec<String> = rest.actions.iter().map(Action::id).collect();
        let done: Vec<String> = part.actions.iter().map(Action::id).collect();
        let is_left = |action: &&Action| !done.contains(&action.id());
        for action in plan.actions.iter().filter(is_left).filter(|a| a.as_delete().is_some()) {
            let is_planned = ids.contains(&action.id())
                || rest.withheld.iter().any(|w| w.action.id() == action.id());
            prop_assert!(is_planned, "{} {ids:#?}", action.id());
        }
    }
}
