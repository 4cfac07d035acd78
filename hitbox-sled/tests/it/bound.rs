//! The bound on live bytes, and what leaves first.

use chrono::{TimeDelta, Utc};
use hitbox_backend::Backend;
use hitbox_core::{CacheKey, CacheValue, Raw, Stamp};
use hitbox_sled::{SledBackend, Statistics};
use tempfile::TempDir;

const MAX_BYTES: u64 = 200_000;

fn open(directory: &TempDir) -> SledBackend {
    SledBackend::builder()
        .path(directory.path())
        .max_bytes(MAX_BYTES)
        .sweep_every(None)
        .build()
        .unwrap()
}

fn key(number: usize) -> CacheKey {
    CacheKey::from_pair("key", number.to_string())
}

fn value(length: usize, seconds: Option<i64>) -> CacheValue<Raw> {
    let expire = seconds.map(|seconds| Utc::now() + TimeDelta::seconds(seconds));
    CacheValue::from_parts(Raw::from(vec![0; length]), expire, None, Stamp::now())
}

/// How many entries can be read.
async fn counted(backend: &SledBackend, keys: usize) -> u64 {
    let mut entries = 0;
    for number in 0..keys {
        entries += u64::from(backend.read(&key(number)).await.unwrap().is_some());
    }
    entries
}

fn said(statistics: &Statistics) -> (u64, u64) {
    (statistics.entries, statistics.bytes)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_writes_stay_under_the_bound() {
    const TASKS: usize = 8;
    const LARGEST: usize = 8_000;
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let directory = tempfile::tempdir().unwrap();
    let backend = open(&directory);
    // Every task may have one write on its way that has not evicted yet.
    let slack = TASKS as u64 * (LARGEST as u64 + 8_000);
    let tasks: Vec<_> = (0..TASKS as u64)
        .map(|task| {
            let backend = backend.clone();
            tokio::spawn(async move {
                let mut random = fastrand::Rng::with_seed(seed.wrapping_add(task));
                for _ in 0..1_000 {
                    let key = key(random.usize(..300));
                    let seconds = random.bool().then(|| random.i64(60..1_000));
                    let length = random.usize(..=LARGEST);
                    match random.u8(..10) {
                        0 => drop(backend.remove(&key).await.unwrap()),
                        _ => backend.write(&key, value(length, seconds)).await.unwrap(),
                    }
                    assert!(backend.statistics().bytes <= MAX_BYTES + slack);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let statistics = backend.statistics();
    assert!(statistics.bytes <= MAX_BYTES);
    assert!(statistics.evicted_by_bound > 0);
    assert_eq!(statistics.entries, counted(&backend, 300).await);

    // Counted anew from the disk, it is the same.
    backend.close().await.unwrap();
    let backend = open(&directory);
    assert_eq!(said(&backend.statistics()), said(&statistics));
}

#[tokio::test]
async fn what_expires_first_leaves_first_and_what_never_expires_last() {
    let directory = tempfile::tempdir().unwrap();
    let backend = open(&directory);
    let lives = [None, Some(300), Some(100), None, Some(200)];
    for (number, seconds) in lives.into_iter().enumerate() {
        backend
            .write(&key(number), value(35_000, seconds))
            .await
            .unwrap();
    }
    for (more, leaves) in [2, 4, 1, 0, 3].into_iter().enumerate() {
        assert!(backend.read(&key(leaves)).await.unwrap().is_some());
        backend
            .write(&key(100 + more), value(35_000, None))
            .await
            .unwrap();
        assert!(backend.read(&key(leaves)).await.unwrap().is_none());
        assert_eq!(backend.statistics().entries, 5);
    }
    assert_eq!(backend.statistics().evicted_by_bound, 5);
}

#[tokio::test]
async fn a_lower_bound_takes_effect_at_open() {
    let directory = tempfile::tempdir().unwrap();
    let backend = open(&directory);
    for number in 0..90 {
        backend.write(&key(number), value(900, None)).await.unwrap();
    }
    backend.close().await.unwrap();
    let backend = SledBackend::builder()
        .path(directory.path())
        .max_bytes(20_000)
        .build()
        .unwrap();
    let (entries, bytes) = said(&backend.statistics());
    assert!(bytes <= 20_000 && entries >= 9);
    assert!(backend.read(&key(89)).await.unwrap().is_some());
}
