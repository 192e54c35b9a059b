//! What is reported of images that are encrypted, copied, shared, deprecated and expire.

use chrono::TimeDelta;
use snapbox::{assert_data_eq, str};
use snapkeep::cloud::sandbox::Sandbox;
use snapkeep::config::{Config, parse};
use snapkeep::domain::ids::ResourceId;
use snapkeep::domain::inventory::{Image, ImageUse, Snapshot};
use snapkeep::domain::region::Region;
use snapkeep::domain::tags::Tags;
use snapkeep::execute::Stop;
use snapkeep::plan::{Request, explain, plan};
use snapkeep::report::{ExitCode, explain_text, json, plan_text, run_text};
use snapkeep::run::{self, Report, SandboxClock};

use super::violations;

/// Images that are encrypted, copied, shared, deprecated and expire after three days.
const IMAGES: &str = r#"
version = 1
[regions."ap-northeast-2"]
kms_key = "alias/dr"

[[policy]]
name = "golden"
kind = "images"
regions = ["eu-west-1"]
schedule = "0 3 * * *"
select = { resource = "instance", states = ["running"], tags = { Name = "report" } }
retention = { daily = "3 days" }
encrypt = { retire_unencrypted = true }
deprecate_after = "2 days"

[[policy.copy]]
to = "ap-northeast-2"
encrypted = true
complete_within = "1 hour"
share_with = ["111122223333"]
retention = { daily = "7 days" }
"#;

/// The demonstration under [`IMAGES`].
struct Images {
    sandbox: Sandbox,
    config: Config,
}

impl Images {
    fn new() -> Self {
        let config = parse(&[("images.toml".to_owned(), IMAGES.to_owned())]).unwrap();
        let sandbox = Sandbox::demo("2026-11-20T03:10:00Z".parse().unwrap());
        sandbox.add_key(&"ap-northeast-2".parse().unwrap(), "alias/dr", true, true);
        Self { sandbox, config }
    }

    fn request(&self) -> Request {
        Request::at(self.sandbox.time().now())
    }

    /// Runs a cycle, and lets two hours pass.
    async fn cycle(&self) -> Report {
        let (time, request) = (self.sandbox.time(), self.request());
        let (_sender, stop) = Stop::new();
        let clock = SandboxClock(time.clone());
        let cycle = run::run(&self.sandbox, &clock, &self.config, &request, &stop, &());
        let report = time.drive(cycle).await;
        time.advance_to(request.now + TimeDelta::hours(2));
        report
    }

    fn explain(&self, region: &Region, id: ResourceId) -> String {
        let (inventory, request) = (self.sandbox.inventory(), self.request());
        let explanation = explain(&self.config, &inventory, &request, Some(*region), id).unwrap();
        explain_text::render(&explanation)
    }
}

#[tokio::test]
async fn images_copies_and_changes_are_told() {
    let account = Images::new();
    let mut told = String::new();
    for n in 0..50 {
        let Report { plan, outcomes, .. } = account.cycle().await;
        let text = plan_text::render(&plan, true);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        if n < 4 {
            told.push_str(text.split("\nnotes\n").next().unwrap());
            let text = run_text::render(&plan, &outcomes);
            told.push_str(text.split("\nnotes\n").next().unwrap());
        }
        let mut out = Vec::new();
        json::write_plan(&mut out, &plan, &[ExitCode::Done]).unwrap();
        let (value, schema) = (serde_json::from_slice(&out).unwrap(), json::plan_schema());
        assert_eq!(violations(&schema, &schema, &value, ""), [] as [&str; 0]);
    }
    assert_data_eq!(
        told,
        str![[r#"
Plan for 2026-11-20 03:10Z, account 123456789012

       1 to create
       0 to delete, 0 GiB of volumes
       0 kept

eu-west-1 · golden
  create 1 recovery point
    i-071bb54d8d101b5b9 2026-11-20 03:00Z
        1 volume, 8 GiB, no reboot, named `snapkeep golden i-071bb54d8d101b5b9
        2026-11-20T03.00.00Z` CreateImage
Run of 2026-11-20 03:10Z

       1 CreateImage done

made
  eu-west-1      i-071bb54d8d101b5b9  ami-0e474c66a4b98b030
Plan for 2026-11-20 05:10Z, account 123456789012

       0 to create
       1 to encrypt, 8 GiB of volumes
       1 to change
       0 to delete, 0 GiB of volumes
       1 kept
       1 waiting

ap-northeast-2 · golden
  wait for 1
    eu-west-1/ami-0e474c66a4b98b030
        its copy: its encrypted form in eu-west-1 comes first

eu-west-1 · golden
  encrypt 1 image, 8 GiB of volumes
   i-071bb54d8d101b5b9
    2026-11-20 03:10Z ami-0e474c66a4b98b030     8 GiB
        encrypted with the default key
  change 1
   i-071bb54d8d101b5b9
    2026-11-20 03:10Z ami-0e474c66a4b98b030  deprecate from 2026-11-22 03:10Z on
  keep 1 image
       1  daily; keep_last
   i-071bb54d8d101b5b9
    2026-11-20 03:10Z ami-0e474c66a4b98b030
        daily until 2026-11-23 03:10Z; keep_last
Run of 2026-11-20 05:10Z

       1 CopyImage done
       1 EnableImageDeprecation done

made
  eu-west-1      eu-west-1/ami-0e474c66a4b98b030  ami-0dbef19fc8e7b845f

1 waiting for the next run
Plan for 2026-11-20 07:10Z, account 123456789012

       0 to create
       1 to copy, 8 GiB of volumes
       1 to change
       0 to delete, 0 GiB of volumes
       2 kept

ap-northeast-2 · golden
  copy 1 image, 8 GiB of volumes
   i-071bb54d8d101b5b9 of eu-west-1
    2026-11-20 03:10Z ami-0dbef19fc8e7b845f     8 GiB
        encrypted with alias/dr, complete within 60 minutes

eu-west-1 · golden
  change 1
   i-071bb54d8d101b5b9
    2026-11-20 03:10Z ami-0dbef19fc8e7b845f  deprecate from 2026-11-22 03:10Z on
  keep 2 images
       2  daily; keep_last
   i-071bb54d8d101b5b9
    2026-11-20 03:10Z ami-0e474c66a4b98b030
        daily until 2026-11-23 03:10Z; keep_last
    2026-11-20 03:10Z ami-0dbef19fc8e7b845f
        daily until 2026-11-23 03:10Z; keep_last
Run of 2026-11-20 07:10Z

       1 CopyImage done
       1 EnableImageDeprecation done

made
  ap-northeast-2 eu-west-1/ami-0dbef19fc8e7b845f  ami-07de4eb0c26f3f89e
Plan for 2026-11-20 09:10Z, account 123456789012

       0 to create
       3 to change
       2 to delete, 8 GiB of volumes
       2 kept

ap-northeast-2 · golden
  change 3
   i-071bb54d8d101b5b9
    2026-11-20 03:10Z ami-07de4eb0c26f3f89e  share with 111122223333
    2026-11-20 03:10Z ami-07de4eb0c26f3f89e
        tag snapkeep:shared-with = 111122223333
    2026-11-20 03:10Z ami-07de4eb0c26f3f89e  deprecate from 2026-11-22 03:10Z on
  keep 1 image
       1  daily; keep_last
   i-071bb54d8d101b5b9
    2026-11-20 03:10Z ami-07de4eb0c26f3f89e
        daily until 2026-11-27 03:10Z; keep_last

eu-west-1 · golden
  delete 1 image and 1 snapshot, 8 GiB of volumes
   i-071bb54d8d101b5b9
    2026-11-20 03:10Z ami-0e474c66a4b98b030 with 1 snapshot    8 GiB
        unencrypted, and its encrypted copy and all copies asked for are
        complete
  keep 1 image
       1  daily; keep_last
   i-071bb54d8d101b5b9
    2026-11-20 03:10Z ami-0dbef19fc8e7b845f
        daily until 2026-11-23 03:10Z; keep_last
Run of 2026-11-20 09:10Z

       1 CreateTags done
       1 DeleteSnapshot done
       1 DeregisterImage done
       1 EnableImageDeprecation done
       1 ModifyImageAttribute done

"#]]
    );
}

#[tokio::test]
async fn a_copy_is_explained_with_its_original_and_its_point() {
    let account = Images::new();
    for _ in 0..5 {
        let _ = account.cycle().await;
    }
    let (here, there) = ("eu-west-1".parse().unwrap(), "ap-northeast-2".parse().unwrap());
    let regions = account.sandbox.inventory().regions;
    let [original] = &regions[&here].images[..] else { panic!("not retired") };
    let [copy] = &regions[&there].images[..] else { panic!("not copied") };
    let backing = account.explain(&there, copy.snapshot_ids[0].into());
    for part in [
        format!("made by this installation of snapkeep with {}; goes with it", copy.id),
        format!("backs {0}; lifted by deregistering {0}", copy.id),
        format!("--region ap-northeast-2 --image-id {}", copy.id),
        format!("--snapshot-id {} --availability-zone", copy.snapshot_ids[0]),
    ] {
        let words = backing.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains(&part), "{part}\n{backing}");
    }
    let form = account.explain(&here, original.id.into());
    assert!(form.contains(&format!("ap-northeast-2/{}: copy, available", copy.id)), "{form}");
    assert_data_eq!(
        account.explain(&there, copy.id.into()),
        str![[r#"
ami-07de4eb0c26f3f89e in ap-northeast-2

name      snapkeep golden i-071bb54d8d101b5b9 2026-11-20T03.00.00Z encrypted
made of   ami-0dbef19fc8e7b845f of eu-west-1
created   2026-11-20 07:10Z
state     available, deprecated from 2026-11-22 03:10Z
size      8 GiB, encrypted
snapshots snap-0586de868c39191f9 completed, 8 GiB
described snapkeep golden copy of eu-west-1/ami-0dbef19fc8e7b845f
tags      Backup = on
          Name = report
          snapkeep:copy-of = eu-west-1/ami-0dbef19fc8e7b845f
          snapkeep:devices = /dev/xvda=vol-0b9f24f7bae4a6586
          snapkeep:members = 1
          snapkeep:origin = eu-west-1/ami-0e474c66a4b98b030
          snapkeep:owner = main
          snapkeep:policy = golden
          snapkeep:shared-with = 111122223333
          snapkeep:slot = 2026-11-20T03:00:00Z
          snapkeep:source = eu-west-1/i-071bb54d8d101b5b9
          snapkeep:time = 2026-11-20T03:10:00Z
whose     copied by this installation of snapkeep
copy of   eu-west-1/ami-0dbef19fc8e7b845f: its parent, available, encrypted
          eu-west-1/ami-0e474c66a4b98b030: the first original, gone

policy    golden
source    i-071bb54d8d101b5b9 of eu-west-1
slot      2026-11-20 03:00Z
point     complete: ami-07de4eb0c26f3f89e with snap-0586de868c39191f9
verdict   stays: daily until 2026-11-27 03:10Z; keep_last
goes      not before 2026-11-27 03:10Z
rules     daily = 7 days (first): holds it until 2026-11-27 03:10Z
          keep_last = 1: holds it
          orphans = keep-last: i-071bb54d8d101b5b9 is there
lineage   1 point; around this one:
  > 2026-11-20 03:10Z  complete  stays: daily until 2026-11-27 03:10Z; keep_last

in the way of deleting it
  what uses the image was not asked; lifted by the run that would deregister
    it, which asks

to restore it: launch an instance of the image
  aws ec2 run-instances --region ap-northeast-2 --image-id ami-07de4eb0c26f3f89e /
    --instance-type <type> --subnet-id <subnet>

"#]]
    );
}

/// Images that others made, each family kept for a week.
const ADOPTED: &str = r#"
version = 1
[[policy]]
name = "taken-over"
kind = "images"
regions = ["eu-west-1"]
select = { resource = "image", tags = { Family = "*" } }
family_tag = "Family"
adopt = { tags = { Family = "*" } }
retention = { daily = "7 days" }
"#;

#[test]
fn an_image_whose_name_would_steer_the_terminal_is_shown_with_its_snapshots() {
    let now = "2026-11-20T03:10:00Z".parse().unwrap();
    let config = parse(&[("adopted.toml".to_owned(), ADOPTED.to_owned())]).unwrap();
    let mut inventory = Sandbox::demo(now).inventory();
    let region: Region = "eu-west-1".parse().unwrap();
    let observed = inventory.regions.get_mut(&region).unwrap();
    let backing = Snapshot { tags: Tags::default(), ..observed.snapshots[0].clone() };
    observed.snapshots[0] = backing.clone();
    for (days, id) in [(60, "ami-00000001"), (1, "ami-00000002")] {
        let mut image = Image::plain(id.parse().unwrap(), "web \u{1b}[31m");
        image.created_at = Some(now - TimeDelta::days(days));
        image.tags = [("Family", "web \u{1b}[31m")].into_iter().collect();
        if days == 60 {
            image.snapshot_ids = vec![backing.id];
        }
        let uses = ImageUse { shared_with: Some(Vec::new()), is_complete: true, used_by: vec![] };
        observed.image_uses.insert(image.id, uses);
        observed.images.push(image);
    }
    let request = Request::at(now);
    let text = plan_text::render(&plan(&config, &inventory, &request), true);
    let id = ResourceId::from(backing.id);
    let explanation = explain(&config, &inventory, &request, None, id).unwrap();
    let explained = explain_text::render(&explanation);
    assert!(!text.contains('\u{1b}') && !explained.contains('\u{1b}'), "{text}{explained}");
    for part in [
        "delete 1 image and 1 snapshot, ",
        "   family:web \\u{1b}[31m\n",
        "ami-00000001 with 1 snapshot ",
        "tag 1 snapshot of images that are deregistered",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert!(explained.contains("made by others; backs ami-00000001"), "{explained}");
    assert!(explained.contains("verdict   goes: "), "{explained}");
}
