//! Opening: settings that cannot work, directories that are held, damaged, failing or too large.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use chrono::{TimeDelta, Utc};
use hitbox_backend::{Backend, BackendError, BackendErrorKind, CacheKeyFormat, Operation};
use hitbox_core::{CacheKey, CacheValue, Raw, Stamp};
use hitbox_sled::{SledBackend, SledBackendBuilder};

const CHILD_DIRECTORY: &str = "HITBOX_SLED_LOCK_DIRECTORY";

fn builder(path: &Path) -> SledBackendBuilder {
    SledBackend::builder().path(path)
}

fn key(number: usize) -> CacheKey {
    CacheKey::from_pair("key", number.to_string())
}

fn value(length: usize) -> CacheValue<Raw> {
    CacheValue::loaded(Raw::from(vec![7; length]), Stamp::now())
}

fn refused(outcome: Result<SledBackend, BackendError>) -> BackendError {
    let error = outcome.unwrap_err();
    assert_eq!(error.operation(), Operation::Open);
    error
}

#[test]
fn settings_that_cannot_work_are_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let file = path.join("file");
    fs::write(&file, "").unwrap();
    let cases = [
        ("`path`", SledBackend::builder()),
        ("`path`", builder(Path::new(""))),
        ("`path`", builder(&file)),
        ("`path`", builder(&file.join("below"))),
        ("`path`", builder(Path::new("/proc/hitbox"))),
        ("`path`", builder(Path::new("a\0b"))),
        ("`path`", builder(&path.join("x".repeat(5_000)))),
        ("`max_bytes`", builder(path).max_bytes(0)),
        ("`max_bytes`", builder(path).max_bytes(500)),
        ("`cache_capacity`", builder(path).cache_capacity(0)),
        ("`cache_capacity`", builder(path).cache_capacity(255)),
        ("`label`", builder(path).label("")),
        ("`largest_value`", builder(path).largest_value(0)),
        ("`largest_decoded`", builder(path).largest_decoded(0)),
        (
            "`largest_value`",
            builder(path).max_bytes(10_000).largest_value(5_001),
        ),
        (
            "`flush_every`",
            builder(path).flush_every(Some(Duration::ZERO)),
        ),
        (
            "`sweep_every`",
            builder(path).sweep_every(Some(Duration::ZERO)),
        ),
    ];
    let never = Some(Duration::MAX);
    let soon = Some(Duration::from_nanos(1));
    let intervals = [soon, never].into_iter().flat_map(|interval| {
        [
            ("`flush_every`", builder(path).flush_every(interval)),
            ("`sweep_every`", builder(path).sweep_every(interval)),
        ]
    });
    for (setting, builder) in cases.into_iter().chain(intervals) {
        let error = refused(builder.build());
        assert_eq!(error.kind(), BackendErrorKind::InvalidConfiguration);
        assert!(error.to_string().contains(setting), "{error}");
    }
}

#[test]
fn the_extremes_of_settings_work() {
    let directory = tempfile::tempdir().unwrap();
    let day = Some(Duration::from_secs(24 * 60 * 60));
    let millisecond = Some(Duration::from_millis(1));
    for (number, builder) in [
        builder(directory.path()).max_bytes(u64::MAX),
        builder(directory.path())
            .max_bytes(u64::MAX)
            .largest_value(usize::MAX / 2),
        builder(directory.path()).max_bytes(2_000).largest_value(1),
        builder(directory.path()).cache_capacity(u64::MAX),
        builder(directory.path()).cache_capacity(256),
        builder(directory.path()).flush_every(day).sweep_every(day),
        builder(directory.path())
            .flush_every(millisecond)
            .sweep_every(millisecond),
        builder(directory.path())
            .flush_every(None)
            .sweep_every(None),
        builder(directory.path()).rebuild_above(0),
        builder(directory.path()).rebuild_above(u64::MAX),
    ]
    .into_iter()
    .enumerate()
    {
        let backend = builder.build().unwrap();
        futures::executor::block_on(backend.write(&key(0), value(1))).unwrap();
        let read = futures::executor::block_on(backend.read(&key(0))).unwrap();
        assert!(read.is_some(), "{number}");
    }
}

#[test]
fn child() {
    if let Ok(path) = std::env::var(CHILD_DIRECTORY) {
        let error = refused(builder(Path::new(&path)).build());
        println!("\nkind {:?}: {error}", error.kind());
    }
}

#[tokio::test]
async fn a_directory_that_is_held_is_refused_with_advice() {
    let directory = tempfile::tempdir().unwrap();
    let backend = builder(directory.path()).open().await.unwrap();

    let here = refused(builder(directory.path()).open().await);
    assert_eq!(here.kind(), BackendErrorKind::Unavailable);

    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "directory::child", "--nocapture"])
        .env(CHILD_DIRECTORY, directory.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(said.contains("kind Unavailable"), "{said}");
    assert!(
        said.contains("another process") && said.contains("close it"),
        "{said}"
    );

    // Free as soon as it is closed, again and again.
    backend.close().await.unwrap();
    for _ in 0..20 {
        let backend = builder(directory.path()).build().unwrap();
        backend.write(&key(0), value(10)).await.unwrap();
        drop(backend);
    }
}

#[test]
fn files_that_the_last_owner_has_not_let_go_of_are_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    drop(builder(directory.path()).build().unwrap());
    // What work of a dropped database does, in sled's thread pool.
    let held = fs::File::open(directory.path().join("data/db")).unwrap();
    held.lock().unwrap();

    let error = refused(builder(directory.path()).build());
    assert_eq!(error.kind(), BackendErrorKind::Unavailable);
    assert!(error.to_string().contains("holds this directory"));

    let opening = thread::spawn({
        let builder = builder(directory.path());
        move || builder.build()
    });
    // By then an opening that does not wait for the lock has been refused.
    thread::sleep(Duration::from_millis(100));
    assert!(!opening.is_finished());
    drop(held);
    opening.join().unwrap().unwrap();
}

#[test]
fn a_lock_that_a_starting_process_has_inherited_is_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    drop(builder(directory.path()).build().unwrap());
    let held = fs::File::open(directory.path().join("lock")).unwrap();
    held.lock().unwrap();
    let opening = thread::spawn({
        let builder = builder(directory.path());
        move || builder.build()
    });
    // By then an opening that does not wait for the lock has been refused.
    thread::sleep(Duration::from_millis(100));
    assert!(!opening.is_finished());
    drop(held);
    opening.join().unwrap().unwrap();
}

#[test]
fn a_directory_is_free_when_it_is_closed_whatever_processes_are_started() {
    let directory = tempfile::tempdir().unwrap();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                Command::new("true").status().unwrap();
            }
        });
        let outcomes: Vec<_> = (0..100)
            .map(|_| builder(directory.path()).build().map(drop))
            .collect();
        done.store(true, Ordering::Release);
        outcomes.into_iter().for_each(|outcome| outcome.unwrap());
    });
}

#[tokio::test]
async fn damaged_files_are_set_aside_and_the_last_ones_kept() {
    let directory = tempfile::tempdir().unwrap();
    let set_asides = || {
        let entries = fs::read_dir(directory.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names
            .filter(|name| name.starts_with("data.corrupt-"))
            .count()
    };
    for round in 0..3 {
        let backend = builder(directory.path()).build().unwrap();
        assert_eq!(backend.recovered_from(), None);
        backend.write(&key(round), value(1_000)).await.unwrap();
        backend.close().await.unwrap();
        fs::write(directory.path().join("data/conf"), [0xff; 100]).unwrap();

        let backend = builder(directory.path()).build().unwrap();
        let set_aside = backend.recovered_from().unwrap();
        assert!(set_aside.join("db").exists());
        assert_eq!(set_asides(), 1);
        assert_eq!(backend.statistics().entries, 0);
        backend.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_rebuild_gives_back_room_and_keeps_what_is_live() {
    const ENTRIES: usize = 3_000;
    let directory = tempfile::tempdir().unwrap();
    let backend = builder(directory.path()).build().unwrap();
    // Short ones in sled's log, long ones in files of their own.
    let length = |number: usize| {
        if number.is_multiple_of(2) {
            2_000
        } else {
            20_000
        }
    };
    for number in 0..ENTRIES {
        let value = value(length(number));
        backend.write(&key(number), value).await.unwrap();
    }
    let expiring = CacheValue::loaded(Raw::from(vec![1]), Stamp::now())
        .expires_at(Utc::now() + TimeDelta::milliseconds(1));
    backend.write(&key(ENTRIES), expiring).await.unwrap();
    for number in 10..ENTRIES {
        backend.remove(&key(number)).await.unwrap();
    }
    backend.flush().await.unwrap();
    let before = backend.size_on_disk().await.unwrap();
    backend.close().await.unwrap();

    let backend = builder(directory.path())
        .rebuild_above(before / 2)
        .build()
        .unwrap();
    let after = backend.size_on_disk().await.unwrap();
    assert!(after < before / 2, "{before} bytes before, {after} after");
    for number in 0..ENTRIES {
        let found = backend.read(&key(number)).await.unwrap();
        let expected = (number < 10).then(|| length(number));
        assert_eq!(
            found.map(|value| value.data().payload().unwrap().len()),
            expected
        );
    }
    backend.close().await.unwrap();

    // A crash between the two renames leaves the old files under another name.
    fs::rename(
        directory.path().join("data"),
        directory.path().join("data.replaced"),
    )
    .unwrap();
    fs::create_dir(directory.path().join("data.rebuilt")).unwrap();
    let backend = builder(directory.path()).build().unwrap();
    assert_eq!(backend.statistics().entries, 10);
    assert!(!directory.path().join("data.rebuilt").exists());
    assert!(!directory.path().join("data.replaced").exists());
}

#[tokio::test]
async fn clear_keeps_to_its_namespace() {
    let directory = tempfile::tempdir().unwrap();
    let app = |name: &str| builder(directory.path()).key_format(CacheKeyFormat::namespaced(name));
    for name in ["one", "two"] {
        let backend = app(name).build().unwrap();
        backend.write(&key(0), value(10)).await.unwrap();
        backend.close().await.unwrap();
    }
    let backend = app("one").build().unwrap();
    assert_eq!(backend.clear().await.unwrap(), 1);
    assert_eq!(backend.read(&key(0)).await.unwrap(), None);
    assert_eq!(backend.statistics().entries, 1);
}

const FULL_DIRECTORY: &str = "HITBOX_SLED_FULL_DIRECTORY";

#[test]
fn child_on_a_full_disk() {
    let Ok(path) = std::env::var(FULL_DIRECTORY) else {
        return;
    };
    let settings = || {
        builder(Path::new(&path))
            .flush_every(None)
            .sweep_every(None)
    };
    let backend = settings().build().unwrap();
    let full = (0..10_000)
        .map(|number| futures::executor::block_on(backend.write(&key(number), value(3_000))))
        .find_map(Result::err)
        .unwrap();
    drop(backend);
    println!("\nfull {full}");
    println!("again {}", refused(settings().build()));
}

/// Restarting is the advice that helps: nobody else has the directory.
#[cfg(unix)]
#[test]
fn a_directory_whose_disk_has_failed_is_refused_with_advice() {
    let directory = tempfile::tempdir().unwrap();
    // Writes beyond a few MiB fail, as they do on a full disk.
    let limited = "trap '' XFSZ; ulimit -f 8192; exec \"$0\" \"$@\"";
    let child = Command::new("sh")
        .args(["-c", limited])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "directory::child_on_a_full_disk", "--nocapture"])
        .env(FULL_DIRECTORY, directory.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    let line = |start| said.lines().find(|line| line.starts_with(start)).unwrap();
    assert!(line("full ").contains("unavailable"), "{said}");
    let again = line("again ");
    assert!(again.contains("restart the process"), "{again}");
    assert!(!again.contains("another process"), "{again}");

    // Nothing that was on disk is lost for the next process.
    assert_eq!(
        builder(directory.path()).build().unwrap().recovered_from(),
        None
    );
}
