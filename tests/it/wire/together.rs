//! Two processes on one account with no lock between them, as on two machines.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex};
use std::time::Duration;

use chrono::{DateTime, Utc};
use snapkeep::cloud::sandbox::query::Call;

use super::Machine;
use super::account::{holdings, twins};
use super::scenes::{AT_LAST, IMAGES, NOW, SNAPSHOTS, Scene};
use crate::service::Service;
use crate::support::ec2::{Ec2, Fate, Moment};

const SERVE: &str = "serve --clock stdin --listen 127.0.0.1:0";
/// How long the other one may take.
const WITHIN: Duration = Duration::from_mins(1);

/// Lets calls that make the same go on once both processes have come to them: neither has seen what
/// the other is about to make.
#[derive(Default)]
struct Meeting {
    n_came: Mutex<BTreeMap<String, usize>>,
    changed: Condvar,
}

impl Meeting {
    fn wait(&self, call: &Call) -> bool {
        let of =
            ["InstanceSpecification.InstanceId", "InstanceId", "SourceSnapshotId", "SourceImageId"];
        let subject = of.iter().find_map(|name| call.params.get(*name)).unwrap();
        let key = format!("{} {} {subject}", call.region, call.operation);
        let mut n_came = self.n_came.lock().unwrap();
        *n_came.entry(key.clone()).or_default() += 1;
        self.changed.notify_all();
        let both = self.changed.wait_timeout_while(n_came, WITHIN, |n_came| n_came[&key] < 2);
        !both.unwrap().1.timed_out()
    }
}

#[test]
fn two_services_that_make_the_same_snapshots_end_with_one_of_each() {
    check(&SNAPSHOTS, &["CreateSnapshots", "CopySnapshot"]);
}

#[test]
fn two_services_that_make_the_same_images_end_with_one_of_each() {
    check(&IMAGES, &["CreateImage", "CopyImage"]);
}

fn check(scene: &Scene, made: &'static [&'static str]) {
    let alone = Ec2::start(scene.account());
    serve(&alone, scene, 1);

    let (meeting, account) = (Meeting::default(), scene.account());
    let time = account.time().clone();
    let together = Ec2::directed(account, move |call, moment| {
        // Later each looks at the account when it likes.
        let is_first_cycle = time.now() == NOW.parse::<DateTime<Utc>>().unwrap();
        let is_met = is_first_cycle && moment == Moment::Before;
        let is_met = is_met && made.contains(&call.operation.as_str());
        // Not for ever, so that the test ends, and fails.
        if is_met && !meeting.wait(call) { Fate::Closed } else { Fate::GoesOn }
    });
    serve(&together, scene, 2);

    // Both did come to each of them.
    for operation in made {
        let n = |ec2: &Ec2| ec2.calls().iter().filter(|call| call.operation == *operation).count();
        assert!(n(&alone) < n(&together), "{operation}: {} {}", n(&alone), n(&together));
    }
    let end = holdings(&together.sandbox);
    assert_eq!(twins(&end), Vec::<String>::new());
    assert_eq!(end, holdings(&alone.sandbox));
}

/// Lets so many services, each of its own machine, serve until everything must have come to rest.
fn serve(ec2: &Ec2, scene: &Scene, n: usize) {
    let machines: Vec<_> = (0..n).map(|_| Machine::new(ec2, scene.config)).collect();
    let started = machines.iter().map(|machine| Service::start(machine.command(SERVE), NOW));
    let mut services: Vec<Service> = started.collect();
    let mut nexts: Vec<String> = services.iter_mut().map(Service::idle).collect();
    loop {
        let now = nexts.iter().min().unwrap().clone();
        if AT_LAST[1] < now.as_str() {
            break;
        }
        ec2.sandbox.time().advance_to(now.parse().unwrap());
        for service in &mut services {
            service.feed(&now);
        }
        for (service, next) in services.iter_mut().zip(&mut nexts) {
            // The others sleep on.
            if *next == now {
                *next = service.idle();
            }
        }
    }
    services.into_iter().for_each(Service::kill);
}
