//! Many who ask at once for one key that only the server has.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use hitbox_backend::{
    Backend, Compose, CompositionPolicy, DisabledOffload, conformance::MemoryBackend,
};
use tokio::{sync::Barrier, task::JoinSet};

use crate::server::{Observer, PATIENT, builder, key, start, value};

const TASKS: usize = 10_000;

/// How often the server has looked the key up, and how long it took until everybody had it.
async fn herd(policy: CompositionPolicy) -> (u64, Duration) {
    let server = start().await;
    let redis = builder(&server).deadline(PATIENT).build().unwrap();
    let key = key("asked for by all");
    redis.write(&key, value("of the server")).await.unwrap();
    let cache = MemoryBackend::new().compose_with(redis, DisabledOffload, policy);
    let cache: Arc<dyn Backend> = Arc::new(cache);
    let mut observer = Observer::connect(&server.url()).await;
    let before = observer.lookups().await;
    let all_ready = Arc::new(Barrier::new(TASKS));
    let mut tasks = JoinSet::new();
    for _ in 0..TASKS {
        let (cache, key, all_ready) = (Arc::clone(&cache), key.clone(), Arc::clone(&all_ready));
        tasks.spawn(async move {
            all_ready.wait().await;
            let came = Instant::now();
            let found = cache.read(&key).await.unwrap();
            assert!(found.is_some());
            came
        });
    }
    let came = tasks.join_all().await;
    let took = match (came.iter().min(), came.iter().max()) {
        (Some(first), Some(last)) => *last - *first,
        (_, _) => Duration::ZERO,
    };
    let lookups = observer.lookups().await - before;
    println!("{TASKS} tasks that came within {took:?} cost {lookups} look-ups");
    (lookups, took)
}

async fn a_herd_costs_two_lookups_at_most() {
    let policy = CompositionPolicy::new().join_reads_within(PATIENT);
    let (lookups, _) = herd(policy).await;
    // Of two threads one may have looked into L1 before it was refilled, and come to L2 after that.
    assert!((1..=2).contains(&lookups), "{lookups}");
}

#[tokio::test]
async fn on_one_thread() {
    a_herd_costs_two_lookups_at_most().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_many_threads() {
    a_herd_costs_two_lookups_at_most().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_default_there_is_one_for_each_ten_milliseconds_in_which_they_come() {
    let (lookups, took) = herd(CompositionPolicy::new()).await;
    let most = 2 + took.as_millis() as u64 / 10;
    assert!((1..=most).contains(&lookups), "{lookups} in {took:?}");
}
