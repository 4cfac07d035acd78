//! Two tenants with namespaces on one server share a first layer.

use std::sync::Arc;

use hitbox_backend::{
    Backend, CacheKey, CacheValue, Compose, DisabledOffload, Raw, Stamp, conformance::MemoryBackend,
};
use hitbox_redis::RedisBackend;
use test_servers::redis::SharedRedis;

#[tokio::test]
async fn tenants_that_share_a_first_layer_see_their_own_entries_only() {
    let server = SharedRedis::open().await.unwrap();
    let shared = Arc::new(MemoryBackend::new());
    let tenant = |name: &str| {
        let redis = RedisBackend::builder()
            .url(server.url())
            .namespace(&format!("{}-{name}", server.namespace()));
        Arc::clone(&shared).compose(redis.build().unwrap(), DisabledOffload)
    };
    let (a, b) = (tenant("a"), tenant("b"));
    let key = CacheKey::from_pair("id", "42");
    let value = |byte| CacheValue::loaded(Raw::from(vec![byte]), Stamp::now());
    a.write(&key, value(1)).await.unwrap();
    assert!(b.read(&key).await.unwrap().is_none());
    b.write(&key, value(2)).await.unwrap();
    for (cache, byte) in [(&a, 1), (&b, 2)] {
        for layer in [cache.read(&key).await, cache.l2().read(&key).await] {
            assert_eq!(
                layer.unwrap().unwrap().data().payload().unwrap()[..],
                [byte]
            );
        }
    }
    a.remove(&key).await.unwrap();
    assert!(a.read(&key).await.unwrap().is_none());
    assert!(b.read(&key).await.unwrap().is_some());
}
