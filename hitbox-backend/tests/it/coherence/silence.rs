//! What L1 does when nothing is heard, or something may have been missed.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use hitbox_backend::{
    CacheBackend, Compose,
    coherence::{Coherence, InSilence},
    conformance::{FaultyBackend, MemoryBackend},
};
use hitbox_core::{CacheContext, CacheKey, CacheStatus, CacheValue, DisabledOffload, Stamp};

use super::{BOUND, HEARD, Link, Stage, get};

#[tokio::test(start_paused = true)]
async fn in_silence_a_copy_lives_for_the_bound() {
    let stage = Stage::new();
    let (link, is_cut) = Link::to(&stage.plane);
    let (l2, faults) = FaultyBackend::new(stage.processes[0].l2().get_ref().clone());
    let cache = MemoryBackend::new()
        .compose(l2, DisabledOffload)
        .coherent(link, Coherence::within(BOUND))
        .unwrap();
    stage.pass(HEARD).await;
    stage.set(0, 1).await;
    assert_eq!(get(&cache, &stage.key).await, Some(1));
    is_cut.store(true, Ordering::Relaxed);
    // What was asked before has been answered.
    stage.pass(BOUND / 2).await;
    stage.set(0, 2).await;
    stage.pass(BOUND).await;
    assert_eq!(get(&cache, &stage.key).await, Some(2));
    let asked = faults.reads().calls();
    // The new copy lives for the bound, and then L2 is asked again, once.
    for calls in [0, 1] {
        for _ in 0..3 {
            assert_eq!(get(&cache, &stage.key).await, Some(2));
        }
        assert_eq!(faults.reads().calls(), asked + calls);
        stage.pass(BOUND + Duration::from_millis(1)).await;
    }
    assert!(cache.hearing().unwrap().age > Some(BOUND));
    is_cut.store(false, Ordering::Relaxed);
    stage.pass(BOUND * 2).await;
    assert!(cache.hearing().unwrap().age < Some(BOUND));
    // Nothing was missed.
    assert_eq!(cache.hearing().unwrap().gaps, 1);
}

/// The store is spared where somebody says so, and whoever reads is told.
#[tokio::test(start_paused = true)]
async fn in_silence_a_copy_may_be_kept_as_a_stale_one() {
    let stage = Stage::new();
    let (link, is_cut) = Link::to(&stage.plane);
    let (l2, faults) = FaultyBackend::new(stage.processes[0].l2().get_ref().clone());
    let keep = InSilence::Stale(BOUND * 5);
    let cache = MemoryBackend::new()
        .compose(l2, DisabledOffload)
        .coherent(link, Coherence::within(BOUND).in_silence(keep))
        .unwrap();
    stage.pass(HEARD).await;
    stage.set(0, 1).await;
    stage.pass(HEARD).await;
    assert_eq!(get(&cache, &stage.key).await, Some(1));
    is_cut.store(true, Ordering::Relaxed);
    stage.pass(BOUND * 3).await;
    let asked = faults.reads().calls();
    let mut context = CacheContext::default().boxed();
    let found = cache
        .get_with::<u32>(&stage.key, &mut context)
        .await
        .unwrap();
    assert!(found.unwrap().is_stale());
    assert_eq!(context.status(), CacheStatus::Stale);
    // Who wants a fresh value gets that.
    let mut context = CacheContext::default().boxed().fresh_only();
    let found = cache
        .get_with::<u32>(&stage.key, &mut context)
        .await
        .unwrap();
    assert!(!found.unwrap().is_stale());
    assert_eq!(faults.reads().calls(), asked + 1);
    stage.pass(BOUND * 6).await;
    assert_eq!(get(&cache, &stage.key).await, Some(1));
    assert_eq!(faults.reads().calls(), asked + 2);
}

#[tokio::test(start_paused = true)]
async fn after_a_gap_a_copy_counts_by_when_it_was_seen() {
    let stage = Stage::new();
    stage.pass(HEARD).await;
    stage.set(0, 1).await;
    assert_eq!(stage.get(1).await, Some(1));
    // A change that nobody can hear of.
    let store = stage.processes[0].l2().get_ref().get_ref();
    let value = CacheValue::loaded(Arc::new(2_u32), Stamp::now());
    store.set(&stage.key, value).await.unwrap();
    stage.plane.forget();
    stage.pass(BOUND + Duration::from_millis(1)).await;
    assert_eq!(stage.status(1).gaps, 2);
    assert_eq!(stage.get(1).await, Some(2));
}

#[tokio::test(start_paused = true)]
async fn nobody_listens_once_the_last_clone_is_gone() {
    let stage = Stage::new();
    let (link, is_cut) = Link::to(&stage.plane);
    let store = stage.processes[0].l2().get_ref().clone();
    let cache = MemoryBackend::new()
        .compose(store, DisabledOffload)
        .coherent(link, Coherence::within(BOUND))
        .unwrap();
    let clone = cache.clone();
    drop(cache);
    stage.pass(BOUND).await;
    assert_eq!(Arc::strong_count(&is_cut), 2);
    assert!(
        clone
            .get::<u32>(&CacheKey::from_pair("id", "none"))
            .await
            .unwrap()
            .is_none()
    );
    drop(clone);
    stage.pass(BOUND).await;
    assert_eq!(Arc::strong_count(&is_cut), 1);
}
