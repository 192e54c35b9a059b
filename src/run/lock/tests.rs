use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use futures_util::future::{Either, select};
use tempfile::TempDir;

use super::{Locks, file_name};
use crate::execute::Stop;

/// What was told.
type Told = Arc<Mutex<Vec<String>>>;

fn locks(dirs: &[PathBuf]) -> (Locks, Told) {
    let told = Told::default();
    let names = vec!["snapkeep-a.lock".to_owned(), "snapkeep-b.lock".to_owned()];
    let ear = Arc::clone(&told);
    let tell = Arc::new(move |what: &str| ear.lock().unwrap().push(what.to_owned()));
    (Locks { names, dirs: dirs.to_vec(), tell, ..Locks::none() }, told)
}

fn is_free(dir: &TempDir, name: &str) -> bool {
    let file = File::open(dir.path().join(name)).unwrap();
    let is_free = file.try_lock().is_ok();
    // A process that another test starts may have the file, too, when it is closed here.
    file.unlock().unwrap();
    is_free
}

#[tokio::test]
async fn every_owner_is_locked_until_the_last_guard_is_dropped() {
    let dir = TempDir::new().unwrap();
    let (locks, told) = locks(&[dir.path().to_owned()]);
    let (_sender, stop) = Stop::new();
    let first = locks.take(&stop).await;
    let second = locks.take(&stop).await;
    drop(first);
    assert!(!is_free(&dir, "snapkeep-a.lock") && !is_free(&dir, "snapkeep-b.lock"));
    let signed = fs::read_to_string(dir.path().join("snapkeep-b.lock")).unwrap();
    assert_eq!(signed, format!("{}\n", std::process::id()));
    drop(second);
    assert!(is_free(&dir, "snapkeep-a.lock") && is_free(&dir, "snapkeep-b.lock"));
    assert_eq!(*told.lock().unwrap(), [""; 0]);
}

#[tokio::test]
async fn whoever_comes_second_is_told_whom_it_waits_for_and_may_give_up() {
    let dir = TempDir::new().unwrap();
    let (_sender, never) = Stop::new();
    let (held, _) = locks(&[dir.path().to_owned()]);
    let guard = held.take(&never).await.unwrap();

    let (waits, told) = locks(&[dir.path().to_owned()]);
    let (sender, stop) = Stop::new();
    let taking = Box::pin(waits.take(&stop));
    let Either::Right(((), taking)) = select(taking, Box::pin(tokio::task::yield_now())).await
    else {
        panic!("it was locked twice");
    };
    let path = dir.path().join("snapkeep-a.lock");
    let expected =
        format!("waiting for process {}, which has locked {}", std::process::id(), path.display());
    assert_eq!(*told.lock().unwrap(), [expected]);
    sender.send(true).unwrap();
    assert!(taking.await.is_none());

    // Whoever gave up leaves nothing behind.
    assert!(!guard.has_waited());
    drop(guard);
    assert!(!waits.take(&never).await.unwrap().has_waited());
}

#[tokio::test]
async fn whoever_has_waited_knows_that_time_has_passed() {
    let dir = TempDir::new().unwrap();
    let (_sender, stop) = Stop::new();
    let other = File::create(dir.path().join("snapkeep-b.lock")).unwrap();
    other.lock().unwrap();
    let (locks, told) = locks(&[dir.path().to_owned()]);
    let taking = Box::pin(locks.take(&stop));
    let Either::Right(((), taking)) = select(taking, Box::pin(tokio::task::yield_now())).await
    else {
        panic!("it was locked twice");
    };
    drop(other);
    assert!(taking.await.unwrap().has_waited());
    let told = told.lock().unwrap();
    assert!(told[0].starts_with("waiting for another process, which has locked "), "{told:?}");
}

#[tokio::test]
async fn the_first_directory_that_can_be_written_is_taken_and_none_is_only_a_warning() {
    let dir = TempDir::new().unwrap();
    let missing = dir.path().join("missing");
    let (_sender, stop) = Stop::new();
    let (second, told) = locks(&[missing.clone(), dir.path().to_owned()]);
    let guard = second.take(&stop).await;
    assert!(guard.is_some() && !is_free(&dir, "snapkeep-a.lock"));
    assert_eq!(*told.lock().unwrap(), [""; 0]);

    let (nowhere, told) = locks(&[missing]);
    drop(nowhere.take(&stop).await.unwrap());
    drop(nowhere.take(&stop).await.unwrap());
    let told = told.lock().unwrap();
    assert_eq!(told.len(), 1);
    assert!(told[0].starts_with("warning: there is no lock file snapkeep-a.lock: "), "{told:?}");
}

#[tokio::test]
async fn a_link_in_the_place_of_a_lock_is_not_followed() {
    let dir = TempDir::new().unwrap();
    let victim = dir.path().join("victim");
    fs::write(&victim, "precious").unwrap();
    std::os::unix::fs::symlink(&victim, dir.path().join("snapkeep-a.lock")).unwrap();
    let (locks, told) = locks(&[dir.path().to_owned()]);
    let (_sender, stop) = Stop::new();
    drop(locks.take(&stop).await.unwrap());
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    assert_eq!(told.lock().unwrap().len(), 1);
}

#[test]
fn names_of_files_are_safe_and_differ() {
    let long = "ä".repeat(128);
    for (owner, expected) in [
        ("main", "snapkeep-main.lock"),
        ("../a b", "snapkeep-..%2fa%20b.lock"),
        ("team/x", "snapkeep-team%2fx.lock"),
    ] {
        assert_eq!(file_name(owner), expected);
    }
    assert!(file_name(&long).len() < 255);
    assert_ne!(file_name(&long), file_name(&format!("{long}x")));
}
