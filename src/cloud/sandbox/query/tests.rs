//! Requests as clients write them, and the answers word for word.

use std::fmt::Write as _;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::{Call, Endpoint};
use crate::cloud::sandbox::{Fault, Rule, Sandbox};
use crate::domain::inventory::{Snapshot, SnapshotState};

fn now() -> DateTime<Utc> {
    "2026-11-20T03:00:00Z".parse().unwrap()
}

fn endpoint() -> Endpoint {
    let sandbox = Sandbox::new(now());
    let snapshot = Snapshot {
        id: "snap-00000001".parse().unwrap(),
        volume_id: Some("vol-00000001".parse().unwrap()),
        owner_id: None,
        state: SnapshotState::Completed,
        state_message: None,
        started_at: now(),
        volume_size_gib: 8,
        full_size_bytes: None,
        is_encrypted: false,
        kms_key_id: None,
        description: "a <b> & \"c\"".into(),
        tags: [("Name", "x'y")].into_iter().collect(),
    };
    sandbox.add_snapshot(&"eu-west-1".parse().unwrap(), snapshot);
    Endpoint::new(Arc::new(sandbox))
}

fn signed(service: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential=testing/20261120/eu-west-1/{service}/aws4_request, SignedHeaders=host"
    )
}

async fn ask(endpoint: &Endpoint, body: &str) -> (u16, String) {
    let reply = endpoint.answer(&Call::read(&signed("ec2"), None, body)).await;
    (reply.status, reply.body)
}

#[tokio::test]
async fn a_listing_is_written_as_ec2_writes_it() {
    let body = "Action=DescribeSnapshots&Version=2016-11-15&Owner.1=self&MaxResults=1000";
    let (status, body) = ask(&endpoint(), body).await;
    assert_eq!(status, 200);
    snapbox::assert_data_eq!(
        body.replace("><", ">\n<"),
        snapbox::str![[r#"
<?xml version="1.0" encoding="UTF-8"?>
<DescribeSnapshotsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">
<requestId>00000000-0000-0000-0000-000000000000</requestId>
<snapshotSet>
<item>
<snapshotId>snap-00000001</snapshotId>
<volumeId>vol-00000001</volumeId>
<status>completed</status>
<startTime>2026-11-20T03:00:00.000Z</startTime>
<progress>100%</progress>
<ownerId>123456789012</ownerId>
<volumeSize>8</volumeSize>
<description>a &lt;b&gt; &amp; &quot;c&quot;</description>
<encrypted>false</encrypted>
<storageTier>standard</storageTier>
<tagSet>
<item>
<key>Name</key>
<value>x&#39;y</value>
</item>
</tagSet>
</item>
</snapshotSet>
</DescribeSnapshotsResponse>

"#]]
    );
}

#[tokio::test]
async fn errors_are_written_as_ec2_writes_them() {
    let endpoint = endpoint();
    let denied = "Action=DeleteSnapshot&SnapshotId=snap-00000001";
    endpoint.own.fail(Rule::next("DeleteSnapshot"), Fault::Denied);
    let mut text = String::new();
    for body in [
        denied,
        "Action=DeleteSnapshot&SnapshotId=snap-00000001&DryRun=true",
        "Action=DeleteSnapshot&SnapshotId=snap-0000000a",
        "Action=DeleteSnapshot&SnapshotId=x",
        "Action=DeleteSnapshot",
        "Action=DeleteSnapshot&SnapshotId=snap-00000001&Force=true",
        "Action=DescribeSnapshots&Filter.1.Name=colour&Filter.1.Value.1=red",
        "Action=DescribeSnapshots&SnapshotId.1=snap-00000001&MaxResults=5",
        "Action=DescribeSnapshots&MaxResults=4",
        "Action=RunInstances",
    ] {
        let (status, reply) = ask(&endpoint, body).await;
        let error = reply.split_once("<Error>").unwrap().1.split_once("</Error>").unwrap().0;
        writeln!(text, "{body}\n  {status} {error}").unwrap();
    }
    snapbox::assert_data_eq!(
        text,
        snapbox::str![[r#"
Action=DeleteSnapshot&SnapshotId=snap-00000001
  403 <Code>UnauthorizedOperation</Code><Message>You are not authorized to perform this operation.</Message>
Action=DeleteSnapshot&SnapshotId=snap-00000001&DryRun=true
  412 <Code>DryRunOperation</Code><Message>Request would have succeeded, but DryRun flag is set.</Message>
Action=DeleteSnapshot&SnapshotId=snap-0000000a
  400 <Code>InvalidSnapshot.NotFound</Code><Message>The snapshot &#39;snap-0000000a&#39; does not exist.</Message>
Action=DeleteSnapshot&SnapshotId=x
  400 <Code>InvalidSnapshotID.Malformed</Code><Message>Invalid id: &quot;x&quot;</Message>
Action=DeleteSnapshot
  400 <Code>MissingParameter</Code><Message>The request must contain the parameter SnapshotId</Message>
Action=DeleteSnapshot&SnapshotId=snap-00000001&Force=true
  400 <Code>UnknownParameter</Code><Message>The parameter Force is not recognized</Message>
Action=DescribeSnapshots&Filter.1.Name=colour&Filter.1.Value.1=red
  400 <Code>InvalidParameterValue</Code><Message>The filter &#39;colour&#39; is invalid</Message>
Action=DescribeSnapshots&SnapshotId.1=snap-00000001&MaxResults=5
  400 <Code>InvalidParameterCombination</Code><Message>The parameter MaxResults cannot be used with ids in the same request</Message>
Action=DescribeSnapshots&MaxResults=4
  400 <Code>InvalidParameterValue</Code><Message>Value ( 4 ) for parameter maxResults is invalid. Expecting a value of at least 5.</Message>
Action=RunInstances
  400 <Code>InvalidAction</Code><Message>The action RunInstances is not valid for this web service.</Message>

"#]]
    );
}

#[tokio::test]
async fn unsigned_requests_and_disabled_regions_are_turned_away() {
    let endpoint = endpoint();
    let body = "Action=DescribeSnapshots";
    for authorization in [String::new(), signed("ec2").replace("eu-west-1", "us-east-1")] {
        let reply = endpoint.answer(&Call::read(&authorization, None, body)).await;
        assert_eq!(reply.status, 401, "{}", reply.body);
        assert!(reply.body.contains("<Code>AuthFailure</Code>"), "{}", reply.body);
    }
}

#[tokio::test]
async fn a_role_leads_to_its_account() {
    let endpoint = endpoint();
    let other = Sandbox::new(now());
    other.set_account("111122223333");
    endpoint.add_account(Arc::new(other));
    let arn = |account| {
        format!("Action=AssumeRole&RoleArn=arn:aws:iam::{account}:role/r&RoleSessionName=s")
    };
    let sts = async |authorization: &str, body: &str| {
        endpoint.answer(&Call::read(authorization, None, body)).await
    };
    let refused = sts(&signed("sts"), &arn("444455556666")).await;
    assert_eq!(refused.status, 403);
    assert!(refused.body.contains("<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied<"));
    let assumed = sts(&signed("sts"), &arn("111122223333")).await;
    let key = assumed.body.split_once("<AccessKeyId>").unwrap().1.split_once('<').unwrap().0;
    let who = sts(&signed("sts").replace("testing", key), "Action=GetCallerIdentity").await;
    assert!(who.body.contains("<Account>111122223333</Account>"), "{}", who.body);
    let who = sts(&signed("sts"), "Action=GetCallerIdentity").await;
    assert!(who.body.contains("<Account>123456789012</Account>"), "{}", who.body);
}

#[tokio::test]
async fn kms_speaks_json() {
    let endpoint = endpoint();
    let ask = async |key: &str| {
        let body = format!("{{\"KeyId\": \"{key}\"}}");
        let target = Some("TrentService.DescribeKey");
        endpoint.answer(&Call::read(&signed("kms"), target, &body)).await
    };
    let known = ask("alias/aws/ebs").await;
    assert!(known.body.contains("\"KeyManager\":\"AWS\""), "{}", known.body);
    let unknown = ask("alias/x").await;
    assert_eq!(
        (unknown.status, &*unknown.body),
        (
            400,
            "{\"__type\":\"NotFoundException\",\"message\":\"Alias \
             arn:aws:kms:eu-west-1:123456789012:alias/x is not found.\"}"
        )
    );
}
