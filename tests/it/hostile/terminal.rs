//! No command sends what a terminal obeys: the program itself, with its errors and logs.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use snapkeep::cloud::sandbox::Sandbox;

use super::world::{HOSTILE, SHOWN, harmful, spoil_sandbox};

const NOW: &str = "2026-11-20T03:10:00Z";

/// Runs snapkeep; returns what it wrote to stdout and stderr, after a look at it.
fn run(args: &[&str], stdin: &[u8]) -> String {
    let mut child = Command::new(env!("CARGO_BIN_EXE_snapkeep"))
        .args(args)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that reads nothing may be gone already.
    let _ = std::io::Write::write_all(&mut child.stdin.take().unwrap(), stdin);
    let Output { stdout, stderr, status } = child.wait_with_output().unwrap();
    assert!(status.code().is_some_and(|code| code != 101), "{args:?}: {status}");
    let all = [stdout, stderr].map(|bytes| String::from_utf8(bytes).unwrap()).join("\n");
    let line = all.lines().find(|line| !harmful(line).is_empty()).unwrap_or_default();
    assert!(harmful(&all).is_empty(), "{args:?} sends {:?}: {line:?}", harmful(&all));
    all
}

/// A sandbox in a file, all of whose free text is hostile, and a snapshot in it.
fn sandbox(dir: &Path, region: &str) -> (String, String) {
    let path = dir.join(format!("{region}.json"));
    let sandbox = Sandbox::open(&path, NOW.parse().unwrap()).unwrap();
    spoil_sandbox(&sandbox);
    sandbox.save().unwrap();
    let snapshot = sandbox.inventory().regions[&region.parse().unwrap()].snapshots[0].id;
    (format!("--sandbox={}", path.display()), snapshot.to_string())
}

#[test]
fn no_command_on_a_hostile_account_steers_the_terminal() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).display().to_string();
    for (config, region) in [
        ("config/snapkeep.toml", "us-east-1"),
        ("config/samples/disaster-recovery.toml", "eu-west-2"),
    ] {
        let (sandbox, snapshot) = &sandbox(dir.path(), region);
        let base = ["--config", config, "--now", NOW, sandbox, "-vv"];
        let all = |more: &[&str]| run(&[&base[..], more].concat(), b"");
        let plan = &path("plan.json");
        let text = all(&["explain", snapshot]);
        assert!(text.contains(SHOWN), "{text}");
        for args in [
            &["plan", "--keeps", "--out", plan][..],
            &["plan", "--format", "json"],
            &["status"],
            &["status", "--format", "json"],
            &["status", "--format", "nagios"],
            &["check"],
            &["check", "--online"],
            &["iam"],
            &["inventory", &path("inventory")],
            &["apply", plan, "--dry-run"],
            &["apply", plan, "--dry-run", "--format", "json"],
            &["--log", "json", "apply", plan, "--lock-dir", &path("")],
            &["run", "--lock-dir", &path("")],
            &["run", "--lock-dir", &path(""), "--format", "json"],
            &["apply", plan, "--lock-dir", &path("")],
        ] {
            all(args);
        }
        let saved = path("inventory");
        let from_files = ["--config", config, "--now", NOW, "plan", "--inventory", &saved];
        run(&from_files, b"");
    }
}

#[test]
fn errors_about_hostile_input_do_not_steer_the_terminal() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    // Names of files cannot have a NUL or a slash.
    let named = HOSTILE.replace('/', "");
    let toml = format!("version = 1\n[[policy]]\nname = \"{HOSTILE}\"\n\"{HOSTILE}\" = 1\n");
    let basic = format!(
        "version = 1\n[[policy]]\nname = \"a\\u001b[2J\\u202e\"\nregions = [\"\\u001b\"]\nschedule = \"\\u009b * * * *\"\nretention = {{ daily = \"1\\u001b day\" }}\nselect = {{ resource = \"\\u001b\" }}\nkey{named} = 1\n"
    );
    let plan = format!("{{ \"format\": {} }}", serde_json::Value::from(HOSTILE));
    let fatal = serde_json::json!({
        "format": "snapkeep.plan/1", "now": NOW, "config_digest": "", "actions": [],
        "notes": [{ "severity": "fatal", "message": HOSTILE }],
    });
    let account = serde_json::json!({
        "format": "snapkeep.plan/1", "now": NOW, "config_digest": "", "account_name": HOSTILE,
        "account": HOSTILE, "actions": [{ "id": HOSTILE }],
    });
    let own = serde_json::json!({
        "format": "snapkeep.plan/1", "now": NOW, "config_digest": "", "account": HOSTILE,
        "actions": [{ "id": HOSTILE, "op": HOSTILE, "region": HOSTILE, "resource": HOSTILE }],
    });
    let mine = serde_json::json!({
        "format": "snapkeep.plan/1", "now": NOW, "config_digest": "", "account": "123456789012",
        "actions": [{ "id": HOSTILE, "op": HOSTILE, "region": HOSTILE, HOSTILE: HOSTILE }],
    });
    let s = ["--sandbox", "--now", NOW];
    let hostile_name = file(&named, "x = ");
    for (args, is_shown) in [
        (&["--config", &file("a.toml", &toml), "check"][..], true),
        (&["--config", &file("b.toml", &basic), "check"], true),
        (&["--config", &hostile_name, "check"], true),
        (&["--config", &file("c.toml", HOSTILE), "--log", "json", "check"], false),
        (&["--config", HOSTILE, "check"], true),
        // What is typed comes back without its escape sequences.
        (&[HOSTILE], false),
        (&["--now", HOSTILE, "plan"], false),
        (&["plan", "--region", HOSTILE], false),
        (&[&s[..], &["plan", "--policy", HOSTILE]].concat(), true),
        (&[&s[..], &["plan", "--account", HOSTILE]].concat(), true),
        (&[&s[..], &["explain", HOSTILE]].concat(), true),
        (&["plan", "--inventory", HOSTILE], true),
        (&["plan", "--inventory", dir.path().to_str().unwrap()], false),
        (&["status", "--format", "nagios", "--inventory", HOSTILE], true),
        (&["status", "--format", "nagios", HOSTILE], false),
        (&[&format!("--sandbox={hostile_name}"), "plan"], true),
        (&[&s[..], &["apply", &hostile_name]].concat(), true),
        (&[&s[..], &["apply", &file("plan.json", &plan)]].concat(), true),
        (&[&s[..], &["apply", &file("fatal.json", &fatal.to_string())]].concat(), true),
        (&[&s[..], &["apply", &file("account.json", &account.to_string())]].concat(), true),
        (&[&s[..], &["apply", &file("own.json", &own.to_string())]].concat(), true),
        (&[&s[..], &["apply", &file("mine.json", &mine.to_string())]].concat(), true),
        (&["import", "script", &hostile_name], true),
        (&["import", "dlm", &hostile_name], true),
        (&["import", "script", &file("a.sh", &format!("AWS_REGION_ARR=\"{HOSTILE}\"\n"))], false),
    ] {
        let text = run(args, b"");
        assert!(!is_shown || text.contains(SHOWN), "{args:?}: {text}");
    }
}

#[test]
fn what_is_imported_of_hostile_files_is_harmless_and_loads() {
    let quoted = HOSTILE.replace(['\'', '\r', '\n'], "");
    let script = format!(
        "AWS_REGION_ARR=(us-east-1)\nRETENTION_DAILY='30 days'\nBACKUP='{quoted}'\nSC_MODE=true\n"
    );
    let text = run(&["import", "script", "-"], script.as_bytes());
    assert!(text.contains("[[policy]]"), "{text}");
    let dlm = include_str!("../../import/dlm-daily.json");
    let mut policy: serde_json::Value = serde_json::from_str(dlm).unwrap();
    spoil(&mut policy);
    run(&["import", "dlm", "-"], policy.to_string().as_bytes());
    // The names of tags, alone, break nothing else.
    let mut policy: serde_json::Value = serde_json::from_str(dlm).unwrap();
    spoil_tags(&mut policy);
    let text = run(&["import", "dlm", "-"], policy.to_string().as_bytes());
    assert!(text.contains("[[policy]]") && text.contains("\\U0000001B"), "{text}");
}

/// Appends to every text.
fn spoil(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::String(text) => text.push_str(HOSTILE),
        serde_json::Value::Array(items) => items.iter_mut().for_each(spoil),
        serde_json::Value::Object(entries) => entries.values_mut().for_each(spoil),
        _ => {}
    }
}

/// Appends to the keys and values of tags, and to descriptions.
fn spoil_tags(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Array(items) => items.iter_mut().for_each(spoil_tags),
        serde_json::Value::Object(entries) => {
            for (key, value) in entries {
                match value {
                    serde_json::Value::String(text)
                        if matches!(&key[..], "Key" | "Value" | "Description") =>
                    {
                        text.push_str(HOSTILE);
                    }
                    value => spoil_tags(value),
                }
            }
        }
        _ => {}
    }
}
