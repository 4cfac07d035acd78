//! Copies of copies, and copies that must not go back to the store.

use std::sync::{Arc, atomic::Ordering};

use hitbox_backend::{
    CacheBackend, Compose,
    coherence::Coherence,
    conformance::{Fault, MemoryBackend},
};
use hitbox_core::{CacheValue, DisabledOffload, Stamp};

use super::{BOUND, HEARD, Link, Stage, get, policy};

/// An L1 over the L1 of another composition over the store.
#[tokio::test(start_paused = true)]
async fn a_copy_of_a_copy_is_no_fresher_than_that() {
    let stage = Stage::new();
    let outer = MemoryBackend::new()
        .compose_with(stage.processes[1].clone(), DisabledOffload, policy())
        .coherent(stage.plane.clone(), Coherence::within(BOUND))
        .unwrap();
    stage.pass(HEARD).await;
    stage.set(0, 1).await;
    stage.pass(HEARD).await;
    assert_eq!(get(&outer, &stage.key).await, Some(1));
    assert_eq!(get(outer.l1(), &stage.key).await, Some(1));
    stage.set(0, 2).await;
    stage.pass(HEARD).await;
    assert_eq!(get(outer.l1(), &stage.key).await, None);
    assert_eq!(get(&outer, &stage.key).await, Some(2));
    // What is written through the outer one is in both.
    stage.pass(HEARD).await;
    let value = CacheValue::loaded(Arc::new(3_u32), Stamp::now());
    outer.set(&stage.key, value).await.unwrap();
    stage.pass(HEARD).await;
    assert_eq!(get(outer.l1(), &stage.key).await, Some(3));
    assert_eq!(stage.copy(1).await, Some(3));
    assert_eq!(stage.get(0).await, Some(3));
}

/// What the inner one answers was replaced before the news of that were applied to the outer one.
#[tokio::test(start_paused = true)]
async fn a_copy_of_a_copy_is_not_kept_if_news_have_come_since_that_was_vouched_for() {
    let stage = Stage::new();
    let (link, is_cut) = Link::to(&stage.plane);
    let inner = MemoryBackend::new()
        .compose_with(
            stage.processes[1].l2().get_ref().clone(),
            DisabledOffload,
            policy(),
        )
        .coherent(link, Coherence::within(BOUND))
        .unwrap();
    let outer = MemoryBackend::new()
        .compose_with(inner, DisabledOffload, policy())
        .coherent(stage.plane.clone(), Coherence::within(BOUND))
        .unwrap();
    stage.pass(HEARD).await;
    stage.set(0, 1).await;
    stage.pass(BOUND / 2).await;
    assert_eq!(get(&outer, &stage.key).await, Some(1));
    is_cut.store(true, Ordering::Relaxed);
    stage.pass(BOUND / 2).await;
    stage.set(0, 2).await;
    stage.pass(HEARD).await;
    assert_eq!(get(outer.l1(), &stage.key).await, None);
    // By the inner one, within its bound.
    assert_eq!(get(&outer, &stage.key).await, Some(1));
    assert_eq!(get(outer.l1(), &stage.key).await, None);
    stage.pass(BOUND).await;
    assert_eq!(get(&outer, &stage.key).await, Some(2));
}

/// Two compositions of one process announce as one: what one has written the other has to drop.
#[tokio::test(start_paused = true)]
async fn compositions_over_one_announcing_store_hear_of_each_other() {
    let stage = Stage::new();
    let store = stage.processes[0].l2().get_ref().clone();
    let [one, two] = [(), ()].map(|()| {
        MemoryBackend::new()
            .compose_with(store.clone(), DisabledOffload, policy())
            .coherent(stage.plane.clone(), Coherence::within(BOUND))
            .unwrap()
    });
    stage.pass(HEARD).await;
    for number in 0..3_u32 {
        let value = CacheValue::loaded(Arc::new(number), Stamp::now());
        one.set(&stage.key, value).await.unwrap();
        stage.pass(HEARD).await;
        assert_eq!(get(&two, &stage.key).await, Some(number));
        assert_eq!(get(one.l1(), &stage.key).await, Some(number));
    }
}

/// Nobody knows what another process has done to the key meanwhile.
#[tokio::test(start_paused = true)]
async fn a_repair_brings_nothing_back() {
    let stage = Stage::new();
    stage.pass(HEARD).await;
    stage.faults[0].writes().next(1, Fault::FailBeforeEffect);
    let value = CacheValue::loaded(Arc::new(1_u32), Stamp::now());
    assert!(stage.processes[0].set(&stage.key, value).await.is_err());
    assert_eq!(stage.processes[0].pending_repair_count(), 1);
    stage.processes[1].delete(&stage.key).await.unwrap();
    // Not heard yet: the copy is there. Reads repair.
    assert_eq!(stage.copy(0).await, Some(1));
    let _whatever = stage.get(0).await;
    stage.pass(HEARD).await;
    let switches = &stage.faults[0];
    assert_eq!(
        (switches.writes().calls(), switches.removes().calls()),
        (1, 1)
    );
    assert_eq!(stage.get(1).await, None);
}
