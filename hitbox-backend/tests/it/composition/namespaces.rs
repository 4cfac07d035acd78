//! Two tenants over one first layer, each with a namespace in its second: neither sees what the other has.

use std::sync::Arc;

use async_trait::async_trait;
use hitbox_backend::{
    Backend, BackendExt, BackendResult, CacheBackend, CacheKeyFormat, Compose, CompositionLayer,
    CompositionPolicy, DeleteStatus, ParallelReadPolicy, RaceReadPolicy, ReadOutcome, RefillPolicy,
    SequentialReadPolicy,
    conformance::{Fault, FaultyBackend, MemoryBackend},
};
use hitbox_core::{BackendLabel, CacheKey, CacheValue, DisabledOffload, Raw, Stamp};

/// A store with a namespace.
#[derive(Clone)]
struct Tenant {
    memory: Arc<MemoryBackend>,
    key_format: CacheKeyFormat,
}

fn tenant(name: &str) -> Tenant {
    Tenant {
        memory: Arc::default(),
        key_format: CacheKeyFormat::namespaced(name),
    }
}

#[async_trait]
impl Backend for Tenant {
    async fn read(&self, key: &CacheKey) -> ReadOutcome {
        self.memory.read(key).await
    }
    async fn write(&self, key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
        self.memory.write(key, value).await
    }
    async fn remove(&self, key: &CacheKey) -> BackendResult<DeleteStatus> {
        self.memory.remove(key).await
    }
    fn label(&self) -> BackendLabel {
        "tenant".into()
    }
    fn key_format(&self) -> &CacheKeyFormat {
        &self.key_format
    }
}

fn key() -> CacheKey {
    CacheKey::from_pair("id", "42")
}

fn value(byte: u8) -> CacheValue<Raw> {
    CacheValue::loaded(Raw::from(vec![byte]), Stamp::now())
}

fn byte(found: ReadOutcome) -> Option<u8> {
    Some(found.unwrap()?.data().payload().unwrap()[0])
}

type Cache = Arc<dyn Backend>;

/// Two caches over one first layer: by each policy, as nests, behind `dyn`, and with wrappers around.
fn pairs() -> Vec<(&'static str, [Cache; 2])> {
    let mut pairs: Vec<(&'static str, [Cache; 2])> = Vec::new();
    macro_rules! pair {
        ($name:literal, |$l1:ident, $l2:ident| $cache:expr) => {{
            let shared = Arc::new(MemoryBackend::new());
            let compose = |name| -> Cache {
                let ($l1, $l2) = (Arc::clone(&shared), tenant(name));
                Arc::new($cache)
            };
            pairs.push(($name, [compose("a"), compose("a::b")]));
        }};
    }
    let policy = CompositionPolicy::new();
    pair!("sequential", |l1, l2| l1.compose_with(
        l2,
        DisabledOffload,
        policy.clone().read(SequentialReadPolicy::new())
    ));
    pair!("race", |l1, l2| l1.compose_with(
        l2,
        DisabledOffload,
        policy.clone().read(RaceReadPolicy::new())
    ));
    pair!("parallel", |l1, l2| l1.compose_with(
        l2,
        DisabledOffload,
        policy.clone().read(ParallelReadPolicy::new())
    ));
    pair!("repair", |l1, l2| l1.compose_with(
        l2,
        DisabledOffload,
        policy.clone().refill(RefillPolicy::Repair)
    ));
    pair!("a nest below", |l1, l2| l1.compose(
        MemoryBackend::new().compose(l2, DisabledOffload),
        DisabledOffload
    ));
    pair!("a nest above", |l1, l2| l1
        .compose(MemoryBackend::new(), DisabledOffload)
        .compose(l2, DisabledOffload));
    pair!("a nest in a nest", |l1, l2| MemoryBackend::new()
        .compose(l1.compose(l2, DisabledOffload), DisabledOffload));
    pair!("dyn", |l1, l2| {
        let (l1, l2): (Cache, Cache) = (l1, Arc::new(l2));
        l1.compose(l2, DisabledOffload)
    });
    pair!("wrapped", |l1, l2| {
        let minute = std::time::Duration::from_secs(60);
        l1.deadline(minute)
            .unwrap()
            .compose(l2.deadline(minute).unwrap(), DisabledOffload)
    });
    pairs
}

#[tokio::test]
async fn tenants_that_share_a_first_layer_see_their_own_entries_only() {
    for (name, [a, b]) in pairs() {
        let key = key();
        a.write(&key, value(1)).await.unwrap();
        assert_eq!(byte(b.read(&key).await), None, "{name}");
        b.write(&key, value(2)).await.unwrap();
        assert_eq!(byte(a.read(&key).await), Some(1), "{name}");
        assert_eq!(byte(b.read(&key).await), Some(2), "{name}");

        let keys = [key.clone()];
        let all = a.write_many(vec![(key.clone(), value(3))]).await;
        all.into_iter().for_each(Result::unwrap);
        assert_eq!(byte(b.read_many(&keys).await.remove(0)), Some(2), "{name}");
        a.refill(&key, value(4)).await.unwrap();
        assert_eq!(byte(a.read_many(&keys).await.remove(0)), Some(4), "{name}");
        a.remove_many(&keys).await.remove(0).unwrap();
        assert_eq!(byte(a.read(&key).await), None, "{name}");
        assert_eq!(byte(b.read(&key).await), Some(2), "{name}");
        b.remove(&key).await.unwrap();
        assert_eq!(byte(b.read(&key).await), None, "{name}");
    }
}

#[tokio::test]
async fn typed_values_are_apart_as_well() {
    let shared = Arc::new(MemoryBackend::new());
    let a = Arc::clone(&shared).compose(tenant("a"), DisabledOffload);
    let b = shared.compose(tenant("b"), DisabledOffload);
    let typed = |text: &str| CacheValue::loaded(Arc::new(text.to_owned()), Stamp::now());
    a.set(&key(), typed("a's")).await.unwrap();
    assert!(b.get::<String>(&key()).await.unwrap().is_none());
    b.set(&key(), typed("b's")).await.unwrap();
    assert_eq!(
        **a.get::<String>(&key()).await.unwrap().unwrap().data(),
        *"a's"
    );
}

/// Refills and repairs put values where they are looked for.
#[tokio::test]
async fn what_is_copied_to_the_first_layer_is_found_there_by_its_tenant_alone() {
    let shared = Arc::new(MemoryBackend::new());
    let (l1, faults) = FaultyBackend::new(Arc::clone(&shared));
    let (a, b) = (l1.compose(tenant("a"), DisabledOffload), tenant("b"));
    let b = Arc::clone(&shared).compose(b, DisabledOffload);
    let in_l1 = a.key_in(CompositionLayer::L1, &key());
    assert_eq!(in_l1.as_text(), "a:::v0:id=42");
    assert_eq!(a.key_in(CompositionLayer::L2, &key()), key());

    a.l2().write(&key(), value(1)).await.unwrap();
    assert_eq!(byte(a.read(&key()).await), Some(1));
    assert_eq!(byte(shared.read(&in_l1).await), Some(1));
    faults.writes().always(Fault::FailBeforeEffect);
    a.write(&key(), value(2)).await.unwrap();
    faults.heal();
    // Read, and repaired.
    assert_eq!(byte(a.read(&key()).await), Some(2));
    assert_eq!(byte(shared.read(&in_l1).await), Some(2));
    assert_eq!(byte(b.read(&key()).await), None);
    assert_eq!(byte(shared.read(&key()).await), None);
}

/// An L1 with the namespace of its L2 is handed keys as they are, and so is one over an L2 without.
#[tokio::test]
async fn keys_are_made_where_they_have_to_be() {
    for (in_front, behind, expected) in [
        ("", "", ":v0:id=42"),
        ("a", "", ":v0:id=42"),
        ("a", "a", ":v0:id=42"),
        ("", "a", "a:::v0:id=42"),
        ("b", "a", "a:::v0:id=42"),
    ] {
        let cache = tenant(in_front).compose(tenant(behind), DisabledOffload);
        let in_l1 = cache.key_in(CompositionLayer::L1, &key());
        assert_eq!(in_l1.as_text(), expected, "{in_front:?} over {behind:?}");
        cache.write(&key(), value(1)).await.unwrap();
        assert_eq!(byte(cache.l1().read(&in_l1).await), Some(1));
        // As it is from outside.
        assert_eq!(cache.key_format(), cache.l2().key_format());
    }
}
