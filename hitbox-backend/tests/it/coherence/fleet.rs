//! Compositions on real threads and by the real clock, over links that are late and fail.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use fastrand::Rng;
use hitbox_backend::{
    Backend, BackendError, BackendErrorKind, BackendResult, CacheBackend, Compose,
    CompositionPolicy, Operation, ParallelReadPolicy, RefillPolicy, StrictWritePolicy,
    coherence::{Backplane, Coherence, Heard, LocalBackplane, Mark, PlaneId},
    conformance::MemoryBackend,
};
use hitbox_core::{BackendLabel, CacheKey, CacheValue, DisabledOffload, Stamp, clock::Tick};
use tokio::time::sleep;

const BOUND: Duration = Duration::from_millis(40);
const PROCESSES: usize = 8;
const KEYS: usize = 8;
const LASTS: Duration = Duration::from_secs(2);

/// One that is late, fails and hangs.
struct Link {
    plane: LocalBackplane,
    random: Mutex<Rng>,
}

#[async_trait]
impl Backplane for Link {
    async fn ask(&self, mark: Option<&Mark>, patience: Duration) -> BackendResult<Heard> {
        let (before, after, fails) = {
            let mut random = self.random.lock().unwrap();
            let mut late = || {
                Duration::from_millis(match random.u8(..100) {
                    0..2 => random.u64(..300),
                    2..10 => random.u64(..30),
                    _ => 0,
                })
            };
            (late(), late(), random.u8(..100) < 5)
        };
        sleep(before).await;
        let heard = self.plane.ask(mark, patience).await;
        sleep(after).await;
        if fails {
            return Err(BackendError::new(
                BackendErrorKind::Unavailable,
                Operation::Read,
                self.label(),
            ));
        }
        heard
    }

    fn id(&self) -> PlaneId {
        self.plane.id()
    }

    fn label(&self) -> BackendLabel {
        self.plane.label()
    }
}

/// What is known of a key: each version, and when it was confirmed.
#[derive(Default)]
struct Truth(Mutex<Vec<Option<Tick>>>);

impl Truth {
    fn begin(&self) -> u64 {
        let mut versions = self.0.lock().unwrap();
        versions.push(None);
        versions.len() as u64 - 1
    }

    fn confirm(&self, version: u64) {
        self.0.lock().unwrap()[version as usize] = Some(Tick::now());
    }

    /// How long before `now` the oldest later version was confirmed.
    fn staleness(&self, version: u64, now: Tick) -> Duration {
        let versions = self.0.lock().unwrap();
        let later = versions[version as usize + 1..].iter().flatten();
        later
            .map(|at| now.since(*at))
            .max()
            .unwrap_or(Duration::ZERO)
    }
}

/// One writer a key, so that versions are in the order of the store. Nor is a process given an older version than before.
#[test]
fn no_copy_is_staler_than_the_bound_on_real_threads() {
    let seed = fastrand::u64(..);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .unwrap();
    let stalest = runtime.block_on(drive(seed));
    assert!(stalest <= BOUND, "seed {seed}: {stalest:?}");
    println!("seed {seed}: the stalest was {stalest:?}");
}

async fn drive(seed: u64) -> Duration {
    let plane = LocalBackplane::new();
    let store = Arc::new(plane.announcing(MemoryBackend::new()));
    let mut random = Rng::with_seed(seed);
    let processes: Vec<Arc<dyn Backend>> = (0..PROCESSES)
        .map(|number| {
            let link = Link {
                plane: plane.clone(),
                random: Mutex::new(random.fork()),
            };
            let refill = if number % 3 == 0 {
                RefillPolicy::Never
            } else {
                RefillPolicy::Always
            };
            let policy = CompositionPolicy::new()
                .write(StrictWritePolicy::new())
                .refill(refill);
            let (l1, l2, within) = (
                MemoryBackend::new(),
                store.clone(),
                Coherence::within(BOUND),
            );
            if number % 4 == 1 {
                let policy = policy.read(ParallelReadPolicy::new());
                Arc::new(
                    l1.compose_with(l2, DisabledOffload, policy)
                        .coherent(link, within)
                        .unwrap(),
                ) as Arc<dyn Backend>
            } else {
                Arc::new(
                    l1.compose_with(l2, DisabledOffload, policy)
                        .coherent(link, within)
                        .unwrap(),
                )
            }
        })
        .collect();
    let truths: Arc<Vec<Truth>> = Arc::new((0..KEYS).map(|_| Truth::default()).collect());
    let end = Tick::now();
    let reads = Arc::new(AtomicU64::new(0));
    let mut tasks = Vec::new();
    for (number, process) in processes.into_iter().enumerate() {
        let (truths, mut random, reads) = (truths.clone(), random.fork(), reads.clone());
        tasks.push(tokio::spawn(async move {
            let mut stalest = Duration::ZERO;
            // The newest version of each key that this process has been given.
            let mut given = [0; KEYS];
            while Tick::now().since(end) < LASTS {
                let key = random.usize(..KEYS);
                let name = CacheKey::from_pair("id", key.to_string());
                if key == number && random.u8(..4) == 0 {
                    let version = truths[key].begin();
                    let value = CacheValue::loaded(Arc::new(version), Stamp::now());
                    process.set(&name, value).await.unwrap();
                    truths[key].confirm(version);
                    given[key] = version;
                } else {
                    let began = Tick::now();
                    if let Some(found) = process.get::<u64>(&name).await.unwrap() {
                        reads.fetch_add(1, Ordering::Relaxed);
                        let version = **found.data();
                        assert!(
                            version >= given[key],
                            "seed {seed}: process {number} has been given {} of key {key}, and then {version}",
                            given[key]
                        );
                        given[key] = version;
                        stalest = stalest.max(truths[key].staleness(version, began));
                    }
                }
                if random.u8(..8) == 0 {
                    sleep(Duration::from_micros(random.u64(..800))).await;
                } else {
                    tokio::task::yield_now().await;
                }
            }
            stalest
        }));
    }
    let mut stalest = Duration::ZERO;
    for task in tasks {
        stalest = stalest.max(task.await.unwrap());
    }
    assert!(reads.load(Ordering::Relaxed) > 1_000);
    stalest
}
