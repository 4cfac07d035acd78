//! The bounds of what a composition remembers about its layers (G3, G4): what happens at them costs
//! misses, never a stale answer.

use std::{num::NonZeroUsize, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::FutureExt;
use hitbox_backend::{
    Backend, Compose, CompositionBackend, CompositionLayer, CompositionPolicy, RepairCause,
    conformance::{Fault, Faults, FaultyBackend, MemoryBackend},
};
use hitbox_core::{CacheKey, CacheValue, DisabledOffload, Raw, Stamp};

type Layer = FaultyBackend<MemoryBackend>;

struct Stage {
    cache: CompositionBackend<Layer, Layer, DisabledOffload>,
    l1: Faults,
    l2: Faults,
}

fn stage(record_capacity: usize) -> Stage {
    let (layer1, l1) = FaultyBackend::new(MemoryBackend::new());
    let (layer2, l2) = FaultyBackend::new(MemoryBackend::new());
    let capacity = NonZeroUsize::new(record_capacity).unwrap();
    let policy = CompositionPolicy::new().record_capacity(capacity);
    Stage {
        cache: layer1.compose_with(layer2, DisabledOffload, policy),
        l1,
        l2,
    }
}

fn key(number: usize) -> CacheKey {
    CacheKey::from_pair("number", number.to_string())
}

fn value(text: &'static str) -> CacheValue<Raw> {
    CacheValue::loaded(Raw::from(Bytes::from_static(text.as_bytes())), Stamp::now())
}

fn text(found: &Option<CacheValue<Raw>>) -> Option<&str> {
    found
        .as_ref()
        .map(|value| std::str::from_utf8(value.data().payload().unwrap()).unwrap())
}

#[tokio::test]
async fn a_full_record_becomes_one_coarse_fence() {
    const CAPACITY: usize = 32;
    const KEYS: usize = 10 * CAPACITY;
    let Stage { cache, l1, l2 } = stage(CAPACITY);
    for number in 0..KEYS {
        cache.write(&key(number), value("old")).await.unwrap();
    }

    l1.writes().always(Fault::FailBeforeEffect);
    for number in 0..KEYS {
        cache.write(&key(number), value("new")).await.unwrap();
        assert!(cache.pending_repairs().len() <= CAPACITY + 1);
    }
    assert!(cache.layer_fence(CompositionLayer::L1).is_some());
    assert_eq!(cache.layer_fence(CompositionLayer::L2), None);

    // Every L1 still holds "old" for every key, and none of it is served, L2 up or down.
    l1.writes().heal();
    l2.reads().always(Fault::FailBeforeEffect);
    for number in 0..KEYS {
        let found = cache.read(&key(number)).await.unwrap();
        assert_eq!(text(&found), None);
    }
    l2.reads().heal();
    for number in 0..KEYS {
        let found = cache.read(&key(number)).await.unwrap();
        assert_eq!(text(&found), Some("new"));
    }

    // It heals as values are written anew: they are served by L1 again.
    cache.write(&key(0), value("newest")).await.unwrap();
    l2.reads().always(Fault::FailBeforeEffect);
    let found = cache.read(&key(0)).await.unwrap();
    assert_eq!(text(&found), Some("newest"));
}

#[tokio::test]
async fn pending_removes_are_bounded_too() {
    const CAPACITY: usize = 32;
    let Stage { cache, l1, l2: _ } = stage(CAPACITY);
    for number in 0..2 * CAPACITY {
        cache.write(&key(number), value("old")).await.unwrap();
    }
    l1.removes().always(Fault::FailBeforeEffect);
    for number in 0..2 * CAPACITY {
        assert!(cache.remove(&key(number)).await.is_err());
    }
    assert!(cache.layer_fence(CompositionLayer::L1).is_some());
    for number in 0..2 * CAPACITY {
        assert_eq!(text(&cache.read(&key(number)).await.unwrap()), None);
    }
}

#[tokio::test]
async fn a_value_that_may_be_older_than_a_forgotten_remove_is_not_put_back() {
    // One quiet record per shard: nearly everything is forgotten at once.
    let Stage { cache, .. } = stage(1);
    let loaded_before = value("loaded before");
    cache.remove(&key(0)).await.unwrap();
    for number in 1..200 {
        cache.remove(&key(number)).await.unwrap();
    }
    cache.write(&key(0), loaded_before.clone()).await.unwrap();
    assert_eq!(text(&cache.read(&key(0)).await.unwrap()), None);
    assert_eq!(cache.l1().get_ref().read(&key(0)).await.unwrap(), None);

    cache.write(&key(0), value("loaded after")).await.unwrap();
    let found = cache.read(&key(0)).await.unwrap();
    assert_eq!(text(&found), Some("loaded after"));
}

#[tokio::test]
async fn refills_do_not_push_out_what_writes_have_left() {
    let Stage { cache, .. } = stage(1);
    let older = value("older");
    cache.write(&key(0), value("newer")).await.unwrap();
    for number in 1..200 {
        let layer2 = cache.l2().get_ref();
        layer2.write(&key(number), value("read")).await.unwrap();
        cache.read(&key(number)).await.unwrap();
        let filled = cache.l1().get_ref().read(&key(number)).await.unwrap();
        assert_eq!(text(&filled), Some("read"));
    }
    cache.write(&key(0), older).await.unwrap();
    assert_eq!(text(&cache.read(&key(0)).await.unwrap()), Some("newer"));
}

#[tokio::test]
async fn a_refill_of_a_key_whose_remove_is_forgotten_is_skipped() {
    let Stage { cache, l1: _, l2 } = stage(1);
    let preloaded = value("old");
    let layer2 = cache.l2().get_ref();
    layer2.write(&key(0), preloaded).await.unwrap();

    // The read has its answer from L2, which is held up on the way.
    l2.reads().always(Fault::HangAfterEffect);
    let reader = tokio::spawn({
        let cache = cache.clone();
        async move { cache.read(&key(0)).await.unwrap() }
    });
    l2.reads().wait_until_hanging(1).await;
    cache.remove(&key(0)).await.unwrap();
    for number in 1..200 {
        cache.remove(&key(number)).await.unwrap();
    }
    l2.reads().heal();
    reader.await.unwrap();
    assert_eq!(cache.l1().get_ref().read(&key(0)).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn the_wait_for_late_effects_passes() {
    let Stage { cache, l1, l2: _ } = stage(8);
    let causes = || {
        let pending = cache.pending_repairs();
        pending
            .into_iter()
            .map(|pending| pending.cause)
            .collect::<Vec<_>>()
    };
    l1.writes().next(1, Fault::FailAfterEffect);
    cache.write(&key(0), value("one")).await.unwrap();
    assert_eq!(causes(), [RepairCause::Unconfirmed]);

    cache.write(&key(0), value("two")).await.unwrap();
    assert_eq!(causes(), [RepairCause::InDoubt]);
    // The late effect: the lost write reaches L1 after the newer one.
    let late = value("one").created_at(Stamp::from_micros(1));
    cache.l1().get_ref().write(&key(0), late).await.unwrap();
    assert_eq!(text(&cache.read(&key(0)).await.unwrap()), Some("two"));

    // A read after that looks whether L1 still holds what it has confirmed.
    tokio::time::advance(Duration::from_secs(61)).await;
    assert_eq!(text(&cache.read(&key(0)).await.unwrap()), Some("two"));
    assert_eq!(causes(), []);
}

#[tokio::test(start_paused = true)]
async fn what_arrived_late_is_not_served_when_the_wait_is_over() {
    let Stage { cache, l1, l2 } = stage(8);
    l1.writes().next(1, Fault::FailAfterEffect);
    cache.write(&key(0), value("one")).await.unwrap();
    let late = value("late").created_at(Stamp::from_micros(1));
    cache.write(&key(0), value("two")).await.unwrap();
    cache.l1().get_ref().write(&key(0), late).await.unwrap();
    // Nobody has read the key meanwhile.
    tokio::time::advance(Duration::from_secs(61)).await;
    l2.reads().always(Fault::FailBeforeEffect);
    assert_eq!(text(&cache.read(&key(0)).await.unwrap()), None);
    l2.reads().heal();
    assert_eq!(text(&cache.read(&key(0)).await.unwrap()), Some("two"));
    assert_eq!(cache.pending_repairs(), []);
}

#[tokio::test]
async fn a_stamp_from_the_far_future_cannot_lock_a_key() {
    let Stage { cache, .. } = stage(8);
    let far = Stamp::from_micros(Stamp::now().as_micros() * 2);
    cache
        .write(&key(0), value("future").created_at(far))
        .await
        .unwrap();
    cache.write(&key(0), value("present")).await.unwrap();
    assert_eq!(text(&cache.read(&key(0)).await.unwrap()), Some("present"));
    cache.remove(&key(0)).await.unwrap();
    assert_eq!(text(&cache.read(&key(0)).await.unwrap()), None);
}

#[tokio::test]
async fn a_stamp_from_the_far_future_in_a_layer_does_not_pass_a_fence() {
    let Stage { cache, l1, .. } = stage(8);
    let far = Stamp::from_micros(Stamp::now().as_micros() * 2);
    let foreign = value("foreign").created_at(far);
    cache.l1().get_ref().write(&key(0), foreign).await.unwrap();
    l1.removes().always(Fault::FailBeforeEffect);
    assert!(cache.remove(&key(0)).await.is_err());
    assert_eq!(text(&cache.read(&key(0)).await.unwrap()), None);
}

#[tokio::test]
async fn waiters_that_are_dropped_do_not_block_the_key() {
    let Stage { cache, l1, .. } = stage(8);
    l1.writes().always(Fault::HangBeforeEffect);
    let key0 = key(0);
    let mut held = Box::pin(cache.write(&key0, value("held")));
    assert!((&mut held).now_or_never().is_none());
    // Many more than a stack has room for, if each dropped waiter cost a frame.
    for _ in 0..10_000 {
        assert!(
            cache
                .write(&key(0), value("waiting"))
                .now_or_never()
                .is_none()
        );
    }
    let mut last = Box::pin(cache.write(&key0, value("last")));
    assert!((&mut last).now_or_never().is_none());
    drop(held);
    l1.writes().heal();
    last.await.unwrap();
    assert_eq!(text(&cache.read(&key(0)).await.unwrap()), Some("last"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_tasks_on_few_keys_end_with_both_layers_alike() {
    let Stage { cache, .. } = stage(64);
    let cache = Arc::new(cache);
    let tasks: Vec<_> = (0..32)
        .map(|task| {
            let cache = cache.clone();
            tokio::spawn(async move {
                for round in 0..100 {
                    let key = key((task + round) % 4);
                    match (task + round) % 3 {
                        0 => cache.write(&key, value("written")).await.unwrap(),
                        1 => drop(cache.remove(&key).await.unwrap()),
                        _ => drop(cache.read(&key).await.unwrap()),
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(cache.pending_repairs(), []);
    for number in 0..4 {
        let l1 = cache.l1().get_ref().read(&key(number)).await.unwrap();
        let l2 = cache.l2().get_ref().read(&key(number)).await.unwrap();
        if let Some(l1) = &l1 {
            assert_eq!(Some(l1), l2.as_ref());
        }
    }
}
