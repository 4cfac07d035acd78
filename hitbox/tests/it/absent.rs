//! What the loader says is not there.

use std::{sync::Arc, time::Duration};

use futures::future::join_all;
use hitbox::{Cache, LoadErrorKind, Loaded};

use crate::{
    backends::{Over, on_every_backend, on_redis},
    source::{NUMBERS, Source, until, waiters},
};

const MINUTE: Duration = Duration::from_secs(60);

on_every_backend!(
    absence_is_shared_and_not_kept,
    absence_is_kept_for_as_long_as_is_set,
    absence_takes_the_place_of_a_value,
);

on_redis!(
    absence_is_shared_and_not_kept,
    absence_is_kept_for_as_long_as_is_set,
    absence_takes_the_place_of_a_value,
);

fn absent(
    source: &Source,
) -> impl FnOnce() -> futures::future::BoxFuture<'static, Loaded<u64>> + Send + use<> {
    let load = source.load();
    move || {
        Box::pin(async move {
            load().await;
            Loaded::absent()
        })
    }
}

async fn absence_is_shared_and_not_kept(over: Over) {
    let cache = Cache::builder(over).ttl(MINUTE).build().unwrap();
    let source = Source::held();
    let calls = (0..10).map(|_| {
        let (cache, load) = (cache.clone(), absent(&source));
        tokio::spawn(async move { cache.get_or_load(NUMBERS.key(1), load).await })
    });
    let calls: Vec<_> = calls.collect();
    until(|| waiters(&cache) == 10).await;
    source.begun(1).await;
    source.let_go();
    for outcome in join_all(calls).await {
        let error = outcome.unwrap().unwrap_err();
        assert_eq!(error.kind(), LoadErrorKind::Absent);
        assert!(error.is_absent());
    }
    assert_eq!(source.loads(), 1);
    until(|| cache.loads().is_empty()).await;
    source.let_go();
    let next = cache
        .get_or_load(NUMBERS.key(1), absent(&source))
        .optional()
        .await;
    assert_eq!((next.unwrap(), source.loads()), (None, 2));
}

async fn absence_is_kept_for_as_long_as_is_set(over: Over) {
    let cache = Cache::builder(over)
        .ttl(MINUTE)
        .absent_ttl(MINUTE)
        .build()
        .unwrap();
    let source = Source::open();
    for _ in 0..3 {
        let outcome = cache
            .get_or_load(NUMBERS.key(1), absent(&source))
            .optional()
            .await;
        assert_eq!(outcome.unwrap(), None);
        until(|| cache.statistics().fills == 1).await;
    }
    assert_eq!(source.loads(), 1);
    assert_eq!(cache.get(NUMBERS.key(1)).await.unwrap(), None);
    cache.insert(NUMBERS.key(1), 7).await.unwrap();
    let outcome = cache
        .get_or_load(NUMBERS.key(1), absent(&source))
        .optional()
        .await;
    assert_eq!(outcome.unwrap(), Some(Arc::new(7)));
}

async fn absence_takes_the_place_of_a_value(over: Over) {
    let cache = Cache::builder(over)
        .ttl(MINUTE)
        .stale_if_error(MINUTE)
        .build()
        .unwrap();
    let source = Source::open();
    cache.insert(NUMBERS.key(1), 7).await.unwrap();
    cache.expire(NUMBERS.key(1)).await.unwrap();
    let outcome = cache
        .get_or_load(NUMBERS.key(1), absent(&source))
        .optional()
        .await;
    assert_eq!(outcome.unwrap(), None);
    until(|| cache.statistics().fills == 1).await;
    // The old value is no fallback any more.
    let failing = cache.get_or_try_load(NUMBERS.key(1), source.fail()).await;
    assert_eq!(failing.unwrap_err().kind(), LoadErrorKind::Loader);
}
