//! Leftovers count among the images of their lineage by the time of their data.

use serde_json::json;

use super::{Account, fate};

#[test]
fn a_leftover_has_its_place_in_time_among_the_images_that_are_there() {
    let tags = |slot: &str| {
        json!({
            "snapkeep:owner": "main",
            "snapkeep:policy": "golden",
            "snapkeep:slot": slot,
            "snapkeep:source": "eu-west-1/i-00000001",
        })
    };
    let image = |id: &str, slot: &str, at: &str| {
        json!({
            "id": id,
            "creation_date": at,
            "description": format!("snapkeep golden i-00000001 {slot}"),
            "tags": tags(slot),
        })
    };
    let [oldest, middle, newest] =
        ["2026-11-10T03:00:00Z", "2026-11-12T03:00:00Z", "2026-11-14T03:00:00Z"];
    // Made at once, for two slots: neither is known to be the older one.
    let twin = image("ami-00000004", "2026-11-12T03:30:00Z", middle);
    let earlier = image("ami-00000005", "2026-11-12T01:00:00Z", "2026-11-12T01:00:00Z");
    let later = image("ami-00000006", "2026-11-12T05:00:00Z", "2026-11-12T05:00:00Z");
    for (daily, beside, expected) in [
        (3, None, "stays"),
        (2, None, "stays"),
        (1, None, "goes"),
        (2, Some(&twin), "stays"),
        (1, Some(&twin), "goes"),
        (3, Some(&earlier), "goes"),
        (3, Some(&later), "stays"),
    ] {
        let mut images =
            vec![image("ami-00000001", oldest, oldest), image("ami-00000003", newest, newest)];
        images.extend(beside.cloned());
        let scene = json!({
            "now": "2026-11-20T03:10:00Z",
            "regions": { "eu-west-1": {
                "snapshots": [{
                    "id": "snap-00000002",
                    "volume": "vol-00000001",
                    "start_time": middle,
                    "description": "Created by CreateImage(i-00000001) for ami-00000002",
                    "tags": tags(middle),
                }],
                "images": images,
            } },
        });
        let policies = format!(
            "version = 1\n[[policy]]\nname = \"golden\"\nkind = \"images\"\n\
             regions = [\"eu-west-1\"]\ncreate = false\nselect = {{ resource = \"instance\" }}\n\
             retention = {{ daily = {daily} }}\n"
        );
        let plan = Account::new(&policies, &scene).plan();
        assert_eq!(fate(&plan, "snap-00000002"), expected, "{daily} {beside:?}");
    }
}
