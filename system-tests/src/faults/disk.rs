//! A disk that is full, and a directory that cannot be written.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, sync::Arc, time::Instant};

use hitbox_backend::{Backend, BackendErrorKind, BackendResult, Compose, OffloadManager};
use hitbox_core::{CacheValue, Raw, Stamp};
use hitbox_sled::SledBackend;
use xtask::Failure;

use super::{
    caller::{Caller, key, kind, payload},
    record::Record,
    scenario::{Outcome, Scenario},
    small_disk::SmallDisk,
    stage::{moka, sled_in},
};

/// Of the disk that gets full.
const MEGABYTES: usize = 8;

/// Each large enough that the disk is full after a few hundred.
const FILLING: usize = 50_000;

/// What is written and read after the disk has failed.
const AFTERWARDS: usize = 50;

pub(super) fn scenarios() -> Vec<Scenario> {
    vec![
        // Alone, so that a panic in a thread of sled's is known to be of this.
        Scenario::new("moka+sled: the disk gets full", |_| fills_up()).heavy(),
        Scenario::new("sled: opened on a full disk", |_| opened_on_a_full_disk()).heavy(),
        Scenario::new("sled: opened in a directory that cannot be written", |_| {
            opened_read_only()
        })
        .heavy(),
    ]
}

async fn fills_up() -> Result<Outcome, Failure> {
    let disk = match SmallDisk::mount(MEGABYTES) {
        Ok(disk) => disk,
        Err(reason) => return Ok(Outcome::NotRun(reason)),
    };
    let directory = disk.writable().join("cache");
    let sled = sled_in(&directory).open().await?;
    let offload = OffloadManager::builder().build()?;
    let composed = Arc::new(moka()?.compose(sled.clone(), offload));
    let caller = Caller::new(composed);
    caller.write("before", 1).await;
    let filled = fill(&sled, &caller).await?;

    for number in 0..AFTERWARDS {
        let name = format!("after {number}");
        caller.write(&name, 1).await;
        caller.read(&name, 1..=1).await;
    }
    caller.read("before", 1..=1).await;
    caller.read("never written", 2..=2).await;
    let hits = caller.record().how_often("hit");
    caller.record().expect(
        hits == AFTERWARDS as u64 + 1,
        "the composition goes on with moka",
    );

    let began = Instant::now();
    let closed = sled.close().await;
    let mut record = caller.into_record();
    record.took(began.elapsed());
    record.saw(format!("close: {}", told(&closed)));
    record.lost(format!(
        "sled, after {filled} values of {FILLING} bytes, until the process ends"
    ));
    read_again(&directory, filled, &mut record).await?;
    Ok(Outcome::Ran(record))
}

/// Opens what sled has left behind, where there is room for it: every value that it had confirmed is
/// there as it was written, or is not there.
async fn read_again(left: &Path, filled: usize, record: &mut Record) -> Result<(), Failure> {
    let roomy = tempfile::tempdir()?;
    let directory = roomy.path().join("cache");
    copy(left, &directory)?;
    let sled = sled_in(&directory).open().await?;
    record.expect(
        sled.recovered_from().is_none(),
        "sled opens what a full disk has left behind",
    );
    let mut expected: Vec<_> = (0..filled)
        .map(|number| (filling_name(number), noise(number)))
        .collect();
    expected.push(("before".to_owned(), payload("before", 1)));
    let mut there = 0;
    for (name, payload) in &expected {
        match sled.read(&key(name)).await {
            Ok(Some(value))
                if value
                    .data()
                    .payload()
                    .is_some_and(|stored| stored == payload) =>
            {
                there += 1;
            }
            Ok(Some(_)) => record.violation(format!("{name} is damaged")),
            Ok(None) => {}
            Err(error) => record.violation(format!("{name} cannot be read: {error}")),
        }
    }
    // A stored form that is damaged is a miss, too, or has been deleted when sled was opened.
    let statistics = sled.statistics();
    let damaged = statistics.rejections.total() + statistics.evicted_unreadable;
    record.expect(damaged == 0, "no stored form is damaged");
    record.noted(format!(
        "opened again, {there} of {} confirmed values are there, {damaged} damaged",
        expected.len(),
    ));
    // What sled had in its buffers when the disk was full is the end of its log, and no more.
    record.expect(
        2 * there > expected.len(),
        "most of what was confirmed is there",
    );
    sled.close().await?;
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

fn filling_name(number: usize) -> String {
    format!("filling {number}")
}

/// What fills the disk: the same for the same number, and nothing that could be compressed.
fn noise(number: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(number as u64);
    std::iter::repeat_with(|| random.u8(..))
        .take(FILLING)
        .collect()
}

/// Writes to sled until it fails. Returns how many values it took.
async fn fill(sled: &SledBackend, caller: &Caller) -> Result<usize, Failure> {
    let enough = 4 * (MEGABYTES << 20) / FILLING;
    for number in 0..enough {
        let value = CacheValue::loaded(Raw::from(noise(number)), Stamp::now());
        let began = Instant::now();
        let written = sled.write(&key(&filling_name(number)), value).await;
        caller.record().took(began.elapsed());
        if let Err(error) = written {
            let mut record = caller.record();
            record.saw(format!("sled's write: {}", kind(&error)));
            record.expect(
                error.kind() == BackendErrorKind::Unavailable,
                "a disk that is full is `Unavailable`",
            );
            return Ok(number);
        }
    }
    Err(format!("sled took {enough} values of {FILLING} bytes on {MEGABYTES} MB").into())
}

async fn opened_on_a_full_disk() -> Result<Outcome, Failure> {
    let disk = match SmallDisk::mount(MEGABYTES) {
        Ok(disk) => disk,
        Err(reason) => return Ok(Outcome::NotRun(reason)),
    };
    // More than there is room for: what fits is written.
    let _full = std::fs::write(
        disk.writable().join("other"),
        vec![1; (MEGABYTES + 1) << 20],
    );
    let mut record = Record::default();
    let opened = open(&disk.writable().join("cache"), &mut record).await;
    record.expect(opened.is_err(), "opening on a full disk is an error");
    Ok(Outcome::Ran(record))
}

async fn opened_read_only() -> Result<Outcome, Failure> {
    let disk = match SmallDisk::mount(MEGABYTES) {
        Ok(disk) => disk,
        Err(reason) => return without_mount(reason).await,
    };
    let directory = disk.writable().join("cache");
    let sled = sled_in(&directory).open().await?;
    sled.write(&key("kept"), super::caller::value("kept", 1))
        .await?;
    sled.close().await?;

    let mut record = Record::default();
    for name in ["new", "cache"] {
        let opened = open(&disk.read_only().join(name), &mut record).await;
        expect_named(&opened, &mut record);
    }
    // The attempt has not damaged what was there.
    let caller = Caller::new(Arc::new(sled_in(&directory).open().await?));
    caller.finds("kept", 1).await;
    record.absorb(caller.into_record());
    Ok(Outcome::Ran(record))
}

/// For those who may not mount anything, which mode bits hold back.
async fn without_mount(reason: String) -> Result<Outcome, Failure> {
    let directory = tempfile::tempdir()?;
    let mode = |mode| std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(mode));
    mode(0o555)?;
    if std::fs::write(directory.path().join("probe"), "").is_ok() {
        return Ok(Outcome::NotRun(reason));
    }
    let mut record = Record::default();
    let opened = open(&directory.path().join("cache"), &mut record).await;
    expect_named(&opened, &mut record);
    mode(0o755)?;
    Ok(Outcome::Ran(record))
}

async fn open(directory: &Path, record: &mut Record) -> BackendResult<SledBackend> {
    let began = Instant::now();
    let opened = sled_in(directory).open().await;
    record.took(began.elapsed());
    record.saw(format!("open: {}", told(&opened)));
    opened
}

fn expect_named(opened: &BackendResult<SledBackend>, record: &mut Record) {
    let named = match opened {
        Ok(_) => false,
        Err(error) => {
            error.kind() == BackendErrorKind::InvalidConfiguration
                && error.to_string().contains("`path`")
        }
    };
    record.expect(named, "the builder names the setting, `path`");
}

fn told<T>(outcome: &BackendResult<T>) -> &'static str {
    match outcome {
        Ok(_) => "ok",
        Err(error) => kind(error),
    }
}
