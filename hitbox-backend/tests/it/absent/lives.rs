//! It has life times like an object.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use hitbox_backend::{BoxContext, CacheBackend, CacheContext, CacheStatus, CacheValue};
use hitbox_core::clock::VirtualTime;

use super::arrangement::{Policy, key, known, layers, nothing, set, text};

#[tokio::test]
async fn it_ends_in_every_layer() {
    for policy in Policy::ALL {
        let clock = VirtualTime::start(hitbox_core::clock::now());
        let [l1, l2] = layers();
        let cache = policy.compose(Arc::clone(&l1), l2);
        set(&cache, &nothing().ttl(Duration::from_secs(10))).await;
        l1.delete(&key()).await.unwrap();
        clock.advance(TimeDelta::milliseconds(9_999));
        assert!(known(&cache).await.is_some(), "{policy:?}");
        assert!(known(&l1).await.is_some(), "{policy:?}");
        clock.advance(TimeDelta::milliseconds(1));
        assert_eq!(known(&cache).await, None, "{policy:?}");
    }
}

#[tokio::test]
async fn one_that_is_over_leaves_nothing() {
    for policy in Policy::ALL {
        let [l1, l2] = layers();
        let cache = policy.compose(l1, l2);
        set(&cache, &text("before")).await;
        set(&cache, &nothing().ttl(Duration::ZERO)).await;
        assert_eq!(known(&cache).await, None, "{policy:?}");
    }
}

#[tokio::test]
async fn a_stale_one_is_a_last_resort_to_who_wants_a_fresh_answer() {
    for policy in Policy::ALL {
        let [l1, l2] = layers();
        let stale = nothing().stale_after(Duration::ZERO);
        set(&l1, &stale).await;
        let cache = policy.compose(l1, Arc::clone(&l2));
        let mut context = CacheContext::default().boxed().fresh_only();
        let found = cache.get_known::<String>(&key(), &mut context).await;
        assert_eq!(found.unwrap().as_ref(), Some(&stale), "{policy:?}");
        assert_eq!(context.status(), CacheStatus::Stale, "{policy:?}");

        let fresh = text("fresh");
        set(&l2, &fresh).await;
        let found = cache.get_known::<String>(&key(), &mut context).await;
        assert_eq!(found.unwrap(), Some(fresh), "{policy:?}");
        assert_eq!(context.status(), CacheStatus::Hit, "{policy:?}");
    }
}

#[tokio::test]
async fn a_plain_read_says_when_it_ends() {
    let [l1, _] = layers();
    let absent = nothing().stale_after(Duration::from_secs(5));
    set(&l1, &absent).await;
    let mut context = BoxContext::default();
    let found: Option<CacheValue<_>> = l1.get_known::<String>(&key(), &mut context).await.unwrap();
    let found = found.unwrap();
    assert_eq!(found.expire(), absent.expire());
    assert_eq!(found.stale(), absent.stale());
    assert_eq!(found.created(), absent.created());
}
