//! What goes first.

use hitbox_backend::Backend;
use hitbox_core::{CacheKey, CacheValue, Raw, Stamp};
use hitbox_moka::MokaBackend;

#[tokio::test]
async fn what_is_asked_for_often_is_kept() {
    let key = |index: usize| CacheKey::from_pair("id", index.to_string());
    let value = || CacheValue::loaded(Raw::from(vec![1]), Stamp::now());
    let cache = MokaBackend::builder().max_entries(3).build().unwrap();
    for index in 0..3 {
        cache.write(&key(index), value()).await.unwrap();
        cache.run_pending_tasks();
        for _ in 0..5 {
            assert!(cache.read(&key(index)).await.unwrap().is_some());
        }
    }
    cache.write(&key(3), value()).await.unwrap();
    cache.run_pending_tasks();
    for index in 0..4 {
        let found = cache.read(&key(index)).await.unwrap();
        assert_eq!(found.is_some(), index < 3, "{index}");
    }
}
