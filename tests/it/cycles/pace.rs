//! Pace: what EC2 permits is used, and what others take of it is left to them.
//!
//! In virtual time, under the rates that EC2 publishes: 100 deletions at once and then 5 a second, of
//! whoever asks in one account and region.

use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::{Either, join_all, select};
use snapkeep::cloud::Cloud as _;
use snapkeep::execute::{Outcome, Progress, Stop, execute};
use snapkeep::plan::{Action, Plan};
use snapkeep::run::SandboxClock;

use super::world::{DAILY, World, eu};

const N_DELETIONS: u32 = 1000;

/// Plans a thousand deletions of points of `policy`.
async fn thousand(world: &World, policy: &str) -> Plan {
    let server = world.server(&["gp3"]);
    let latest = world.now() - TimeDelta::minutes(5);
    for n in 0..N_DELETIONS + 3 {
        let slot = latest - TimeDelta::days(n.into());
        world.point_at(&server, policy, slot, slot);
    }
    let config = DAILY.replace("\"servers\"", &format!("\"{policy}\""));
    let mut plan = world.plan(&format!("{config}limits = {{ max_delete_percent = 100 }}\n")).await;
    // The other servers have no points of this policy yet.
    plan.actions.retain(|action| action.as_delete().is_some());
    assert_eq!(plan.actions.len(), 1000);
    plan
}

/// From now on calls take time, and EC2 lets through no more than it says.
fn throttle(world: &World, latency: TimeDelta) {
    world.sandbox.set(|settings| {
        settings.is_throttling = true;
        settings.latency = latency;
    });
}

/// What EC2's bucket lets through from `start` until now.
fn permitted(world: &World, start: DateTime<Utc>) -> f64 {
    100.0 + 5.0 * (world.now() - start).as_seconds_f64()
}

fn n_calls(world: &World) -> u32 {
    world.sandbox.n_calls("DeleteSnapshot").try_into().unwrap()
}

/// Counts deletions; none may end in another way.
#[derive(Default)]
struct Done(AtomicU32);

impl Done {
    fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn n(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Progress for Done {
    fn ended(&self, action: &Action, outcome: &Outcome) {
        assert_eq!(*outcome, Outcome::Done(Vec::new()), "{}", action.id());
        self.add();
    }
}

async fn carry_out(world: &World, plan: &Plan, done: &Done) {
    let clock = SandboxClock(world.sandbox.time().clone());
    let (_sender, stop) = Stop::new();
    execute(&world.sandbox, &clock, plan, 1.0, &stop, done).await;
}

#[track_caller]
fn assert_used(world: &World, start: DateTime<Utc>, n_done: u32, what: &str) {
    let used = f64::from(n_done) / permitted(world, start);
    assert!(0.95 <= used, "{what}: {:.1} % of what EC2 permits is used", used * 100.0);
}

#[track_caller]
fn assert_throttled(n_calls: u32, n_done: u32, less_than: f64, what: &str) {
    let throttled = f64::from(n_calls - n_done) / f64::from(n_calls);
    assert!(throttled < less_than, "{what}: {:.1} % of the calls throttled", throttled * 100.0);
}

#[tokio::test]
async fn a_thousand_deletions_use_what_ec2_permits() {
    for latency in [20, 200, 1000].map(TimeDelta::milliseconds) {
        let world = World::new();
        let plan = thousand(&world, "servers").await;
        throttle(&world, latency);
        let (start, done) = (world.now(), Done::default());
        world.sandbox.time().drive(carry_out(&world, &plan, &done)).await;
        let what = format!("a call takes {latency}");
        assert_eq!(done.n(), N_DELETIONS);
        assert_used(&world, start, done.n(), &what);
        assert_throttled(n_calls(&world), done.n(), 0.05, &what);
    }
}

#[tokio::test]
async fn no_call_is_throttled_because_the_first_ones_were_slow() {
    let world = World::new();
    let plan = thousand(&world, "servers").await;
    throttle(&world, TimeDelta::seconds(1));
    let (start, done) = (world.now(), Done::default());
    let faster = async {
        world.sandbox.time().sleep_until(start + TimeDelta::seconds(3)).await;
        throttle(&world, TimeDelta::milliseconds(20));
        std::future::pending::<()>().await;
    };
    let (ours, faster) = (pin!(carry_out(&world, &plan, &done)), pin!(faster));
    world.sandbox.time().drive(select(ours, faster)).await;
    assert_eq!(n_calls(&world), N_DELETIONS);
    assert_used(&world, start, done.n(), "once the connection is there");
}

#[tokio::test]
async fn two_runners_use_what_ec2_permits_and_neither_starves() {
    for (latency, later) in [(20, 0), (80, 100), (200, 10_000), (1000, 0), (200, 60_000)] {
        let [latency, later] = [latency, later].map(TimeDelta::milliseconds);
        let world = World::new();
        let plans = [thousand(&world, "servers").await, thousand(&world, "machines").await];
        throttle(&world, latency);
        let (start, done) = (world.now(), [Done::default(), Done::default()]);
        let one = pin!(carry_out(&world, &plans[0], &done[0]));
        let other = pin!(async {
            world.sandbox.time().sleep_until(start + later).await;
            // What the one did alone is not what they shared.
            let alone = done[0].n();
            carry_out(&world, &plans[1], &done[1]).await;
            alone
        });
        let what = format!("a call takes {latency}, the second begins {later} later");
        world
            .sandbox
            .time()
            .drive(async {
                let rest = select(one, other).await;
                let n_done = done.each_ref().map(Done::n);
                assert_used(&world, start, n_done.iter().sum(), &what);
                let alone = match rest {
                    Either::Left(((), other)) => other.await,
                    Either::Right((alone, one)) => {
                        one.await;
                        alone
                    }
                };
                let shared = [n_done[0] - alone, n_done[1]];
                let least =
                    f64::from(shared[0].min(shared[1])) / f64::from(shared.iter().sum::<u32>());
                assert!(0.3 < least, "{what}: while both ran they made {shared:?}");
            })
            .await;
        assert_throttled(n_calls(&world), 2 * N_DELETIONS, 0.1, &what);
        // The last calls are made by one of them, who finds its full rate again.
        assert_used(&world, start, 2 * N_DELETIONS, &what);
    }
}

#[tokio::test]
async fn a_tool_that_takes_half_of_the_bucket_gets_it() {
    for latency in [20, 200, 1000].map(TimeDelta::milliseconds) {
        let world = World::new();
        let plans = [thousand(&world, "servers").await, thousand(&world, "others").await];
        throttle(&world, latency);
        let (start, done) = (world.now(), [Done::default(), Done::default()]);
        // Every 400 ms, whatever EC2 says.
        let n_asked = AtomicU32::new(0);
        let tool = join_all(plans[1].actions.iter().zip(0..).map(|(action, n)| {
            let (world, n_asked, done) = (&world, &n_asked, &done[1]);
            let id = action.as_delete().and_then(|delete| delete.resource.snapshot()).unwrap();
            async move {
                let at = start + TimeDelta::milliseconds(400) * n;
                world.sandbox.time().sleep_until(at).await;
                n_asked.fetch_add(1, Ordering::Relaxed);
                if world.sandbox.delete_snapshot(&eu(), id).await.is_ok() {
                    done.add();
                }
            }
        }));
        let ours = pin!(carry_out(&world, &plans[0], &done[0]));
        world.sandbox.time().drive(select(ours, tool)).await;
        let what = format!("a call takes {latency}");
        let (n_ours, n_theirs, n_asked) = (done[0].n(), done[1].n(), n_asked.into_inner());
        assert_eq!(n_ours, N_DELETIONS);
        assert_used(&world, start, n_ours + n_theirs, &what);
        assert_throttled(n_calls(&world), n_ours + n_theirs, 0.1, &what);
        assert_throttled(n_calls(&world) - n_asked, n_ours, 0.1, &format!("{what}: of ours"));
        // It keeps a beat, so chance decides whether it comes just before a token or just after.
        assert_throttled(n_asked, n_theirs, 0.2, &format!("{what}: of theirs"));
    }
}
