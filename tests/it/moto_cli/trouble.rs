//! Missing rights, keys and networks, wrong clocks: a clear message, and nothing lost.

use std::net::TcpListener;

use serde_json::{Value, json};
use snapbox::{assert_data_eq, str};

use super::scene::{NOW, SERVERS, few};
use super::{Machine, deleted, stable};

fn refusing(refuse: &[(&str, &str, &str)]) -> Value {
    let mut scene = few();
    let refuse = refuse
        .iter()
        .map(|(region, action, code)| json!({ "region": region, "action": action, "code": code }));
    scene["refuse"] = refuse.collect();
    scene
}

fn machine(scene: &Value) -> Machine {
    Machine::new(scene, SERVERS)
}

#[test]
fn a_real_account_is_never_changed_at_another_instant() {
    let mut machine = machine(&json!({}));
    machine.env.remove("AWS_ENDPOINT_URL");
    // Whatever it sent would come here.
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    proxy.set_nonblocking(true).unwrap();
    let url = format!("http://{}", proxy.local_addr().unwrap());
    machine.env.insert("HTTPS_PROXY", url.clone());
    machine.env.insert("HTTP_PROXY", url);
    let run = machine.snapkeep(&format!("run --now {NOW}"));
    assert_eq!((run.code, &*run.stdout), (Some(2), ""));
    assert_data_eq!(
        run.stderr,
        str![[r#"
error: --now never changes a real account; use it with plan, --dry-run, --sandbox or an endpoint on loopback

"#]]
    );
    assert!(proxy.accept().is_err());
}

#[test]
fn without_credentials_nothing_is_read_and_the_reason_is_said() {
    let mut machine = machine(&few());
    machine.env.remove("AWS_ACCESS_KEY_ID");
    machine.env.remove("AWS_SECRET_ACCESS_KEY");
    let run = machine.snapkeep(&format!("run --now {NOW}"));
    assert_eq!(run.code, Some(4));
    assert_data_eq!(
        run.stdout,
        str![[r#"
Run of 2026-11-20 03:00Z

  nothing done

could not be read, so nothing is deleted that depends on it
  eu-west-1, us-east-1: DescribeInstances, DescribeVolumes, DescribeSnapshots,
    DescribeImages
      NoCredentials: no AWS credentials found (set AWS_PROFILE, or run `aws
      configure`): the credential provider was not enabled: no credentials found
      in chain. Attempted: Environment: the credential provider was not enabled:
      environment variable not set Profile: the credential provider was not
      enabled WebIdentityToken: the credential provider was not enabled:
      $AWS_WEB_IDENTITY_TOKEN_FILE was not set EcsContainer: the credential
      provider was not enabled: ECS provider not configured Ec2InstanceMetadata:
      the credential provider was not enabled: IMDS disabled by
      AWS_EC2_METADATA_DISABLED env var set to `true`

notes
  warning: eu-west-1: `servers` makes no points: DescribeSnapshots could not
    be read
  warning: us-east-1: `servers` makes no points: DescribeSnapshots could not
    be read

"#]]
    );
    assert_data_eq!(run.stderr, str![]);
    assert_eq!(machine.moto.calls(), []);
}

#[test]
fn an_endpoint_that_is_no_url_is_named() {
    let mut machine = machine(&few());
    machine.env.insert("AWS_ENDPOINT_URL", "not a url".to_owned());
    for command in ["plan", "run", "inventory saved"] {
        let ended = machine.snapkeep(command);
        assert_eq!((ended.code, &*ended.stdout), (Some(2), ""), "{ended:?}");
        assert_data_eq!(
            ended.stderr,
            str![[r#"
error: the AWS configuration names the endpoint `not a url`, which is no URL (expected one such as `http://127.0.0.1:5000`; it comes from AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_EC2 or a profile)

"#]]
        );
    }
    // Nothing is asked of an endpoint by commands that need none.
    machine.snapkeep("check").quiet(0);
}

#[test]
fn a_default_region_that_is_none_is_named() {
    let mut machine = machine(&few());
    machine.env.insert("AWS_REGION", "not a region".to_owned());
    let plan = machine.snapkeep("plan");
    assert_eq!((plan.code, &*plan.stdout), (Some(2), ""));
    assert_data_eq!(
        plan.stderr,
        str![[r#"
error: the AWS configuration names a default region that is none: `not a region` cannot be a region (expected a name such as `eu-west-1`)

"#]]
    );
    // None at all is fine: the policies name theirs.
    machine.env.remove("AWS_REGION");
    machine.snapkeep(&format!("plan --now {NOW}")).quiet(0);
}

#[test]
fn an_endpoint_where_nobody_answers_gives_gaps() {
    let mut machine = machine(&few());
    let port = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    machine.env.insert("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{port}"));
    let run = machine.snapkeep(&format!("run --now {NOW}"));
    assert_eq!(run.code, Some(4));
    assert_data_eq!(
        run.stdout.replace(&format!(":{port}"), ":[PORT]"),
        str![[r#"
Run of 2026-11-20 03:00Z

  nothing done

could not be read, so nothing is deleted that depends on it
  eu-west-1, us-east-1: DescribeInstances, DescribeVolumes, DescribeSnapshots,
    DescribeImages
      ConnectionBroken: io error: client error (Connect): tcp connect error:
      Connection refused (os error 111)

notes
  warning: eu-west-1: `servers` makes no points: DescribeSnapshots could not
    be read
  warning: us-east-1: `servers` makes no points: DescribeSnapshots could not
    be read

"#]]
    );
    assert_data_eq!(run.stderr, str![]);
}

#[test]
fn a_denied_listing_stops_its_region_only() {
    for action in ["DescribeSnapshots", "DescribeImages"] {
        let machine = machine(&refusing(&[("us-east-1", action, "UnauthorizedOperation")]));
        let run = machine.snapkeep(&format!("run --now {NOW} --format json")).json(4);
        assert_eq!(deleted(&run["plan"], "us-east-1"), Vec::<String>::new());
        let calls = machine.n_calls();
        assert_eq!((calls["eu-west-1 CreateSnapshots"], calls["eu-west-1 DeleteSnapshot"]), (1, 2));
        assert!(!calls.contains_key("us-east-1 CreateSnapshots"), "{calls:?}");
        assert!(!calls.contains_key("us-east-1 DeleteSnapshot"), "{calls:?}");
        // A refusal is final: asking again would only be slow.
        assert_eq!(calls[&format!("us-east-1 {action}")], 1);
    }
}

#[test]
fn a_denied_listing_is_told_with_region_call_and_error() {
    let scene = refusing(&[("us-east-1", "DescribeSnapshots", "UnauthorizedOperation")]);
    let machine = machine(&scene);
    let run = machine.snapkeep(&format!("run --now {NOW}")).quiet(4);
    assert_data_eq!(
        stable(&run),
        str![[r#"
Run of 2026-11-20 03:00Z

       1 CreateSnapshots done
       2 DeleteSnapshot done

made
  eu-west-1      i-00000003  snap-[CREATED-HERE.]

could not be read, so nothing is deleted that depends on it
  us-east-1: DescribeSnapshots
      UnauthorizedOperation: You are not authorized to perform this operation.
      User: arn:aws:iam::123456789012:user/backup is not authorized to perform:
      ec2:DescribeSnapshots because no identity-based policy allows the
      ec2:DescribeSnapshots action

notes
  warning: us-east-1: `servers` makes no points: DescribeSnapshots could not
    be read

"#]]
    );
}

#[test]
fn a_region_that_is_not_enabled_stops_no_other() {
    let listings = ["Instances", "Volumes", "Snapshots", "Images", "LockedSnapshots"];
    let actions = listings.map(|listing| format!("Describe{listing}"));
    let refused: Vec<_> =
        actions.iter().map(|action| ("us-east-1", action.as_str(), "AuthFailure")).collect();
    let machine = machine(&refusing(&refused));
    let run = machine.snapkeep(&format!("run --now {NOW}")).quiet(4);
    assert_data_eq!(
        stable(&run),
        str![[r#"
Run of 2026-11-20 03:00Z

       1 CreateSnapshots done
       2 DeleteSnapshot done

made
  eu-west-1      i-00000003  snap-[CREATED-HERE.]

could not be read, so nothing is deleted that depends on it
  us-east-1: DescribeInstances, DescribeVolumes, DescribeSnapshots,
    DescribeImages
      AuthFailure: AWS was not able to validate the provided access credentials
      (the region may not be enabled for the account)

notes
  warning: us-east-1: `servers` makes no points: DescribeSnapshots could not
    be read

"#]]
    );
    let calls = machine.n_calls();
    assert_eq!((calls["eu-west-1 CreateSnapshots"], calls["eu-west-1 DeleteSnapshot"]), (1, 2));
    assert!(!calls.contains_key("us-east-1 CreateSnapshots"), "{calls:?}");
}

#[test]
fn locks_that_may_not_be_read_are_a_note() {
    let scene = refusing(&[("us-east-1", "DescribeLockedSnapshots", "UnauthorizedOperation")]);
    let machine = machine(&scene);
    let run = machine.snapkeep(&format!("run --now {NOW}")).quiet(0);
    assert_data_eq!(
        stable(&run),
        str![[r#"
Run of 2026-11-20 03:00Z

       2 CreateSnapshots done
       4 DeleteSnapshot done

made
  eu-west-1      i-00000003  snap-[CREATED-HERE.]
  us-east-1      i-00000001  snap-[CREATED-HERE.]

notes
  us-east-1: DescribeLockedSnapshots: UnauthorizedOperation: You are not
    authorized to perform this operation. User:
    arn:aws:iam::123456789012:user/backup is not authorized to perform:
    ec2:DescribeLockedSnapshots because no identity-based policy allows the
    ec2:DescribeLockedSnapshots action

"#]]
    );
    assert_eq!(machine.n_calls()["us-east-1 DeleteSnapshot"], 2);
}

#[test]
fn a_denied_deletion_fails_and_stops_nothing_else() {
    let scene = refusing(&[("us-east-1", "DeleteSnapshot", "UnauthorizedOperation")]);
    let machine = machine(&scene);
    let run = machine.snapkeep(&format!("run --now {NOW}"));
    assert_eq!(run.code, Some(1));
    assert_data_eq!(
        stable(&run.stdout),
        str![[r#"
Run of 2026-11-20 03:00Z

       2 CreateSnapshots done
       2 DeleteSnapshot done
       2 DeleteSnapshot failed

made
  eu-west-1      i-00000003  snap-[CREATED-HERE.]
  us-east-1      i-00000001  snap-[CREATED-HERE.]

not done
  failed DeleteSnapshot/us-east-1/snap-11261018
        UnauthorizedOperation: You are not authorized to perform this operation.
        User: arn:aws:iam::123456789012:user/backup is not authorized to
        perform: ec2:DeleteSnapshot because no identity-based policy allows the
        ec2:DeleteSnapshot action
  failed DeleteSnapshot/us-east-1/snap-11261019
        UnauthorizedOperation: You are not authorized to perform this operation.
        User: arn:aws:iam::123456789012:user/backup is not authorized to
        perform: ec2:DeleteSnapshot because no identity-based policy allows the
        ec2:DeleteSnapshot action

"#]]
    );
    // The log says it too, at once; in the order in which the calls end.
    let logged =
        |id: &str| run.stderr.lines().any(|line| line.contains("WARN") && line.contains(id));
    assert!(logged("snap-11261018") && logged("snap-11261019"), "{}", run.stderr);
    let calls = machine.n_calls();
    assert_eq!((calls["us-east-1 CreateSnapshots"], calls["eu-west-1 DeleteSnapshot"]), (1, 2));
}

#[test]
fn with_a_clock_that_is_off_points_are_made_and_nothing_is_deleted() {
    let mut scene = few();
    scene["clock_ahead_seconds"] = json!(3600);
    let machine = machine(&scene);
    let run = machine.snapkeep(&format!("run --now {NOW} --format json")).json(0);
    let notes = run["plan"]["notes"].as_array().unwrap();
    let said = notes.iter().filter_map(|note| note["message"].as_str());
    let said: Vec<&str> = said.collect();
    // To the second it depends on how long the call took.
    assert_data_eq!(
        said.join("\n"),
        str!["the local clock is 3[..] seconds behind EC2's: nothing is deleted"]
    );
    for region in ["us-east-1", "eu-west-1"] {
        let calls = machine.n_calls();
        assert_eq!(calls[&format!("{region} CreateSnapshots")], 1);
        assert!(!calls.contains_key(&format!("{region} DeleteSnapshot")), "{calls:?}");
        assert_eq!(machine.snapshots(region).len(), 6);
    }
}
