//! How long what a loader returns is kept.

use std::{sync::Arc, time::Duration};

use chrono::{TimeDelta, Utc};
use hitbox::{Batch, Cache, Kept, Loaded, VirtualTime};

use crate::{
    backends::{Over, on_every_backend, on_redis},
    source::{NUMBERS, until},
};

const MINUTE: Duration = Duration::from_secs(60);

on_every_backend!(
    what_is_stored_together_does_not_expire_together,
    the_loader_says_how_long,
    what_is_uncached_is_for_those_who_wait
);

on_redis!(
    what_is_stored_together_does_not_expire_together,
    what_is_uncached_is_for_those_who_wait,
);

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

/// With jitter, lives end over the last tenth of the ttl, as many in each part of it, and none later.
async fn what_is_stored_together_does_not_expire_together(over: Over) {
    const KEYS: u64 = 10_000;
    // Of this thread, on which the loads run, too.
    fastrand::seed(26);
    let clock = VirtualTime::start(Utc::now());
    let cache = Cache::builder(over)
        .ttl(MINUTE)
        .jitter(0.1)
        .build()
        .unwrap();
    // Half of them by a load.
    let loaded = cache
        .get_many_or_load(
            &NUMBERS,
            0..KEYS / 2,
            |mut missing: Batch<u64, u64>| async move {
                for id in missing.ids().to_vec() {
                    missing.found(id, id);
                }
                Ok::<_, std::io::Error>(missing)
            },
        )
        .entries();
    let last = clock.now() + TimeDelta::seconds(60);
    for entry in loaded.await {
        assert!(entry.unwrap().expire().unwrap() <= last);
    }
    until(|| cache.statistics().fills == KEYS / 2).await;
    for id in KEYS / 2..KEYS {
        cache.insert(NUMBERS.key(id), id).await.unwrap();
    }
    let live = async || {
        let keys = (0..KEYS).map(|id| NUMBERS.key(id));
        let values = cache.get_many(keys).await.into_iter();
        values
            .filter(|value| value.as_ref().unwrap().is_some())
            .count()
    };
    clock.advance(TimeDelta::milliseconds(53_999));
    assert_eq!(live().await, 10_000);
    clock.advance(TimeDelta::milliseconds(1));
    for expected in [8_333, 6_667, 5_000, 3_333, 1_667] {
        clock.advance(TimeDelta::seconds(1));
        let live = live().await;
        // More than six standard deviations.
        assert!(live.abs_diff(expected) < 320, "{live}, not {expected}");
    }
    clock.advance(TimeDelta::seconds(1));
    assert_eq!(live().await, 0);
}
