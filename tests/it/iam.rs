//! The IAM policies that `iam` prints, as people read them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use snapbox::{Data, assert_data_eq, data::DataFormat};
use snapkeep::config::load;
use snapkeep::plan::rights::rights;
use snapkeep::report::iam::policy;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Returns configurations that differ in what they need.
fn configurations() -> Vec<PathBuf> {
    let names = [
        "config/snapkeep.toml",
        "config/samples/being-told.toml",
        "config/samples/golden-images.toml",
        "config/samples/second-region.toml",
        "config/samples/take-over.toml",
        "tests/iam/china.toml",
        "tests/iam/everywhere.toml",
    ];
    names.iter().map(|name| root().join(name)).collect()
}

#[test]
fn policies_change_knowingly() {
    for path in configurations() {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let golden = root().join("tests/iam").join(name).with_extension("json");
        let config = load(&path).unwrap_or_else(|err| panic!("{err}"));
        let text = serde_json::to_string_pretty(&policy(&rights(&config))).unwrap() + "\n";
        assert_data_eq!(text, Data::read_from(&golden, Some(DataFormat::Text)).raw());
    }
}

#[test]
fn policies_are_what_iam_takes() {
    for path in configurations() {
        let policy = policy(&rights(&load(&path).unwrap()));
        let statements = policy["Statement"].as_array().unwrap();
        let mut sids = BTreeSet::new();
        for statement in statements {
            let sid = statement["Sid"].as_str().unwrap();
            assert!(sid.bytes().all(|b| b.is_ascii_alphanumeric()), "{sid}");
            assert!(sids.insert(sid), "two statements are called {sid}");
            assert_eq!(statement["Effect"], "Allow");
        }
        // "6,144 characters" without white space (IAM quotas, managed policies).
        let length = policy.to_string().len();
        assert!(length <= 6144, "{}: {length}", path.display());
    }
}

#[test]
fn nothing_but_listings_is_allowed_without_a_condition() {
    for path in configurations() {
        let config = load(&path).unwrap();
        let policy = policy(&rights(&config));
        for statement in policy["Statement"].as_array().unwrap() {
            let is_listing = statement["Sid"].as_str().unwrap().starts_with("Observe");
            let is_bound = statement.get("Condition").is_some();
            let is_anywhere = path.ends_with("everywhere.toml");
            let resources = statement["Resource"].to_string();
            let names_keys = resources.contains(":key/") && !resources.contains(":key/*");
            let names_all = !resources.contains('*');
            assert!(
                is_listing || is_bound || is_anywhere || names_keys || names_all,
                "{statement}"
            );
        }
    }
}
