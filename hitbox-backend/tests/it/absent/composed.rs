//! Which layer knows it does not matter.

use std::sync::Arc;

use hitbox_backend::{
    BoxContext, CacheBackend, CacheStatus, CacheValue, Compose, CompositionLayer,
    CompositionPolicy, DisabledOffload, Known, RefillPolicy, ResponseSource, Stamp,
};

use super::arrangement::{
    Policy, byte_store, each, key, known, known_by, layers, memory, nothing, raw, set, text,
};
use crate::composition::wants::arrangement::Way;

#[tokio::test]
async fn it_is_known_from_each_layer_under_every_policy_and_fills_the_first() {
    for (policy, way) in each() {
        for layer in CompositionLayer::BOTH {
            let [l1, l2] = layers();
            let absent = nothing();
            match layer {
                CompositionLayer::L1 => set(&l1, &absent).await,
                CompositionLayer::L2 => set(&l2, &absent).await,
            }
            let cache = policy.compose(Arc::clone(&l1), Arc::clone(&l2));
            let case = format!("{policy:?} {way:?} {layer}");
            let mut context = BoxContext::default();
            let found = known_by(way, &cache, &key(), &mut context).await;
            assert_eq!(found.as_ref(), Some(&absent), "{case}");
            if !matches!(way, Way::ManyWithout) {
                assert_eq!(context.status(), CacheStatus::Hit, "{case}");
                assert_eq!(context.source().to_string(), "composition.memory", "{case}");
            }
            assert_eq!(known(&l1).await, Some(absent), "{case}");
        }
    }
}

#[tokio::test]
async fn it_passes_through_bytes_and_back() {
    for (policy, way) in each() {
        let (l1, l2) = (memory(), byte_store());
        let absent = nothing();
        let cache = policy.compose(Arc::clone(&l1), Arc::clone(&l2));
        set(&cache, &absent).await;
        assert_eq!(known(&l1).await.as_ref(), Some(&absent));
        assert_eq!(known(&l2).await.as_ref(), Some(&absent));
        l1.delete(&key()).await.unwrap();
        let mut context = BoxContext::default();
        let found = known_by(way, &cache, &key(), &mut context).await;
        assert_eq!(found.as_ref(), Some(&absent), "{policy:?} {way:?}");
        assert_eq!(known(&l1).await.as_ref(), Some(&absent));
        assert_eq!(l2.rejected_in_all(), 0);
    }
}

#[tokio::test]
async fn who_asks_for_a_value_is_told_of_a_miss_and_no_layer_is_blamed() {
    for (policy, way) in each() {
        let (l1, l2) = (memory(), byte_store());
        let cache = policy.compose(Arc::clone(&l1), Arc::clone(&l2));
        set(&cache, &nothing()).await;
        for _ in CompositionLayer::BOTH {
            let case = format!("{policy:?} {way:?}");
            let mut context = BoxContext::default();
            let found = way.get::<String>(&cache, &key(), &mut context).await;
            assert!(found.is_none(), "{case}");
            assert_eq!(context.status(), CacheStatus::Miss, "{case}");
            assert_eq!(context.source(), &ResponseSource::Upstream, "{case}");
            // The second time from L2.
            l1.delete(&key()).await.unwrap();
        }
        assert_eq!(l2.rejected_in_all(), 0, "{policy:?} {way:?}");
    }
}

#[tokio::test]
async fn it_is_absent_whatever_the_type_that_is_asked_for() {
    for policy in Policy::ALL {
        let cache = policy.compose(memory(), byte_store());
        set(&cache, &nothing()).await;
        let mut context = BoxContext::default();
        let number = cache.get_known::<u64>(&key(), &mut context).await.unwrap();
        assert_eq!(number.unwrap().into_inner(), Known::Absent, "{policy:?}");
        // A plain read is answered with what the layer has.
        assert!(raw(&cache).await.unwrap().data().is_absent(), "{policy:?}");
    }
}

#[tokio::test]
async fn it_takes_the_place_of_an_object_and_an_object_its() {
    for policy in Policy::ALL {
        let cache = policy.compose(memory(), byte_store());
        for value in [nothing(), text("there"), nothing()] {
            let value = value.created_at(Stamp::now());
            set(&cache, &value).await;
            assert_eq!(known(&cache).await, Some(value), "{policy:?}");
        }
        cache.delete(&key()).await.unwrap();
        assert_eq!(known(&cache).await, None, "{policy:?}");
    }
}

#[tokio::test]
async fn what_a_load_did_not_find_before_a_write_is_not_stored_after_it() {
    for policy in Policy::ALL {
        let cache = policy.compose(memory(), memory());
        // Both loads began before it was written.
        let (old, older) = (nothing(), nothing());
        let newer = text("newer");
        set(&cache, &newer).await;
        set(&cache, &old).await;
        assert_eq!(known(&cache).await, Some(newer), "{policy:?}");
        cache.delete(&key()).await.unwrap();
        set(&cache, &older).await;
        assert_eq!(known(&cache).await, None, "{policy:?}");
    }
}

#[tokio::test]
async fn many_are_known_apart_from_each_other() {
    for policy in Policy::ALL {
        let cache = policy.compose(memory(), memory());
        let keys = ["one", "two", "three"].map(|id| hitbox_backend::CacheKey::from_pair("id", id));
        let values = [nothing(), text("two")];
        let entries = keys.iter().cloned().zip(values.clone()).collect();
        for written in cache.set_many_known(entries).await {
            written.unwrap();
        }
        // The last key has no context.
        let mut contexts = vec![BoxContext::default(); 2];
        let found = cache.get_many_known(&keys, &mut contexts).await;
        let found: Vec<_> = found.into_iter().map(Result::unwrap).collect();
        let [absent, present] = values.map(Some);
        assert_eq!(found, [absent, present, None], "{policy:?}");
        let hits = contexts.iter().map(BoxContext::status);
        assert!(hits.eq([CacheStatus::Hit; 2]), "{policy:?}");
    }
}

#[tokio::test]
async fn it_passes_through_a_nest() {
    let (innermost, middle, first) = (byte_store(), memory(), memory());
    let inner = Arc::clone(&middle).compose(Arc::clone(&innermost), DisabledOffload);
    let cache = Arc::clone(&first).compose(inner, DisabledOffload);
    let absent = nothing();
    set(&innermost, &absent).await;
    assert_eq!(known(&cache).await.as_ref(), Some(&absent));
    assert_eq!(known(&middle).await.as_ref(), Some(&absent));
    assert_eq!(known(&first).await, Some(absent));
    assert_eq!(innermost.rejected_in_all(), 0);
}

#[tokio::test]
async fn a_read_that_repairs_gives_it_to_the_layer_that_lacks_it() {
    for policy in [Policy::Parallel, Policy::OneFutureL2First] {
        let [l1, l2] = layers();
        let absent = nothing();
        set(&l2, &absent).await;
        let offload = hitbox_backend::OffloadManager::builder().build().unwrap();
        let (first, second) = (Arc::clone(&l1), Arc::clone(&l2));
        let refill = RefillPolicy::Repair;
        let cache = policy.compose_with(first, second, refill, offload.clone());
        // The second policy asks L1 only when L2 has nothing.
        set(&l1, &text("older").created_at(Stamp::from_micros(1))).await;
        if policy == Policy::Parallel {
            l1.delete(&key()).await.unwrap();
        }
        let found = known(&cache).await;
        assert_eq!(found.as_ref(), Some(&absent), "{policy:?}");
        let _report = offload.close(std::time::Duration::from_secs(5)).await;
        if policy == Policy::Parallel {
            assert_eq!(known(&l1).await, Some(absent), "{policy:?}");
        }
    }
}

#[tokio::test]
async fn the_cap_of_the_first_layer_shortens_its_life_there() {
    let [l1, l2] = layers();
    let ttl = std::time::Duration::from_secs(5);
    let policy = CompositionPolicy::new().l1_ttl(ttl);
    let cache = Arc::clone(&l1).compose_with(l2, DisabledOffload, policy);
    set(&cache, &nothing()).await;
    let capped: CacheValue<_> = known(&l1).await.unwrap();
    assert_eq!(capped.data(), &Known::Absent);
    assert!(capped.remaining() <= Some(ttl));
}
