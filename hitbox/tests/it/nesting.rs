//! Loads within loads.

use std::{sync::Arc, time::Duration};

use futures::{FutureExt, future::BoxFuture};
use hitbox::{Cache, LoadError, LoadErrorKind};

use crate::{
    backends::{Over, on_every_backend, on_redis},
    source::NUMBERS,
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
