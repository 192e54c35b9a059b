//! Dry runs: the call itself with `DryRun`, and what its errors mean.

use super::replay::{Answer, Replay, pairs, region};
use crate::cloud::{
    Cloud as _, CopyImage, CopySnapshot, CreateImage, CreateSnapshot, CreateSnapshots, ErrorKind,
    Probe,
};

fn allowed() -> Answer {
    Answer::file(412, "error_dry_run.xml")
}

fn probes() -> Vec<Probe> {
    let tags = pairs(&[("snapkeep:policy", "web")]);
    let text = |text: &str| text.to_owned();
    let instance_id = "i-1234567890abcdef0".parse().unwrap();
    let (image, snapshot) = ("ami-0abcdef1234567890", "snap-0123456789abcdef0");
    let source_region = "us-east-1".parse().unwrap();
    vec![
        Probe::CreateSnapshots(CreateSnapshots {
            instance_id,
            exclude_boot_volume: false,
            exclude_data_volume_ids: Vec::new(),
            description: text("d"),
            tags: tags.clone(),
            copy_tags_from_volume: true,
        }),
        Probe::CreateSnapshot(CreateSnapshot {
            volume_id: "vol-1234567890abcdef0".parse().unwrap(),
            description: text("d"),
            tags: tags.clone(),
        }),
        Probe::CreateImage(CreateImage {
            instance_id,
            name: text("web"),
            description: text("d"),
            no_reboot: true,
            left_out_devices: Vec::new(),
            image_tags: tags.clone(),
            snapshot_tags: tags.clone(),
        }),
        Probe::CopySnapshot(CopySnapshot {
            source_region,
            source_snapshot_id: snapshot.parse().unwrap(),
            is_source_encrypted: true,
            description: text("d"),
            encrypted: true,
            kms_key_id: None,
            completion_minutes: None,
            tags: tags.clone(),
        }),
        Probe::CopyImage(CopyImage {
            source_region,
            source_image_id: image.parse().unwrap(),
            name: text("web"),
            description: text("d"),
            encrypted: false,
            kms_key_id: None,
            completion_minutes: None,
            client_token: text("t"),
            image_tags: tags.clone(),
            snapshot_tags: tags,
        }),
        Probe::DeleteSnapshot(snapshot.parse().unwrap()),
        Probe::DeregisterImage(image.parse().unwrap()),
        Probe::CreateTags(snapshot.parse().unwrap()),
        Probe::ModifyPermissions(snapshot.parse().unwrap()),
        Probe::ModifyPermissions(image.parse().unwrap()),
        Probe::EnableImageDeprecation(image.parse().unwrap()),
    ]
}

#[tokio::test]
async fn every_probe_is_its_call_with_dry_run() {
    for probe in probes() {
        let replay = Replay::new([allowed()]);
        replay.cloud().await.dry_run(&region(), &probe).await.unwrap();
        let sent = replay.only_request();
        let lines: Vec<_> = sent.lines().collect();
        assert_eq!(lines[0], "https://ec2.ap-northeast-2.amazonaws.com/");
        assert_eq!(lines[1], format!("Action={}", probe.operation()));
        assert!(lines.contains(&"DryRun=true"), "{sent}");
    }
}

#[tokio::test]
async fn what_is_denied_is_the_error_of_the_call() {
    for probe in probes() {
        let replay = Replay::new([Answer::file(403, "error_denied.xml")]);
        let err = replay.cloud().await.dry_run(&region(), &probe).await.unwrap_err();
        assert_eq!((err.kind, err.operation), (ErrorKind::Denied, probe.operation()));
    }
}

#[tokio::test]
async fn a_dry_run_that_seems_to_be_done_is_an_error() {
    let replay = Replay::new([Answer::file(200, "deregister_image.xml")]);
    let probe = Probe::DeregisterImage("ami-0abcdef1234567890".parse().unwrap());
    let err = replay.cloud().await.dry_run(&region(), &probe).await.unwrap_err();
    assert_eq!((err.kind, &*err.code), (ErrorKind::Ambiguous, "UnreadableReply"));
}

#[tokio::test]
async fn a_probe_changes_nothing_should_a_server_not_know_dry_runs() {
    for (id, expected) in [
        ("snap-0123456789abcdef0", "CreateVolumePermission.Remove.1.UserId=111122223333"),
        ("ami-0abcdef1234567890", "LaunchPermission.Remove.1.UserId=111122223333"),
    ] {
        let replay = Replay::new([allowed()]);
        let probe = Probe::ModifyPermissions(id.parse().unwrap());
        replay.cloud().await.dry_run(&region(), &probe).await.unwrap();
        let sent = replay.only_request();
        assert!(sent.contains(expected) && !sent.contains(".Add."), "{sent}");
    }
}
