//! What copies and images get once they are complete.

use chrono::{DateTime, Utc};
use serde_json::json;

use super::{Account, ids};

const FAMILIES: &str = r#"
version = 1
[[policy]]
name = "families"
kind = "images"
regions = ["eu-west-1"]
select = { resource = "image", tags = { Family = "*" } }
family_tag = "Family"
retention = { daily = "7 days" }
deprecate_after = "1 month"
copy_grace = "2 hours"
copy = [{ to = "us-east-1", share_with = ["111122223333"] }]
"#;

fn account() -> Account {
    let at = "2026-11-20T01:00:00Z";
    Account::new(
        FAMILIES,
        &json!({
            "now": "2026-11-20T03:10:00Z",
            "regions": {
                "eu-west-1": { "images": [
                    { "id": "ami-00000001", "creation_date": at, "tags": { "Family": "web" } },
                ] },
                "us-east-1": { "images": [{
                    "id": "ami-00000002",
                    "creation_date": at,
                    "source_image": "ami-00000001",
                    "source_region": "eu-west-1",
                    "description": "snapkeep families copy of eu-west-1/ami-00000001",
                    "tags": {
                        "snapkeep:copy-of": "eu-west-1/ami-00000001",
                        "snapkeep:origin": "eu-west-1/ami-00000001",
                        "snapkeep:owner": "main",
                        "snapkeep:policy": "families",
                        "snapkeep:source": "eu-west-1/family:web",
                        "snapkeep:time": at,
                    },
                }] },
            },
        }),
    )
}

#[test]
fn only_the_copies_of_what_others_made_are_shared_and_deprecated() {
    assert_eq!(
        ids(&account().plan()),
        [
            "ModifyImageAttribute/us-east-1/ami-00000002",
            "CreateTags/us-east-1/ami-00000002",
            "EnableImageDeprecation/us-east-1/ami-00000002",
        ]
    );
}

#[test]
fn what_a_plan_is_not_asked_for_is_not_changed_either() {
    let mut account = account();
    for (policy, region, n_actions) in
        [("families", "us-east-1", 3), ("families", "eu-west-1", 0), ("others", "us-east-1", 0)]
    {
        account.request.policies = vec![policy.to_owned()];
        account.request.regions = vec![region.parse().unwrap()];
        assert_eq!(ids(&account.plan()).len(), n_actions, "{policy} {region}");
    }
}

#[test]
fn a_copy_is_overdue_from_the_end_of_its_grace_on() {
    let mut account = account();
    account.region("us-east-1").images.clear();
    let overdue = "copies to us-east-1 unfinished or missing for longer than copy_grace: 1, the \
                   oldest of 2026-11-20 01:00Z";
    for (now, is_overdue) in [("2026-11-20T02:59:59Z", false), ("2026-11-20T03:00:00Z", true)] {
        account.request.now = now.parse::<DateTime<Utc>>().unwrap();
        let plan = account.plan();
        let is_told = plan.notes.iter().any(|note| note.message.contains(overdue));
        assert_eq!(is_told, is_overdue, "{now}: {:?}", plan.notes);
    }
}
