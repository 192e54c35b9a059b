//! Other people's clients must read every answer of the sandbox: boto3 and the AWS CLI, as they come
//! from PyPI.
//!
//! By hand, with an account that is kept in a file (without `=FILE` it lasts as long as the server):
//!
//! ```text
//! $ snapkeep --sandbox=account.json sandbox-server --listen 127.0.0.1:4566
//! http://127.0.0.1:4566
//!
//! $ export AWS_ENDPOINT_URL=http://127.0.0.1:4566 AWS_REGION=eu-west-2
//! $ export AWS_ACCESS_KEY_ID=any AWS_SECRET_ACCESS_KEY=any
//! $ aws ec2 describe-snapshots --owner-ids self
//! $ python -c 'import boto3; print(boto3.client("ec2").describe_images(Owners=["self"]))'
//! $ snapkeep plan
//! ```
//!
//! The account's clock follows the machine's, or begins at `--now`. Access keys may be any; nothing is
//! checked.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use snapbox::{assert_data_eq, file};
use snapkeep::cloud::sandbox::Sandbox;

use crate::moto_cli::Ended;
use crate::support::ec2::Ec2;
use crate::support::{aws_env, moto, scene};

/// An instance with three volumes, an image that is used, and one key.
fn account() -> Value {
    json!({ "now": "2026-11-20T03:00:00Z", "regions": {
        "eu-west-1": {
            "ebs_encryption_by_default": true,
            "instances": [
                { "id": "i-00000001", "image": "ami-00000001", "tags": { "Backup": "on" }, "volumes": [
                    { "id": "vol-00000001", "device": "/dev/xvda",
                      "tags": { "Name": "root", "odd": "<&>\"' \u{1}\r\n" } },
                    { "id": "vol-00000002", "device": "/dev/sdf", "size": 500, "type": "st1" },
                    { "id": "vol-00000003", "device": "/dev/sdg", "encrypted": true },
                ] },
                { "id": "i-00000002", "state": "stopped", "volumes": [
                    { "id": "vol-00000005", "device": "/dev/xvda", "size": 10 },
                    { "id": "vol-00000006", "device": "/dev/sdf" },
                ] },
            ],
            "volumes": [{ "id": "vol-00000004" }],
            "snapshots": [
                { "id": "snap-00000001", "volume": "vol-00000001", "description": "by hand",
                  "start_time": "2026-11-01T03:00:00Z", "tags": { "Name": "a <b> & \"c\" 'd'" } },
                { "id": "snap-00000002", "encrypted": true, "size": 20 },
                { "id": "snap-00000003", "size": 9 },
                { "id": "snap-00000004" }, { "id": "snap-00000005" }, { "id": "snap-00000006" },
            ],
            "images": [
                { "id": "ami-00000001", "name": "golden", "snapshots": ["snap-00000003"] },
                { "id": "ami-00000002", "name": "old", "state": "disabled" },
            ],
            "launch_templates": [{ "id": "lt-00000001", "images": ["ami-00000001"] }],
            "references": [
                { "image": "ami-00000001", "type": "ssm:Parameter",
                  "arn": "arn:aws:ssm:eu-west-1:123456789012:parameter/golden/latest" },
            ],
        },
        "us-east-1": { "keys": [
            { "id": "00000000-0000-0000-0000-000000000001", "alias": "alias/backup",
              "is_ebs_default": true },
        ] },
    } })
}

fn endpoint() -> Ec2 {
    let ec2 = Ec2::start(scene::sandbox(&account()));
    ec2.sandbox.lock_snapshot(&"eu-west-1".parse().unwrap(), "snap-00000006".parse().unwrap());
    let other = Sandbox::new(ec2.sandbox.time().now());
    other.set_account("210987654321");
    ec2.add_account(other);
    ec2
}

/// Runs a program of the virtual environment; returns what it printed, errors too.
fn output(ec2: &Ec2, program: &str, args: &[&str]) -> String {
    let mut command = Command::new(moto::installed().join("bin").join(program));
    command.args(args).env_clear().envs(ec2.env());
    let output = command.output().unwrap();
    String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
}

#[test]
fn boto3_reads_every_answer() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/every_call.py");
    let ec2 = endpoint();
    let said = output(&ec2, "python", &["-B", script.to_str().unwrap()]);
    assert_data_eq!(said, file!["clients/boto3.txt"]);
    // Every operation that the sandbox answers was among them.
    let called: std::collections::BTreeSet<_> =
        ec2.calls().into_iter().map(|call| call.operation).collect();
    for operation in snapkeep::cloud::sandbox::query::OPERATIONS {
        assert!(called.contains(*operation), "{operation}");
    }
}

/// Starts the server on an account in a file; returns it with its endpoint.
fn server(file: &Path) -> (Child, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_snapkeep"));
    command.arg(format!("--sandbox={}", file.display())).env_clear();
    command.args(["--now", "2026-11-20T03:05:00Z", "sandbox-server"]).stdout(Stdio::piped());
    let mut server = command.spawn().unwrap();
    let mut url = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut url).unwrap();
    (server, url.trim_end().to_owned())
}

#[test]
fn a_server_of_its_own_keeps_the_account_over_its_end() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("account.json");
    let snapkeep = |url: &str, args: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_snapkeep"));
        command.args(args.split_whitespace()).args(["--now", "2026-11-20T03:05:10Z"]).env_clear();
        command.envs(aws_env(url)).env("SNAPKEEP_LOCK_DIR", home.path());
        let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/snapkeep.toml");
        Ended::of(command.env("SNAPKEEP_CONFIG", config).output().unwrap())
    };
    let (mut first, url) = server(&file);
    let plan = snapkeep(&url, "plan --exit-code");
    assert_eq!(plan.code, Some(10), "{}{}", plan.stdout, plan.stderr);
    let run = snapkeep(&url, "run");
    assert_eq!(run.code, Some(0), "{}{}", run.stdout, run.stderr);
    // All is in the file once it is answered.
    first.kill().unwrap();
    first.wait().unwrap();

    let (mut second, url) = server(&file);
    let plan = snapkeep(&url, "plan --exit-code");
    assert_eq!(plan.code, Some(0), "{}{}", plan.stdout, plan.stderr);
    second.kill().unwrap();
    second.wait().unwrap();
}

#[test]
fn the_sandbox_is_served_on_loopback_only() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_snapkeep"));
    let output = command.args(["sandbox-server", "--listen", "0.0.0.0:0"]).output().unwrap();
    let ended = Ended::of(output);
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("on loopback only"), "{}", ended.stderr);
}

#[test]
fn the_aws_cli_reads_the_main_answers() {
    let ec2 = endpoint();
    let mut said = String::new();
    for command in [
        "describe-instances --filters Name=instance-state-name,Values=running --output json",
        "describe-volumes --volume-ids vol-00000002 --output json",
        "describe-snapshots --owner-ids self --max-items 2 --page-size 5 --output text",
        "describe-snapshots --owner-ids self --filters Name=tag:Name,Values=a* --output json",
        "describe-images --owners self --include-disabled --output json",
        "create-snapshot --volume-id vol-00000001 --description cli \
         --tag-specifications ResourceType=snapshot,Tags=[{Key=Team,Value=web}] --output json",
        "copy-snapshot --region us-east-1 --source-region eu-west-1 \
         --source-snapshot-id snap-00000002 --output json",
        "create-image --instance-id i-00000001 --name cli --no-reboot --dry-run",
        "modify-image-attribute --image-id ami-00000001 --attribute launchPermission \
         --operation-type add --user-ids 210987654321",
        "create-tags --resources snap-00000001 --tags Key=hold,Value=x",
        "delete-snapshot --snapshot-id snap-00000003",
        "delete-snapshot --snapshot-id snap-00000001",
    ] {
        let command: Vec<&str> = command.split_whitespace().collect();
        let region =
            if command.contains(&"--region") { &[][..] } else { &["--region", "eu-west-1"] };
        let args = [&["ec2"], &command[..], region].concat();
        writeln!(said, "$ aws ec2 {}", command.join(" ")).unwrap();
        said.push_str(&output(&ec2, "aws", &args));
    }
    assert_data_eq!(said, file!["clients/aws_cli.txt"]);
}
