//! How much a cache does at once, and how it ends.

use std::time::Duration;

use futures::{executor::block_on, poll};
use hitbox::{Cache, LoadErrorKind};

use crate::{
    backends::{Over, of_moka, on_every_backend},
    source::{NUMBERS, Source},
};

const MINUTE: Duration = Duration::from_secs(60);

on_every_backend!(
    loads_over_the_limit_wait_for_their_callers_only,
    a_closed_cache_loads_no_more,
);

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

async fn a_closed_cache_loads_no_more(over: Over) {
    let cache = Cache::builder(over).ttl(MINUTE).build().unwrap();
    let source = Source::held();
    let mut first = cache.get_or_load(NUMBERS.key(1), source.load());
    assert!(poll!(&mut first).is_pending());
    source.begun(1).await;
    let left = cache.close(Duration::from_secs(1)).await;
    assert_eq!(left.len(), 1);
    let late = cache.get_or_load(NUMBERS.key(2), source.load()).await;
    assert_eq!(late.unwrap_err().kind(), LoadErrorKind::Closed);
    source.let_go();
    assert_eq!(*first.await.unwrap(), 1);
    assert!(cache.close(Duration::from_secs(1)).await.is_empty());
    let hit = cache.get_or_load(NUMBERS.key(1), source.load()).await;
    assert_eq!(*hit.unwrap(), 1);
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
