//! Typed reads that do not wait.

use std::{
    sync::Arc,
    task::{Context, Poll, Waker},
};

use async_trait::async_trait;
use hitbox_backend::{
    Attempt, Backend, BackendResult, BoxContext, CacheBackend, CacheKey, CacheStatus, CacheValue,
    Capabilities, Compose, DeleteStatus, DisabledOffload, Known, KnownAttempt, Raw, ReadOutcome,
    conformance::{Fault, FaultyBackend, MemoryBackend},
};
use hitbox_core::BackendLabel;

use super::arrangement::{Cache, Policy, Text, byte_store, key, memory, nothing, set, text};

fn ready(attempt: KnownAttempt<'_, String>) -> Option<Text> {
    match attempt {
        Attempt::Ready(outcome) => outcome.unwrap(),
        begun @ (Attempt::Pending(_) | Attempt::WouldBlock(())) => panic!("{begun:?}"),
    }
}

#[tokio::test]
async fn a_hit_in_process_is_ready_also_behind_dyn() {
    let mut backends: Vec<Cache> = vec![memory()];
    let by_steps = [Policy::Sequential, Policy::Race, Policy::Parallel];
    backends.extend(by_steps.map(|policy| policy.compose(memory(), memory())));
    for cache in backends {
        let erased: &dyn Backend = &*cache;
        let mut context = BoxContext::default();
        assert_eq!(ready(erased.try_get_known(&key(), &mut context)), None);
        assert_eq!(context.status(), CacheStatus::Miss);
        for value in [text("there"), nothing()] {
            let value = value.created_at(hitbox_backend::Stamp::now());
            set(&cache, &value).await;
            let found = ready(erased.try_get_known(&key(), &mut context));
            assert_eq!(found, Some(value));
            assert_eq!(context.status(), CacheStatus::Hit);
            assert!(context.wants().object.is_none());
        }
    }
}

#[tokio::test]
async fn what_has_to_be_waited_for_gives_outcome_and_context_back() {
    for value in [text("there"), nothing()] {
        let (l2, faults) = FaultyBackend::new(byte_store());
        let l1 = memory();
        let cache = Arc::clone(&l1).compose(l2, DisabledOffload);
        set(&cache, &value).await;
        l1.delete(&key()).await.unwrap();
        faults.reads().always(Fault::HangBeforeEffect);
        let (key, mut context) = (key(), BoxContext::default());
        let Attempt::Pending(mut rest) = cache.try_get_known::<String>(&key, &mut context) else {
            panic!("nobody waits for L2");
        };
        assert!(context.wants().object.is_none());
        let mut task = Context::from_waker(Waker::noop());
        assert!(matches!(rest.as_mut().poll(&mut task), Poll::Pending));
        faults.heal();
        let (outcome, noted) = rest.await;
        assert_eq!(outcome.unwrap(), Some(value));
        assert_eq!(noted.status(), CacheStatus::Hit);
        assert_eq!(noted.source().to_string(), "composition.bytes");
        assert!(noted.wants().object.is_none());
    }
}

#[tokio::test]
async fn one_that_is_dropped_leaves_the_key_as_it_is() {
    let (l2, faults) = FaultyBackend::new(byte_store());
    let l1 = memory();
    let cache = Arc::clone(&l1).compose(l2, DisabledOffload);
    let value = nothing();
    set(&cache, &value).await;
    l1.delete(&key()).await.unwrap();
    faults.reads().always(Fault::HangBeforeEffect);
    let (key, mut context) = (key(), BoxContext::default());
    drop(cache.try_get_known::<String>(&key, &mut context));
    faults.heal();
    let found = cache.get_known::<String>(&key, &mut context).await;
    assert_eq!(found.unwrap(), Some(value));
}

/// Says of no read that it need not be waited for.
#[derive(Default)]
struct Waiting(MemoryBackend);

#[async_trait]
impl Backend for Waiting {
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
        "waiting".into()
    }

    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }
}

#[tokio::test]
async fn what_would_block_is_not_begun_and_the_form_that_waits_does_all() {
    let cache = Waiting::default();
    for value in [text("there"), nothing()] {
        set(&cache, &value).await;
        let (key, mut context) = (key(), BoxContext::default());
        let attempt = cache.try_get_known::<String>(&key, &mut context);
        assert!(matches!(attempt, Attempt::WouldBlock(())));
        assert_eq!(context.status(), CacheStatus::Miss);
        let found = cache.get_known::<String>(&key, &mut context).await.unwrap();
        assert_eq!(found.as_ref(), Some(&value));
        assert_eq!(context.status(), CacheStatus::Hit);
        assert!(context.wants().object.is_none());
        let object = cache.get::<String>(&key).await.unwrap();
        let object = object.map(CacheValue::into_inner);
        assert_eq!(object.as_ref(), value.data().present());
    }
}

#[tokio::test]
async fn bytes_of_another_type_are_a_miss_and_noted() {
    let store = byte_store();
    set(&store, &text("there")).await;
    let cache = Policy::Sequential.compose(memory(), store);
    let (key, mut context) = (key(), BoxContext::default());
    let found = cache.get_known::<u64>(&key, &mut context).await.unwrap();
    assert!(found.is_none());
    assert_eq!(context.status(), CacheStatus::Miss);
}

#[test]
fn what_is_known_shows_no_object() {
    let shown = format!(
        "{:?} {:?}",
        Known::Present(Arc::new(7)),
        Known::<u32>::Absent
    );
    assert_eq!(shown, "Present Absent");
}
