//! Layers that keep data and life times, and nothing else.

use std::sync::Arc;

use async_trait::async_trait;
use hitbox_backend::{
    Backend, BackendErrorKind, BackendResult, BoxContext, CacheBackend, CacheKey, CacheStatus,
    CacheValue, Capabilities, Compose, CompositionLayer, CompositionPolicy, DeleteStatus,
    DisabledOffload, OffloadManager, Raw, ReadOutcome, RefillPolicy, Rejection, RepairPolicy,
    conformance::{Fault, FaultyBackend, MemoryBackend, Subject},
};
use hitbox_core::BackendLabel;

use super::arrangement::{
    Policy, byte_store, each, key, known, known_by, memory, nothing, set, text,
};

/// Keeps the parts of a value in columns of its own.
#[derive(Default)]
struct Columns {
    memory: MemoryBackend,
    claims_to_keep_all: bool,
}

#[async_trait]
impl Backend for Columns {
    async fn read(&self, key: &CacheKey) -> ReadOutcome {
        self.memory.read(key).await
    }

    async fn write(&self, key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
        let kept = value.map(|raw| match raw.encoded() {
            Some(encoded) => Raw::new(encoded.payload().clone(), encoded.encoding()),
            None => raw,
        });
        self.memory.write(key, kept).await
    }

    async fn remove(&self, key: &CacheKey) -> BackendResult<DeleteStatus> {
        self.memory.remove(key).await
    }

    fn label(&self) -> BackendLabel {
        "columns".into()
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.keeps_bytes = false;
        capabilities.keeps_metadata = self.claims_to_keep_all;
        capabilities
    }
}

fn columns() -> Arc<Columns> {
    Arc::default()
}

async fn is_refused(cache: &impl Backend) {
    let refusals = [
        cache.set_known(&key(), nothing()).await,
        cache
            .set_many_known(vec![(key(), nothing())])
            .await
            .pop()
            .unwrap(),
        cache
            .write(&key(), CacheValue::absent(hitbox_backend::Stamp::now()))
            .await,
    ];
    for (place, refused) in refusals.into_iter().enumerate() {
        let error = refused.unwrap_err();
        let kind = error.kind();
        assert_eq!(kind, BackendErrorKind::InvalidConfiguration, "{place}");
        let told = error.to_string();
        assert!(told.contains("keeps_metadata"), "{told}");
    }
}

#[tokio::test]
async fn they_pass_the_suite_and_those_that_claim_more_do_not() {
    Subject::new(columns()).assert_conforms().await;
    let claiming = Arc::new(Columns {
        claims_to_keep_all: true,
        ..Columns::default()
    });
    let report = Subject::new(claiming).run().await;
    let failures: Vec<_> = report.failures().map(|(name, _)| name).collect();
    assert!(
        failures.iter().all(|name| name.starts_with("absent::")),
        "{report}"
    );
    assert!(!failures.is_empty(), "{report}");
}

/// Whichever layer it is, and before either is touched.
#[tokio::test]
async fn a_composition_with_one_refuses_it() {
    for policy in Policy::ALL {
        for layer in CompositionLayer::BOTH {
            let (one, other) = (columns(), memory());
            let cache = match layer {
                CompositionLayer::L1 => policy.compose(Arc::clone(&one), Arc::clone(&other)),
                CompositionLayer::L2 => policy.compose(Arc::clone(&other), Arc::clone(&one)),
            };
            assert!(!cache.capabilities().keeps_metadata);
            let before = text("before");
            set(&cache, &before).await;
            is_refused(&cache).await;
            let case = format!("{policy:?} {layer}");
            assert_eq!(known(&cache).await.as_ref(), Some(&before), "{case}");
            assert_eq!(known(&one).await.as_ref(), Some(&before), "{case}");
            assert_eq!(known(&other).await.as_ref(), Some(&before), "{case}");
        }
    }
}

/// Somebody else, who shares L2, has stored it there.
#[tokio::test]
async fn it_is_known_from_l2_and_is_not_copied_to_them() {
    for refill in [RefillPolicy::Always, RefillPolicy::Repair] {
        for (policy, way) in each() {
            let (l1, l2) = (columns(), memory());
            let absent = nothing();
            set(&l2, &absent).await;
            let offload = OffloadManager::builder().build().unwrap();
            let (first, second) = (Arc::clone(&l1), Arc::clone(&l2));
            let cache = policy.compose_with(first, second, refill, offload.clone());
            for _ in 0..2 {
                let mut context = BoxContext::default();
                let found = known_by(way, &cache, &key(), &mut context).await;
                assert_eq!(
                    found.as_ref(),
                    Some(&absent),
                    "{policy:?} {way:?} {refill:?}"
                );
            }
            let _report = offload.close(std::time::Duration::from_secs(5)).await;
            assert!(
                l1.read(&key()).await.unwrap().is_none(),
                "{policy:?} {way:?}"
            );
        }
    }
}

/// What is left of it there is no value of any type, not even of one that takes no bytes.
#[tokio::test]
async fn what_they_have_lost_is_a_miss_of_theirs() {
    for policy in Policy::ALL {
        let l1 = Arc::new(Columns {
            claims_to_keep_all: true,
            ..Columns::default()
        });
        let store = byte_store();
        let cache = policy.compose(Arc::clone(&l1), Arc::clone(&store));
        let absent = nothing();
        set(&cache, &absent).await;
        assert!(!l1.read(&key()).await.unwrap().unwrap().data().is_absent());
        let mut context = BoxContext::default();
        let found = l1.get_known::<()>(&key(), &mut context).await.unwrap();
        assert!(found.is_none() && context.status() == CacheStatus::Miss);
        assert_eq!(known(&cache).await, Some(absent), "{policy:?}");
        assert_eq!(store.rejected(Rejection::Format), 0, "{policy:?}");
    }
}

#[tokio::test]
async fn a_repair_leaves_them_without_it() {
    let (memory, l2) = (columns(), memory());
    let (l1, faults) = FaultyBackend::new(Arc::clone(&memory));
    let policy = CompositionPolicy::new().repair(RepairPolicy::OnNextOperation);
    let cache = l1.compose_with(Arc::clone(&l2), DisabledOffload, policy);
    set(&cache, &text("before")).await;
    faults.writes().next(1, Fault::FailBeforeEffect);
    set(&cache, &text("missed by the first layer")).await;
    assert_eq!(cache.pending_repair_count(), 1);
    let absent = nothing();
    set(&l2, &absent).await;
    assert_eq!(known(&cache).await.as_ref(), Some(&absent));
    assert!(memory.read(&key()).await.unwrap().is_none());
    assert_eq!(known(&cache).await, Some(absent));
}
