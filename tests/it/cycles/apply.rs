//! Saved plans: what is still so is done, and of the rest is said what became of it.

use chrono::TimeDelta;
use serde_json::{Value, json};
use snapbox::{assert_data_eq, str};
use snapkeep::cloud::sandbox::{Fault, Rule, Sandbox};
use snapkeep::domain::span::Span;
use snapkeep::domain::tags;
use snapkeep::execute::Stop;
use snapkeep::plan::{Action, Plan, Request};
use snapkeep::report::ExitCode;
use snapkeep::report::json::write_plan;
use snapkeep::run::{Account, Accounts, Applied, ApplyError, Terms, World as AnyWorld, saved};

use super::world::{DAILY, IMAGES, World, config, ended, eu};

/// Like [`DAILY`], but each run makes a point.
const EACH_RUN: &str = r#"
version = 1
[[policy]]
name = "servers"
regions = ["eu-west-1"]
select = { resource = "instance", states = ["running"] }
retention = { every = "3 days" }
"#;

const ONCE: Terms = Terms { max_age: Span::days(1), max_deletes: None, is_dry_run: false };

/// An account, and the configuration under which plans are applied.
struct Scene {
    accounts: Accounts,
}

impl Scene {
    fn new(world: World, config_text: &str) -> Self {
        let world = AnyWorld::Sandbox(Box::new(world.sandbox));
        Self { accounts: Accounts::of(Account { config: config(config_text), world }) }
    }

    fn sandbox(&self) -> &Sandbox {
        let AnyWorld::Sandbox(sandbox) = &self.accounts.iter().next().unwrap().world else {
            panic!("not the sandbox")
        };
        sandbox
    }

    fn wait(&self, span: TimeDelta) {
        self.sandbox().time().advance_to(self.accounts.now() + span);
    }

    /// Plans, and returns the plan with what is saved of it.
    async fn save(&self) -> (Plan, Value) {
        let plan = self.accounts.plan(&Request::at(self.accounts.now())).await.remove(0);
        let mut text = Vec::new();
        write_plan(&mut text, &plan, &[]).unwrap();
        (plan, serde_json::from_slice(&text).unwrap())
    }

    async fn apply(&self, saved: &Value) -> Applied {
        self.apply_with(saved, ONCE).await.unwrap()
    }

    async fn apply_with(&self, saved: &Value, terms: Terms) -> Result<Applied, ApplyError> {
        let saved = saved::read(saved.to_string().as_bytes())?;
        let (_sender, stop) = Stop::new();
        let request = Request::at(self.accounts.now());
        let mut applied = self.accounts.apply(&saved, &request, terms, &stop, &()).await?;
        assert_eq!(applied.len(), 1);
        Ok(applied.remove(0))
    }

    async fn refusal(&self, saved: &Value) -> String {
        let applied = self.apply_with(saved, ONCE).await;
        applied.map(|applied| ended(&applied.report)).unwrap_err().to_string()
    }
}

/// What became of a plan: drift, and what else the text shows, without ids.
fn drift(applied: &Applied) -> String {
    let mut text = applied.drift.render();
    for line in &applied.drift.lines {
        let resource = line.id.rsplit('/').next().unwrap();
        text = text.replace(resource, "ID");
    }
    text
}

fn codes(applied: &Applied) -> Vec<ExitCode> {
    ExitCode::of_applied(&applied.report.plan, &applied.report.outcomes, &applied.drift)
}

#[tokio::test]
async fn what_nothing_has_changed_of_is_done_as_it_was_planned() {
    let world = World::new();
    world.history(&world.server(&["gp3", "gp3"]), 6);
    let scene = Scene::new(world, DAILY);
    let (plan, saved) = scene.save().await;
    let dry = Terms { is_dry_run: true, ..ONCE };
    let shown = scene.apply_with(&saved, dry).await.unwrap();
    assert_eq!((&shown.report.plan.actions, codes(&shown)), (&plan.actions, vec![ExitCode::Done]));
    assert!(shown.report.outcomes.is_empty());
    scene.wait(TimeDelta::hours(1));
    let applied = scene.apply(&saved).await;
    assert_eq!(applied.report.plan.actions, plan.actions);
    assert!(applied.report.outcomes.iter().all(snapkeep::execute::Outcome::is_done));
    assert_eq!((drift(&applied), codes(&applied)), (String::new(), vec![ExitCode::Done]));
    // Once more, all of it is done.
    let again = scene.apply(&saved).await;
    assert!(again.report.outcomes.is_empty());
    assert!(again.drift.lines.iter().all(|line| line.kind.word() == "done"), "{}", drift(&again));
    assert_eq!(
        (again.drift.lines.len(), codes(&again)),
        (plan.actions.len(), vec![ExitCode::Failed])
    );
}

#[tokio::test]
async fn each_sort_of_drift_is_told() {
    let world = World::new();
    let server = world.server(&["gp3"]);
    let points = world.history(&server, 9);
    let scene = Scene::new(world, DAILY);
    // Today's slot has its point: six points are due to go.
    let (plan, mut saved) = scene.save().await;
    assert_eq!(plan.actions.len(), 6);
    let sandbox = scene.sandbox();
    let snapshot = |n: usize| {
        let snapshots = sandbox.inventory().regions.remove(&eu()).unwrap().snapshots;
        snapshots.into_iter().find(|s| s.id == points[n][0]).unwrap()
    };
    // The oldest is gone, the next one held, one was edited, one stands twice, one was taken out.
    sandbox.remove_snapshot(&eu(), points[8][0]);
    let mut held = snapshot(7);
    held.tags = held.tags.iter().chain([(tags::HOLD, "")]).collect();
    sandbox.add_snapshot(&eu(), held);
    let actions = saved["actions"].as_array_mut().unwrap();
    actions[2]["params"]["volume_size_gib"] = json!(9);
    let twice = actions[3].clone();
    actions.push(twice);
    actions.remove(4);
    let mut nothing = actions[0].clone();
    nothing["id"] = json!("DeleteEverything");
    nothing["op"] = json!("DeleteEverything");
    actions.push(nothing);
    let applied = scene.apply(&saved).await;
    assert_eq!(ended(&applied.report), [("DeleteSnapshot", "done"); 2]);
    assert_data_eq!(
        drift(&applied),
        str![[r#"

drift: 5 actions of the plan of 2026-11-20 03:05Z not carried out
  1 action: done, it is gone already
    DeleteSnapshot/eu-west-1/ID
  1 action: kept, held by the tag snapkeep:hold; would go: daily ended
  2026-11-16 03:00Z
    DeleteSnapshot/eu-west-1/ID
  1 action: changed, planned otherwise now (params.volume_size_gib)
    DeleteSnapshot/eu-west-1/ID
  1 action: twice, the file has it more than once
    DeleteSnapshot/eu-west-1/ID
  1 action: gone, nothing like it is planned
    ID

1 action that the saved plan does not have: left to the next run

"#]]
    );
    assert_eq!(codes(&applied), [ExitCode::Failed]);
}

#[tokio::test]
async fn a_recovery_point_goes_whole_or_not_at_all() {
    let world = World::new();
    world.history(&world.server(&["gp3", "gp3"]), 5);
    let scene = Scene::new(world, DAILY);
    let (plan, mut saved) = scene.save().await;
    assert_eq!(plan.actions.len(), 4);
    saved["actions"].as_array_mut().unwrap().remove(0);
    let applied = scene.apply(&saved).await;
    assert_eq!(ended(&applied.report), [("DeleteSnapshot", "done"); 2]);
    let reason = format!("goes only together with {}, which is left out", plan.actions[0].id());
    let lines = &applied.drift.lines;
    assert_eq!((lines.len(), &lines[0].reason), (1, &reason));
    assert_eq!((lines[0].kind.word(), applied.drift.n_new), ("left out", 1));
}

#[tokio::test]
async fn an_image_goes_only_with_what_prepares_it_and_what_backs_it() {
    let world = World::new();
    world.server(&["gp3"]);
    world.days(IMAGES, 3).await;
    let scene = Scene::new(world, IMAGES);
    let (plan, saved) = scene.save().await;
    let ids: Vec<&str> = plan.actions.iter().map(Action::operation).collect();
    assert_eq!(ids, ["CreateImage", "DeregisterImage", "DeleteSnapshot"]);
    for n in 1..3 {
        let mut saved = saved.clone();
        saved["actions"].as_array_mut().unwrap().drain(n..=n);
        saved["actions"].as_array_mut().unwrap().remove(0);
        let applied = scene.apply(&saved).await;
        assert!(applied.report.outcomes.is_empty(), "{:?}", ended(&applied.report));
        assert_eq!(applied.drift.lines[0].kind.word(), "left out");
    }
    let applied = scene.apply(&saved).await;
    assert_eq!(
        ended(&applied.report),
        [("CreateImage", "done"), ("DeregisterImage", "done"), ("DeleteSnapshot", "done")]
    );
}

#[tokio::test]
async fn a_limit_holds_for_saved_plans_too() {
    let config = DAILY.replace("retention =", "limits = { max_deletes = 5 }\nretention =");
    let world = World::new();
    world.history(&world.server(&["gp3"]), 10);
    let scene = Scene::new(world, &config);
    let (plan, mut saved) = scene.save().await;
    assert_eq!((plan.actions.len(), plan.withheld.len()), (0, 7));
    // What the file withholds stays so, however high the limit is now.
    let raised = Terms { max_deletes: Some(7), ..ONCE };
    let applied = scene.apply_with(&saved, raised).await.unwrap();
    assert!(applied.report.outcomes.is_empty());
    assert_eq!((applied.drift.n_new, codes(&applied)), (7, vec![ExitCode::Done]));
    let applied = scene.apply(&saved).await;
    assert_eq!(codes(&applied), [ExitCode::Withheld]);
    // Moved among the actions they are withheld all the same.
    let withheld = saved["withheld"].as_array().unwrap().clone();
    saved["actions"] = withheld.iter().map(|w| w["action"].clone()).collect();
    saved["withheld"] = json!([]);
    let applied = scene.apply(&saved).await;
    assert!(applied.report.outcomes.is_empty());
    assert!(applied.drift.lines.iter().all(|line| line.kind.word() == "withheld"));
    assert_eq!(codes(&applied), [ExitCode::Failed, ExitCode::Withheld]);
    let applied = scene.apply_with(&saved, raised).await.unwrap();
    assert_eq!(ended(&applied.report), [("DeleteSnapshot", "done"); 7]);
}

#[tokio::test]
async fn without_a_schedule_the_slot_is_that_of_the_saved_plan() {
    let world = World::new();
    world.server(&["gp3"]);
    let scene = Scene::new(world, EACH_RUN);
    let (plan, saved) = scene.save().await;
    scene.wait(TimeDelta::hours(5));
    let applied = scene.apply(&saved).await;
    assert_eq!(applied.report.plan.actions, plan.actions);
    assert_eq!(ended(&applied.report), [("CreateSnapshots", "done")]);
    let again = scene.apply(&saved).await;
    assert!(again.report.outcomes.is_empty());
    assert_eq!(again.drift.lines[0].kind.word(), "done");
}

#[tokio::test]
async fn a_gap_leaves_out_what_depends_on_it() {
    let world = World::new();
    world.history(&world.server(&["gp3"]), 6);
    let scene = Scene::new(world, DAILY);
    let (_, saved) = scene.save().await;
    scene.sandbox().fail(Rule::every("DescribeSnapshots"), Fault::Denied);
    let applied = scene.apply(&saved).await;
    assert!(applied.report.outcomes.is_empty());
    assert!(applied.drift.lines.iter().all(|line| line.kind.word() == "unread"));
    assert_eq!(codes(&applied), [ExitCode::Failed, ExitCode::Incomplete]);
}

#[tokio::test]
async fn another_configuration_is_told_and_decides() {
    let world = World::new();
    world.history(&world.server(&["gp3"]), 6);
    let mut scene = Scene::new(world, DAILY);
    let (plan, saved) = scene.save().await;
    let changed = config(&DAILY.replace("3 days", "4 days"));
    scene.accounts.configure(&changed).await.unwrap();
    let applied = scene.apply(&saved).await;
    assert_eq!(plan.actions.len(), 3);
    // What is kept longer now stays, and for what still goes another instant is told.
    assert!(applied.report.outcomes.is_empty() && applied.drift.is_config_changed);
    assert_data_eq!(
        drift(&applied),
        str![[r#"

  warning: the configuration has changed since the plan was saved; what is
    done, it asks for now as it did then

drift: 3 actions of the plan of 2026-11-20 03:05Z not carried out
  2 actions: changed, planned otherwise now (reason)
    DeleteSnapshot/eu-west-1/ID
    DeleteSnapshot/eu-west-1/ID
  1 action: kept, daily until 2026-11-21 03:00Z
    DeleteSnapshot/eu-west-1/ID

"#]]
    );
}

#[tokio::test]
async fn what_is_old_or_of_the_future_or_of_another_account_is_refused() {
    let world = World::new();
    world.history(&world.server(&["gp3"]), 6);
    let scene = Scene::new(world, DAILY);
    let (_, saved) = scene.save().await;
    let with = |key: &str, value: Value| {
        let mut saved = saved.clone();
        saved[key] = value;
        saved
    };
    let now = scene.accounts.now();
    for (edited, expected) in [
        (
            with("account", json!("999999999999")),
            "the plan is of the account `999999999999`, and this is `123456789012`",
        ),
        (
            with("account", json!(null)),
            "the plan is of the account unknown, and this is `123456789012`",
        ),
        (
            with("now", json!(now + TimeDelta::seconds(1))),
            "the plan is of 2026-11-20 03:05Z, which is in the future",
        ),
        (
            with("now", json!(now - TimeDelta::days(30))),
            "the plan is of 2026-10-21 03:05Z, more than 1 day ago; plan again, or allow it with \
             --max-age",
        ),
        (
            with("notes", json!([{ "severity": "fatal", "region": "eu-west-1", "message": "no" }])),
            "the plan was refused when it was made: no",
        ),
        (
            with("left_out", json!({ "actions": 3 })),
            "the plan leaves out 3 of its actions, for want of room",
        ),
    ] {
        assert_eq!(scene.refusal(&edited).await, expected);
    }
    scene.wait(TimeDelta::days(1) + TimeDelta::seconds(1));
    assert!(scene.refusal(&saved).await.contains("more than 1 day ago"));
    let old = Terms { max_age: Span::days(2), ..ONCE };
    assert_eq!(scene.apply_with(&saved, old).await.unwrap().drift.lines.len(), 0);
}

#[tokio::test]
async fn a_stop_while_the_account_is_observed_plans_and_does_nothing() {
    let world = World::new();
    world.history(&world.server(&["gp3"]), 6);
    let scene = Scene::new(world, DAILY);
    let (_, saved) = scene.save().await;
    let saved = saved::read(saved.to_string().as_bytes()).unwrap();
    let (sender, stop) = Stop::new();
    sender.send_replace(true);
    let request = Request::at(scene.accounts.now());
    let applied = scene.accounts.apply(&saved, &request, ONCE, &stop, &()).await.unwrap();
    assert!(applied[0].report.is_interrupted && applied[0].report.outcomes.is_empty());
    assert_eq!(codes(&applied[0]), [ExitCode::Failed]);
}
