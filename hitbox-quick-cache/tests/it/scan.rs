//! What goes first, and what does not fit.

use hitbox_backend::{Backend, BackendErrorKind};
use hitbox_core::{CacheKey, CacheValue, Raw, Stamp};
use hitbox_quick_cache::QuickCacheBackend;

fn key(index: usize) -> CacheKey {
    CacheKey::from_pair("id", index.to_string())
}

fn value(length: usize) -> CacheValue<Raw> {
    CacheValue::loaded(Raw::from(vec![1; length]), Stamp::now())
}

#[tokio::test]
async fn what_is_asked_for_again_outlives_a_scan() {
    const KEPT: usize = 90;
    let cache = QuickCacheBackend::builder()
        .max_entries(100)
        .build()
        .unwrap();
    for index in 0..KEPT {
        cache.write(&key(index), value(1)).await.unwrap();
        assert!(cache.read(&key(index)).await.unwrap().is_some());
    }
    for index in KEPT..10_000 {
        cache.write(&key(index), value(1)).await.unwrap();
        assert!(cache.statistics().entries <= 100);
    }
    for index in 0..KEPT {
        assert!(cache.read(&key(index)).await.unwrap().is_some(), "{index}");
    }
}

/// Whatever the number of shards, which depends on the machine.
#[tokio::test]
async fn an_entry_must_fit_into_the_smallest_shard() {
    let builder = || QuickCacheBackend::builder().max_bytes(64 << 20);
    let cache = builder().build().unwrap();
    cache.write(&key(1), value(1 << 20)).await.unwrap();
    let refused = cache.write(&key(1), value(5 << 20)).await.unwrap_err();
    assert_eq!(refused.kind(), BackendErrorKind::TooLarge);
    assert_eq!(cache.read(&key(1)).await.unwrap(), None);

    let cache = builder().largest_value(5 << 20).build().unwrap();
    cache.write(&key(1), value(5 << 20)).await.unwrap();
    assert!(cache.read(&key(1)).await.unwrap().is_some());
}
