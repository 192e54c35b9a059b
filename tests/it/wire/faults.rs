//! A wire that fails at each call of a service's cycle in turn: in the end the account is as if it had
//! not, and nothing was made twice on the way.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::channel;

use snapkeep::cloud::sandbox::query::Call;

use super::account::{Holdings, holdings, twins};
use super::order::Names;
use super::scenes::{AT_LAST, IMAGES, NOW, SNAPSHOTS, Scene};
use super::{Machine, awaited};
use crate::service::Service;
use crate::support::ec2::{Ec2, Fate, Moment};

/// Faults that are played at the same time.
const AT_ONCE: usize = 4;
/// Waits of a cycle pass at once for such a service: no test waits out the minute in which a call that
/// was not answered is looked for.
const SERVE: &str = "serve --clock stdin --listen 127.0.0.1:0";
/// What goes wrong, and when. Of a call that only reads it makes no difference when.
const FAULTS: [(Moment, Fate); 6] = [
    (Moment::Before, Fate::Closed),
    (Moment::Before, Fate::Reset),
    (Moment::Before, Fate::Unavailable),
    (Moment::After, Fate::Closed),
    (Moment::After, Fate::Reset),
    (Moment::After, Fate::Cut),
];
/// The calls that make something each time. CopyImage is none of them: it has a client token.
const MAKING: [&str; 3] = ["CreateSnapshots", "CreateImage", "CopySnapshot"];

#[test]
fn snapshots_are_made_once_and_none_is_lost_whatever_the_wire_does() {
    check(&SNAPSHOTS);
}

#[test]
fn images_are_made_once_and_none_is_lost_whatever_the_wire_does() {
    check(&IMAGES);
}

fn check(scene: &Scene) {
    let undisturbed = serve(scene, |_, _| Fate::GoesOn);
    let faults: Vec<_> = undisturbed
        .first_cycle
        .iter()
        .flat_map(|call| FAULTS.map(|(moment, fate)| (call, moment, fate)))
        .filter(|(call, moment, fate)| {
            let is_of_both = matches!(fate, Fate::Closed | Fate::Reset);
            !(call.contains(" Describe") && is_of_both && *moment == Moment::Before)
        })
        .collect();
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some((call, moment, fate)) = faults.get(at).copied() else { return };
                    let disturbed = disturbed(scene, call, moment, fate);
                    let what = format!("{call} {moment:?} {fate:?}");
                    assert_eq!(disturbed.end, undisturbed.end, "{what}");
                    assert_eq!(disturbed.n_made, undisturbed.n_made, "{what}");
                    assert_eq!(disturbed.n_tokens, undisturbed.n_tokens, "{what}");
                    assert_eq!(twins(&disturbed.end), Vec::<String>::new(), "{what}");
                }
            });
        }
    });
}

/// What a service did.
struct Served {
    /// The calls of its first cycle.
    first_cycle: Vec<String>,
    /// How often the account carried out each call that makes something.
    n_made: BTreeMap<&'static str, usize>,
    /// The client tokens that there were.
    n_tokens: usize,
    end: Holdings,
}

/// Lets one call of this name go wrong.
fn disturbed(scene: &Scene, name: &str, moment: Moment, fate: Fate) -> Served {
    let (names, is_done) = (Mutex::new(Names::default()), AtomicBool::new(false));
    let struck = Mutex::new(None);
    let name = name.to_owned();
    serve(scene, move |call, at| {
        if at == Moment::Before {
            let is_it = names.lock().unwrap().of(call) == name;
            if is_it && !is_done.swap(true, Ordering::Relaxed) {
                *struck.lock().unwrap() = Some(call.clone());
            }
        }
        let is_it = struck.lock().unwrap().as_ref() == Some(call);
        if is_it && at == moment {
            *struck.lock().unwrap() = None;
            return fate;
        }
        Fate::GoesOn
    })
}

/// Serves until everything must have come to rest.
fn serve(
    scene: &Scene,
    director: impl Fn(&Call, Moment) -> Fate + Send + Sync + 'static,
) -> Served {
    let ec2 = Ec2::directed(scene.account(), director);
    let before = n_made(&ec2);
    let machine = Machine::new(&ec2, scene.config);
    let mut service = Service::start(machine.command(SERVE), NOW);
    let mut next = service.idle();
    let mut names = Names::default();
    let first_cycle = ec2.calls().iter().map(|call| names.of(call)).collect();
    while next.as_str() <= AT_LAST[1] {
        ec2.sandbox.time().advance_to(next.parse().unwrap());
        service.feed(&next);
        next = service.idle();
    }
    service.kill();
    let mut n_made = n_made(&ec2);
    for (name, n) in before {
        *n_made.get_mut(name).unwrap() -= n;
    }
    let tokens: BTreeSet<String> =
        ec2.calls().into_iter().filter_map(|mut call| call.params.remove("ClientToken")).collect();
    Served { first_cycle, n_made, n_tokens: tokens.len(), end: holdings(&ec2.sandbox) }
}

fn n_made(ec2: &Ec2) -> BTreeMap<&'static str, usize> {
    MAKING.map(|name| (name, ec2.sandbox.n_calls(name))).into()
}

#[test]
fn a_reply_that_is_late_holds_up_its_own_region_and_no_other() {
    let (tell_held, held) = channel();
    let (let_go, going) = channel::<()>();
    let (tell_deleted, deleted) = channel();
    let going = Mutex::new(going);
    let ec2 = Ec2::directed(SNAPSHOTS.account(), move |call, moment| {
        if moment == Moment::After && call.operation == "CreateSnapshots" {
            tell_held.send(()).unwrap();
            let _ = going.lock().unwrap().recv();
        }
        if moment == Moment::After && call.operation == "DeleteSnapshot" {
            tell_deleted.send(call.region.clone()).unwrap();
        }
        Fate::GoesOn
    });
    let machine = Machine::new(&ec2, SNAPSHOTS.config);
    let run = machine.start(&format!("run --now {NOW}"));
    awaited(&held, "CreateSnapshots");
    for _ in 0..2 {
        assert_eq!(awaited(&deleted, "a deletion"), "us-east-1");
    }
    let_go.send(()).unwrap();
    let run = crate::moto_cli::Ended::of(run.wait_with_output().unwrap()).quiet(0);
    assert!(run.contains("1 CreateSnapshots done"), "{run}");
    assert!(run.contains("4 DeleteSnapshot done"), "{run}");
    assert_eq!(ec2.n_calls()["eu-west-1 CreateSnapshots"], 1);
}
