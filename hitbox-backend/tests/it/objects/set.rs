//! What a typed write encodes, and when.

use std::{sync::Arc, time::Duration};

use hitbox_backend::{
    Backend, BackendErrorKind, BackendExt, BincodeFormat, CacheBackend, Capabilities,
    CircuitBreakerConfig, RetryConfig, chaos::ChaosBackend,
};

use super::arrangement::{
    Counted, NotStorable, Setting, byte_store, encodes, get, has_object_alone, memory, value,
};
use crate::{
    byte_store::ByteStore,
    composition::wants::arrangement::{Cache, Policy, key},
};

/// None keeps bytes.
fn of_objects() -> Vec<(&'static str, Cache)> {
    let mut caches: Vec<(_, Cache)> = vec![("alone", memory())];
    let wrapped = ChaosBackend::builder(memory()).build().unwrap();
    let wrapped = wrapped
        .retry(RetryConfig::new())
        .unwrap()
        .circuit_breaker(CircuitBreakerConfig::new())
        .unwrap()
        .deadline(Duration::from_secs(5))
        .unwrap();
    caches.push(("wrapped", Arc::new(wrapped)));
    for policy in Policy::ALL {
        caches.push(("composed", policy.compose(memory(), memory())));
        let inner = policy.compose(memory(), memory());
        caches.push(("in L1", policy.compose(inner, memory())));
        let inner = policy.compose(memory(), memory());
        caches.push(("in L2", policy.compose(memory(), inner)));
    }
    caches
}

#[tokio::test]
async fn where_no_layer_keeps_bytes_encodes_nothing_and_every_type_is_cached() {
    for setting in Setting::BOTH {
        for (what, cache) in of_objects() {
            assert!(!cache.capabilities().keeps_bytes, "{what}");
            let counted = value(Counted { id: 7 });
            let object = Arc::clone(counted.data());
            let (set, encoded) = encodes(setting.set(&cache, counted)).await;
            set.unwrap();
            assert_eq!(encoded, 0, "{what} {setting:?}");
            let found = get::<Counted>(&cache).await.unwrap();
            assert!(Arc::ptr_eq(&found, &object), "{what} {setting:?}");
            setting.set(&cache, value(NotStorable(8))).await.unwrap();
            let found = get::<NotStorable>(&cache).await;
            assert_eq!(
                found.as_deref(),
                Some(&NotStorable(8)),
                "{what} {setting:?}"
            );
        }
    }
}

#[tokio::test]
async fn where_a_layer_keeps_bytes_is_refused_before_any_is_touched() {
    for (policy, setting) in Policy::ALL
        .into_iter()
        .flat_map(|p| Setting::BOTH.map(|s| (p, s)))
    {
        for bytes_in_l1 in [true, false] {
            let (memory, store) = (memory(), byte_store());
            let (l1, l2) = (Arc::clone(&memory), Arc::clone(&store));
            let cache = match bytes_in_l1 {
                true => policy.compose(l2, l1),
                false => policy.compose(l1, policy.compose(super::arrangement::memory(), l2)),
            };
            assert!(cache.capabilities().keeps_bytes);
            setting.set(&cache, value(Counted { id: 7 })).await.unwrap();
            let stored = store.stored();
            let refused = setting
                .set(&cache, value(NotStorable(8)))
                .await
                .unwrap_err();
            assert_eq!(refused.kind(), BackendErrorKind::NotStorable);
            assert_eq!(store.stored(), stored, "{policy:?}");
            let kept = get::<Counted>(&memory).await;
            assert_eq!(kept.as_deref(), Some(&Counted { id: 7 }), "{policy:?}");
        }
    }
}

#[tokio::test]
async fn encodes_once_for_all_layers_in_the_format_of_the_composition() {
    for (policy, setting) in Policy::ALL
        .into_iter()
        .flat_map(|p| Setting::BOTH.map(|s| (p, s)))
    {
        let (l1, l2, l3) = (memory(), byte_store(), byte_store());
        let inner = policy.compose(Arc::clone(&l2), Arc::clone(&l3));
        let cache = policy.compose(Arc::clone(&l1), inner);
        let counted = value(Counted { id: 7 });
        let object = Arc::clone(counted.data());
        let (set, encoded) = encodes(setting.set(&cache, counted)).await;
        set.unwrap();
        assert_eq!(encoded, 1, "{policy:?} {setting:?}");
        assert!(
            has_object_alone(&l1, &key(), &object).await,
            "{policy:?} {setting:?}"
        );
        assert!(l2.stored().is_some(), "{policy:?} {setting:?}");
        assert_eq!(l2.stored(), l3.stored(), "{policy:?} {setting:?}");
    }
}

#[tokio::test]
async fn an_object_over_the_limit_for_decoding_is_kept_where_no_layer_keeps_bytes() {
    let long = "x".repeat(Capabilities::DEFAULT_LARGEST_DECODED + 1);
    let cache = memory();
    cache.set(&key(), value(long.clone())).await.unwrap();
    assert!(
        get::<String>(&cache)
            .await
            .is_some_and(|kept| *kept == long)
    );
    let cache = Policy::Sequential.compose(cache, ByteStore::new(&BincodeFormat));
    for setting in Setting::BOTH {
        let refused = setting.set(&cache, value(long.clone())).await.unwrap_err();
        assert_eq!(refused.kind(), BackendErrorKind::TooLarge);
        assert!(get::<String>(&cache).await.is_none());
    }
}

#[tokio::test]
async fn an_object_that_somebody_writes_by_hand_is_encoded_once_before_a_layer_is_touched() {
    let from = memory();
    let (l2, l3) = (byte_store(), byte_store());
    let to = Policy::Sequential.compose(Arc::clone(&l2), Arc::clone(&l3));
    from.set(&key(), value(Counted { id: 7 })).await.unwrap();
    let kept = from.read(&key()).await.unwrap().unwrap();
    let (written, encoded) = encodes(to.write(&key(), kept.clone())).await;
    written.unwrap();
    assert_eq!(encoded, 1);
    assert_eq!(
        get::<Counted>(&to).await.as_deref(),
        Some(&Counted { id: 7 })
    );
    let entries = vec![(key(), kept)];
    let (mut written, encoded) = encodes(to.write_many(entries)).await;
    written.pop().unwrap().unwrap();
    assert_eq!(encoded, 1);
    let stored = l2.stored();
    from.set(&key(), value(NotStorable(8))).await.unwrap();
    let kept = from.read(&key()).await.unwrap().unwrap();
    let refused = to.write(&key(), kept.clone()).await.unwrap_err();
    assert_eq!(refused.kind(), BackendErrorKind::NotStorable);
    let refused = to
        .write_many(vec![(key(), kept.clone())])
        .await
        .pop()
        .unwrap();
    assert_eq!(refused.unwrap_err().kind(), BackendErrorKind::NotStorable);
    assert_eq!(l2.stored(), stored);
    let refused = l2.write(&key(), kept).await.unwrap_err();
    assert_eq!(refused.kind(), BackendErrorKind::NotStorable);
}
