//! What the fuzz targets look for, with inputs made by rules: anything, and what is nearly valid.
//!
//! The promises are those of `tests/fuzz/promises.rs`, word for word. `PROPTEST_CASES` asks for
//! more; the seed is fixed, so that whoever changes something is told of that and of nothing else.

use std::fs;
use std::path::Path;

use chrono::{DateTime, Utc};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::RngSeed;
use snapkeep::cloud::files::Files;
use snapkeep::config::load;
use snapkeep::plan::{Request, plan};
use snapkeep::report::json::write_plan;
use snapkeep::run::observe_saved;

use super::promises;

type Promise = fn(&[u8]);

/// Everything that reads what somebody else wrote, with inputs that are valid.
fn readers() -> Vec<(&'static str, Promise, Vec<Vec<u8>>)> {
    let texts = |texts: &[&str]| texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    let at_an_instant = |texts: &[&str]| {
        texts.iter().map(|text| [b"\0\0\x65\x53\xf1\0", text.as_bytes()].concat()).collect()
    };
    vec![
        ("config", promises::config, configs()),
        ("schedule", promises::schedule, at_an_instant(&SCHEDULES)),
        ("span", promises::span, at_an_instant(&["30 days", "36500 years", "1 month", "36h"])),
        ("inventory", promises::inventory, listings()),
        ("plan", promises::saved_plan, vec![saved_plan()]),
        ("event", promises::event, texts(&EVENTS)),
        ("script", promises::script, files("tests/import", "sh")),
        ("dlm", promises::dlm, files("tests/import", "json")),
    ]
}

const SCHEDULES: [&str; 7] = [
    "0 3 * * *",
    "*/15 0-6,22 1,15 jan-mar,dec mon-fri",
    "0 0 29 2 *",
    "30 2 * * sun",
    "59 59 23 31 12 7",
    "@daily",
    "0 3 1-31/2 * 1#2",
];

const EVENTS: [&str; 5] = [
    "{}",
    "null",
    r#"{"dry_run":false,"policies":["nightly"],"regions":["us-east-1"],"time":"2026-11-20T03:00:00Z"}"#,
    r#"{"version":"0","detail-type":"Scheduled Event","time":"2026-11-20T03:00:00Z","detail":{}}"#,
    r#"{"detail-type":"x","detail":{"policies":["nightly"],"dry_run":true}}"#,
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Returns the files in a directory whose names end so, in the order of their names.
fn files(dir: &str, ext: &str) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(root().join(dir)).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> =
        entries.filter(|path| path.extension().is_some_and(|e| e == ext)).collect();
    paths.sort();
    assert!(!paths.is_empty(), "{dir}");
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

fn configs() -> Vec<Vec<u8>> {
    let dirs = ["config", "config/samples", "tests/config/invalid", "tests/config/resolved"];
    dirs.into_iter().flat_map(|dir| files(dir, "toml")).collect()
}

/// Each listing of the scene, behind the byte that says which it is.
fn listings() -> Vec<Vec<u8>> {
    let dir = root().join("tests/scenes/grown/us-east-1");
    let names = ["instances.json", "volumes.json", "snapshots.json", "images.json"];
    let read = |name: &str| fs::read(dir.join(name)).unwrap();
    let mut listings: Vec<Vec<u8>> =
        names.iter().zip(0_u8..).map(|(name, n)| [vec![n], read(name)].concat()).collect();
    for (n, text) in [
        (4, r#"{"Snapshots":[{"SnapshotId":"snap-00000001","LockState":"compliance"}]}"#),
        (5, r#"{"ImageUses":[{"ImageId":"ami-00000001","UsedBy":["x"],"IsComplete":true}]}"#),
        (6, r#"{"Keys":[{"Name":"alias/a","Arn":"arn:aws:kms:x","IsEnabled":true}]}"#),
    ] {
        listings.push([vec![n], text.as_bytes().to_vec()].concat());
    }
    listings
}

fn saved_plan() -> Vec<u8> {
    let scenes = root().join("tests/scenes");
    let config = load(&scenes.join("grown.toml")).unwrap();
    let inventory = observe_saved(&Files::open(&scenes.join("grown")).unwrap(), &config);
    let now: DateTime<Utc> = "2026-11-20T02:10:00Z".parse().unwrap();
    let mut text = Vec::new();
    write_plan(&mut text, &plan(&config, &inventory, &Request::at(now)), &[]).unwrap();
    text
}

/// What somebody, or a broken disk, does to a file.
#[derive(Debug, Clone)]
enum Edit {
    Cut(Index, Index),
    Repeat(Index, Index),
    Byte(Index, u8),
    Word(Index, &'static [u8]),
    Junk(Index, Vec<u8>),
}

/// Words that readers trip over.
const WORDS: [&[u8]; 26] = [
    b"\0",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"\x80",
    b"\r\n",
    b"\n\n[[policy]]\n",
    b"[",
    b"{",
    b"]}",
    b"\"",
    b"'''",
    b"\\u0000",
    b"\\ud800",
    b"-1",
    b"18446744073709551616",
    b"1e999",
    b"36500 years",
    b"99999999999999999999 days",
    b"262143-12-31T23:59:59Z",
    b"-262143-01-01T00:00:00Z",
    b"null",
    b"nan",
    b"*",
    b"$(x)",
    "\u{202e}\u{9b}".as_bytes(),
    b"vol-ffffffff",
];

fn edit() -> impl Strategy<Value = Edit> {
    let at = any::<Index>;
    prop_oneof![
        2 => (at(), at()).prop_map(|(from, to)| Edit::Cut(from, to)),
        2 => (at(), at()).prop_map(|(from, to)| Edit::Repeat(from, to)),
        2 => (at(), any::<u8>()).prop_map(|(at, byte)| Edit::Byte(at, byte)),
        4 => (at(), prop::sample::select(&WORDS[..])).prop_map(|(at, word)| Edit::Word(at, word)),
        1 => (at(), prop::collection::vec(any::<u8>(), 0..40)).prop_map(|(at, j)| Edit::Junk(at, j)),
    ]
}

fn edited(text: &[u8], edits: &[Edit]) -> Vec<u8> {
    let mut text = text.to_vec();
    for edit in edits {
        let n_bytes = text.len();
        let at = |index: &Index| index.index(n_bytes + 1);
        // Of files that are long, changes of a line's length are those that matter.
        let range = |from: &Index, to: &Index| {
            let from = at(from);
            from..(from + to.index(200)).min(n_bytes)
        };
        match edit {
            Edit::Cut(from, to) => drop(text.drain(range(from, to))),
            Edit::Repeat(from, to) => {
                let part = text[range(from, to)].to_vec();
                let at = at(from);
                text.splice(at..at, part);
            }
            Edit::Byte(index, byte) if 0 < n_bytes => text[index.index(n_bytes)] = *byte,
            Edit::Byte(..) => {}
            Edit::Word(index, word) => {
                drop(text.splice(at(index)..at(index), word.iter().copied()));
            }
            Edit::Junk(index, junk) => drop(text.splice(at(index)..at(index), junk.clone())),
        }
    }
    text
}

fn cases(n: u32) -> ProptestConfig {
    let default = ProptestConfig::default();
    let rng_seed = match default.rng_seed {
        RngSeed::Random => RngSeed::Fixed(20_261_120),
        fixed @ RngSeed::Fixed(_) => fixed,
    };
    let cases = if default.cases == 256 { n } else { default.cases };
    ProptestConfig { cases, rng_seed, failure_persistence: None, ..default }
}

proptest! {
    #![proptest_config(cases(60))]

    #[test]
    fn any_bytes_are_refused_or_understood(
        bytes in prop::collection::vec(any::<u8>(), 0..300), text in any::<String>(),
    ) {
        for (_, promise, _) in readers() {
            promise(&bytes);
            promise(text.as_bytes());
        }
    }

    #[test]
    fn what_is_nearly_valid_is_refused_or_understood(
        which in any::<Index>(), edits in prop::collection::vec(edit(), 1..8),
    ) {
        for (_, promise, samples) in readers() {
            promise(&edited(&samples[which.index(samples.len())], &edits));
        }
    }
}

#[test]
fn every_sample_is_understood() {
    for (_, promise, samples) in readers() {
        for sample in samples {
            promise(&sample);
        }
    }
}

/// Inputs that broke something once: `tests/fuzz/found/TARGET/…`.
#[test]
fn what_broke_something_once_is_fine_now() {
    for (name, promise, _) in readers() {
        let dir = root().join("tests/fuzz/found").join(name);
        let Ok(entries) = fs::read_dir(dir) else { continue };
        for entry in entries {
            promise(&fs::read(entry.unwrap().path()).unwrap());
        }
    }
}

/// As deep, long, many and large as anybody can type.
#[test]
fn what_is_excessive_is_refused_or_understood() {
    let deep = |open: &str, n: usize| open.repeat(n);
    let long = "x".repeat(1 << 20);
    let n_keys = 20_000;
    let keys: Vec<String> = (0..n_keys).map(|n| format!("key{n} = {n}\n")).collect();
    let json_keys: Vec<String> = (0..n_keys).map(|n| format!("\"k{n}\":{n}")).collect();
    let documents = [
        deep("[", 200_000),
        deep("{\"a\":", 200_000),
        format!("x = {}", deep("[", 200_000)),
        format!("x = {}", deep("{ a = ", 100_000)),
        format!("[{}a]\n", deep("a.", 100_000)),
        format!("{}a = 1\n", deep("a.", 100_000)),
        format!("version = 1\n[[policy]]\nname = \"{long}\"\n"),
        format!("version = 1\n{}", keys.concat()),
        format!("version = 1\n[[policy]]\n{}", "name = \"a\"\n".repeat(5_000)),
        "[[policy]]\nname = \"a\"\n".repeat(2_000),
        format!("version = {}", "9".repeat(100_000)),
        format!("{{{}}}", json_keys.join(",")),
        format!("{{\"Snapshots\":[{}]}}", vec!["{}"; 50_000].join(",")),
        format!(
            "{{\"format\":\"snapkeep.plan/1\",\"actions\":[{}]}}",
            vec!["{}"; 50_000].join(",")
        ),
        format!("{{\"policies\":[{}]}}", vec!["\"a\""; 50_000].join(",")),
        format!("{} * * * *", vec!["1"; 50_000].join(",")),
        format!("*/{} * * * *", "9".repeat(50_000)),
        format!("{} days", "9".repeat(50_000)),
        format!("A=\"{}\"\n", deep("$(", 50_000)),
        format!("A={}\n", deep("\"$", 50_000)),
        format!("A=({}\n", deep("( ", 50_000)),
        format!("{}\n", deep("if true; then\n", 20_000)),
        deep("A=${A:-", 50_000),
        format!("\"{long}\""),
        "\u{feff}{}".to_owned(),
        "\0".repeat(10_000),
        "\r\n".repeat(10_000),
    ];
    for (name, promise, _) in readers() {
        for document in &documents {
            let (promise, text) = (promise, document.clone());
            // As small as the stacks that others give: a deep recursion must end before.
            let run = std::thread::Builder::new().stack_size(1 << 21);
            let ended = run.spawn(move || promise(text.as_bytes())).unwrap().join();
            assert!(ended.is_ok(), "{name}: {document:.60}");
        }
    }
}
