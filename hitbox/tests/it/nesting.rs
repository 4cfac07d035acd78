//! Loads within loads.

use std::{sync::Arc, time::Duration};

use futures::{FutureExt, future::BoxFuture};
use hitbox::{Cache, LoadError, LoadErrorKind};

use crate::{
    backends::{Over, of_moka_over_memory, on_every_backend, on_redis},
    source::{NUMBERS, Source, until, waiters},
};

fn cache(over: Over) -> Cache {
    Cache::builder(over)
        .ttl(Duration::from_secs(300))
        .build()
        .unwrap()
}

on_every_backend!(
    a_load_that_waits_for_itself_is_an_error_at_once,
    two_loads_that_wait_for_each_other_are_an_error_at_once,
    a_diamond_is_no_circle,
    loads_within_a_load_take_no_place,
);

on_redis!(a_diamond_is_no_circle, loads_within_a_load_take_no_place,);

/// Loads the keys that it names, each within the one before, and then a number.
fn chain(cache: Cache, keys: &'static [u64]) -> BoxFuture<'static, Result<Arc<u64>, LoadError>> {
    let Some((first, rest)) = keys.split_first() else {
        return async { Ok(Arc::new(0)) }.boxed();
    };
    async move {
        let inner = cache.clone();
        let load = move || async move { Ok::<u64, LoadError>(*chain(inner, rest).await? + 1) };
        cache.get_or_try_load(NUMBERS.key(*first), load).await
    }
    .boxed()
}

async fn a_load_that_waits_for_itself_is_an_error_at_once(over: Over) {
    let cache = cache(over);
    let began = tokio::time::Instant::now();
    for (keys, path) in [
        (&[1, 1][..], "numbers:v1:id=1 -> numbers:v1:id=1"),
        (
            &[1, 2, 1],
            "numbers:v1:id=1 -> numbers:v1:id=2 -> numbers:v1:id=1",
        ),
    ] {
        let mut error = chain(cache.clone(), keys).await.unwrap_err();
        while let Some(inner) = error.downcast_ref::<LoadError>().cloned() {
            error = inner;
        }
        assert_eq!(error.kind(), LoadErrorKind::Recursive);
        assert!(error.to_string().ends_with(path), "{error}");
    }
    assert_eq!(began.elapsed(), Duration::ZERO, "the clock stands still");
    assert!(cache.loads().is_empty());
}

async fn two_loads_that_wait_for_each_other_are_an_error_at_once(over: Over) {
    let cache = cache(over);
    let began = tokio::time::Instant::now();
    let of = |first: u64, second: u64| {
        let (outer, inner) = (cache.clone(), cache.clone());
        let load = move || async move {
            // So that both are under way.
            tokio::task::yield_now().await;
            let value = inner
                .get_or_load(NUMBERS.key(second), || async { 0 })
                .await?;
            Ok::<u64, LoadError>(*value)
        };
        tokio::spawn(async move { outer.get_or_try_load(NUMBERS.key(first), load).await })
    };
    let (one, other) = (of(1, 2), of(2, 1));
    let (one, other) = (one.await.unwrap(), other.await.unwrap());
    assert!(one.is_err() || other.is_err());
    assert_eq!(began.elapsed(), Duration::ZERO, "the clock stands still");
}

async fn a_diamond_is_no_circle(over: Over) {
    let cache = cache(over);
    let (left, right) = (cache.clone(), cache.clone());
    let outer = cache.clone();
    let load = move || async move {
        let (left, right) = tokio::join!(chain(left, &[2, 4]), chain(right, &[3, 4]));
        Ok::<u64, LoadError>(*left? + *right?)
    };
    assert_eq!(
        *outer.get_or_try_load(NUMBERS.key(1), load).await.unwrap(),
        4
    );
    assert_eq!(cache.statistics().loads, 4, "the fourth key once");
}

async fn loads_within_a_load_take_no_place(over: Over) {
    let cache = Cache::builder(over)
        .ttl(Duration::from_secs(300))
        .max_loads(1)
        .build()
        .unwrap();
    let value = chain(cache, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]).await;
    assert_eq!(*value.unwrap(), 10);
}

/// A load asks for a key whose load waits for a place: it would keep the only one while it waits.
#[tokio::test(start_paused = true)]
async fn a_load_that_another_load_waits_for_needs_no_place() {
    let cache = Cache::builder(of_moka_over_memory())
        .ttl(Duration::from_secs(300))
        .max_loads(1)
        .build()
        .unwrap();
    let source = Source::held();
    let (inner, load) = (cache.clone(), source.load());
    let outer = cache.clone();
    let first = tokio::spawn(async move {
        let load = move || async move {
            load().await;
            let second = inner.get_or_load(NUMBERS.key(2), || async { 20 }).await?;
            Ok::<u64, LoadError>(*second + 1)
        };
        outer.get_or_try_load(NUMBERS.key(1), load).await
    });
    source.begun(1).await;
    let outside = cache.clone();
    let second =
        tokio::spawn(async move { outside.get_or_load(NUMBERS.key(2), || async { 2 }).await });
    until(|| waiters(&cache) == 2).await;
    let began = tokio::time::Instant::now();
    source.let_go();
    assert_eq!(*first.await.unwrap().unwrap(), 3);
    assert_eq!(*second.await.unwrap().unwrap(), 2);
    assert_eq!(began.elapsed(), Duration::ZERO, "the clock stands still");
}

/// A refresh in the background is within no load: nobody waits for it, also not the load that has begun it.
#[tokio::test(start_paused = true)]
async fn a_refresh_in_the_background_is_within_no_load() {
    let cache = Cache::builder(of_moka_over_memory())
        .ttl(Duration::from_secs(300))
        .stale_while_revalidate(Duration::from_secs(300))
        .build()
        .unwrap();
    // Stale at once.
    let stale = cache.insert(NUMBERS.key(2), 2).ttl(Duration::ZERO);
    stale.await.unwrap();
    let (of_first, of_second) = (cache.clone(), cache.clone());
    let source = Source::held();
    let gate = source.load();
    let second = move || async move {
        gate().await;
        // The first one is not being loaded any more.
        let first = of_second
            .get_or_load(NUMBERS.key(1), || async { 10 })
            .await?;
        Ok::<u64, LoadError>(*first)
    };
    let first = move || async move {
        let second = of_first.get_or_try_load(NUMBERS.key(2), second).await?;
        Ok::<u64, LoadError>(*second)
    };
    assert_eq!(
        *cache.get_or_try_load(NUMBERS.key(1), first).await.unwrap(),
        2
    );
    source.begun(1).await;
    cache.remove(NUMBERS.key(1)).await.unwrap();
    source.let_go();
    cache.drain().await;
    assert_eq!(cache.statistics().failed_keys, 0);
    assert_eq!(cache.get(NUMBERS.key(2)).await.unwrap(), Some(Arc::new(10)));
}
