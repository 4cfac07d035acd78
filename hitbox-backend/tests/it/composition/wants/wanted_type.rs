//! A value that typed access cannot use is a miss of its layer, and of that alone.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use chrono::DateTime;
use futures::FutureExt;
use hitbox_backend::{
    Backend, BackendExt, BackendLabel, BackendResult, BincodeFormat, BoxContext, CacheBackend,
    CacheContext, CacheKey, CacheStatus, CacheValue, Cacheable, CircuitBreakerConfig, Context,
    DeleteStatus, Format, OffloadManager, Raw, ReadOutcome, RefillPolicy, Rejection,
    ResponseSource, RetryConfig, Stamp,
    chaos::ChaosBackend,
    conformance::MemoryBackend,
    format::{FormatError, Visit, erased_serde},
};
use hitbox_core::FormatId;
use serde::{Deserialize, Serialize};

use super::arrangement::{Policy, Way, each, key};
use crate::byte_store::ByteStore;

/// The type before a deploy.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Before {
    id: u64,
}

/// The type after it.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct After {
    id: u64,
    name: String,
}

fn after() -> After {
    After {
        id: 7,
        name: "Ada".to_owned(),
    }
}

fn store() -> Arc<ByteStore> {
    Arc::new(ByteStore::new(&BincodeFormat))
}

/// Every value lives equally long, to the millisecond: a parallel read takes the longest-lived, and L1's of a tie.
async fn put<T: Cacheable>(cache: &impl Backend, object: T) {
    let end = DateTime::from_timestamp_millis(4_000_000_000_000).unwrap();
    let value = CacheValue::loaded(Arc::new(object), Stamp::now()).expires_at(end);
    cache.set(&key(), value).await.unwrap();
}

async fn get<T: Cacheable>(cache: &impl Backend) -> Option<Arc<T>> {
    let found = cache.get::<T>(&key()).await.unwrap();
    found.map(CacheValue::into_inner)
}

/// What each of the two has been told.
fn told(l1: &ByteStore, l2: &ByteStore) -> [u64; 2] {
    [l1, l2].map(|store| {
        assert_eq!(store.rejected_in_all(), store.rejected(Rejection::Type));
        store.rejected_in_all()
    })
}

#[tokio::test]
async fn of_l1_is_answered_by_l2_and_replaced_by_its_value() {
    for (policy, way) in each() {
        let (l1, l2) = (store(), store());
        put(&l1, Before { id: 7 }).await;
        put(&l2, after()).await;
        let cache = policy.compose(Arc::clone(&l1), Arc::clone(&l2));
        let mut context = BoxContext::default();
        let found = way.get::<After>(&cache, &key(), &mut context).await;
        let case = format!("{policy:?} {way:?}");
        assert_eq!(
            found.as_ref().map(|found| &**found.data()),
            Some(&after()),
            "{case}"
        );
        if !matches!(way, Way::ManyWithout) {
            assert_eq!(context.status(), CacheStatus::Hit, "{case}");
            assert_eq!(context.source().to_string(), "composition.bytes", "{case}");
        }
        // One that asks L2 first does not look at what L1 has.
        let of_l1 = u64::from(policy != Policy::OneFutureL2First);
        assert_eq!(told(&l1, &l2), [of_l1, 0], "{case}");
        assert_eq!(l1.stored(), l2.stored(), "{case}");
        assert_eq!(
            get::<After>(&cache).await.as_deref(),
            Some(&after()),
            "{case}"
        );
        assert_eq!(told(&l1, &l2), [of_l1, 0], "{case}");
    }
}

#[tokio::test]
async fn of_l2_is_answered_by_l1_and_left_to_those_who_can_use_it() {
    for refill in [RefillPolicy::Always, RefillPolicy::Repair] {
        for (policy, way) in each() {
            let (l1, l2) = (store(), store());
            put(&l1, after()).await;
            let lasting = CacheValue::loaded(Arc::new(Before { id: 7 }), Stamp::now());
            l2.set(&key(), lasting).await.unwrap();
            let in_l2 = l2.stored();
            let offload = OffloadManager::builder().build().unwrap();
            let (first, second) = (Arc::clone(&l1), Arc::clone(&l2));
            let cache = policy.compose_with(first, second, refill, offload.clone());
            let mut context = BoxContext::default();
            let found = way.get::<After>(&cache, &key(), &mut context).await;
            let case = format!("{policy:?} {way:?} {refill:?}");
            assert_eq!(
                found.as_ref().map(|found| &**found.data()),
                Some(&after()),
                "{case}"
            );
            assert_eq!(
                told(&l1, &l2),
                [0, u64::from(policy.asks_l2_always())],
                "{case}"
            );
            let _report = offload.close(Duration::from_secs(5)).await;
            assert_eq!(l2.stored(), in_l2, "{case}");
        }
    }
}

#[tokio::test]
async fn of_both_is_a_miss_that_each_is_told_of_once() {
    for (policy, way) in each() {
        let (l1, l2) = (store(), store());
        put(&l1, Before { id: 7 }).await;
        put(&l2, Before { id: 8 }).await;
        let before = [l1.stored(), l2.stored()];
        let cache = policy.compose(Arc::clone(&l1), Arc::clone(&l2));
        let mut context = BoxContext::default();
        let found = way.get::<After>(&cache, &key(), &mut context).await;
        let case = format!("{policy:?} {way:?}");
        assert!(found.is_none(), "{case}");
        assert_eq!(context.status(), CacheStatus::Miss, "{case}");
        assert_eq!(context.source(), &ResponseSource::Upstream, "{case}");
        assert!(!context.has_failures(), "{case}");
        assert_eq!(told(&l1, &l2), [1, 1], "{case}");
        assert_eq!([l1.stored(), l2.stored()], before, "{case}");
    }
}

#[tokio::test]
async fn is_found_by_the_inner_composition_alone() {
    for (policy, way) in each() {
        for inner_is_l1 in [true, false] {
            let (l1, l2, memory) = (store(), store(), Arc::new(MemoryBackend::new()));
            put(&l1, Before { id: 7 }).await;
            put(&l2, after()).await;
            let inner = policy.compose(Arc::clone(&l1), Arc::clone(&l2));
            let cache = if inner_is_l1 {
                policy.compose(inner, Arc::clone(&memory))
            } else {
                policy.compose(Arc::clone(&memory), inner)
            };
            let mut context = BoxContext::default();
            let found = way
                .get::<After>(&cache, &key(), &mut context)
                .await
                .unwrap();
            let case = format!("{policy:?} {way:?} {inner_is_l1}");
            assert_eq!(**found.data(), after(), "{case}");
            let of_l1 = u64::from(policy != Policy::OneFutureL2First);
            assert_eq!(told(&l1, &l2), [of_l1, 0], "{case}");
            assert_eq!(l1.stored(), l2.stored(), "{case}");
            if !inner_is_l1 {
                // The object that was decoded, not another one.
                let kept = memory.read(&key()).await.unwrap().unwrap();
                let object = kept.data().object_of::<After>().unwrap();
                assert!(Arc::ptr_eq(&object, found.data()), "{case}");
            }
        }
    }
}

#[tokio::test]
async fn is_found_through_wrappers() {
    for way in Way::ALL {
        let (l1, l2) = (store(), store());
        put(&l1, Before { id: 7 }).await;
        put(&l2, after()).await;
        let inner = Policy::Sequential.compose(Arc::clone(&l1), Arc::clone(&l2));
        let chaos = ChaosBackend::builder(inner).build().unwrap();
        let wrapped = chaos
            .retry(RetryConfig::new())
            .unwrap()
            .circuit_breaker(CircuitBreakerConfig::new())
            .unwrap()
            .deadline(Duration::from_secs(5))
            .unwrap();
        let cache = Policy::Sequential.compose(MemoryBackend::new(), Box::new(wrapped));
        let found = way
            .get::<After>(&cache, &key(), &mut BoxContext::default())
            .await;
        assert_eq!(**found.unwrap().data(), after(), "{way:?}");
        assert_eq!(told(&l1, &l2), [1, 0], "{way:?}");
    }
}

/// bincode, upside down or not, under one id; counts what it decodes.
#[derive(Debug)]
struct Own {
    mask: u8,
    decoded: AtomicUsize,
}

impl Own {
    const fn new(mask: u8) -> Self {
        Self {
            mask,
            decoded: AtomicUsize::new(0),
        }
    }
}

impl Format for Own {
    fn id(&self) -> FormatId {
        FormatId::custom(200)
    }

    fn encode(&self, value: &dyn erased_serde::Serialize) -> Result<Vec<u8>, FormatError> {
        let payload = BincodeFormat.encode(value)?;
        Ok(payload.into_iter().map(|byte| byte ^ self.mask).collect())
    }

    fn decode(&self, payload: &[u8], visit: &mut Visit<'_>) -> Result<(), FormatError> {
        self.decoded.fetch_add(1, Ordering::Relaxed);
        let payload: Vec<u8> = payload.iter().map(|byte| byte ^ self.mask).collect();
        BincodeFormat.decode(&payload, visit)
    }
}

#[tokio::test]
async fn is_decoded_by_the_format_that_its_layer_knows_by_the_id() {
    static UPSIDE_DOWN: Own = Own::new(0xff);
    static UPRIGHT: Own = Own::new(0);
    for (policy, way) in each() {
        let case = format!("{policy:?} {way:?}");
        let stores = || [&UPSIDE_DOWN, &UPRIGHT].map(|format| Arc::new(ByteStore::new(format)));
        for holder in 0..2 {
            let stores = stores();
            put(&stores[holder], after()).await;
            let [l1, l2] = stores.clone();
            let cache = policy.compose(l1, l2);
            let found = way
                .get::<After>(&cache, &key(), &mut BoxContext::default())
                .await;
            assert_eq!(
                found.as_ref().map(|found| &**found.data()),
                Some(&after()),
                "{case}"
            );
            assert_eq!(
                stores.map(|store| store.rejected_in_all()),
                [0, 0],
                "{case}"
            );
        }
    }
}

#[tokio::test]
async fn of_two_that_were_read_the_answer_alone_is_decoded() {
    static COUNTED: Own = Own::new(1);
    for (policy, way) in each() {
        let [l1, l2] = [(); 2].map(|()| Arc::new(ByteStore::new(&COUNTED)));
        put(&l1, after()).await;
        put(&l2, after()).await;
        let cache = policy.compose(l1, l2);
        let before = COUNTED.decoded.load(Ordering::Relaxed);
        let found = way
            .get::<After>(&cache, &key(), &mut BoxContext::default())
            .await;
        assert!(found.is_some());
        let decoded = COUNTED.decoded.load(Ordering::Relaxed) - before;
        assert_eq!(decoded, 1, "{policy:?} {way:?}");
    }
}

#[tokio::test]
async fn is_no_business_of_who_reads_bytes() {
    for policy in Policy::ALL {
        let (l1, l2) = (store(), store());
        put(&l2, Before { id: 7 }).await;
        let cache = policy.compose(Arc::clone(&l1), Arc::clone(&l2));
        // The context has been used for a type before.
        let mut context = BoxContext::default();
        assert!(
            cache
                .get_with::<After>(&key(), &mut context)
                .await
                .unwrap()
                .is_none()
        );
        assert_eq!(told(&l1, &l2), [0, 1], "{policy:?}");
        assert!(l1.stored().is_none(), "{policy:?}");
        let found = cache
            .read_with(&key(), &mut context)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(found.data().object_of::<Before>(), None, "{policy:?}");
        assert_eq!(told(&l1, &l2), [0, 1], "{policy:?}");
        assert_eq!(l1.stored(), l2.stored(), "{policy:?}");
        // And for another type.
        let found = cache
            .get_with::<Before>(&key(), &mut context)
            .await
            .unwrap();
        assert_eq!(**found.unwrap().data(), Before { id: 7 }, "{policy:?}");
    }
}

#[tokio::test]
async fn two_types_that_read_the_same_bytes_each_get_their_own() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Same {
        id: u64,
        name: String,
    }
    for (policy, way) in each() {
        let cache = policy.compose(MemoryBackend::new(), MemoryBackend::new());
        put(&cache, after()).await;
        let same = way
            .get::<Same>(&cache, &key(), &mut BoxContext::default())
            .await;
        let expected = Same {
            id: 7,
            name: "Ada".to_owned(),
        };
        assert_eq!(**same.unwrap().data(), expected, "{policy:?} {way:?}");
        let after_that = way
            .get::<After>(&cache, &key(), &mut BoxContext::default())
            .await;
        assert_eq!(**after_that.unwrap().data(), after(), "{policy:?} {way:?}");
    }
}

/// A context of somebody's own, who knows nothing of what readers want.
#[derive(Clone, Debug, Default)]
struct Noting {
    inner: CacheContext,
}

impl Context for Noting {
    fn status(&self) -> CacheStatus {
        self.inner.status()
    }
    fn set_status(&mut self, status: CacheStatus) {
        self.inner.set_status(status);
    }
    fn source(&self) -> &ResponseSource {
        self.inner.source()
    }
    fn set_source(&mut self, source: ResponseSource) {
        self.inner.set_source(source);
    }
    fn clone_box(&self) -> Box<dyn Context> {
        Box::new(self.clone())
    }
}

#[tokio::test]
async fn is_a_miss_of_its_layer_for_contexts_of_ones_own_too() {
    for (policy, way) in each() {
        let (l1, l2) = (store(), store());
        put(&l1, Before { id: 7 }).await;
        put(&l2, after()).await;
        let cache = policy.compose(Arc::clone(&l1), Arc::clone(&l2));
        let mut context = BoxContext::new(Noting::default());
        let found = way.get::<After>(&cache, &key(), &mut context).await;
        assert!(found.is_some(), "{policy:?} {way:?}");
        assert_eq!(told(&l1, &l2)[1], 0, "{policy:?} {way:?}");
    }
}

/// Never answers.
struct Silent;

#[async_trait]
impl Backend for Silent {
    async fn read(&self, _key: &CacheKey) -> ReadOutcome {
        std::future::pending().await
    }

    async fn write(&self, _key: &CacheKey, _value: CacheValue<Raw>) -> BackendResult<()> {
        Ok(())
    }

    async fn remove(&self, _key: &CacheKey) -> BackendResult<DeleteStatus> {
        Ok(DeleteStatus::Missing)
    }

    fn label(&self) -> BackendLabel {
        "silent".into()
    }
}

#[tokio::test]
async fn the_context_of_a_read_that_was_dropped_wants_no_type_any_more() {
    let mut contexts = [BoxContext::default(), BoxContext::default()];
    let keys = [key(), key()];
    let read = Silent.get_with::<After>(&keys[0], &mut contexts[0]);
    assert!(read.now_or_never().is_none());
    let reads = Silent.get_many_with::<After>(&keys, &mut contexts);
    assert!(reads.now_or_never().is_none());
    for context in contexts {
        assert!(context.wants().object.is_none());
    }
}
