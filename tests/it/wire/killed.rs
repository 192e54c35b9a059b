//! A run that is killed at each of its calls in turn, before the call has an effect and after it but
//! before the reply, and the run that comes next.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use snapbox::{Data, assert_data_eq};

use super::account::{Holdings, changes, holdings, twins};
use super::order::Order;
use super::scenes::{AT_LAST, IMAGES, LATER, NOW, SNAPSHOTS, Scene};
use super::{Machine, awaited, config, cycle};
use crate::support::ec2::{Ec2, Moment};

/// A run has at most so many calls.
const CALLS_MAX: usize = 30;
/// Kills that are played at the same time.
const AT_ONCE: usize = 4;

#[test]
fn a_run_of_snapshots_killed_at_any_call_is_finished_by_the_next() {
    check(&SNAPSHOTS);
}

#[test]
fn a_run_of_images_killed_at_any_call_is_finished_by_the_next() {
    check(&IMAGES);
}

fn check(scene: &Scene) {
    let golden = golden(scene);
    let undisturbed = undisturbed(scene);
    // The order of the calls stands in the golden file, and is a new one only when that is.
    let wanted = if is_overwriting() { undisturbed.calls.clone() } else { calls_of(&golden) };
    assert!(wanted.len() <= CALLS_MAX, "{} calls", wanted.len());
    let sorted: BTreeSet<&String> = wanted.iter().collect();
    let came: BTreeSet<&String> = undisturbed.calls.iter().collect();
    assert_eq!(sorted, came, "{} has other calls than the run", golden.display());

    let moments = [Moment::Before, Moment::After];
    let kills: Vec<_> = (0..wanted.len()).flat_map(|n| moments.map(|moment| (n, moment))).collect();
    let next = AtomicUsize::new(0);
    let rows = Mutex::new(vec![String::new(); kills.len()]);
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some((n, moment)) = kills.get(at).copied() else { return };
                    let row = kill(scene, &wanted, n, moment, &undisturbed.end);
                    rows.lock().unwrap()[at] = row;
                }
            });
        }
    });

    let rows = rows.into_inner().unwrap();
    let mut table = String::new();
    for (n, call) in wanted.iter().enumerate() {
        writeln!(table, "{:>2}  {call}", n + 1).unwrap();
        let [before, after] = [&rows[2 * n], &rows[2 * n + 1]];
        if before == after {
            write!(table, "    before, after: {before}").unwrap();
        } else {
            write!(table, "    before: {before}    after: {after}").unwrap();
        }
    }
    assert_data_eq!(table, Data::read_from(&golden, None));
}

/// What the run does when nobody disturbs it.
struct Undisturbed {
    calls: Vec<String>,
    end: Holdings,
}

fn undisturbed(scene: &Scene) -> Undisturbed {
    let order = Order::find();
    let director = order.clone();
    let ec2 = Ec2::directed(scene.account(), move |call, moment| director.direct(call, moment));
    let machine = Machine::new(&ec2, scene.config);
    machine.snapkeep(&format!("run --now {NOW}")).quiet(0);
    order.end();
    for now in [LATER].iter().chain(&AT_LAST) {
        cycle(&ec2.sandbox, &config(scene.config), now);
    }
    Undisturbed { calls: order.came(), end: holdings(&ec2.sandbox) }
}

/// Kills the run at one call; returns what came of it.
fn kill(
    scene: &Scene,
    wanted: &[String],
    n: usize,
    moment: Moment,
    undisturbed: &Holdings,
) -> String {
    let (order, is_held) = Order::holding(wanted.to_vec(), n, moment);
    let director = order.clone();
    let ec2 = Ec2::directed(scene.account(), move |call, moment| director.direct(call, moment));
    let before = holdings(&ec2.sandbox);
    let machine = Machine::new(&ec2, scene.config);
    let mut run = machine.start(&format!("run --now {NOW}"));
    awaited(&is_held, &wanted[n]);
    run.kill().unwrap();
    // A signal ended it, and no exit.
    assert_eq!(run.wait().unwrap().code(), None);
    order.end();
    assert_eq!(order.surprises(), Vec::<String>::new());
    let killed = holdings(&ec2.sandbox);

    ec2.sandbox.time().advance_to(LATER.parse().unwrap());
    let second = machine.snapkeep(&format!("run --now {LATER}")).quiet(0);
    let plan = machine.snapkeep(&format!("plan --exit-code --now {LATER}"));
    assert_eq!(plan.code, Some(0), "{}", plan.stdout);
    for now in AT_LAST {
        cycle(&ec2.sandbox, &config(scene.config), now);
    }
    let end = holdings(&ec2.sandbox);
    assert_eq!(twins(&end), Vec::<String>::new());
    assert_eq!(end, *undisturbed, "{} {moment:?}", wanted[n]);
    format!(
        "{}\n        then: {}; plan --exit-code: {}\n",
        changes(&before, &killed),
        done(&second),
        plan.code.unwrap()
    )
}

/// Returns what a run says that it did.
fn done(report: &str) -> String {
    let ended = [" done", " found", " gone", " failed", " skipped"];
    let lines = report.lines().skip(1).map(str::trim).take_while(|line| *line != "made");
    let lines: Vec<&str> =
        lines.filter(|line| ended.iter().any(|word| line.ends_with(word))).collect();
    if lines.is_empty() { "nothing".to_owned() } else { lines.join(", ").replace(" done", "") }
}

/// Returns the calls that a table is about.
fn calls_of(golden: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(golden).unwrap_or_default();
    let numbered = text
        .lines()
        .filter(|line| line.get(..2).is_some_and(|number| number.trim().parse::<usize>().is_ok()));
    numbered.map(|line| line[4..].to_owned()).collect()
}

fn golden(scene: &Scene) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    root.join(format!("tests/it/wire/killed/{}.txt", scene.name))
}

#[expect(clippy::disallowed_methods, reason = "snapbox's own, which says that goldens are made")]
fn is_overwriting() -> bool {
    std::env::var("SNAPSHOTS").is_ok_and(|value| value == "overwrite")
}
