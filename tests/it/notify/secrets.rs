//! The secret of a webhook appears in nothing that the program writes.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

/// Runs the program with `url` in the environment, as talkative as it can be.
fn run(arguments: &[&str], url: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_snapkeep"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(arguments)
        .arg("-vvv")
        .env("SNAPKEEP_WEBHOOK_URL", url)
        .env("RUST_BACKTRACE", "full")
        .output()
        .unwrap()
}

#[test]
fn no_output_holds_the_secret() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().to_str().unwrap();
    // Bound and given back: nobody listens there.
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let told = "tests/scenes/told.toml";
    for url in [
        format!("http://{nobody}/services/s3cr3t-t0ken"),
        format!("http://user:s3cr3t-pw@{nobody}/?key=s3cr3t-t0ken"),
        "https://example.invalid/s3cr3t-t0ken".to_owned(),
        "s3cr3t-t0ken".to_owned(),
    ] {
        for arguments in [
            &["--config", told, "notify", "--test"][..],
            &["--config", told, "--log", "json", "notify", "--test"],
            &["--config", told, "check"],
            &["--config", told, "check", "--resolved"],
            &["--config", told, "iam"],
            &["--config", told, "--sandbox", "check", "--online"],
            &["--config", told, "--sandbox", "run", "--max-deletes", "0", "--state-dir", state],
            &["--config", told, "--sandbox", "run", "--format", "json", "--state-dir", state],
        ] {
            let Output { stdout, stderr, .. } = run(arguments, &url);
            for text in [stdout, stderr] {
                let text = String::from_utf8(text).unwrap();
                assert!(!text.contains("s3cr3t"), "{arguments:?}: {text}");
            }
        }
    }
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        assert!(text.contains("recovered_at") && !text.contains("s3cr3t"), "{text}");
    }
}

#[test]
fn a_secret_in_the_wrong_place_is_not_repeated() {
    let invalid = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config/invalid");
    let mut n_secrets = 0;
    for entry in std::fs::read_dir(invalid).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() || !std::fs::read_to_string(&path).is_ok_and(|t| t.contains("s3cr3t")) {
            continue;
        }
        n_secrets += 1;
        let Output { stdout, stderr, status } =
            run(&["--config", path.to_str().unwrap(), "check"], "");
        assert_eq!(status.code(), Some(2));
        assert!(stdout.is_empty() && !String::from_utf8(stderr).unwrap().contains("s3cr3t"));
    }
    assert!(3 < n_secrets);
}
