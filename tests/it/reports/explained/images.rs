//! Images and the snapshots that back them, of every standing; and what images leave behind.

use serde_json::{Value, json};
use snapkeep::domain::inventory::Image;

use super::check;
use crate::support::account::Account;

/// Images that are made, and two ways to look after what others made: by family, and all that bear
/// a tag.
const IMAGES: &str = r#"
version = 1
[[policy]]
name = "golden"
kind = "images"
regions = ["eu-west-1"]
schedule = "0 3 * * *"
select = { resource = "instance", tags = { Name = "web" } }
retention = { daily = "7 days" }
adopt = { tags = { By = "hand" } }
copy = [{ to = "us-east-1" }]

[[policy]]
name = "families"
kind = "images"
regions = ["eu-west-1"]
select = { resource = "image", tags = { Family = "*" } }
family_tag = "Family"
retention = { daily = "7 days" }

[[policy]]
name = "old"
kind = "images"
regions = ["eu-west-1"]
create = false
select = { resource = "image", tags = { By = "script" } }
adopt = { tags = { By = "script" }, exclude_tags = { Keep = "*" } }
min_age = "1 day"
retention = { daily = "3 days" }
"#;

/// The tags of what [`IMAGES`] made of `i-00000001` for `slot`.
fn tags(slot: &str) -> Value {
    json!({
        "snapkeep:owner": "main",
        "snapkeep:policy": "golden",
        "snapkeep:slot": slot,
        "snapkeep:source": "eu-west-1/i-00000001",
    })
}

/// A snapshot that CreateImage made with `image`.
fn made_with(id: &str, image: &str, slot: &str) -> Value {
    json!({
        "id": id,
        "volume": "vol-00000001",
        "start_time": slot,
        "description": format!("Created by CreateImage(i-00000001) for {image}"),
        "tags": tags(slot),
    })
}

fn made(id: &str, snapshots: &[&str], slot: &str) -> Value {
    json!({
        "id": id,
        "creation_date": slot,
        "snapshots": snapshots,
        "description": format!("snapkeep golden i-00000001 {slot}"),
        "tags": tags(slot),
    })
}

fn account() -> Account {
    let [gone, disabled, new] =
        ["2026-11-01T03:00:00Z", "2026-11-19T03:00:00Z", "2026-11-20T03:00:00Z"];
    let mut disabled_image = made("ami-00000012", &["snap-00000012"], disabled);
    disabled_image["state"] = json!("disabled");
    let mut held = made("ami-00000013", &["snap-00000013"], new);
    held["tags"]["snapkeep:hold"] = json!("");
    let copied = "snapkeep:copy-of";
    let mut left_over_copy = made_with("snap-00000041", "", gone);
    left_over_copy["volume"] = json!("vol-ffffffff");
    left_over_copy["description"] = json!(
        "Copied for DestinationAmi ami-00000041 from SourceAmi ami-00000011 for SourceSnapshot \
         snap-00000011."
    );
    left_over_copy["tags"][copied] = json!("eu-west-1/ami-00000011");
    left_over_copy["tags"]["snapkeep:origin"] = json!("eu-west-1/ami-00000011");
    let others = |id: &str, at: &str, snapshots: &[&str], tags: Value| json!({ "id": id, "creation_date": at, "snapshots": snapshots, "tags": tags });
    let scene = json!({
        "now": "2026-11-20T03:10:00Z",
        "regions": {
            "eu-west-1": {
                "instances": [{
                    "id": "i-00000001",
                    "volumes": [{ "id": "vol-00000001" }],
                    "tags": { "Name": "web" },
                }],
                "snapshots": [
                    made_with("snap-00000011", "ami-00000011", gone),
                    made_with("snap-00000012", "ami-00000012", disabled),
                    made_with("snap-00000013", "ami-00000013", new),
                    made_with("snap-00000014", "ami-00000014", gone),
                    made_with("snap-00000015", "ami-00000015", gone),
                    { "id": "snap-00000021", "volume": "vol-00000002" },
                    { "id": "snap-00000022", "volume": "vol-00000002" },
                    { "id": "snap-00000025", "tags": { "Keep": "yes" } },
                    { "id": "snap-00000026", "tags": { "aws:cloudformation:stack-name": "web" } },
                ],
                "images": [
                    disabled_image,
                    held,
                    // Somebody registered it again.
                    others("ami-00000024", disabled, &["snap-00000014"], json!({ "By": "script" })),
                    others("ami-00000021", gone, &["snap-00000021"], json!({ "By": "script" })),
                    others("ami-00000022", gone, &["snap-00000022"], json!({})),
                    others("ami-00000023", new, &[], json!({ "By": "script" })),
                    others("ami-00000025", gone, &["snap-00000025"], json!({ "By": "script" })),
                    others("ami-00000026", gone, &["snap-00000026"], json!({ "By": "script" })),
                    others("ami-00000027", "2026-11-19T03:10:00Z", &[], json!({ "By": "script" })),
                    others("ami-00000028", "2026-11-19T03:11:00Z", &[], json!({ "By": "script" })),
                    others("ami-00000031", gone, &[], json!({ "Family": "web" })),
                    others("ami-00000032", new, &[], json!({ "Family": "web" })),
                    others(
                        "ami-00000033",
                        "2026-11-15T03:00:00Z",
                        &[],
                        json!({ "Family": "web", "By": "script" }),
                    ),
                ],
            },
            "us-east-1": { "snapshots": [left_over_copy] },
        },
    });
    Account::new(IMAGES, &scene)
}

#[test]
fn whose_an_image_is_and_what_can_be_launched_is_told() {
    check(
        &account(),
        &[
            (
                "eu-west-1/ami-00000012",
                &[
                    "state disabled ",
                    "whose made by this installation of snapkeep policy golden",
                    "point incomplete: ami-00000012 with snap-00000012 verdict stays: ",
                    "aws ec2 enable-image --region eu-west-1 --image-id ami-00000012",
                    "aws ec2 run-instances --region eu-west-1 --image-id ami-00000012",
                ],
            ),
            (
                "eu-west-1/ami-00000013",
                &["held by the tag snapkeep:hold; lifted by removing the tag snapkeep:hold"],
            ),
            (
                "eu-west-1/ami-00000022",
                &["whose made by others; no policy selects or adopts it", "!policy golden"],
            ),
            (
                "eu-west-1/ami-00000031",
                &[
                    "whose made by others; selected, not adopted, by `families`",
                    "policy families source family:web point complete: ami-00000031 without snapshots \
                 verdict stays, as nobody has adopted it; would go: daily ended",
                    "made by others, and not adopted; lifted by an `adopt` that matches it",
                ],
            ),
            // One policy keeps what another would delete.
            (
                "eu-west-1/ami-00000033",
                &[
                    "policy families source family:web point complete: ami-00000033 without snapshots \
                 verdict stays: daily until 2026-11-22 03:00Z",
                    "policy old source family:* point complete: ami-00000033 without snapshots \
                 verdict left to another policy; daily ended 2026-11-18 03:00Z",
                ],
            ),
        ],
    );
}

#[test]
fn who_uses_an_image_is_unknown_only_where_it_was_asked() {
    check(
        &account(),
        &[
            (
                "eu-west-1/ami-00000021",
                &[
                    "would go: daily ended 2026-11-04 03:00Z",
                    "what uses the image is not known; lifted by the right to \
                 ec2:DescribeImageReferences",
                ],
            ),
            ("eu-west-1/ami-00000012", &["what uses the image was not asked; lifted by the run"]),
        ],
    );
}

#[test]
fn a_snapshot_that_backs_an_image_is_told_with_it() {
    check(
        &account(),
        &[
            (
                "eu-west-1/snap-00000012",
                &[
                    "image ami-00000012, ami-00000012, disabled",
                    "whose made by this installation of snapkeep with ami-00000012; goes with it",
                    "backs ami-00000012; lifted by deregistering ami-00000012",
                ],
            ),
            (
                "eu-west-1/snap-00000014",
                &[
                    "image ami-00000024, ",
                    "whose made by this installation of snapkeep with ami-00000014, which is gone; now \
                 backs ami-00000024 and goes with it",
                ],
            ),
            (
                "eu-west-1/snap-00000021",
                &[
                    "image ami-00000021, ",
                    "whose made by others; backs ami-00000021 and goes with it",
                ],
            ),
            (
                "eu-west-1/snap-00000022",
                &[
                    "!image ami-00000022",
                    "whose never touched: backs an image",
                    "backs ami-00000022; lifted by deregistering ami-00000022",
                ],
            ),
        ],
    );
}

#[test]
fn what_an_image_left_behind_is_told_with_all_that_is_in_the_way() {
    let mut account = account();
    for (region, id) in [("eu-west-1", "snap-00000015"), ("us-east-1", "snap-00000041")] {
        account.region(region).locked.insert(id.parse().unwrap());
    }
    check(
        &account,
        &[
            (
                "eu-west-1/snap-00000011",
                &[
                    "whose made by this installation of snapkeep with ami-00000011, which is gone",
                    "policy golden source i-00000001 point none: left over of ami-00000011 verdict goes",
                    "!in the way",
                ],
            ),
            (
                "eu-west-1/snap-00000015",
                &[
                    "policy golden source i-00000001 point none: left over of ami-00000015 verdict \
                 stays: locked; would go: left over of ami-00000015, which is gone",
                    "in the way of deleting it locked; lifted by unlocking the snapshot",
                ],
            ),
            (
                "us-east-1/snap-00000041",
                &[
                    "policy golden source i-00000001 of eu-west-1 point none: left over of ami-00000041",
                    "locked; lifted by",
                ],
            ),
        ],
    );
}

#[test]
fn an_image_that_policies_leave_alone_is_told_why() {
    let mut account = account();
    let slot = "2026-11-10T03:00:00Z";
    let image = |id: &str, description: &str, more: &[(&str, &str)]| {
        let mut pairs = tags(slot);
        for (key, value) in more {
            pairs[key] = json!(value);
        }
        let pairs = pairs.as_object().unwrap().iter();
        let mut image = Image::plain(id.parse().unwrap(), id);
        image.tags = pairs.map(|(key, value)| (&**key, value.as_str().unwrap())).collect();
        image.description = description.into();
        image
    };
    let described = format!("snapkeep golden i-00000001 {slot}");
    let copied = "snapkeep golden copy of eu-central-1/ami-00000099";
    let copy_of = [
        ("snapkeep:copy-of", "eu-central-1/ami-00000099"),
        ("snapkeep:source", "eu-central-1/i-00000001"),
    ];
    let adopted = |id: &str, by: &str, key: &str| {
        let mut image = Image::plain(id.parse().unwrap(), id);
        image.tags = [("By", by), (key, "1")].into_iter().collect();
        image
    };
    let (shared, stranger) = (
        Image { is_public: true, ..adopted("ami-00000054", "hand", "Team") },
        Image { is_public: true, ..adopted("ami-00000055", "nobody", "Team") },
    );
    account.region("eu-west-1").images.extend([
        Image {
            source_instance_id: Some("i-00000002".parse().unwrap()),
            ..image("ami-00000051", &described, &[])
        },
        image("ami-00000052", copied, &copy_of),
        image(
            "ami-00000053",
            &described.replace("golden", "former"),
            &[("snapkeep:policy", "former")],
        ),
        shared,
        stranger,
        adopted("ami-00000056", "hand", "aws:cloudformation:stack-name"),
    ]);
    check(
        &account,
        &[
            (
                "eu-west-1/ami-00000051",
                &["never touched: bears snapkeep's tags but was made of something else"],
            ),
            (
                "eu-west-1/ami-00000052",
                &["never touched: a copy for which the policy `golden` has no rule any more"],
            ),
            (
                "eu-west-1/ami-00000053",
                &["never touched: made for the policy `former`, which is not here"],
            ),
            (
                "eu-west-1/ami-00000054",
                &["never touched: matches `adopt` but is shared with others"],
            ),
            ("eu-west-1/ami-00000055", &["no policy selects or adopts it, so it is never touched"]),
            ("eu-west-1/ami-00000056", &["never touched: matches `adopt` but bears `aws:` tags"]),
        ],
    );
}

#[test]
fn what_forbids_an_adoption_is_told() {
    let spoken_for = "its tags say that it is not to be adopted; lifted by removing those tags";
    check(
        &account(),
        &[
            (
                "eu-west-1/ami-00000025",
                &[&format!("snap-00000025, of the same recovery point: {spoken_for}")],
            ),
            (
                "eu-west-1/ami-00000026",
                &[&format!("snap-00000026, of the same recovery point: {spoken_for}")],
            ),
            ("eu-west-1/ami-00000021", &["!not to be adopted"]),
            // It is a day old now.
            (
                "eu-west-1/ami-00000027",
                &["verdict stays: what uses the image is not known; would go: "],
            ),
            (
                "eu-west-1/ami-00000028",
                &["verdict stays: younger than min_age until 2026-11-20 03:11Z; would go: "],
            ),
        ],
    );
}
