//! How much a cache does at once, and how it ends.

use std::time::Duration;

use futures::{executor::block_on, poll};
use hitbox::{Cache, LoadErrorKind};
use tokio::runtime::Builder;

use crate::{
    backends::{Over, of_moka, on_every_backend},
    source::{NUMBERS, Source},
};

const MINUTE: Duration = Duration::from_secs(60);

on_every_backend!(loads_over_the_limit_wait_for_their_callers_only,);

async fn loads_over_the_limit_wait_for_their_callers_only(over: Over) {
    let cache = Cache::builder(over)
        .ttl(MINUTE)
        .max_loads(1)
        .build()
        .unwrap();
    let source = Source::held();
    let mut first = cache.get_or_load(NUMBERS.key(1), source.load());
    assert!(poll!(&mut first).is_pending());
    source.begun(1).await;
    let hasty = cache
        .get_or_load(NUMBERS.key(2), source.load())
        .hard_timeout(Duration::from_secs(1));
    assert_eq!(hasty.await.unwrap_err().kind(), LoadErrorKind::Overloaded);
    let mut patient = cache.get_or_load(NUMBERS.key(2), source.load());
    assert!(poll!(&mut patient).is_pending());
    source.let_go();
    assert_eq!(*first.await.unwrap(), 1);
    source.let_go();
    assert_eq!(*patient.await.unwrap(), 2);
}

#[test]
fn a_load_needs_a_runtime_and_a_hit_does_not() {
    let cache = Cache::builder(of_moka()).ttl(MINUTE).build().unwrap();
    let source = Source::open();
    let load = || cache.get_or_load(NUMBERS.key(1), source.load());
    let error = block_on(load()).unwrap_err();
    assert_eq!(error.kind(), LoadErrorKind::NoRuntime);
    block_on(async { cache.insert(NUMBERS.key(1), 7).await }).unwrap();
    assert_eq!(*block_on(load()).unwrap(), 7);
}

/// Flights end with the runtime that was to run them: also one that has not been polled, or was not run at all.
#[test]
fn a_runtime_that_has_ended_holds_nobody() {
    let runtime = || Builder::new_current_thread().enable_all().build().unwrap();
    let ended = runtime();
    let of_ended = ended.handle().clone();
    drop(ended);
    let cache = Cache::builder(of_moka())
        .ttl(MINUTE)
        .runtime(of_ended)
        .build()
        .unwrap();
    let source = Source::open();
    let error = block_on(cache.get_or_load(NUMBERS.key(1), source.load())).unwrap_err();
    assert_eq!(error.kind(), LoadErrorKind::NoRuntime);

    let cache = Cache::builder(of_moka()).ttl(MINUTE).build().unwrap();
    let ending = runtime();
    // Spawned, and not polled.
    ending.block_on(async {
        let mut call = cache.get_or_load(NUMBERS.key(1), source.load());
        assert!(poll!(&mut call).is_pending());
    });
    drop(ending);
    assert!(cache.loads().is_empty());
    let next = runtime().block_on(async { cache.get_or_load(NUMBERS.key(1), source.load()).await });
    assert_eq!(*next.unwrap(), 1);
}

/// With a runtime of its own a cache needs none of its callers, for time-outs neither.
#[test]
fn a_cache_with_a_runtime_is_called_from_outside_of_it() {
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let handle = runtime.handle().clone();
    let cache = Cache::builder(of_moka())
        .ttl(MINUTE)
        .runtime(handle)
        .build()
        .unwrap();
    let source = Source::open();
    let call = cache
        .get_or_load(NUMBERS.key(1), source.load())
        .hard_timeout(MINUTE);
    assert_eq!(*block_on(call).unwrap(), 1);
    assert!(block_on(cache.close(MINUTE)).is_complete());
}
