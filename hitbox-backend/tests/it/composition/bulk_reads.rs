//! Sequential reads of many keys: what they trust, what they copy to L1, and what a dropped one leaves.

use std::{sync::Arc, time::Duration};

use chrono::{TimeDelta, Utc};
use futures::{FutureExt, future::poll_immediate, join};
use hitbox_backend::{
    Backend, Compose, CompositionBackend, CompositionLayer, CompositionPolicy, OffloadManager,
    RefillPolicy, RepairCause,
    conformance::{Fault, Faults, FaultyBackend, MemoryBackend},
};
use hitbox_core::{
    BoxContext, CacheKey, CacheStatus, CacheValue, DisabledOffload, Offload, Raw, Stamp,
    clock::VirtualTime,
};

type Layer = FaultyBackend<Arc<MemoryBackend>>;

struct Stage<O> {
    cache: CompositionBackend<Layer, Layer, O>,
    l1: Faults,
    l2: Faults,
    memory: [Arc<MemoryBackend>; 2],
}

fn stage<O: Offload<'static> + 'static>(offload: O, policy: CompositionPolicy) -> Stage<O> {
    let memory = [(); 2].map(|()| Arc::new(MemoryBackend::new()));
    let (layer1, l1) = FaultyBackend::new(memory[0].clone());
    let (layer2, l2) = FaultyBackend::new(memory[1].clone());
    Stage {
        cache: layer1.compose_with(layer2, offload, policy),
        l1,
        l2,
        memory,
    }
}

fn keys() -> Vec<CacheKey> {
    let key = |number: usize| CacheKey::from_pair("number", number.to_string());
    (0..3).map(key).collect()
}

fn value(text: &'static str) -> CacheValue<Raw> {
    let expire = Utc::now() + TimeDelta::hours(1);
    CacheValue::loaded(Raw::from(text.as_bytes().to_vec()), Stamp::now()).expires_at(expire)
}

async fn held(layer: &MemoryBackend, key: &CacheKey) -> Option<CacheValue<Raw>> {
    layer.read(key).await.unwrap()
}

#[tokio::test]
async fn a_layer_that_lacks_a_write_is_not_trusted_with_its_key_alone() {
    let Stage {
        cache, l1, memory, ..
    } = stage(DisabledOffload, CompositionPolicy::new());
    let keys = keys();
    for key in &keys {
        cache.write(key, value("old")).await.unwrap();
    }
    l1.writes().next(1, Fault::FailBeforeEffect);
    let new = value("new");
    cache.write(&keys[1], new.clone()).await.unwrap();

    let mut contexts = vec![BoxContext::default(); 3];
    let outcomes = cache.read_many_with(&keys, &mut contexts).await;
    assert_eq!(outcomes[1].as_ref().unwrap().as_ref(), Some(&new));
    for (index, context) in contexts.iter().enumerate() {
        let text = outcomes[index].as_ref().unwrap().as_ref().unwrap();
        assert_eq!(text.data().payload().unwrap() == "old", index != 1);
        assert_eq!(context.status(), CacheStatus::Hit);
        assert_eq!(context.source().to_string(), "composition.memory");
    }
    assert_eq!(held(&memory[0], &keys[1]).await, Some(new));
}

#[tokio::test]
async fn what_is_removed_while_l2_is_asked_is_not_copied_to_l1() {
    let Stage {
        cache, l2, memory, ..
    } = stage(DisabledOffload, CompositionPolicy::new());
    let keys = keys();
    for key in &keys {
        memory[1].write(key, value("old")).await.unwrap();
    }
    l2.reads().always(Fault::HangAfterEffect);
    let (outcomes, ()) = join!(cache.read_many(&keys), async {
        l2.reads().wait_until_hanging(1).await;
        cache.remove(&keys[0]).await.unwrap();
        l2.heal();
    });
    assert_eq!(outcomes.len(), 3);
    assert_eq!(held(&memory[0], &keys[0]).await, None);
    assert!(held(&memory[0], &keys[1]).await.is_some());
    assert!(held(&memory[0], &keys[2]).await.is_some());
}

#[tokio::test]
async fn a_copy_that_is_dropped_midway_may_yet_take_effect() {
    let Stage {
        cache, l1, memory, ..
    } = stage(DisabledOffload, CompositionPolicy::new());
    let keys = keys();
    memory[1].write(&keys[0], value("v")).await.unwrap();
    l1.writes().always(Fault::HangAfterEffect);
    assert!(poll_immediate(cache.read_many(&keys)).await.is_none());
    let pending = cache.pending_repairs();
    assert_eq!(pending.len(), 1);
    assert_eq!(
        (&pending[0].key, pending[0].layer),
        (&keys[0], CompositionLayer::L1)
    );
    assert_eq!(pending[0].cause, RepairCause::InDoubt);
    // The turns are free again.
    l1.heal();
    assert!(cache.remove(&keys[0]).now_or_never().unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_copy_that_takes_its_time_is_left_to_the_background() {
    let offload = OffloadManager::builder().build().unwrap();
    let Stage {
        cache, l1, memory, ..
    } = stage(offload.clone(), CompositionPolicy::new());
    let keys = keys();
    memory[1].write(&keys[0], value("v")).await.unwrap();
    l1.writes().always(Fault::HangBeforeEffect);
    let outcomes = tokio::time::timeout(Duration::from_secs(1), cache.read_many(&keys)).await;
    assert!(outcomes.unwrap()[0].as_ref().unwrap().is_some());
    assert_eq!(held(&memory[0], &keys[0]).await, None);
    l1.heal();
    offload.drain().await;
    assert!(held(&memory[0], &keys[0]).await.is_some());
}

#[tokio::test]
async fn copies_go_by_the_rules() {
    let clock = VirtualTime::start(Utc::now());
    let policy = CompositionPolicy::new().l1_ttl(Duration::from_secs(5));
    for (policy, copied) in [
        (policy.clone(), true),
        (policy.refill(RefillPolicy::Never), false),
    ] {
        let Stage { cache, memory, .. } = stage(DisabledOffload, policy);
        let keys = keys();
        memory[1].write(&keys[2], value("v")).await.unwrap();
        let outcomes = cache.read_many(&keys).await;
        let found = outcomes[2].as_ref().unwrap().as_ref().unwrap();
        assert!(found.remaining() > Some(Duration::from_secs(3_000)));
        let copy = held(&memory[0], &keys[2]).await;
        assert_eq!(copy.is_some(), copied);
        if let Some(copy) = copy {
            assert!(copy.expire().unwrap() <= clock.now() + TimeDelta::seconds(5));
            assert_eq!(copy.created(), found.created());
        }
    }
}

#[tokio::test]
async fn keys_that_a_layer_fails_are_asked_for_in_the_other() {
    let Stage {
        cache,
        l1,
        l2,
        memory,
    } = stage(DisabledOffload, CompositionPolicy::new());
    let keys = keys();
    for layer in &memory {
        layer.write(&keys[0], value("v")).await.unwrap();
    }
    l1.reads().always(Fault::FailBeforeEffect);
    let outcomes = cache.read_many(&keys).await;
    assert!(outcomes[0].as_ref().unwrap().is_some());
    assert!(outcomes[1].as_ref().unwrap().is_none());
    l2.reads().always(Fault::FailBeforeEffect);
    let mut contexts = vec![BoxContext::default(); 3];
    for outcome in cache.read_many_with(&keys, &mut contexts).await {
        let error = outcome.unwrap_err().to_string();
        assert!(error.contains("composition.memory"), "{error}");
    }
    assert!(
        contexts
            .iter()
            .all(|context| context.status() == CacheStatus::Miss)
    );
    // L2 failing alone is a miss where L1 has nothing.
    l1.heal();
    let outcomes = cache.read_many(&keys).await;
    assert!(outcomes[0].as_ref().unwrap().is_some());
    assert!(outcomes[1].as_ref().unwrap().is_none());
}
