//! A layer that answers with an expired value has missed.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use hitbox_backend::{
    Backend, BackendLabel, BackendResult, CacheBackend, CacheContext, CacheKey, CacheStatus,
    CacheValue, DeleteStatus, Raw, ReadOutcome, Stamp, conformance::MemoryBackend,
};
use hitbox_core::clock;

use super::wants::arrangement::{each, key};

/// Answers with what it holds, expired or not, as no adapter should.
#[derive(Default)]
struct AnswersExpired {
    held: Mutex<Option<CacheValue<Raw>>>,
}

#[async_trait]
impl Backend for AnswersExpired {
    async fn read(&self, _key: &CacheKey) -> ReadOutcome {
        Ok(self.held.lock().unwrap().clone())
    }

    async fn write(&self, _key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
        *self.held.lock().unwrap() = Some(value);
        Ok(())
    }

    async fn remove(&self, _key: &CacheKey) -> BackendResult<DeleteStatus> {
        self.held.lock().unwrap().take();
        Ok(DeleteStatus::Missing)
    }

    fn label(&self) -> BackendLabel {
        BackendLabel::new_static("answers expired")
    }
}

async fn holding_expired() -> Arc<AnswersExpired> {
    let layer = Arc::new(AnswersExpired::default());
    let value = CacheValue::loaded(Arc::new("expired".to_owned()), Stamp::now());
    let source = MemoryBackend::new();
    source.set(&key(), value).await.unwrap();
    let value = source.read(&key()).await.unwrap().unwrap();
    *layer.held.lock().unwrap() = Some(value.expires_at(clock::now()));
    layer
}

#[tokio::test]
async fn the_other_layer_is_asked() {
    for (policy, way) in each() {
        for expired_is_l1 in [true, false] {
            let expired = holding_expired().await;
            let live = Arc::new(MemoryBackend::new());
            let value = CacheValue::loaded(Arc::new("live".to_owned()), Stamp::now());
            live.set(&key(), value).await.unwrap();
            let cache = if expired_is_l1 {
                policy.compose(expired, live)
            } else {
                policy.compose(live, expired)
            };
            let mut context = CacheContext::default().boxed();
            let found = way.get::<String>(&cache, &key(), &mut context).await;
            let case = format!("{policy:?} {way:?}, L1 has expired: {expired_is_l1}");
            let text = found.map(|found| String::clone(found.data()));
            assert_eq!(text.as_deref(), Some("live"), "{case}");
        }
    }
}

#[tokio::test]
async fn two_of_them_are_a_miss() {
    for (policy, way) in each() {
        let [l1, l2] = [holding_expired().await, holding_expired().await];
        let cache = policy.compose(l1, l2);
        let mut context = CacheContext::default().boxed();
        let found = way.get::<String>(&cache, &key(), &mut context).await;
        let case = format!("{policy:?} {way:?}");
        assert!(found.is_none(), "{case}");
        assert_eq!(context.status(), CacheStatus::Miss, "{case}");
    }
}
