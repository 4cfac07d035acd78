//! Read policies from elsewhere: one future, that may do as it likes with the values it is given.

use std::{fmt::Debug, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use hitbox_backend::{
    Backend, Compose, CompositionLayer, CompositionPolicy, CompositionReadPolicy, ReadResult,
    conformance::MemoryBackend,
};
use hitbox_core::{
    BoxContext, CacheContext, CacheKey, CacheValue, DisabledOffload, Offload, Raw, Stamp,
};

/// Answers with L2's value, which is to live for another hour, as if it were made now.
struct Prolongs;

#[async_trait]
impl CompositionReadPolicy for Prolongs {
    async fn execute_with<T, E, F1, F2, Fut1, Fut2, O>(
        &self,
        key: CacheKey,
        _read_l1: F1,
        read_l2: F2,
        _offload: &O,
    ) -> Result<ReadResult<T>, E>
    where
        T: Send + 'static,
        E: Send + Debug + 'static,
        F1: FnOnce(CacheKey) -> Fut1 + Send,
        F2: FnOnce(CacheKey) -> Fut2 + Send,
        Fut1: Future<Output = (Result<Option<CacheValue<T>>, E>, BoxContext)> + Send + 'static,
        Fut2: Future<Output = (Result<Option<CacheValue<T>>, E>, BoxContext)> + Send + 'static,
        O: Offload<'static>,
    {
        let (found, context) = read_l2(key).await;
        let prolonged = found?.map(|value| {
            let (data, _, _, _) = value.into_parts();
            CacheValue::loaded(data, Stamp::now()).ttl(Duration::from_secs(3600))
        });
        Ok(ReadResult {
            value: prolonged,
            source: CompositionLayer::L2,
            context,
        })
    }
}

#[tokio::test]
async fn a_policy_cannot_change_how_long_a_value_lives() {
    let (l1, l2) = (MemoryBackend::new(), MemoryBackend::new());
    let key = CacheKey::from_pair("key", "1");
    let value = CacheValue::loaded(Raw::from(Bytes::from_static(b"short")), Stamp::now())
        .ttl(Duration::from_secs(5));
    l2.write(&key, value.clone()).await.unwrap();
    let policy = CompositionPolicy::new().read(Prolongs);
    let cache = l1.compose_with(l2, DisabledOffload, policy);

    let mut context = CacheContext::default().boxed();
    let found = cache.read_with(&key, &mut context).await.unwrap();
    assert_eq!(found.as_ref(), Some(&value));
    let many = cache.read_many(std::slice::from_ref(&key)).await;
    assert_eq!(many.into_iter().next().unwrap().unwrap(), found);
    assert_eq!(cache.l1().read(&key).await.unwrap(), found);
}
