//! The units in `systemd/`, as systemd itself judges them.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The worst rate of exposure, in tenths; systemd calls up to 2.0 "ok".
const EXPOSURE_TENTHS_MAX: u32 = 20;

fn units() -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd");
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let is_unit = |path: &PathBuf| is(path, "service") || is(path, "timer");
    let mut res: Vec<PathBuf> = entries.filter(is_unit).collect();
    res.sort();
    assert_eq!(res.len(), 4, "{res:?}");
    res
}

fn is(path: &Path, kind: &str) -> bool {
    path.extension().is_some_and(|extension| extension == kind)
}

fn services() -> Vec<PathBuf> {
    units().into_iter().filter(|path| is(path, "service")).collect()
}

fn analyze<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Output {
    match Command::new("systemd-analyze").args(args).env("LC_ALL", "C").output() {
        Ok(output) => output,
        Err(err) => panic!("systemd-analyze: {err}; it comes with the package `systemd`"),
    }
}

/// Returns the values of a key, in order.
fn values<'a>(text: &'a str, key: &'a str) -> impl Iterator<Item = &'a str> {
    text.lines().filter_map(move |line| line.strip_prefix(key)?.strip_prefix('='))
}

#[test]
fn systemd_finds_nothing_wrong() {
    // It also looks for what is started, which is not installed here.
    let dir = tempfile::tempdir().unwrap();
    let staged = units().into_iter().map(|path| {
        let text = fs::read_to_string(&path).unwrap();
        let text =
            text.replace("=/usr/bin/snapkeep", &format!("={}", env!("CARGO_BIN_EXE_snapkeep")));
        let staged = dir.path().join(path.file_name().unwrap());
        fs::write(&staged, text).unwrap();
        staged
    });
    let staged: Vec<PathBuf> = staged.collect();
    for path in staged {
        let args = ["verify", "--man=no", "--recursive-errors=no"].map(OsStr::new);
        let output = analyze(args.into_iter().chain([path.as_os_str()]));
        // A key that it does not know is only told, and ignored.
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(told, "", "{}", path.display());
        assert!(output.status.success(), "{}", path.display());
    }
}

#[test]
fn every_service_is_exposed_to_little() {
    for path in services() {
        let threshold = format!("--threshold={EXPOSURE_TENTHS_MAX}");
        let args = ["security", "--offline=true", "--no-pager", &threshold].map(OsStr::new);
        let output = analyze(args.into_iter().chain([path.as_os_str()]));
        let rated = String::from_utf8(output.stdout).unwrap();
        let level = rated.lines().find_map(|line| line.split("Overall exposure level for ").nth(1));
        let level = level.unwrap_or_else(|| panic!("{}: {rated}", path.display()));
        let number = level.split_whitespace().nth(1).unwrap();
        let exposure: f64 = number.parse().unwrap();
        assert!(exposure * 10.0 <= f64::from(EXPOSURE_TENTHS_MAX), "{level}\n{rated}");
        assert!(output.status.success(), "{level}");
    }
}

#[test]
fn the_timer_fires_every_hour() {
    let timer = units().into_iter().find(|path| is(path, "timer")).unwrap();
    let text = fs::read_to_string(timer).unwrap();
    let [when] = values(&text, "OnCalendar").collect::<Vec<_>>()[..] else { panic!("{text}") };
    let output = analyze(["calendar", when]);
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{told}");
    assert!(told.contains("Normalized form: *-*-* *:00:00"), "{told}");
    assert_eq!(values(&text, "Persistent").collect::<Vec<_>>(), ["true"]);
}

#[test]
fn all_services_are_hardened_alike() {
    let hardening = |path: &PathBuf| {
        let text = fs::read_to_string(path).unwrap();
        let start = text.find("# It needs the network,").unwrap();
        text[start..].split("\n[Install]").next().unwrap().trim_end().to_owned()
    };
    let all: Vec<String> = services().iter().map(hardening).collect();
    assert!(all.iter().all(|one| *one == all[0]), "{all:#?}");
}

/// The service and the timer's runs share one lock; each configuration of the template has its own.
#[test]
fn what_shares_a_configuration_shares_its_user_and_directories() {
    for (name, user, directory) in [
        ("snapkeep.service", Some("snapkeep"), "snapkeep"),
        ("snapkeep-run.service", Some("snapkeep"), "snapkeep"),
        ("snapkeep@.service", None, "snapkeep-%i"),
    ] {
        let path = services().into_iter().find(|path| path.ends_with(name)).unwrap();
        let text = fs::read_to_string(path).unwrap();
        assert_eq!(values(&text, "User").next(), user, "{name}");
        for (key, value) in [
            ("DynamicUser", "yes"),
            ("RuntimeDirectory", directory),
            ("RuntimeDirectoryPreserve", "yes"),
            ("StateDirectory", directory),
        ] {
            assert_eq!(values(&text, key).collect::<Vec<_>>(), [value], "{name}: {key}");
        }
    }
}

#[test]
fn each_service_starts_a_command_that_exists() {
    let program = snapkeep::cli::command();
    for path in services() {
        let text = fs::read_to_string(&path).unwrap();
        for start in values(&text, "ExecStart") {
            let (_, args) = start.split_once(' ').unwrap();
            let name = args.split(' ').find(|arg| program.find_subcommand(arg).is_some());
            assert!(name.is_some(), "{}: {start}", path.display());
            let parsed = program.clone().try_get_matches_from(start.split(' '));
            assert!(parsed.is_ok(), "{}: {start}: {:?}", path.display(), parsed.err());
        }
    }
}

#[test]
fn instances_of_the_template_do_not_want_the_same_address() {
    let template = services().into_iter().find(|path| path.ends_with("snapkeep@.service")).unwrap();
    let text = fs::read_to_string(template).unwrap();
    assert!(values(&text, "Environment").any(|value| value == "SNAPKEEP_LISTEN=off"));
    // What an administrator says comes later, and holds.
    let at = |what| text.find(what).unwrap();
    assert!(at("SNAPKEEP_LISTEN=off") < at("EnvironmentFile=-/etc/default/snapkeep-%i"));
}
