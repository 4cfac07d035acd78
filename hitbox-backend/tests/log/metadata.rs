//! A layer that does not keep metadata has not failed where it is given none.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use hitbox_backend::{
    Backend, BackendResult, Capabilities, Compose, CompositionPolicy, DeleteStatus, OffloadManager,
    ReadOutcome, RefillPolicy, conformance::MemoryBackend,
};
use hitbox_core::{BackendLabel, CacheKey, CacheValue, Raw, Stamp};
use test_servers::log::record_all;

#[derive(Default)]
struct Columns(MemoryBackend);

#[async_trait]
impl Backend for Columns {
    async fn read(&self, key: &CacheKey) -> ReadOutcome {
        self.0.read(key).await
    }

    async fn write(&self, key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
        self.0.write(key, value).await
    }

    async fn remove(&self, key: &CacheKey) -> BackendResult<DeleteStatus> {
        self.0.remove(key).await
    }

    fn label(&self) -> BackendLabel {
        "columns".into()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }
}

#[tokio::test]
async fn what_is_absent_is_not_offered_to_a_layer_that_would_lose_it() {
    let recorder = record_all();
    let (shared, key) = (
        Arc::new(MemoryBackend::new()),
        CacheKey::from_pair("id", "43"),
    );
    let absent = CacheValue::absent(Stamp::now());
    shared.write(&key, absent.clone()).await.unwrap();
    for refill in [RefillPolicy::Always, RefillPolicy::Repair] {
        let offload = OffloadManager::builder().build().unwrap();
        let policy = CompositionPolicy::new().refill(refill);
        let second = Arc::clone(&shared);
        let cache = Columns::default().compose_with(second, offload.clone(), policy);
        for _ in 0..3 {
            assert_eq!(cache.read(&key).await.unwrap().as_ref(), Some(&absent));
        }
        offload.close(Duration::from_secs(5)).await;
        let lines = recorder.take_of_this_thread();
        assert!(
            !lines.iter().any(|line| line.contains("layer=")),
            "{refill:?}: {lines:?}"
        );
    }
}
