//! The files of a closed database are damaged at random; opening it and reading every key gives
//! what was written, or nothing.

use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use bytes::Bytes;
use hitbox_backend::Backend;
use hitbox_core::{CacheKey, CacheValue, Raw, Stamp};
use hitbox_sled::SledBackend;

const ROUNDS: usize = 200;
const KEYS: u64 = 60;

fn key(number: u64) -> CacheKey {
    CacheKey::from_pair("key", number.to_string())
}

fn payload(number: u64, generation: u64) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(number * 31 + generation);
    // Some long enough for a file of their own.
    let length = if number % 20 == 7 {
        600_000
    } else {
        random.usize(..3_000)
    };
    let mut payload = vec![0; length];
    random.fill(&mut payload);
    payload
}

async fn write_generation(path: &Path, generation: u64) {
    let backend = SledBackend::builder().path(path).build().unwrap();
    for number in 0..KEYS {
        let raw = Raw::from(Bytes::from(payload(number, generation)));
        backend
            .write(&key(number), CacheValue::loaded(raw, Stamp::now()))
            .await
            .unwrap();
    }
    backend.close().await.unwrap();
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).unwrap();
        }
    }
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.push(entry.path());
        }
    }
    found.sort();
    found
}

fn damage(directory: &Path, random: &mut fastrand::Rng) -> String {
    let files = files(directory);
    // There are many files of long values, and one that holds everything else.
    let log = directory.join("data").join("db");
    let file = if random.bool() {
        &log
    } else {
        &files[random.usize(..files.len())]
    };
    let mut bytes = fs::read(file).unwrap();
    let length = bytes.len();
    let what = match random.u8(..5) {
        0 => {
            bytes.truncate(random.usize(..=length));
            "truncated"
        }
        1 => {
            for _ in 0..=random.usize(..20) {
                if length > 0 {
                    bytes[random.usize(..length)] ^= 1 << random.u8(..8);
                }
            }
            "bits flipped"
        }
        2 => {
            let from = random.usize(..=length);
            let to = (from + random.usize(..10_000)).min(length);
            random.fill(&mut bytes[from..to]);
            "a stretch overwritten"
        }
        3 => {
            let from = random.usize(..=length);
            let to = (from + random.usize(..10_000)).min(length);
            bytes[from..to].fill(0);
            "a stretch zeroed"
        }
        _ => {
            fs::remove_file(file).unwrap();
            return format!("{} removed", file.display());
        }
    };
    fs::write(file, bytes).unwrap();
    format!("{} {what}", file.display())
}

#[tokio::test]
async fn damaged_files_give_what_was_written_or_nothing() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let began = Instant::now();
    let pristine = tempfile::tempdir().unwrap();
    write_generation(pristine.path(), 0).await;
    write_generation(pristine.path(), 1).await;
    let (mut set_aside, mut hits, mut misses) = (0, 0, 0);
    for round in 0..ROUNDS {
        let directory = tempfile::tempdir().unwrap();
        copy(pristine.path(), directory.path());
        let what = damage(directory.path(), &mut random);
        println!("round {round}: {what}");
        let backend = SledBackend::builder()
            .path(directory.path())
            .build()
            .unwrap();
        set_aside += usize::from(backend.recovered_from().is_some());
        for number in 0..KEYS {
            match backend.read(&key(number)).await.unwrap() {
                None => misses += 1,
                Some(value) => {
                    // The older value is a whole one: losing the end of the log is not noticeable.
                    let written = HashSet::from([payload(number, 0), payload(number, 1)]);
                    assert!(
                        written.contains(&value.data().payload().unwrap()[..]),
                        "round {round}: {what}"
                    );
                    hits += 1;
                }
            }
        }
        // It works again.
        let raw = Raw::from(Bytes::from_static(b"new"));
        backend
            .write(&key(0), CacheValue::loaded(raw.clone(), Stamp::now()))
            .await
            .unwrap();
        let read = backend.read(&key(0)).await.unwrap();
        assert_eq!(read.map(CacheValue::into_inner), Some(raw), "{what}");
        backend.close().await.unwrap();
    }
    println!(
        "{hits} hits, {misses} misses, {set_aside} directories set aside, {:?}",
        began.elapsed()
    );
}

/// Where the file of a long value was, and where the files are.
fn places(directory: &Path) -> (PathBuf, PathBuf) {
    let values = directory.join("values");
    let file = files(&values).remove(0);
    let shard = file.parent().unwrap().to_owned();
    (file, shard)
}

/// One long value is gone, everything else is there, and any long value can be written.
async fn assert_one_lost(path: &Path, what: &str) {
    for round in 0..2 {
        let backend = SledBackend::builder().path(path).build().unwrap();
        assert_eq!(backend.recovered_from(), None, "{what}");
        let mut lost = 0;
        for number in 0..KEYS {
            match backend.read(&key(number)).await.unwrap() {
                Some(value) => assert_eq!(value.data().payload().unwrap()[..], payload(number, 0)),
                None => lost += 1,
            }
        }
        assert_eq!(lost, 1, "{what}, opening {round}");
        let long = Raw::from(Bytes::from(vec![1; 10_000]));
        for number in KEYS..KEYS + 130 {
            let value = CacheValue::loaded(long.clone(), Stamp::now());
            backend.write(&key(number), value).await.unwrap();
        }
        backend.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_directory_where_a_file_should_be_costs_that_entry_alone() {
    let empty: fn(&Path) = |file| fs::create_dir(file).unwrap();
    let full: fn(&Path) = |file| {
        fs::create_dir(file).unwrap();
        fs::write(file.join("whose"), "?").unwrap();
    };
    for (what, make) in [("empty", empty), ("full", full)] {
        let directory = tempfile::tempdir().unwrap();
        write_generation(directory.path(), 0).await;
        let (file, _) = places(directory.path());
        fs::remove_file(&file).unwrap();
        make(&file);
        assert_one_lost(directory.path(), what).await;
        assert_eq!(file.exists(), what == "full", "{what}");
    }
}

/// Else one long value in 64 could not be written.
#[tokio::test]
async fn a_file_where_a_directory_of_files_should_be_makes_way() {
    let directory = tempfile::tempdir().unwrap();
    write_generation(directory.path(), 0).await;
    let (_, shard) = places(directory.path());
    fs::remove_dir_all(&shard).unwrap();
    fs::write(&shard, "not a directory").unwrap();
    assert_one_lost(directory.path(), "a directory").await;
}

#[tokio::test]
async fn a_file_where_all_files_should_be_makes_way() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("values"), "not a directory").unwrap();
    write_generation(directory.path(), 0).await;
}
