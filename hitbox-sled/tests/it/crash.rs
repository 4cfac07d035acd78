//! A process that writes is killed at a random moment, many times over; what it leaves behind is
//! opened and checked.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use bytes::Bytes;
use chrono::{TimeDelta, Utc};
use hitbox_backend::Backend;
use hitbox_core::{CacheKey, CacheValue, Raw, Stamp};
use hitbox_sled::{SledBackend, SledBackendBuilder};

const ROUNDS: usize = 100;
const KEYS: u64 = 40;
const CHILD_DIRECTORY: &str = "HITBOX_SLED_CRASH_DIRECTORY";
const CHILD_START: &str = "HITBOX_SLED_CRASH_START";

fn builder(path: &Path) -> SledBackendBuilder {
    SledBackend::builder()
        .path(path)
        .cache_capacity(1 << 20)
        .flush_every(Some(Duration::from_millis(5)))
        .sweep_every(Some(Duration::from_millis(2)))
}

fn key(sequence: u64) -> CacheKey {
    CacheKey::from_pair("key", (sequence % KEYS).to_string())
}

/// Key and sequence number, repeated: what is torn, or belongs to another key, shows.
fn payload(sequence: u64) -> Vec<u8> {
    let length = 16
        + fastrand::Rng::with_seed(sequence).usize(
            ..match sequence % 10 {
                // In a file of its own, as a rule.
                0 | 3 => 100_000,
                1 | 4 => 10_000,
                _ => 2_000,
            },
        );
    let unit = [(sequence % KEYS).to_le_bytes(), sequence.to_le_bytes()].concat();
    unit.into_iter().cycle().take(length).collect()
}

fn sequence_of(payload: &[u8]) -> u64 {
    u64::from_le_bytes(payload[8..16].try_into().unwrap())
}

/// The values of every third key expire soon, so that the sweep is at work when the process is
/// killed.
fn is_short_lived(slot: u64) -> bool {
    slot.is_multiple_of(3)
}

/// Whether the value is in a file of its own, or may be.
fn is_long(sequence: u64) -> bool {
    payload(sequence).len() > 4_000
}

/// Whether a write of the key may have begun after the flush and before the next.
fn may_be_overtaken(slot: u64, flushed: u64) -> bool {
    (flushed + 1..=flushed + 10).any(|sequence| sequence % KEYS == slot)
}

#[tokio::main(flavor = "current_thread")]
async fn write_until_killed(path: &Path, start: u64) {
    let backend = builder(path).build().unwrap();
    for sequence in start.. {
        let life = if is_short_lived(sequence % KEYS) {
            TimeDelta::milliseconds(3)
        } else {
            TimeDelta::hours(1)
        };
        let value = CacheValue::loaded(Raw::from(Bytes::from(payload(sequence))), Stamp::now())
            .expires_at(Utc::now() + life);
        backend.write(&key(sequence), value).await.unwrap();
        if sequence % 10 == 9 {
            backend.flush().await.unwrap();
            println!("\nflushed {sequence}");
        }
    }
}

#[test]
fn child() {
    if let (Ok(path), Ok(start)) = (std::env::var(CHILD_DIRECTORY), std::env::var(CHILD_START)) {
        write_until_killed(Path::new(&path), start.parse().unwrap());
    }
}

fn spawn_writer(path: &Path, start: u64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::child", "--nocapture"])
        .env(CHILD_DIRECTORY, path)
        .env(CHILD_START, start.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Kills the writer after a random number of acknowledged flushes and a random moment more.
/// Returns the last sequence number it acknowledged, if any.
fn kill_at_random(mut writer: Child, random: &mut fastrand::Rng) -> Option<u64> {
    let acknowledgements = random.usize(..6);
    // Without a flush to wait for, the kill may come while the process starts or opens.
    let longest = if acknowledgements == 0 { 12_000 } else { 3_000 };
    let moment = Duration::from_micros(random.u64(..longest));
    let mut lines = BufReader::new(writer.stdout.take().unwrap()).lines();
    let mut flushed = None;
    let parse = |line: &str| line.strip_prefix("flushed ").map(|n| n.parse().unwrap());
    for _ in 0..acknowledgements {
        flushed = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| parse(&line));
    }
    let due = Instant::now() + moment;
    while Instant::now() < due {
        std::hint::spin_loop();
    }
    writer.kill().unwrap();
    writer.wait().unwrap();
    // What it acknowledged before the kill and nobody had read yet.
    lines
        .map_while(Result::ok)
        .filter_map(|line| parse(&line))
        .last()
        .or(flushed)
}

/// Whatever the kill interrupted, every expired entry is still found by the sweep.
async fn sweep_until(backend: &SledBackend, entries: u64) {
    let began = Instant::now();
    while backend.statistics().entries != entries {
        backend.sweep_now().await.unwrap();
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "{:?} instead of {entries}",
            backend.statistics()
        );
    }
}

#[tokio::test]
async fn a_killed_process_leaves_whole_values_and_everything_it_flushed() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let began = Instant::now();
    let directory = tempfile::tempdir().unwrap();
    let mut start = 0;
    let (mut found, mut set_aside) = (0, 0);
    for round in 0..ROUNDS {
        let flushed = kill_at_random(spawn_writer(directory.path(), start), &mut random);
        let backend = builder(directory.path()).sweep_every(None).build().unwrap();
        let lost = backend.recovered_from().is_some();
        set_aside += usize::from(lost);
        // A later write of a key than its last flushed one may have reached the disk too.
        let mut expected: HashMap<u64, u64> = HashMap::new();
        if let Some(flushed) = flushed.filter(|_| !lost) {
            for sequence in start..=flushed {
                expected.insert(sequence % KEYS, sequence);
            }
        }
        let mut long_lived = 0;
        for slot in 0..KEYS {
            let at_least = expected.get(&slot);
            let Some(value) = backend.read(&key(slot)).await.unwrap() else {
                let overtaken = flushed.is_some_and(|flushed| may_be_overtaken(slot, flushed));
                assert!(
                    at_least.is_none_or(|at_least| overtaken && is_long(*at_least))
                        || is_short_lived(slot),
                    "round {round}, key {slot}: flushed and gone"
                );
                continue;
            };
            let stored = &value.data().payload().unwrap()[..];
            let sequence = sequence_of(stored);
            assert_eq!(stored, payload(sequence), "round {round}, key {slot}: torn");
            assert_eq!(sequence % KEYS, slot, "round {round}: another key's value");
            assert!(at_least.is_none_or(|at_least| sequence >= *at_least));
            start = start.max(sequence + 1);
            found += 1;
            long_lived += u64::from(!is_short_lived(slot));
        }
        sweep_until(&backend, long_lived).await;
        start = start.max(flushed.map_or(start, |flushed| flushed + 1));
        backend.close().await.unwrap();
    }
    println!(
        "{found} values read, {start} written, {set_aside} directories set aside, {:?}",
        began.elapsed()
    );
    assert!(found > ROUNDS);
}

const REPLACER_DIRECTORY: &str = "HITBOX_SLED_CRASH_REPLACER_DIRECTORY";

/// Lengths of values, before and after. After none the key is removed.
const REPLACED: [(usize, Option<usize>); 7] = [
    (20_000, Some(20_000)),
    (20_000, Some(30_000)),
    (20_000, Some(10)),
    (20_000, None),
    (10, Some(20_000)),
    (10, Some(10)),
    (10, None),
];

fn never_flushed(path: &Path) -> SledBackend {
    let builder = SledBackend::builder().path(path);
    builder.flush_every(None).sweep_every(None).build().unwrap()
}

#[tokio::main(flavor = "current_thread")]
async fn replace_and_wait(path: &Path) {
    let backend = never_flushed(path);
    let value = |byte: u8, length| {
        CacheValue::loaded(Raw::from(Bytes::from(vec![byte; length])), Stamp::now())
    };
    for (number, (before, _)) in (0..).zip(REPLACED) {
        backend.write(&key(number), value(1, before)).await.unwrap();
    }
    backend.flush().await.unwrap();
    for (number, (_, after)) in (0..).zip(REPLACED) {
        match after {
            Some(after) => backend.write(&key(number), value(2, after)).await.unwrap(),
            None => drop(backend.remove(&key(number)).await.unwrap()),
        }
    }
    println!("\nreplaced");
    std::thread::sleep(Duration::from_secs(60));
}

#[test]
fn replacer() {
    if let Ok(path) = std::env::var(REPLACER_DIRECTORY) {
        replace_and_wait(Path::new(&path));
    }
}

/// A short one does, if nothing has been flushed since: `flush_every` says so.
#[tokio::test]
async fn a_long_value_that_was_replaced_or_removed_does_not_come_back_after_a_kill() {
    let directory = tempfile::tempdir().unwrap();
    let mut replacer = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::replacer", "--nocapture"])
        .env(REPLACER_DIRECTORY, directory.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let said = BufReader::new(replacer.stdout.take().unwrap()).lines();
    let done = said.map_while(Result::ok).any(|line| line == "replaced");
    assert!(done, "the process ended early");
    replacer.kill().unwrap();
    replacer.wait().unwrap();

    let backend = never_flushed(directory.path());
    assert_eq!(backend.recovered_from(), None);
    let mut came_back = Vec::new();
    for (number, lengths) in (0..).zip(REPLACED) {
        let found = backend.read(&key(number)).await.unwrap();
        if found.is_some_and(|value| value.data().payload().unwrap()[0] == 1) {
            came_back.push(lengths);
        }
    }
    assert_eq!(came_back, [(10, Some(20_000)), (10, Some(10)), (10, None)]);
    // It works on.
    let value = CacheValue::loaded(Raw::from(Bytes::from(vec![3; 20_000])), Stamp::now());
    backend.write(&key(0), value.clone()).await.unwrap();
    assert_eq!(backend.read(&key(0)).await.unwrap(), Some(value));
}
