//! Bad luck of the machine that snapkeep runs on: no metadata service, credentials that run out, no
//! names, full disks. Each ends by itself, says why, and leaves an account that the next run finishes.

use std::fs::{self, OpenOptions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;
use snapbox::{assert_data_eq, str};

use super::Machine;
use super::scene::{NOW, SERVERS, few};

/// A machine whose only credentials would come from the metadata service at `endpoint`.
fn with_metadata_at(endpoint: &str) -> Machine {
    let mut machine = Machine::new(&few(), SERVERS);
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_EC2_METADATA_DISABLED"] {
        machine.env.remove(name);
    }
    machine.env.insert("AWS_EC2_METADATA_SERVICE_ENDPOINT", endpoint.to_owned());
    machine
}

#[test]
fn a_metadata_service_that_is_gone_or_never_answers_ends_in_gaps() {
    // Connections are taken by the kernel, and nobody ever reads them.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let gone = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = |of: &TcpListener| format!("http://{}", of.local_addr().unwrap());
    let endpoints = [endpoint(&silent), endpoint(&gone)];
    drop(gone);
    for endpoint in endpoints {
        let machine = with_metadata_at(&endpoint);
        let run = machine.snapkeep(&format!("run --now {NOW}"));
        assert_eq!(run.code, Some(4), "{endpoint}");
        let text = run.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains("NoCredentials: no AWS credentials found"), "{text}");
        assert!(text.contains("nothing done"), "{text}");
        assert_eq!(machine.moto.calls(), []);
    }
}

#[test]
fn credentials_that_run_out_in_a_cycle_are_asked_for_again() {
    let mut machine = Machine::new(&few(), SERVERS);
    machine.env.remove("AWS_ACCESS_KEY_ID");
    machine.env.remove("AWS_SECRET_ACCESS_KEY");
    let program = machine.path("credentials.sh");
    // Over before they are used: each call needs new ones.
    fs::write(
        &program,
        "#!/bin/sh\necho asked >> asked.txt\necho '{\"Version\": 1, \"AccessKeyId\": \"testing\", \
         \"SecretAccessKey\": \"testing\", \"SessionToken\": \"token\", \
         \"Expiration\": \"2026-11-20T03:00:11Z\"}'\n",
    )
    .unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let profile = format!("[default]\ncredential_process = {}\n", program.display());
    fs::write(machine.path("aws-config"), profile).unwrap();
    machine.env.insert("AWS_CONFIG_FILE", machine.path("aws-config").display().to_string());
    machine.env.insert("PATH", "/usr/bin:/bin".to_owned());
    let run = machine.snapkeep(&format!("run --now {NOW}"));
    assert_eq!(run.code, Some(0), "{}{}", run.stdout, run.stderr);
    let n_asked = fs::read_to_string(machine.path("asked.txt")).unwrap().lines().count();
    assert!(2 < n_asked, "{n_asked}");
    let plan = machine.snapkeep(&format!("plan --exit-code --now {NOW}"));
    assert_eq!(plan.code, Some(0), "{}", plan.stdout);
}

#[test]
fn where_credentials_run_out_for_good_the_next_run_finishes() {
    let mut scene = few();
    scene["refuse"] = json!([{
        "region": "us-east-1", "action": "DeleteSnapshot", "after": 1, "times": 1,
        "code": "ExpiredToken", "message": "The provided token has expired.",
    }]);
    let machine = Machine::new(&scene, SERVERS);
    let run = machine.snapkeep(&format!("run --now {NOW}"));
    assert_eq!(run.code, Some(1));
    let failed = run.stdout.lines().filter(|line| line.contains("ExpiredToken")).count();
    assert_eq!(failed, 1, "{}", run.stdout);
    assert!(run.stdout.contains("1 DeleteSnapshot failed"), "{}", run.stdout);
    assert!(run.stdout.contains("3 DeleteSnapshot done"), "{}", run.stdout);
    let next = machine.snapkeep(&format!("run --now {NOW}")).quiet(0);
    assert!(next.contains("1 DeleteSnapshot done"), "{next}");
}

#[test]
fn without_names_nothing_is_read_and_the_reason_is_said() {
    let mut machine = Machine::new(&few(), SERVERS);
    // Reserved so that it never is a name (RFC 2606).
    machine.env.insert("AWS_ENDPOINT_URL", "http://ec2.invalid".to_owned());
    let run = machine.snapkeep("run");
    assert_eq!(run.code, Some(4));
    let text = run.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("dns error"), "{text}");
    assert!(text.contains("nothing done"), "{text}");
}

#[test]
fn on_a_full_disk_everything_is_done_although_nothing_can_be_told() {
    let machine = Machine::new(&few(), SERVERS);
    let full = || OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut run = machine.command(&format!("-vv run --now {NOW}"));
    let status = run.stdout(full()).stderr(full()).status().unwrap();
    // What was done could not be told.
    assert_eq!(status.code(), Some(1));
    assert_data_eq!(
        machine.snapkeep(&format!("plan --exit-code --now {NOW}")).quiet(0),
        str![[r#"
Plan for 2026-11-20 03:00Z, account 123456789012

       0 to create
       0 to delete, 0 GiB of volumes
       8 kept

eu-west-1 · servers
  keep 4 snapshots
       1  daily
       1  daily, monthly
       1  daily; keep_last
       1  monthly

us-east-1 · servers
  keep 4 snapshots
       1  daily
       1  daily, monthly
       1  daily; keep_last
       1  monthly

"#]]
    );
}
