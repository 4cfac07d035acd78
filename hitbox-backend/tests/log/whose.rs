//! A line about a layer says which composition the layer belongs to, and what a composition is told when it
//! is made that keeps no tenants apart.

use std::{convert::Infallible, num::NonZeroUsize, sync::Arc, time::Duration};

use async_trait::async_trait;
use hitbox_backend::{
    Backend, BackendResult, CacheKeyFormat, Compose, CompositionLayer, CompositionPolicy,
    DeleteStatus, OffloadManager, ReadOutcome, RepairBackoff, RepairPolicy,
    conformance::{Fault, FaultyBackend, MemoryBackend},
};
use hitbox_core::{BackendLabel, CacheKey, CacheValue, DisabledOffload, Raw, Stamp};
use test_servers::log::record_all;
use tokio::time::{advance, sleep};

const MINUTE: Duration = Duration::from_secs(60);

fn key(number: u32) -> CacheKey {
    CacheKey::from_pair("number", number.to_string())
}

fn value() -> CacheValue<Raw> {
    CacheValue::loaded(Raw::from(vec![1]), Stamp::now())
}

#[tokio::test(start_paused = true)]
async fn every_line_about_a_layer_names_its_composition() {
    let recorder = record_all();
    let mut seen = Vec::new();
    for label in ["sessions", "prices"] {
        let (l1, faults) = FaultyBackend::new(MemoryBackend::new());
        let offload = OffloadManager::builder().build().unwrap();
        let pace = RepairBackoff::new().attempt_timeout(Duration::from_secs(1));
        let policy = CompositionPolicy::new()
            .record_capacity(NonZeroUsize::new(2).unwrap())
            .repair(RepairPolicy::Background(pace));
        let cache = l1.compose_with(MemoryBackend::new(), offload.clone(), policy);
        let cache = cache.with_label(BackendLabel::new(label));
        faults.writes().always(Fault::FailBeforeEffect);
        cache.write(&key(0), value()).await.unwrap();
        sleep(MINUTE).await;
        faults.reads().always(Fault::HangBeforeEffect);
        sleep(MINUTE).await;
        faults.heal();
        faults.writes().always(Fault::FailBeforeEffect);
        for number in 0..100 {
            cache.write(&key(number), value()).await.unwrap();
            advance(Duration::from_millis(100)).await;
        }
        faults.heal();
        sleep(2 * MINUTE).await;
        cache.write(&key(0), value()).await.unwrap();
        let emptied =
            cache.clear_layer_fence(CompositionLayer::L1, async || Ok::<_, Infallible>(()));
        emptied.await.unwrap();
        faults.writes().next(1, Fault::FailBeforeEffect);
        offload.close(MINUTE).await;

        let lines = recorder.take_of_this_thread();
        let about_layers: Vec<_> = lines
            .iter()
            .filter(|line| line.contains(" layer="))
            .collect();
        for line in &about_layers {
            assert!(!line.contains("untold= "), "{line}");
            assert!(!line.ends_with("untold="), "{line}");
            assert!(
                line.contains(&format!(" composition={label} ")),
                "{label}: {line}"
            );
        }
        seen.extend(about_layers.into_iter().cloned());
    }
    for message in [
        "a layer fails ",
        "a layer goes on failing ",
        "a layer answers again ",
        "an operation on a layer failed ",
        "a layer has more pending repairs than the record holds",
        "a layer had more pending repairs than the record holds, again",
        "a layer that was emptied is trusted again",
        "a repair failed ",
        "a repair took too long ",
    ] {
        let times = seen.iter().filter(|line| line.contains(message)).count();
        assert!(times >= 2, "{message:?} is among the lines {times} times");
    }
}

/// A store with a namespace.
struct Tenant(MemoryBackend, CacheKeyFormat);

#[async_trait]
impl Backend for Tenant {
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
        "tenant".into()
    }
    fn key_format(&self) -> &CacheKeyFormat {
        &self.1
    }
}

fn tenant(name: &str) -> Tenant {
    Tenant(MemoryBackend::new(), CacheKeyFormat::namespaced(name))
}

/// Two tenants over one L2 would read what the other has.
#[test]
fn a_namespace_that_only_l1_has_is_warned_of_when_the_composition_is_made() {
    let recorder = record_all();
    for (l1, l2, expected) in [
        ("a", "", 1),
        ("", "", 0),
        ("", "a", 0),
        ("a", "a", 0),
        ("b", "a", 0),
    ] {
        let _cache = tenant(l1).compose(tenant(l2), DisabledOffload);
        let lines = recorder.take_of_this_thread();
        assert_eq!(lines.len(), expected, "{l1:?} over {l2:?}: {lines:#?}");
        for line in lines {
            for part in ["WARN", "L2 has no namespace", "l1=tenant", "l2=tenant"] {
                assert!(line.contains(part), "{part} in {line}");
            }
        }
    }
    let nested = tenant("").compose(tenant(""), DisabledOffload);
    let _cache = Arc::new(tenant("a")).compose(nested, DisabledOffload);
    assert_eq!(
        recorder.take_of_this_thread().len(),
        1,
        "also through a nest"
    );
}

/// An L1 with a namespace holds the keys of an L2 with the same one as it does those of an L2 without any.
#[tokio::test]
async fn compositions_that_share_an_l1_are_apart_or_warned_of() {
    let recorder = record_all();
    let names = ["", "a", "b", "a::b"];
    let mut warned = 0;
    for shared in names {
        for (one, other) in names
            .iter()
            .flat_map(|one| names.map(|other| (*one, other)))
        {
            if one == other {
                continue;
            }
            let l1 = Arc::new(tenant(shared));
            let [one_cache, other_cache] =
                [one, other].map(|name| Arc::clone(&l1).compose(tenant(name), DisabledOffload));
            let warnings = recorder.take_of_this_thread().len();
            let key = CacheKey::from_pair("id", "42");
            let value = CacheValue::loaded(Raw::from(vec![1]), Stamp::now());
            one_cache.write(&key, value).await.unwrap();
            let is_shared = other_cache.read(&key).await.unwrap().is_some();
            assert!(
                warnings > 0 || !is_shared,
                "{one:?} and {other:?} over one L1 of {shared:?}"
            );
            warned += usize::from(is_shared);
            recorder.take_of_this_thread();
        }
    }
    // L1 and one L2 of "a", say, and the other L2 of none, either of which may be first.
    assert_eq!(warned, 6);
}
