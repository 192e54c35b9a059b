//! The configuration files in `config/`, and what is said about invalid ones.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use snapbox::data::DataFormat;
use snapbox::{Data, assert_data_eq, str};
use snapkeep::config::{Config, LoadError, load, parse, render_resolved, schema};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Returns what lies in a directory of the project, ordered by name.
fn entries(dir: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join(dir)).unwrap();
    let mut res: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    res.sort();
    res
}

fn samples() -> Vec<PathBuf> {
    let mut res = entries("config");
    res.extend(entries("config/samples"));
    res.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    assert!(5 < res.len(), "{res:?}");
    res
}

/// Returns invalid configurations: files, and directories of files.
fn invalid() -> Vec<PathBuf> {
    let mut res = entries("tests/config/invalid");
    res.retain(|path| path.extension().is_none_or(|extension| extension != "stderr"));
    res
}

/// Reads a configuration under the name it has in the project, wherever that is checked out.
fn read(path: &Path) -> Vec<(String, String)> {
    let mut paths = vec![path.to_owned()];
    if path.is_dir() {
        paths = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
    }
    let read = |path: &PathBuf| {
        let name = path.strip_prefix(root().join("tests/config/invalid")).unwrap_or(path);
        (name.display().to_string(), fs::read_to_string(path).unwrap())
    };
    paths.iter().map(read).collect()
}

#[test]
fn every_sample_is_valid() {
    for path in samples() {
        if let Err(err) = load(&path) {
            panic!("{err}");
        }
    }
}

/// Checks that a configuration loads again from what it is resolved to.
#[track_caller]
fn check_survives_being_resolved(config: &Config) {
    let text = render_resolved(config);
    let again = parse(&[("resolved.toml".to_owned(), text.clone())]);
    let again = again.unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(config.policies.len(), again.policies.len());
    for (policy, again) in config.policies.iter().zip(&again.policies) {
        assert_eq!(policy.name, again.name);
        assert_eq!(policy.renamed_from, again.renamed_from);
        assert_eq!(policy.regions, again.regions);
        assert_eq!(policy.base, again.base);
        assert_eq!(policy.overrides, again.overrides);
    }
    assert_eq!(config.region_keys, again.region_keys);
    assert_eq!(config.notify, again.notify);
    assert_eq!(config.prices, again.prices);
    assert!((config.api_share - again.api_share).abs() < f64::EPSILON);
    assert_eq!(text, render_resolved(&again), "rendering is stable");
}

#[test]
fn every_sample_survives_being_resolved() {
    for path in samples() {
        check_survives_being_resolved(&load(&path).unwrap());
    }
}

#[test]
fn prices_survive_being_resolved() {
    let text = "version = 1\n[prices]\ncurrency = 'EUR'\nsnapshot_gib_month = 0.047\n\
        [regions.'eu-west-1']\nsnapshot_gib_month = 1\n\
        [[policy]]\nname = 'servers'\nregions = ['eu-west-1', 'eu-west-2']\n\
        select = { resource = 'instance' }\nretention = 'forever'\n";
    let config = parse(&[("test.toml".to_owned(), text.to_owned())]).unwrap();
    check_survives_being_resolved(&config);
    let price = |region: &str| config.prices.snapshot_gib_month(&region.parse().unwrap());
    assert_eq!((price("eu-west-1"), price("eu-west-2")), (Some(1.0), Some(0.047)));
    assert_eq!(&*config.prices.currency, "EUR");
}

#[test]
fn every_sample_resolves_to_what_its_comments_say() {
    for path in samples() {
        let golden = root().join("tests/config/resolved").join(path.file_name().unwrap());
        let text = render_resolved(&load(&path).unwrap());
        assert_data_eq!(text, Data::read_from(&golden, None).raw());
    }
}

#[test]
fn the_published_schema_changes_knowingly() {
    let golden = root().join("tests/schema/config.json");
    let text = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
    assert_data_eq!(text, Data::read_from(&golden, Some(DataFormat::Text)).raw());
}

#[test]
fn every_invalid_configuration_is_explained() {
    for path in invalid() {
        let problems = match parse(&read(&path)) {
            Ok(_) => panic!("{} is valid", path.display()),
            Err(problems) => format!("{problems}\n"),
        };
        let golden = path.with_extension("stderr");
        assert_data_eq!(problems, Data::read_from(&golden, None).raw());
    }
}

#[test]
fn every_invalid_configuration_has_its_golden_and_the_other_way_round() {
    for path in entries("tests/config/invalid") {
        let is_golden = path.extension().is_some_and(|extension| extension == "stderr");
        let partners = if is_golden { ["toml", ""] } else { ["stderr", "stderr"] };
        let has_partner = partners.iter().any(|extension| path.with_extension(extension).exists());
        assert!(has_partner, "{} stands alone", path.display());
    }
}

#[test]
fn a_directory_is_read_in_name_order() {
    let dir = tempfile::tempdir().unwrap();
    let policy = |name: &str, tag: &str| {
        format!(
            "version = 1\n[[policy]]\nname = \"{name}\"\n\
             select = {{ resource = \"instance\", tags = {{ Backup = \"{tag}\" }} }}\n"
        )
    };
    fs::write(dir.path().join("20.toml"), policy("second", "b")).unwrap();
    fs::write(dir.path().join("10.toml"), policy("first", "a")).unwrap();
    fs::write(
        dir.path().join("30.toml"),
        "version = 1\n[defaults]\nregions = [\"all\"]\nretention = \"forever\"\n",
    )
    .unwrap();
    fs::write(dir.path().join("notes.txt"), "not read").unwrap();
    fs::write(dir.path().join(".40.toml"), "not read either").unwrap();
    let config = load(dir.path()).unwrap();
    let names: Vec<&str> = config.policies.iter().map(|policy| policy.name.as_ref()).collect();
    assert_eq!(names, ["first", "second"]);
    assert!(config.digest.starts_with("sha256:") && config.digest.len() == 71);

    // The same files elsewhere are the same configuration; other names are another one.
    let elsewhere = tempfile::tempdir().unwrap();
    for name in ["10.toml", "20.toml", "30.toml"] {
        fs::copy(dir.path().join(name), elsewhere.path().join(name)).unwrap();
    }
    assert_eq!(load(elsewhere.path()).unwrap().digest, config.digest);
    fs::rename(elsewhere.path().join("20.toml"), elsewhere.path().join("21.toml")).unwrap();
    assert_ne!(load(elsewhere.path()).unwrap().digest, config.digest);
}

#[test]
fn what_is_not_utf8_is_to_be_saved_so() {
    let dir = tempfile::tempdir().unwrap();
    let problems = |bytes: &[u8]| {
        let path = dir.path().join("servers.toml");
        fs::write(&path, bytes).unwrap();
        let err = load(&path).unwrap_err();
        assert!(matches!(err, LoadError::Invalid(_)));
        err.to_string().replace(&path.display().to_string(), "servers.toml")
    };
    assert_data_eq!(
        problems(b"version = 1\n[[policy]]\nname = \"B\xfcro\"\n"),
        str![[r#"
error: this file is not UTF-8
 --> servers.toml:3:10
  |
3 | name = "B�ro"
  |          ^
  = help: save it as UTF-8
"#]]
    );
    let utf16: Vec<u8> = "\u{feff}version = 1".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_data_eq!(
        problems(&utf16),
        str![[r#"
error: this file is not UTF-8
 --> servers.toml:1:1
  |
1 |
  | ^
  = help: save it as UTF-8
"#]]
    );
}

#[test]
fn what_cannot_be_read_names_its_path() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("missing.toml");
    for path in [missing.as_path(), dir.path()] {
        let err = load(path).unwrap_err();
        assert!(matches!(err, LoadError::Io { .. }));
        assert_eq!(err.to_string(), format!("cannot read `{}`", path.display()));
    }
}

/// Keys that may stand in the defaults, in a policy and in an override; of each line one is taken,
/// or none.
const CHOICES: [&[&str]; 12] = [
    &[
        "kind = 'snapshots'\nselect = { resource = 'instance' }",
        "kind = 'snapshots'\nselect = { resource = 'volume' }",
        "kind = 'images'\nselect = { resource = 'instance' }",
        "kind = 'images'\nselect = { resource = 'image', name = 'golden-*' }",
    ],
    &["volumes = { boot = false }", "volumes = { exclude_tags = { Scratch = '*' } }"],
    &["schedule = '0 3 * * *'"],
    &["create = true", "create = false"],
    &["reboot = true", "reboot = false"],
    &["min_age = '1 week'", "deprecate_after = '1 year'"],
    &["family_tag = 'Family'"],
    &["adopt = { all = true }"],
    &[
        "copy = []",
        "copy = [{ to = 'us-west-1', only = 'daily', share_with = ['123456789012'] }]",
        "copy = [{ to = 'eu-west-1', encrypted = true, retention = 'forever' }]",
        "copy = [{ to = 'us-west-2', kms_key = 'alias/a', complete_within = '1 day' }]",
    ],
    &["encrypt = {}", "encrypt = { kms_key = 'alias/b', retire_unencrypted = true }"],
    &["point_grace = '90 hours'"],
    &["copy_grace = '1 week'", "copy_give_up = '1 week'"],
];

/// Returns lines of keys, at most one of each choice.
fn keys() -> impl Strategy<Value = String> {
    let one = |lines: &'static [&str]| prop::option::weighted(0.2, prop::sample::select(lines));
    CHOICES
        .map(one)
        .to_vec()
        .prop_map(|lines| lines.into_iter().flatten().collect::<Vec<_>>().join("\n"))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,200}|[\\[\\]a-z=\"\\n\\t .'{}0-9#\\r\u{0}é]{0,100}") {
        let _ = parse(&[("any.toml".to_owned(), text)]).map_err(|problems| problems.to_string());
    }

    /// Valid samples with a piece cut out or put elsewhere come closer to the interesting cases.
    #[test]
    fn damaged_samples_are_read_or_refused(
        sample in any::<prop::sample::Index>(),
        from in any::<prop::sample::Index>(),
        length in 0..60_usize,
        to in any::<prop::sample::Index>(),
    ) {
        let samples = samples();
        let mut chars: Vec<char> = fs::read_to_string(sample.get(&samples)).unwrap().chars().collect();
        let from = from.index(chars.len());
        let length = length.min(chars.len() - from);
        let piece: Vec<char> = chars.drain(from..from + length).collect();
        let to = to.index(chars.len());
        for (n, c) in piece.into_iter().enumerate() {
            chars.insert(to + n, c);
        }
        let text = chars.into_iter().collect();
        match parse(&[("damaged.toml".to_owned(), text)]) {
            Err(problems) => prop_assert!(!problems.to_string().is_empty()),
            // What is still valid survives being resolved.
            Ok(config) => {
                let text = render_resolved(&config);
                let again = parse(&[("resolved.toml".to_owned(), text.clone())]);
                let again = again.map(|config| render_resolved(&config));
                prop_assert_eq!(again.map_err(|problems| problems.to_string()), Ok(text));
            }
        }
    }

    #[test]
    fn whatever_fits_together_survives_being_resolved(
        defaults in keys(),
        policy in keys(),
        overridden in keys(),
        is_everywhere: bool,
    ) {
        let regions = if is_everywhere { "['all']" } else { "['us-east-1', 'us-east-2']" };
        // Without it nothing is valid.
        let is_selected = defaults.contains("select") || policy.contains("select");
        let select = if is_selected { "" } else { "select = { resource = 'instance' }" };
        let text = format!(
            "version = 1\n[regions.us-east-1]\nkms_key = 'alias/c'\n\
             [defaults]\nretention = {{ daily = 3 }}\n{defaults}\n{select}\n\
             [[policy]]\nname = 'a'\nregions = {regions}\n{policy}\n\
             [policy.override.us-east-1]\n{overridden}"
        );
        if let Ok(config) = parse(&[("any.toml".to_owned(), text)]) {
            check_survives_being_resolved(&config);
        }
    }
}

#[test]
fn what_is_wrong_is_told_in_a_bounded_way() {
    let told = |text: &str| match parse(&[("long.toml".to_owned(), text.to_owned())]) {
        Ok(_) => panic!("it is valid"),
        Err(problems) => problems.to_string(),
    };
    // One line of a megabyte, and the mistake in its middle.
    let long = "x".repeat(500_000);
    let text = told(&format!("version = 1\nnote = \"{long}\" # \u{0}{long}\n"));
    assert!(text.len() < 3_000 && text.contains("long.toml:2:"), "{text:.3000}");
    let text = told(&format!("version = 1\n[[policy]]\nname = \"{long}\"\n"));
    assert!(text.len() < 10_000, "{} bytes", text.len());
    let keys: Vec<String> = (0..3_000).map(|n| format!("key{n} = 1\n")).collect();
    let text = told(&format!("version = 1\n{}", keys.concat()));
    assert!(text.len() < 50_000 && text.contains("\n\nand 290"), "{}", text.len());
}

#[test]
fn a_file_without_end_is_refused() {
    let err = load(Path::new("/dev/zero")).unwrap_err();
    assert_eq!(err.to_string(), "cannot read `/dev/zero`");
    let source = std::error::Error::source(&err).unwrap().to_string();
    assert_eq!(source, "it is larger than 1 MiB, as no configuration is");
}
