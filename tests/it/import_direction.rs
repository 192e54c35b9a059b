//! Checks that rooms import only in the allowed direction (DESIGN: data flows one way).

use std::fs;
use std::path::{Path, PathBuf};

/// Each room, and the rooms it may name with `crate::`.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("config", &["domain"]),
    ("plan", &["config", "domain"]),
    ("cloud", &["domain"]),
    ("execute", &["cloud", "domain", "plan"]),
    ("report", &["domain", "execute", "plan"]),
    ("run", &["cloud", "config", "domain", "execute", "plan", "report"]),
    ("lambda", &["cloud", "config", "domain", "report", "run"]),
    ("service", &["cloud", "config", "domain", "report", "run"]),
    ("cli", &["cloud", "config", "domain", "report", "run", "service"]),
];

/// Names that only some places may use, and those places.
const CONFINED: &[(&str, &[&str])] = &[
    ("aws_sdk_ec2", &["cloud/aws.rs", "cloud/aws/"]),
    ("aws_sdk_sns", &["cloud/aws.rs", "cloud/aws/"]),
    ("aws_config", &["cloud/aws.rs", "cloud/aws/"]),
    ("aws_sdk_ssm", &["cloud/aws/parameter.rs"]),
    ("lambda_runtime", &["lambda/api.rs"]),
    ("reqwest::", &["run/notify/webhook.rs"]),
    ("cron::", &["config/schedule.rs", "config/schedule/"]),
    ("Utc::now(", &["run/clock.rs"]),
    ("println!(", &[]),
];

#[test]
fn rooms_import_only_downwards() {
    let mut violations = Vec::new();
    for (room, allowed) in MAY_IMPORT {
        for path in rust_files(&source()).into_iter().filter(|path| is_in(path, room)) {
            for (line, n) in fs::read_to_string(&path).unwrap().lines().zip(1..) {
                for target in crate_paths(line) {
                    if target != *room && !allowed.contains(&target) {
                        violations.push(format!("{}:{n}: {room} -> {target}", path.display()));
                    }
                }
            }
        }
    }
    assert!(violations.is_empty(), "imports against the flow:\n{}", violations.join("\n"));
}

#[test]
fn every_room_has_its_place_in_the_flow() {
    for entry in fs::read_dir(source()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let is_known = MAY_IMPORT.iter().any(|(room, _)| *room == name);
        assert!(is_known || matches!(name, "lib" | "main"), "{}", path.display());
    }
}

#[test]
fn what_belongs_to_one_place_is_named_nowhere_else() {
    let root = source();
    for path in rust_files(&root) {
        let relative = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(&path).unwrap();
        for (name, places) in CONFINED {
            let is_allowed = places.iter().any(|place| relative.starts_with(place));
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            let is_named = code.filter(|line| !line.contains("#[doc")).any(|l| l.contains(name));
            assert!(is_allowed || !is_named, "{relative} names {name}");
        }
    }
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn is_in(path: &Path, room: &str) -> bool {
    let relative = path.strip_prefix(source()).unwrap();
    relative.starts_with(room) || relative == Path::new(&format!("{room}.rs"))
}

fn crate_paths(line: &str) -> impl Iterator<Item = &str> {
    line.split("crate::").skip(1).map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        &rest[..end]
    })
}

fn rust_files(root: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut todo = vec![root.to_path_buf()];
    while let Some(dir) = todo.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                todo.push(path);
            } else if path.extension().is_some_and(|ext| ext == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}
