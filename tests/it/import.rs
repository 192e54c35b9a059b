//! What `import` makes of scripts and of lifecycle policies: `tests/import`, as data.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use proptest::prelude::*;
use snapbox::{Data, assert_data_eq};
use snapkeep::config::import::{ImportError, Imported, from_dlm, from_script};
use snapkeep::config::{load, parse, render_resolved};

fn dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import")
}

fn inputs() -> Vec<PathBuf> {
    let entries = fs::read_dir(dir()).unwrap().map(|entry| entry.unwrap().path());
    let mut res: Vec<PathBuf> = entries.filter(|path| is_input(path)).collect();
    res.sort();
    assert!(20 < res.len(), "{res:?}");
    res
}

fn is_input(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "sh" || extension == "json")
}

fn import(path: &Path) -> Result<Imported, ImportError> {
    let text = fs::read_to_string(path).unwrap();
    let is_script = path.extension().unwrap() == "sh";
    if is_script { from_script(&text) } else { from_dlm(&text) }
}

#[test]
fn imports_are_as_expected() {
    for path in inputs() {
        let (text, extension) = match import(&path) {
            Ok(imported) => (imported.toml, "toml"),
            Err(err) => (format!("{err}\n"), "stderr"),
        };
        let golden = path.with_extension(extension);
        assert_data_eq!(text, Data::read_from(&golden, None).raw());
    }
}

#[test]
fn every_golden_has_its_input_and_only_one() {
    for entry in fs::read_dir(dir()).unwrap() {
        let path = entry.unwrap().path();
        let n_inputs = ["sh", "json"].iter().filter(|e| path.with_extension(e).exists()).count();
        let n_goldens =
            ["toml", "stderr"].iter().filter(|e| path.with_extension(e).exists()).count();
        assert_eq!((n_inputs, n_goldens), (1, 1), "{}", path.display());
    }
}

#[test]
fn what_is_imported_loads_and_says_every_remark_at_its_place() {
    for path in inputs() {
        let Ok(Imported { toml, remarks }) = import(&path) else { continue };
        if let Err(problems) = parse(&[("imported.toml".to_owned(), toml.clone())]) {
            panic!("{}: {problems}", path.display());
        }
        let comments: Vec<&str> = toml.lines().filter_map(|line| line.strip_prefix("# ")).collect();
        let comments = comments.join(" ").split_whitespace().collect::<Vec<_>>().join(" ");
        for remark in remarks {
            let remark = remark.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(
                comments.contains(&format!("remark: {remark}")),
                "{}: {remark}",
                path.display()
            );
        }
    }
}

#[test]
fn the_usual_script_is_the_policy_that_is_shipped_for_it() {
    let Imported { toml, .. } = import(&dir().join("plain.sh")).unwrap();
    // No script knows whose clock its crontab follows.
    let toml = toml.replace("timezone = \"UTC\"", "timezone = \"Asia/Seoul\"");
    let imported = parse(&[("imported.toml".to_owned(), toml)]).unwrap();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/plain-script.toml");
    assert_eq!(render_resolved(&imported), render_resolved(&load(&shipped).unwrap()));
}

#[test]
fn a_script_may_come_by_standard_input_in_any_encoding() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_snapkeep"))
        .args(["import", "script", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let script = b"AWS_REGION_ARR=(eu-west-1) # B\xfcro\r\nRETENTION_DAILY=30\r\n";
    child.stdin.take().unwrap().write_all(script).unwrap();
    let output = child.wait_with_output().unwrap();
    let expected = from_script("AWS_REGION_ARR=(eu-west-1)\nRETENTION_DAILY=30\n").unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), expected.toml);
    let remarks = expected.remarks.iter().map(|remark| format!("remark: {remark}\n"));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), remarks.collect::<String>());
    assert_eq!(output.status.code(), Some(0));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// A script in pieces is imported or refused, and never makes a configuration that is wrong.
    #[test]
    fn damaged_scripts_are_imported_or_refused(
        input in any::<prop::sample::Index>(),
        from in any::<prop::sample::Index>(),
        length in 0..40_usize,
        junk in "[(){}\\[\\]$\"'`;&|<>#\\\\= \\n\\ta-zA-Z0-9é\u{0}-]{0,12}",
    ) {
        let inputs = inputs();
        let mut chars: Vec<char> = fs::read_to_string(input.get(&inputs)).unwrap().chars().collect();
        let from = from.index(chars.len());
        let until = chars.len().min(from + length);
        chars.splice(from..until, junk.chars());
        let text: String = chars.into_iter().collect();
        for res in [from_script(&text), from_dlm(&text)] {
            if let Err(ImportError::Invalid(problems)) = res {
                prop_assert!(false, "{problems}");
            }
        }
    }

    /// A lifecycle policy with something else in one place is imported or refused as well.
    #[test]
    fn odd_lifecycle_policies_are_imported_or_refused(
        input in any::<prop::sample::Index>(),
        place in any::<prop::sample::Index>(),
        odd in prop::sample::select(vec![
            "null", "true", "false", "0", "-1", "1", "5", "36501", "1e30", "\"\"", "\"x\"", "\"*\"",
            "\"a\\n[[policy]]\\u001b\"", "\"eu-west-1\"", "[]", "{}", "[null]", "[[{}]]",
            "[\"VOLUME\"]", "{\"Key\": \"aws:x\", \"Value\": \"'''\"}",
            "{\"Interval\": 20, \"IntervalUnit\": \"YEARS\"}", "{\"Count\": 99999999999}",
        ]),
    ) {
        let mut inputs = inputs();
        inputs.retain(|path| path.extension().unwrap() == "json");
        let text = fs::read_to_string(input.get(&inputs)).unwrap();
        let mut document: serde_json::Value = serde_json::from_str(&text).unwrap();
        let mut places = Vec::new();
        collect(&document, "", &mut places);
        let place: &String = place.get(&places);
        *document.pointer_mut(place).unwrap() = serde_json::from_str(odd).unwrap();
        if let Err(ImportError::Invalid(problems)) = from_dlm(&document.to_string()) {
            prop_assert!(false, "{document}\n{problems}");
        }
    }
}

/// Collects the pointers to all values of a document.
fn collect(value: &serde_json::Value, at: &str, places: &mut Vec<String>) {
    places.push(at.to_owned());
    match value {
        serde_json::Value::Array(values) => {
            for (n, value) in values.iter().enumerate() {
                collect(value, &format!("{at}/{n}"), places);
            }
        }
        serde_json::Value::Object(map) => {
            for (key, value) in map {
                collect(value, &format!("{at}/{key}"), places);
            }
        }
        _ => {}
    }
}
