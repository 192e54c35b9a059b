//! The commands of README and of `tests/cmd`, run for real; `TRYCMD=overwrite` updates them.

use std::fs;
use std::path::Path;

#[test]
fn commands_print_what_the_documents_show() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    // Where they keep a sandbox, which must be a new one.
    fs::create_dir_all(root.join("target/applied")).unwrap();
    for file in ["trial.json", "applied.json"] {
        let _ = fs::remove_file(root.join("target").join(file));
    }
    // What an earlier test was told is not to be remembered.
    let _ = fs::remove_dir_all(root.join("target/told"));
    trycmd::TestCases::new()
        .env("COLUMNS", "100")
        // A service of this machine is none of their business.
        .env("SNAPKEEP_LOCK_DIR", root.join("target").to_str().unwrap())
        .case("README.md")
        .case("tests/cmd/*.md");
}

#[test]
fn readme_names_the_two_commands_that_ci_runs() {
    let readme = include_str!("../../README.md");
    let ci = include_str!("../../.ci/run");
    for command in ["cargo run --no-default-features -- --sandbox plan", "cargo test"] {
        assert!(readme.contains(&format!("\n{command}\n")), "README: {command}");
        assert!(ci.contains(&format!("\nstep {command}\n")), ".ci/run: {command}");
    }
}

#[test]
fn readme_shows_the_policy_that_is_shipped() {
    let readme = include_str!("../../README.md");
    let shown = readme.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let read = |text: &str| {
        let files = [("snapkeep.toml".to_owned(), text.to_owned())];
        let config = snapkeep::config::parse(&files).unwrap();
        snapkeep::config::render_resolved(&config)
    };
    let shipped = read(include_str!("../../config/snapkeep.toml"));
    assert_eq!(read(shown), shipped);
}
