//! Whole cycles, and what people are told of them.

use chrono::TimeDelta;
use snapkeep::cloud::sandbox::{Fault, Rule, Sandbox};
use snapkeep::domain::event::Event;
use snapkeep::plan::Request;
use snapkeep::report::Cycle;
use snapkeep::run::notify::{Arrival, Channel, Occasion, Patience, Teller, Told};
use snapkeep::run::{Report, Stop, World as AnyWorld};

use super::world::{DAILY, START, World, config, eu, t};

const NOTIFY: &str = "[notify]\non = ['failure', 'refusal', 'recovery', 'summary']\n\
     [notify.sns]\ntopic = 'arn:aws:sns:us-west-2:123456789012:snapkeep'\n";

/// An account of which somebody is told, cycle by cycle.
struct Watched {
    world: AnyWorld,
    config: String,
    told: Told,
}

impl Watched {
    fn new(more: &str) -> Self {
        let world = World::at(START);
        world.server(&["gp3"]);
        let config = format!("{DAILY}\n{NOTIFY}\n{more}");
        let world = AnyWorld::Sandbox(Box::new(world.sandbox));
        Self { world, config, told: Told::default() }
    }

    fn sandbox(&self) -> &Sandbox {
        let AnyWorld::Sandbox(sandbox) = &self.world else { panic!("no sandbox") };
        sandbox
    }

    /// Lets so much time pass, runs a cycle and returns what was told of it.
    async fn after(&mut self, pause: TimeDelta) -> Vec<Event> {
        self.after_with(pause, |_| ()).await
    }

    async fn after_with(
        &mut self,
        pause: TimeDelta,
        change: impl FnOnce(&mut Request),
    ) -> Vec<Event> {
        let time = self.sandbox().time();
        time.advance_to(time.now() + pause);
        let mut request = Request::at(time.now());
        change(&mut request);
        let (_sender, stop) = Stop::new();
        let config = config(&self.config);
        let Report { plan, outcomes, .. } =
            self.world.run(&config, &request, &stop, &()).await.unwrap();
        let cycles = [Cycle { account: None, plan: &plan, outcomes: &outcomes }];
        let occasion = Occasion {
            cycles: &cycles,
            troubles: Vec::new(),
            is_partial: !request.regions.is_empty() || !request.policies.is_empty(),
            now: plan.now,
        };
        let teller = Teller {
            notify: config.notify.as_ref().unwrap(),
            url: Err("no webhook is configured".to_owned()),
            own: Ok(&self.world),
            patience: Patience::default(),
        };
        let deliveries = teller.tell(occasion, &mut self.told).await;
        deliveries.iter().map(|delivery| delivery.message.event).collect()
    }

    fn subjects(&self) -> Vec<String> {
        let published = self.sandbox().published();
        published.into_iter().map(|(_, message)| message.subject).collect()
    }
}

fn hours(n: i64) -> TimeDelta {
    TimeDelta::hours(n)
}

#[tokio::test]
async fn a_region_that_is_down_is_told_once_a_day_and_its_recovery_once() {
    let mut watched = Watched::new("");
    assert_eq!(watched.after(hours(0)).await, []);
    let down = |operation| Rule::every(operation).in_region(&eu());
    watched.sandbox().fail(down("DescribeSnapshots"), Fault::ErrorBefore);
    assert_eq!(watched.after(hours(1)).await, [Event::Failure]);
    assert_eq!(watched.after(hours(1)).await, []);
    assert_eq!(watched.after(hours(1)).await, []);
    // Something else fails as well.
    watched.sandbox().fail(down("DescribeImages"), Fault::Denied);
    assert_eq!(watched.after(hours(1)).await, [Event::Failure]);
    // At 08:05 the summary is due, and says so too.
    assert_eq!(watched.after(hours(1)).await, [Event::Summary]);
    // A day after it was told last.
    assert_eq!(watched.after(hours(22)).await, []);
    assert_eq!(watched.after(hours(1)).await, [Event::Failure]);
    watched.sandbox().clear_faults();
    assert_eq!(watched.after(hours(0)).await, [Event::Recovery]);
    assert_eq!(watched.after(hours(2)).await, [Event::Summary]);
    assert_eq!(
        watched.subjects(),
        [
            "snapkeep failure: DescribeSnapshots in eu-west-1 not read (123456789012)",
            "snapkeep failure: 2 listings not read (123456789012)",
            "snapkeep summary: 2 listings not read (123456789012)",
            "snapkeep failure: 2 listings not read (123456789012)",
            "snapkeep recovery: all is well again (123456789012)",
            "snapkeep summary: all is well (123456789012)",
        ]
    );
    let (region, last) = watched.sandbox().published().pop().unwrap();
    assert_eq!(region.as_str(), "us-west-2");
    assert!(last.text.contains("eu-west-1 · servers: 1 protected, "), "{}", last.text);
}

#[tokio::test]
async fn a_source_that_stays_without_its_point_is_told_when_its_grace_is_over() {
    let mut watched = Watched::new("");
    assert_eq!(watched.after(hours(0)).await, []);
    // The failures of one night are told, and then that the night's point is missing.
    watched.sandbox().fail(Rule::every("CreateSnapshots"), Fault::Denied);
    watched.sandbox().fail(Rule::every("CreateSnapshot"), Fault::Denied);
    assert_eq!(watched.after(hours(24)).await[0], Event::Failure);
    let mut events = Vec::new();
    for _ in 0..26 {
        events.extend(watched.after(hours(1)).await);
    }
    events.retain(|event| *event != Event::Summary);
    assert!(events.contains(&Event::Failure), "{events:?}");
    let published = watched.sandbox().published();
    let told = |part: &str| published.iter().any(|(_, message)| message.text.contains(part));
    assert!(told("CreateSnapshots of servers in eu-west-1 failed: UnauthorizedOperation"));
    assert!(told("its newest recovery point is of 2026-11-20 03:05Z"), "{published:#?}");
}

#[tokio::test]
async fn what_arrived_nowhere_is_told_by_the_next_cycle() {
    let mut watched = Watched::new("");
    watched.sandbox().fail(Rule::every("DescribeVolumes"), Fault::ErrorBefore);
    watched.sandbox().fail(Rule::next("Publish"), Fault::Denied);
    assert_eq!(watched.after(hours(0)).await, [Event::Failure]);
    assert!(watched.subjects().is_empty());
    assert_eq!(watched.after(hours(1)).await, [Event::Failure]);
    assert_eq!(watched.subjects().len(), 1);
    assert_eq!(watched.after(hours(1)).await, []);
}

#[tokio::test]
async fn deletions_over_a_limit_are_a_refusal() {
    let mut watched = Watched::new("[defaults]\nlimits = { max_deletes = 0 }\n");
    for _ in 0..3 {
        assert!(!watched.after(hours(24)).await.contains(&Event::Refusal));
    }
    let events = watched.after(hours(24)).await;
    assert_eq!(events, [Event::Refusal, Event::Summary]);
    // For one region only it says nothing new, and not that all is well.
    let partial = |request: &mut Request| {
        request.max_deletes = Some(9);
        request.regions = vec![eu()];
    };
    assert_eq!(watched.after_with(hours(1), partial).await, []);
    assert_eq!(watched.after(hours(1)).await, [Event::Recovery]);
    assert!(watched.subjects().iter().any(|s| s.contains("1 deletion withheld")));
}

#[tokio::test]
async fn nobody_real_is_told_of_a_sandbox() {
    let watched = Watched::new("[notify.command]\nrun = ['/nowhere/page']\n");
    let config = config(&watched.config);
    let teller = Teller {
        notify: config.notify.as_ref().unwrap(),
        url: Err("no webhook is configured".to_owned()),
        own: Ok(&watched.world),
        patience: Patience::default(),
    };
    let delivery = teller.send(snapkeep::report::Message::of_test()).await;
    let rehearsed = |channel| (channel, Arrival::Rehearsed);
    assert_eq!(delivery.channels, [rehearsed(Channel::Sns), rehearsed(Channel::Command)]);
    assert_eq!(t(START), watched.sandbox().time().now());
}
