//! What messages say.

use chrono::{DateTime, Utc};
use proptest::prelude::*;
use snapbox::{assert_data_eq, str};
use snapkeep::cloud::sandbox::Sandbox;
use snapkeep::config::parse;
use snapkeep::domain::event::Event;
use snapkeep::domain::failure::Failure;
use snapkeep::execute::Outcome;
use snapkeep::plan::model::PlanGap;
use snapkeep::plan::{Note, Plan, Request, Severity, plan};
use snapkeep::report::message::Before;
use snapkeep::report::trouble::{Trouble, troubles};
use snapkeep::report::{Cycle, Message};

fn t(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// The plan for the sandbox's account, and what becomes of its actions.
fn demo(max_deletes: Option<u32>, outcome: &dyn Fn(&str) -> Outcome) -> (Plan, Vec<Outcome>) {
    let now = t("2026-11-20T03:10:00Z");
    let text = include_str!("../../../config/snapkeep.toml");
    let config = parse(&[("snapkeep.toml".to_owned(), text.to_owned())]).unwrap();
    let request = Request { max_deletes, ..Request::at(now) };
    let plan = plan(&config, &Sandbox::demo(now).inventory(), &request);
    let outcomes = plan.actions.iter().map(|action| outcome(action.operation())).collect();
    (plan, outcomes)
}

fn done(_: &str) -> Outcome {
    Outcome::Done(Vec::new())
}

fn gap(region: &str, operation: &'static str, error: &str) -> PlanGap {
    PlanGap { region: Some(region.parse().unwrap()), operation, error: Failure::lasting(error) }
}

fn of_troubles((plan, outcomes): &(Plan, Vec<Outcome>), before: Before) -> Message {
    let cycles = [Cycle { account: None, plan, outcomes }];
    Message::of_troubles(&troubles(&cycles), &cycles, before)
}

fn shown(message: &Message) -> String {
    format!("{}: {}\n\n{}", message.event, message.subject, message.text)
}

#[test]
fn a_failure_says_first_what_to_do() {
    let mut demo = demo(None, &|operation| match operation {
        "DeleteSnapshot" => Outcome::Failed(Failure::lasting(
            "UnauthorizedOperation: You are not authorized to perform this operation.",
        )),
        operation => done(operation),
    });
    demo.0.gaps = vec![gap("us-east-1", "DescribeVolumes", "Timeout: no reply")];
    assert_data_eq!(
        shown(&of_troubles(&demo, Before::Nothing)),
        str![[r#"
failure: snapkeep failure: DescribeVolumes in us-east-1 not read, 148 actions failed (123456789012)

Grant the right that is missing: `snapkeep check --online` names it with the statement that grants it.

what is wrong
  DescribeVolumes in us-east-1: Timeout: no reply
  DeleteSnapshot of servers in ap-northeast-2 failed 20 times, first: UnauthorizedOperation: You are not authorized to perform this operation.
  DeleteSnapshot of servers in eu-west-1 failed 46 times, first: UnauthorizedOperation: You are not authorized to perform this operation.
  DeleteSnapshot of servers in us-east-1 failed 82 times, first: UnauthorizedOperation: You are not authorized to perform this operation.

this cycle
  123456789012, 2026-11-20 03:10Z: 4 actions done, 148 failed, 1 waiting

"#]]
    );
}

#[test]
fn a_region_that_is_down_asks_nothing_of_anybody_yet() {
    let mut demo = demo(None, &done);
    demo.0.gaps = ["DescribeImages", "DescribeSnapshots"]
        .map(|operation| gap("eu-west-1", operation, "ConnectionBroken: connection refused"))
        .into();
    let before = Before::RecoveredAt(t("2026-11-20T02:10:00Z"));
    assert_data_eq!(
        shown(&of_troubles(&demo, before)),
        str![[r#"
failure: snapkeep failure: 2 listings not read (123456789012)

Nothing yet: the next cycle tries again. If it stays so, see why below.

what is wrong
  DescribeImages in eu-west-1: ConnectionBroken: connection refused
  DescribeSnapshots in eu-west-1: ConnectionBroken: connection refused

this cycle
  123456789012, 2026-11-20 03:10Z: 152 actions done, 1 waiting

All was well at 2026-11-20 02:10Z. What comes back is told as recovered only once it has stayed away for some time.

"#]]
    );
}

#[test]
fn a_refusal_says_how_to_let_it_through() {
    let mut demo = demo(Some(3), &done);
    demo.0.notes.push(Note {
        severity: Severity::Fatal,
        region: None,
        message: "deletes the last good copy".to_owned(),
    });
    let before = Before::SoSince(t("2026-11-19T03:10:00Z"));
    assert_data_eq!(
        shown(&of_troubles(&demo, before)),
        str![[r#"
refusal: snapkeep refusal: 1 plan refused, 148 deletions withheld (123456789012)

Nothing is done where the plan was refused. Keep `snapkeep plan --format json` and report it: it contradicts an invariant.

Look at what would be deleted: `snapkeep plan --max-deletes 82`. If it is right, `snapkeep run --max-deletes 82` lets it through once. Backups go on.

what is wrong
  the plan for all regions is refused: deletes the last good copy
  servers in ap-northeast-2: 20 deletions withheld by a limit: 20 deletions, --max-deletes = 3
  servers in eu-west-1: 46 deletions withheld by a limit: 46 deletions, --max-deletes = 3
  servers in us-east-1: 82 deletions withheld by a limit: 82 deletions, --max-deletes = 3

this cycle
  123456789012, 2026-11-20 03:10Z: 4 actions done, 1 waiting, 148 withheld

Something has been wrong since 2026-11-19 03:10Z.

"#]]
    );
}

#[test]
fn a_configuration_that_is_refused_is_told_without_a_cycle() {
    let troubles = [Trouble::of_configuration("unknown key `dayly` in snapkeep.toml:7")];
    let message = Message::of_troubles(&troubles, &[], Before::Nothing);
    assert_data_eq!(
        shown(&message),
        str![[r#"
refusal: snapkeep refusal: the configuration is refused

Correct the configuration: `snapkeep check` shows where it is wrong. Until then the one before stays in force.

what is wrong
  the configuration is refused: unknown key `dayly` in snapkeep.toml:7

"#]]
    );
}

#[test]
fn a_recovery_says_what_was_wrong() {
    let (plan, outcomes) = demo(None, &done);
    let cycles = [Cycle { account: None, plan: &plan, outcomes: &outcomes }];
    let keys = ["DescribeSnapshots in eu-west-1 failed".to_owned()].into();
    let message = Message::of_recovery(t("2026-11-19T03:10:00Z"), &keys, &cycles);
    assert_data_eq!(
        shown(&message),
        str![[r#"
recovery: snapkeep recovery: all is well again (123456789012)

Nothing to do: all is well again.

since 2026-11-19 03:10Z
  DescribeSnapshots in eu-west-1 failed

this cycle
  123456789012, 2026-11-20 03:10Z: 152 actions done, 1 waiting

"#]]
    );
}

#[test]
fn a_summary_says_what_there_is_in_each_account() {
    let (plan, outcomes) = demo(None, &done);
    let other = Plan { now: plan.now, ..Plan::default() };
    let cycles = [
        Cycle { account: Some("production"), plan: &plan, outcomes: &outcomes },
        Cycle { account: Some("archive"), plan: &other, outcomes: &[] },
    ];
    assert_data_eq!(
        shown(&Message::of_summary(&[], &cycles)),
        str![[r#"
summary: snapkeep summary: all is well

Nothing to do: all is well.

what there is in production
  ap-northeast-2 · servers: 37 kept
  eu-west-1 · servers: 2 protected, newest between 2026-11-19 03:00Z and 2026-11-19 04:00Z, 74 kept, 1 waiting
  us-east-1 · servers: 2 protected, 1 unprotected, newest of 2026-11-19 03:00Z, 146 kept

this cycle
  production, 2026-11-20 03:10Z: 152 actions done, 1 waiting
  archive, 2026-11-20 03:10Z: 0 actions done

"#]]
    );
}

#[test]
fn what_was_made_good_and_what_was_interrupted_is_no_trouble() {
    let (mut plan, mut outcomes) = demo(None, &done);
    let first = plan.actions[0].clone();
    plan.actions.insert(0, first);
    outcomes.insert(0, Outcome::Failed(Failure::passing("Timeout: no reply")));
    let last = outcomes.len() - 1;
    outcomes[last] = Outcome::NotStarted("interrupted".to_owned());
    let found = |outcomes: &[Outcome]| troubles(&[Cycle { account: None, plan: &plan, outcomes }]);
    assert_eq!(found(&outcomes), []);
    outcomes.swap(0, 1);
    assert_eq!(found(&outcomes).len(), 1);
}

#[test]
fn nobody_is_called_and_nothing_is_marked_up_by_what_an_account_holds() {
    let mut demo = demo(None, &done);
    let error = "\u{1b}[2J<!channel> @here & @everyone\n\n*bold*\u{202e}";
    demo.0.gaps = vec![gap("eu-west-1", "DescribeImages", error)];
    let message = of_troubles(&demo, Before::Nothing);
    assert!(message.text.contains("\\u{1b}[2J<!channel> @here & @everyone *bold*\\u{202e}\n"));
    let slack = message.slack()["text"].as_str().unwrap().to_owned();
    assert!(slack.contains("&lt;!channel&gt; @\u{200b}here &amp; @\u{200b}everyone"), "{slack}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_wrong_fits_every_channel(
        n in 0..800_usize,
        error in "\\PC{0,600}|[<>&@\n\u{0}-\u{1f}]{0,600}",
        account in "\\PC{1,200}",
    ) {
        let gaps = (0..n).map(|n| PlanGap {
            error: Failure::lasting(format!("{n} {error}")),
            ..gap(&format!("eu-west-{}", 1 + n % 99), "DescribeImages", "")
        });
        let plan = Plan { gaps: gaps.collect(), account: Some(account.as_str().into()), ..Plan::default() };
        let cycles = [Cycle { account: Some(&account), plan: &plan, outcomes: &[] }];
        let message = if n == 0 {
            Message::of_summary(&[], &cycles)
        } else {
            Message::of_troubles(&troubles(&cycles), &cycles, Before::Nothing)
        };
        let is_shown = |c: char| c == '\n' || !c.is_control();
        prop_assert!(message.subject.len() < 100 && message.subject.bytes().all(|b| (0x20..0x7f).contains(&b)));
        prop_assert!(message.text.len() < 256 * 1024 && message.text.chars().all(is_shown));
        let slack = message.slack()["text"].as_str().unwrap().to_owned();
        prop_assert!(slack.chars().count() < 3000 && slack.chars().all(is_shown));
        let plain = slack.replace("&amp;", "").replace("&lt;", "").replace("&gt;", "");
        prop_assert!(!plain.contains(['<', '>', '&']));
        prop_assert_eq!(message.event == Event::Failure, n != 0);
        if 99 <= n {
            prop_assert!(slack.contains(" more\n"), "{}", slack);
        }
    }
}
