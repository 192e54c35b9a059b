//! Which reports there is something to tell of, and whether they say that all is well.

use chrono::{DateTime, TimeDelta, Utc};
use snapkeep::cloud::sandbox::Sandbox;
use snapkeep::config::{Config, parse};
use snapkeep::domain::event::Event;
use snapkeep::domain::failure::Failure;
use snapkeep::execute::Outcome;
use snapkeep::plan::model::PlanGap;
use snapkeep::plan::{Note, Plan, Request, Severity, plan};
use snapkeep::run::notify::{After, Delivery, Notifier};
use snapkeep::run::{Account, Accounts, Report, World};

const TOPIC: &str = "topic = 'arn:aws:sns:us-west-2:123456789012:snapkeep'\n";

/// Who is told of one report after the other, an hour apart.
struct Listener {
    config: Config,
    accounts: Accounts,
    notifier: Notifier,
    now: DateTime<Utc>,
}

impl Listener {
    fn new() -> Self {
        Self::asking("")
    }

    /// Asks for more in a table `[notify]`.
    fn asking(notify: &str) -> Self {
        let now = "2026-11-20T03:10:00Z".parse().unwrap();
        let text = format!(
            "{}{notify}\n[notify.sns]\n{TOPIC}",
            include_str!("../../../config/snapkeep.toml")
        );
        let config = parse(&[("snapkeep.toml".to_owned(), text)]).unwrap();
        let world = World::Sandbox(Box::new(Sandbox::demo(now)));
        let accounts = Accounts::of(Account { config: config.clone(), world });
        Self { config, accounts, notifier: Notifier::new(None, |_| None), now }
    }

    /// A report of the plan's first actions, with what became of each.
    fn report(&self, outcomes: &[Outcome]) -> Report {
        let World::Sandbox(sandbox) = self.accounts.own() else { panic!("no sandbox") };
        let now = "2026-11-20T03:10:00Z".parse().unwrap();
        let mut plan = plan(&self.config, &sandbox.inventory(), &Request::at(now));
        plan.actions.truncate(outcomes.len());
        plan.protection.clear();
        Report { plan, outcomes: outcomes.to_vec(), is_interrupted: false }
    }

    /// The report of several cycles of which the last was stopped before it planned anything.
    fn interrupted(&self, outcomes: &[Outcome]) -> Report {
        let actions = self.report(outcomes).plan.actions;
        let message = "stopped before anything was planned".to_owned();
        let note = Note { severity: Severity::Fatal, region: None, message };
        let plan = Plan { actions, notes: vec![note], ..Plan::default() };
        Report { plan, outcomes: outcomes.to_vec(), is_interrupted: true }
    }

    async fn hears(&mut self, reports: impl IntoIterator<Item = Report>) -> Vec<Delivery> {
        self.now += TimeDelta::hours(1);
        let mut reports: Vec<Report> = reports.into_iter().collect();
        for report in &mut reports {
            report.plan.now = self.now;
        }
        let after = After { reports: &reports, ..After::default() };
        self.notifier.tell(&self.config, &self.accounts, after).await
    }

    async fn events(&mut self, reports: impl IntoIterator<Item = Report>) -> Vec<Event> {
        let told = self.hears(reports).await;
        told.into_iter().map(|delivery| delivery.message.event).collect()
    }
}

fn done() -> Outcome {
    Outcome::Done(Vec::new())
}

fn failed() -> Outcome {
    Outcome::Failed(Failure::lasting("UnauthorizedOperation: no"))
}

fn not_started() -> Outcome {
    Outcome::NotStarted("interrupted".to_owned())
}

#[tokio::test]
async fn what_was_not_reached_is_not_told_as_recovered() {
    let mut listener = Listener::new();
    let [bad, cut, well] = [[done(), failed()], [done(), not_started()], [done(), done()]]
        .map(|o| listener.report(&o));
    let stopped = listener.interrupted(&[]);
    assert_eq!(listener.events([bad]).await, [Event::Failure]);
    assert_eq!(listener.events([cut]).await, []);
    // One account is fine, of the other nobody knows.
    let fine = listener.report(&[done(), done()]);
    assert_eq!(listener.events([fine, stopped]).await, []);
    assert_eq!(listener.events([well]).await, [Event::Recovery]);
    // What a later cycle of the same run did is done.
    let mut listener = Listener::new();
    let bad = listener.report(&[failed()]);
    let mut later = listener.report(&[not_started(), done()]);
    later.plan.actions[1] = later.plan.actions[0].clone();
    assert_eq!(listener.events([bad]).await, [Event::Failure]);
    assert_eq!(listener.events([later]).await, [Event::Recovery]);
}

#[tokio::test]
async fn a_summary_does_not_say_that_all_is_well_while_nobody_knows() {
    let mut listener = Listener::asking("[notify]\non = ['summary']\nsummary = '0 5 * * *'");
    let first = listener.report(&[done()]);
    assert_eq!(listener.events([first]).await, []);
    let cut = listener.report(&[not_started()]);
    assert_eq!(listener.events([cut]).await, []);
    // The slot was an hour ago.
    let well = listener.report(&[done()]);
    assert_eq!(listener.events([well]).await, [Event::Summary]);
}

#[tokio::test]
async fn what_failed_before_an_interruption_is_told() {
    let mut listener = Listener::new();
    let nothing = listener.interrupted(&[]);
    assert_eq!(listener.events([nothing]).await, []);
    let stopped = listener.interrupted(&[done(), failed()]);
    let told = listener.hears([stopped]).await;
    let [delivery] = &told[..] else { panic!("{told:?}") };
    assert_eq!(delivery.message.event, Event::Failure);
    assert!(delivery.message.subject.ends_with(" failed"), "{delivery:?}");
    assert!(!delivery.message.text.contains("refused"), "{delivery:?}");
    // Begun again by a later cycle of the same run, and cut short there.
    let mut again = listener.report(&[failed(), not_started()]);
    again.plan.actions[1] = again.plan.actions[0].clone();
    assert_eq!(Listener::new().events([again]).await, [Event::Failure]);
    let mut good = listener.report(&[failed(), done()]);
    good.plan.actions[1] = good.plan.actions[0].clone();
    assert_eq!(Listener::new().events([good]).await, []);
}

#[tokio::test]
async fn an_account_is_the_same_whether_or_not_its_id_is_known() {
    let mut listener = Listener::new();
    let report = |id: Option<&str>| {
        let gap = PlanGap {
            region: Some("eu-west-1".parse().unwrap()),
            operation: "DescribeSnapshots",
            error: Failure::passing("Timeout: no reply"),
        };
        let account = id.map(Into::into);
        Report { plan: Plan { gaps: vec![gap], account, ..Plan::default() }, ..Report::default() }
    };
    let other = |has_id: bool| {
        let name = Some("archive".into());
        let account = has_id.then(|| "210987654321".into());
        Report {
            plan: Plan { account, account_name: name, ..Plan::default() },
            ..Report::default()
        }
    };
    let known = Some("123456789012");
    assert_eq!(listener.events([report(known), other(true)]).await, [Event::Failure]);
    assert_eq!(listener.events([report(None), other(true)]).await, []);
    assert_eq!(listener.events([report(known), other(false)]).await, []);
}
