//! What only a server that others wrote can tell: that a signature is one, and that it is this machine.

use serde_json::json;
use snapkeep::cloud::{Cloud as _, CopySnapshot, SnapshotFilter};
use snapkeep::domain::inventory::SnapshotState;
use snapkeep::domain::region::Region;

use crate::support::moto::Moto;

#[tokio::test]
async fn a_url_is_signed_so_that_botocore_confirms_it() {
    let moto = Moto::start(&json!({ "regions": {
        "us-east-1": { "snapshots": [{ "id": "snap-00000002", "encrypted": true }] },
        "eu-west-1": {},
    } }));
    let [here, there]: [Region; 2] = ["us-east-1", "eu-west-1"].map(|name| name.parse().unwrap());
    let cloud = moto.cloud().await;
    let request = CopySnapshot {
        source_region: here,
        source_snapshot_id: "snap-00000002".parse().unwrap(),
        is_source_encrypted: true,
        description: String::new(),
        encrypted: false,
        kms_key_id: None,
        completion_minutes: None,
        tags: Vec::new(),
    };
    let id = cloud.copy_snapshot(&there, &request).await.unwrap();
    let filter = SnapshotFilter::Ids(vec![id]);
    let copy = cloud.describe_snapshots(&there, &filter, None).await.unwrap().items.remove(0);
    // moto is corrected to check the signature, and to let the copy fail without one.
    assert_eq!((copy.state, copy.state_message.as_deref()), (SnapshotState::Completed, None));

    let call = moto.calls().into_iter().find(|call| call.action == "CopySnapshot").unwrap();
    assert_eq!((&*call.region, &*call.params["DestinationRegion"]), ("eu-west-1", "eu-west-1"));
    assert!(!call.params.contains_key("Encrypted"));
    let url = &call.params["PresignedUrl"];
    assert!(url.starts_with(&format!("{}/?Action=CopySnapshot&", moto.url())), "{url}");
    for part in [
        "&SourceRegion=us-east-1&",
        "&SourceSnapshotId=snap-00000002&",
        "&DestinationRegion=eu-west-1&",
        "%2Fus-east-1%2Fec2%2Faws4_request&",
        "&X-Amz-Expires=3600&",
    ] {
        assert!(url.contains(part), "{part} in {url}");
    }
}

#[tokio::test]
async fn an_endpoint_on_this_machine_is_known_as_one() {
    let moto = Moto::start(&json!({}));
    let cloud = moto.cloud().await;
    assert!(cloud.endpoint_is_loopback());
    assert_eq!(cloud.default_region(), Some("us-east-1".parse().unwrap()));
    // All that moto knows are enabled.
    assert!(10 < cloud.describe_regions().await.unwrap().len());
    assert!(cloud.clock_skew().unwrap().abs() < chrono::TimeDelta::minutes(5));
}
