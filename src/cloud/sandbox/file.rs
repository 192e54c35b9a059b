//! A sandbox that outlives its process, in one readable JSON file.
//!
//! Two processes with one file do not see each other: the last one to save wins.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::cloud::sandbox::Sandbox;
use crate::cloud::sandbox::chance::SplitMix64;
use crate::cloud::sandbox::ids::Ids;
use crate::cloud::sandbox::state::State;
use crate::domain::region::Region;

mod region;

use region::RegionShape;

const FORMAT: &str = "snapkeep.sandbox/1";

/// A sandbox's file that cannot be used. It is left as it is.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// It could not be read.
    #[error("cannot read the sandbox `{}`", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not what snapkeep writes.
    #[error("the sandbox `{}` is malformed: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and where.
        reason: String,
    },
    /// It could not be written.
    #[error("cannot write the sandbox `{}`", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Sandbox {
    /// Opens the sandbox in the file `path`; without one, writes the demonstration account there.
    ///
    /// Its clock shows the saved time or `now`, whichever is later.
    pub fn open(path: &Path, now: DateTime<Utc>) -> Result<Self, SandboxError> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(err) if err.kind() == io::ErrorKind::NotFound => {
                let sandbox = Self { path: Some(path.to_owned()), ..Self::demo(now) };
                sandbox.save()?;
                return Ok(sandbox);
            }
            Err(source) => return Err(SandboxError::Unreadable { path: path.to_owned(), source }),
        };
        let malformed = |reason| SandboxError::Malformed { path: path.to_owned(), reason };
        let shape: SandboxShape<'_> =
            serde_json::from_str(&text).map_err(|err| malformed(err.to_string()))?;
        let sandbox = shape.into_sandbox(now).map_err(malformed)?;
        Ok(Self { path: Some(path.to_owned()), ..sandbox })
    }

    /// Writes the sandbox to its file, whole or not at all. Without a file it does nothing.
    ///
    /// Settings, faults and counts of calls belong to the process and are not saved.
    pub fn save(&self) -> Result<(), SandboxError> {
        let Some(path) = &self.path else { return Ok(()) };
        let now = self.time.now();
        let mut state = self.lock();
        state.regions.values_mut().for_each(|region| region.settle(now));
        let text = serde_json::to_vec_pretty(&SandboxShape::of(&state, now));
        drop(state);
        let res = text.map_err(io::Error::from).and_then(|text| replace(path, &text));
        res.map_err(|source| SandboxError::Unwritable { path: path.clone(), source })
    }
}

/// Puts a new file in the place of an old one; a crash leaves either.
fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // In the same directory: a rename is atomic only within one file system.
    let temporary = path.with_file_name(format!(".{name}.{}.tmp", std::process::id()));
    let write = || {
        let mut file = File::create(&temporary)?;
        file.write_all(text)?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    write().inspect_err(|_| {
        // The first error is the one to tell.
        let _ = fs::remove_file(&temporary);
    })
}

#[derive(Serialize, Deserialize)]
struct SandboxShape<'a> {
    format: String,
    clock: DateTime<Utc>,
    account: String,
    /// Where the streams of ids stand: instances, volumes, snapshots, images.
    ids: [u64; 4],
    regions: BTreeMap<Region, RegionShape<'a>>,
}

impl<'a> SandboxShape<'a> {
    fn of(state: &'a State, clock: DateTime<Utc>) -> Self {
        let Ids { instances, volumes, snapshots, images } = &state.ids;
        let regions = state.regions.iter();
        Self {
            format: FORMAT.to_owned(),
            clock,
            account: state.account.as_ref().to_owned(),
            ids: [instances.0, volumes.0, snapshots.0, images.0],
            regions: regions.map(|(region, state)| (*region, state.into())).collect(),
        }
    }

    fn into_sandbox(self, now: DateTime<Utc>) -> Result<Sandbox, String> {
        if self.format != FORMAT {
            return Err(format!("its format is `{}`, not `{FORMAT}`", self.format));
        }
        let sandbox = Sandbox::new(self.clock.max(now));
        let [instances, volumes, snapshots, images] = self.ids.map(SplitMix64);
        {
            let mut state = sandbox.lock();
            state.account = self.account.into();
            state.ids = Ids { instances, volumes, snapshots, images };
        }
        for (region, shape) in self.regions {
            let state = shape.into_state().map_err(|reason| format!("{region}: {reason}"))?;
            sandbox.lock().regions.insert(region, state);
        }
        Ok(sandbox)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use chrono::{DateTime, TimeDelta, Utc};

    use super::{Region, Sandbox};
    use crate::cloud::sandbox::tests::{DATA, image_request, sandbox};
    use crate::cloud::{Cloud as _, CopyImage, CreateImage};
    use crate::domain::ids::{InstanceId, SnapshotId};

    fn now() -> DateTime<Utc> {
        "2026-11-20T09:30:00Z".parse().unwrap()
    }

    #[test]
    fn a_sandbox_reads_back_as_it_was_saved() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sandbox.json");
        let made = Sandbox::open(&path, now()).unwrap();
        let region = "eu-west-1".parse().unwrap();
        made.add_region(&region);
        let id = made.new_snapshot_id();
        made.time().advance_to(now() + TimeDelta::hours(1));
        made.save().unwrap();

        let read = Sandbox::open(&path, now()).unwrap();
        assert_eq!(read.time().now(), now() + TimeDelta::hours(1));
        assert_eq!(format!("{:?}", read.inventory()), format!("{:?}", made.inventory()));
        assert_ne!(read.new_snapshot_id(), id);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no temporary file is left");

        let later = Sandbox::open(&path, now() + TimeDelta::days(1)).unwrap();
        assert_eq!(later.time().now(), now() + TimeDelta::days(1));
    }

    #[tokio::test]
    async fn what_is_under_way_goes_on_after_reading() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sandbox.json");
        let here: Region = "eu-west-1".parse().unwrap();
        let there: Region = "us-east-1".parse().unwrap();
        let made = Sandbox { path: Some(path.clone()), ..sandbox() };
        made.add_region(&there);
        let key = made.add_key(&there, "alias/k", true, true);
        made.set_encryption_by_default(&there, true);
        made.set_default_key(&there, Some(&key));
        made.encrypt_volume_with(&here, DATA.parse().unwrap(), "arn:of-volume");
        let request = CreateImage { no_reboot: false, ..image_request() };
        let image_id = made.create_image(&here, &request).await.unwrap();
        made.time().advance_to(made.time().now() + TimeDelta::minutes(5));
        let request = CopyImage {
            source_region: here,
            source_image_id: image_id,
            name: "copy".to_owned(),
            description: String::new(),
            encrypted: true,
            kms_key_id: None,
            completion_minutes: None,
            client_token: "token".to_owned(),
            image_tags: vec![],
            snapshot_tags: vec![],
        };
        let copy_id = made.copy_image(&there, &request).await.unwrap();
        made.share(&here, image_id.into(), "000000000001");
        made.add_launch_template(&here, "lt-1", image_id);
        made.add_ssm_parameter(&here, "/golden", image_id);
        made.save().unwrap();

        let read = Sandbox::open(&path, now() - TimeDelta::days(9)).unwrap();
        let same = |one: &Sandbox, other: &Sandbox| {
            assert_eq!(format!("{:?}", one.inventory()), format!("{:?}", other.inventory()));
        };
        same(&read, &made);
        for sandbox in [&read, &made] {
            assert_eq!(sandbox.copy_image(&there, &request).await.unwrap(), copy_id);
            sandbox.time().advance_to(now() + TimeDelta::days(1));
            let snapshot_ids = sandbox.inventory().regions[&there].images[0].snapshot_ids.clone();
            assert_eq!(snapshot_ids.len(), 2);
            let is_full = |id: &SnapshotId| sandbox.is_full_copy(&there, *id) == Some(true);
            assert!(snapshot_ids.iter().all(is_full));
            let references = sandbox.describe_image_references(&here, &[image_id], None).await;
            assert_eq!(references.unwrap().items.len(), 2);
            assert_eq!(sandbox.shared_with(&here, image_id.into()), ["000000000001"]);
            assert_eq!(sandbox.n_reboots(request_instance()), 1);
            let encryption = sandbox.ebs_encryption(&there).await.unwrap();
            assert_eq!((encryption.is_by_default, &*encryption.kms_key_id), (true, &*key));
            let again = CopyImage {
                name: "again".to_owned(),
                client_token: "again".to_owned(),
                ..request.clone()
            };
            sandbox.copy_image(&there, &again).await.unwrap();
            let found = sandbox.inventory().regions.remove(&there).unwrap().snapshots;
            let n_full = found.iter().filter(|s| is_full(&s.id)).count();
            assert_eq!((found.len(), n_full), (4, 2));
        }
        same(&read, &made);
    }

    fn request_instance() -> InstanceId {
        image_request().instance_id
    }

    #[test]
    fn a_file_of_before_there_were_copies_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sandbox.json");
        fs::write(
            &path,
            r#"{ "format": "snapkeep.sandbox/1", "clock": "2026-11-20T09:30:00Z",
                 "account": "123456789012", "ids": [1, 2, 3, 4], "regions": { "eu-west-1": {
                    "Reservations": [], "Volumes": [], "Snapshots": [
                        { "SnapshotId": "snap-00000001", "State": "completed",
                          "StartTime": "2026-11-20T03:00:00Z" } ],
                    "Images": [ { "ImageId": "ami-00000001", "Name": "golden", "State": "available",
                        "BlockDeviceMappings": [ { "Ebs": { "SnapshotId": "snap-00000001" } } ],
                        "Tags": [] } ] } } }"#,
        )
        .unwrap();
        let inventory = Sandbox::open(&path, now()).unwrap().inventory();
        let found = &inventory.regions[&"eu-west-1".parse().unwrap()];
        assert_eq!((found.snapshots.len(), found.images.len()), (1, 1));
        assert_eq!(found.images[0].snapshot_ids, [found.snapshots[0].id]);
    }

    #[test]
    fn a_malformed_file_is_named_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sandbox.json");
        Sandbox::open(&path, now()).unwrap();
        let good = fs::read_to_string(&path).unwrap();
        for (text, expected) in [
            (good[..good.len() / 2].to_owned(), "EOF while parsing"),
            (good.replace("sandbox/1", "sandbox/9"), "its format is `snapkeep.sandbox/9`"),
            (
                good.replacen("\"VolumeId\": \"vol-", "\"VolumeId\": \"xyz-", 1),
                "is not a volume id",
            ),
            (String::new(), "EOF while parsing a value at line 1 column 0"),
        ] {
            fs::write(&path, &text).unwrap();
            let err = Sandbox::open(&path, now()).unwrap_err().to_string();
            assert!(err.contains("sandbox.json` is malformed") && err.contains(expected), "{err}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }

    #[test]
    fn a_file_that_cannot_be_written_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let err = Sandbox::open(&dir.path().join("missing/sandbox.json"), now()).unwrap_err();
        assert!(err.to_string().starts_with("cannot write the sandbox"), "{err}");
    }
}
