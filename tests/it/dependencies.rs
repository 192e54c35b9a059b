//! What snapkeep is built from, and under which licence it comes.

use std::fs;
use std::path::Path;

use toml::Table;

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The tables of `Cargo.toml` that name crates.
const TABLES: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];

#[test]
fn every_dependency_has_its_reason_beside_it() {
    let text = read("Cargo.toml");
    let manifest: Table = text.parse().unwrap();
    assert!(!manifest.contains_key("target"), "look into [target.….dependencies] here, too");
    let mut n_named = 0;
    let mut unexplained = Vec::new();
    for name in TABLES.iter().filter_map(|t| manifest.get(*t)?.as_table()).flat_map(Table::keys) {
        n_named += 1;
        let is_of = |line: &&str| line.split('=').next().is_some_and(|key| key.trim() == name);
        let of_it = text.lines().filter(|line| line.contains(" = ")).filter(is_of);
        // A word alone, such as `errors`, is no reason yet.
        let reason = |line: &str| Some(line.split_once(" # ")?.1.split_whitespace().count());
        if !of_it.map(reason).any(|n_words| n_words.is_some_and(|n| 1 < n)) {
            unexplained.push(name);
        }
    }
    assert!(20 < n_named, "the tables are read: {n_named}");
    assert!(
        unexplained.is_empty(),
        "say beside each in Cargo.toml what it is for: {unexplained:?}"
    );
}

#[test]
fn unsafe_code_is_forbidden_where_no_flag_can_allow_it() {
    for path in ["src/lib.rs", "src/main.rs"] {
        assert!(read(path).contains("\n#![forbid(unsafe_code)]\n"), "{path}");
    }
}

#[test]
fn the_licences_that_are_named_are_there() {
    let manifest: Table = read("Cargo.toml").parse().unwrap();
    assert_eq!(manifest["package"]["license"].as_str(), Some("MIT OR Apache-2.0"));
    assert!(read("systemd/LICENSE-MIT").contains("Permission is hereby granted, free of charge"));
    assert!(read("systemd/LICENSE-APACHE").contains("Version 2.0, January 2004"));
}
