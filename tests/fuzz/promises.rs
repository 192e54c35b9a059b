//! What a hostile input must not do, entry point by entry point, through the code that production
//! runs. Each function panics if a promise is broken; otherwise whatever it is given is fine.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use snapkeep::cloud::files::Files;
use snapkeep::config::import::{ImportError, Imported, from_dlm, from_script};
use snapkeep::config::schedule::Schedule;
use snapkeep::config::{Config, load, parse, render_resolved};
use snapkeep::domain::inventory::Inventory;
use snapkeep::domain::span::Span;
use snapkeep::lambda::event::request_of;
use snapkeep::plan::{Request, plan};
use snapkeep::report::{json, plan_text};
use snapkeep::run::apply::select;
use snapkeep::run::{observe_saved, saved};

/// Zones with odd clock changes, and one without any.
const ZONES: [Tz; 5] = [
    Tz::UTC,
    Tz::America__New_York,
    Tz::Pacific__Apia,
    Tz::Africa__Casablanca,
    Tz::Australia__Lord_Howe,
];

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_143_600, 0).unwrap_or_default()
}

/// A configuration is read, or refused with every problem; what is read can be written and read.
pub fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let read = |text: &str| parse(&[("fuzzed.toml".to_owned(), text.to_owned())]);
    match read(text) {
        Ok(config) => {
            let resolved = render_resolved(&config);
            let again = read(&resolved).unwrap_or_else(|err| panic!("{err}\n{resolved}"));
            assert_eq!(render_resolved(&again), resolved);
        }
        Err(problems) => assert!(!problems.to_string().is_empty()),
    }
}

/// A schedule is refused, or has slots in order.
pub fn schedule(data: &[u8]) {
    let (head, text) = data.split_at(data.len().min(6));
    let Ok(text) = std::str::from_utf8(text) else { return };
    let zone = ZONES[usize::from(head.first().copied().unwrap_or_default()) % ZONES.len()];
    let Ok(schedule) = Schedule::parse(text, zone) else { return };
    let now = instant(head);
    let (before, after) = (schedule.slot_at(now), schedule.slot_after(now));
    assert!(before.is_none_or(|slot| slot <= now), "{text:?} {zone} {now} {before:?}");
    assert!(after.is_none_or(|slot| now < slot), "{text:?} {zone} {now} {after:?}");
    if let Some(slot) = after {
        assert_eq!(schedule.slot_at(slot), Some(slot), "{text:?} {zone}");
    }
}

/// A span is refused, or ends after it starts, and no such span that starts later ends in time.
pub fn span(data: &[u8]) {
    let (head, text) = data.split_at(data.len().min(6));
    let Ok(text) = std::str::from_utf8(text) else { return };
    let zone = ZONES[usize::from(head.first().copied().unwrap_or_default()) % ZONES.len()];
    let Ok(span) = text.parse::<Span>() else { return };
    let start = instant(head);
    let end = span.end(start, zone);
    assert!(start < end, "{span} {zone} {start} {end}");
    let latest = span.latest_start(start, zone);
    assert!(latest < start && start < span.end(latest + TimeDelta::days(2), zone));
    assert_eq!(span.to_string().parse(), Ok(span));
}

/// An instant of the years 1970 to 2099.
fn instant(head: &[u8]) -> DateTime<Utc> {
    let seconds = head.iter().skip(1).fold(0_i64, |all, byte| all << 8 | i64::from(*byte));
    DateTime::from_timestamp(seconds % (130 * 365 * 86_400), 0).unwrap_or_default()
}

/// Files that every listing of an inventory is read from, and what is made of them.
pub fn inventory(data: &[u8]) {
    const FILES: [&str; 7] = [
        "instances.json",
        "volumes.json",
        "snapshots.json",
        "images.json",
        "locked-snapshots.json",
        "image-uses.json",
        "keys.json",
    ];
    static N_CALLS: AtomicUsize = AtomicUsize::new(0);
    let Some((which, data)) = data.split_first() else { return };
    let n = N_CALLS.fetch_add(1, Ordering::Relaxed);
    let dir = std::env::temp_dir().join(format!("snapkeep-{}-{n}", std::process::id()));
    let region = dir.join("us-east-1");
    fs::create_dir_all(&region).unwrap();
    for file in FILES.into_iter().take(4) {
        fs::copy(scenes().join("grown/us-east-1").join(file), region.join(file)).unwrap();
    }
    fs::write(region.join(FILES[usize::from(*which) % FILES.len()]), data).unwrap();
    let (config, _) = scene();
    let inventory = observe_saved(&Files::open(&dir).unwrap(), config);
    fs::remove_dir_all(&dir).unwrap();
    let plan = plan(config, &inventory, &Request::at(now()));
    assert!(!plan_text::render(&plan, true).is_empty());
    json::write_plan(&mut Vec::new(), &plan, &[]).unwrap();
}

/// A saved plan is refused, or selects what a fresh plan has.
pub fn saved_plan(data: &[u8]) {
    let Ok(plans) = saved::read(data) else { return };
    for saved in plans.iter().filter(|saved| saved.check_age(now(), Span::days(1)).is_ok()) {
        let (config, inventory) = scene();
        let request = Request { run_slot: saved.now, ..Request::at(now()) };
        let fresh = plan(config, inventory, &request);
        let part = select(config, inventory, &request, saved);
        assert!(part.plan.actions.iter().all(|action| fresh.actions.contains(action)));
        assert_eq!(part.plan.actions.len() + part.drift.lines.len(), saved.actions.len());
        let _ = part.drift.render();
    }
}

/// A Lambda event is refused, or asks for a cycle that is not of the future.
pub fn event(data: &[u8]) {
    let Ok(event) = serde_json::from_slice(data) else { return };
    match request_of(&event, &scene().0, now()) {
        Ok(asked) => {
            let latest = now() + TimeDelta::minutes(5);
            assert!(asked.request.now == now() && asked.request.run_slot <= latest);
        }
        Err(err) => assert!(!err.to_string().is_empty()),
    }
}

/// A script is refused, or becomes a configuration that loads.
pub fn script(data: &[u8]) {
    imported(from_script(&String::from_utf8_lossy(data)));
}

/// A policy of Data Lifecycle Manager is refused, or becomes a configuration that loads.
pub fn dlm(data: &[u8]) {
    imported(from_dlm(&String::from_utf8_lossy(data)));
}

fn imported(imported: Result<Imported, ImportError>) {
    match imported {
        Ok(imported) => config(imported.toml.as_bytes()),
        Err(ImportError::Invalid(err)) => panic!("{err}"),
        Err(err) => assert!(!err.to_string().is_empty()),
    }
}

/// Found from the package of the fuzzer, and from the one that is fuzzed.
fn scenes() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let ours = root.join("tests/scenes");
    if ours.exists() { ours } else { root.join("../scenes") }
}

/// A configuration and the account that it is about.
fn scene() -> &'static (Config, Inventory) {
    static SCENE: OnceLock<(Config, Inventory)> = OnceLock::new();
    SCENE.get_or_init(|| {
        let config = load(&scenes().join("grown.toml")).unwrap();
        let files = Files::open(&scenes().join("grown")).unwrap();
        let inventory = observe_saved(&files, &config);
        (config, inventory)
    })
}
