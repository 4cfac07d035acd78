//! How long what a loader returns is kept.

use std::{sync::Arc, time::Duration};

use chrono::{TimeDelta, Utc};
use hitbox::{Cache, Kept, Loaded, VirtualTime};

use crate::{
    backends::{Over, on_every_backend, on_redis},
    source::{NUMBERS, until},
};

const MINUTE: Duration = Duration::from_secs(60);

on_every_backend!(
    the_loader_says_how_long,
    what_is_uncached_is_for_those_who_wait
);

on_redis!(what_is_uncached_is_for_those_who_wait,);

async fn the_loader_says_how_long(over: Over) {
    let clock = VirtualTime::start("2026-01-01T00:00:00Z".parse().unwrap());
    let cache = Cache::builder(over).ttl(MINUTE).build().unwrap();
    let end = clock.now() + TimeDelta::milliseconds(900);
    let second = Duration::from_secs(1);
    cache
        .get_or_load(
            NUMBERS.key(1),
            move || async move { Loaded::new(1).ttl(second) },
        )
        .await
        .unwrap();
    cache
        .get_or_load(NUMBERS.key(2), move || async move {
            Loaded::new(2).expires_at(end)
        })
        .await
        .unwrap();
    cache
        .get_or_load(NUMBERS.key(3), || async { 3 })
        .await
        .unwrap();
    until(|| cache.statistics().fills == 3).await;
    let there = async || {
        let mut there = Vec::new();
        for id in 1..=3 {
            there.push(cache.get(NUMBERS.key(id)).await.unwrap().is_some());
        }
        there
    };
    clock.advance(TimeDelta::milliseconds(899));
    assert_eq!(there().await, [true, true, true]);
    clock.advance(TimeDelta::milliseconds(1));
    assert_eq!(there().await, [true, false, true]);
    clock.advance(TimeDelta::milliseconds(100));
    assert_eq!(there().await, [false, false, true]);
    clock.advance(TimeDelta::seconds(59));
    assert_eq!(there().await, [false, false, false]);
}

async fn what_is_uncached_is_for_those_who_wait(over: Over) {
    let cache = Cache::builder(over).ttl(MINUTE).build().unwrap();
    let over = Utc::now() - TimeDelta::seconds(1);
    let uncached = cache
        .get_or_load(NUMBERS.key(1), || async { Loaded::uncached(1) })
        .entry()
        .await
        .unwrap();
    assert_eq!((**uncached.value(), uncached.kept()), (1, Kept::Uncached));
    let past = cache.get_or_load(NUMBERS.key(2), move || async move {
        Loaded::new(2).expires_at(over)
    });
    let past = past.entry().await.unwrap();
    assert_eq!((**past.value(), past.kept()), (2, Kept::Uncached));
    until(|| cache.loads().is_empty()).await;
    for id in [1, 2] {
        assert_eq!(cache.get(NUMBERS.key(id)).await.unwrap(), None::<Arc<u64>>);
    }
}
