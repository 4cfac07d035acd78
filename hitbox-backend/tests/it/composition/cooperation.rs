//! Answers in place let the other tasks of a thread run now and then.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::FutureExt;
use hitbox_backend::{
    Backend, CacheBackend, CacheKey, CacheValue, Compose, DisabledOffload, Stamp,
    conformance::MemoryBackend,
};

/// So many operations without a break are too many. Tokio lets a task have 128.
const TOO_MANY: usize = 10_000;

fn key() -> CacheKey {
    CacheKey::from_pair("key", "k")
}

fn value() -> CacheValue<Arc<u64>> {
    CacheValue::loaded(Arc::new(7), Stamp::now())
}

/// How often `operation` is done before another task of the thread gets to run.
async fn operations_until_others_run(operation: impl AsyncFn()) -> usize {
    let ran = Arc::new(AtomicBool::new(false));
    let other = {
        let ran = Arc::clone(&ran);
        tokio::spawn(async move { ran.store(true, Ordering::Relaxed) })
    };
    let mut operations = 0;
    while !ran.load(Ordering::Relaxed) && operations < TOO_MANY {
        operation().await;
        operations += 1;
    }
    other.await.unwrap();
    operations
}

async fn every_operation_lets_others_run<B: Backend + ?Sized>(name: &str, cache: &B) {
    let keys = || vec![key(); 4];
    let entries = || keys().into_iter().map(|key| (key, value())).collect();
    cache.set(&key(), value()).await.unwrap();
    let counts = [
        (
            "get",
            operations_until_others_run(async || {
                assert!(cache.get::<u64>(&key()).await.unwrap().is_some());
            })
            .await,
        ),
        (
            "set",
            operations_until_others_run(async || cache.set(&key(), value()).await.unwrap()).await,
        ),
        (
            "get_many",
            operations_until_others_run(async || {
                assert_eq!(cache.get_many::<u64>(&keys()).await.len(), 4);
            })
            .await,
        ),
        (
            "set_many",
            operations_until_others_run(async || {
                assert_eq!(cache.set_many(entries()).await.len(), 4);
            })
            .await,
        ),
        (
            "delete",
            operations_until_others_run(async || _ = cache.delete(&key()).await.unwrap()).await,
        ),
        (
            "delete_many",
            operations_until_others_run(async || {
                assert_eq!(cache.delete_many(&keys()).await.len(), 4);
            })
            .await,
        ),
    ];
    for (operation, count) in counts {
        assert!(count < TOO_MANY, "{name}: {operation}: {count}");
    }
}

#[tokio::test]
async fn others_run_beside_a_loop_of_answers_in_place() {
    let memory = MemoryBackend::new;
    every_operation_lets_others_run("alone", &memory()).await;
    let composed = memory().compose(memory(), DisabledOffload);
    every_operation_lets_others_run("composed", &composed).await;
    let nested = memory().compose(composed, DisabledOffload);
    every_operation_lets_others_run("nested", &nested).await;
    let erased: Arc<dyn Backend> = Arc::new(nested);
    every_operation_lets_others_run("dyn", &*erased).await;
}

/// A limit of time takes effect, though no operation ever waits.
#[tokio::test]
async fn a_loop_of_hits_can_be_cut_off() {
    let cache = MemoryBackend::new().compose(MemoryBackend::new(), DisabledOffload);
    cache.set(&key(), value()).await.unwrap();
    let hits = async {
        // Far more than are done by then, but not for ever.
        for _ in 0..100 * TOO_MANY {
            cache.get::<u64>(&key()).await.unwrap();
        }
    };
    let cut_off: Result<(), _> = tokio::time::timeout(Duration::from_millis(5), hits).await;
    assert!(cut_off.is_err());
}

#[test]
fn no_runtime_is_needed() {
    let cache = MemoryBackend::new();
    cache.set(&key(), value()).now_or_never().unwrap().unwrap();
    for _ in 0..TOO_MANY {
        let found = cache.get::<u64>(&key()).now_or_never().unwrap();
        assert!(found.unwrap().is_some());
    }
}
