//! The scripted faults do what they say.

use std::sync::Arc;

use hitbox_backend::{
    Backend, BackendErrorKind, Operation,
    conformance::{Fault, Faults, FaultyBackend, MemoryBackend},
};
use hitbox_core::{BoxContext, CacheKey, CacheStatus, CacheValue, Raw, Stamp};

fn subject() -> (Arc<FaultyBackend<MemoryBackend>>, Faults) {
    let (backend, faults) = FaultyBackend::new(MemoryBackend::new());
    (Arc::new(backend), faults)
}

fn key() -> CacheKey {
    CacheKey::from_pair("id", "42")
}

fn value(payload: u8) -> CacheValue<Raw> {
    CacheValue::loaded(Raw::from(vec![payload]), Stamp::now())
}

async fn within(backend: &FaultyBackend<MemoryBackend>) -> Option<u8> {
    let found = backend.get_ref().read(&key()).await.unwrap();
    found.map(|value| value.data().payload().unwrap()[0])
}

#[tokio::test]
async fn failures_come_before_or_after_the_effect_and_end_by_themselves() {
    let (backend, faults) = subject();
    faults.writes().next(1, Fault::FailBeforeEffect);
    let error = backend.write(&key(), value(1)).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Unavailable);
    assert_eq!(error.operation(), Operation::Write);
    assert_eq!(within(&backend).await, None);

    faults.writes().next(1, Fault::FailAfterEffect);
    assert!(backend.write(&key(), value(2)).await.is_err());
    assert_eq!(within(&backend).await, Some(2));

    backend.write(&key(), value(3)).await.unwrap();
    assert_eq!(within(&backend).await, Some(3));
    assert_eq!(faults.writes().calls(), 3);
    assert_eq!((faults.reads().calls(), faults.removes().calls()), (0, 0));
}

#[tokio::test]
async fn a_standing_fault_ends_when_healed() {
    let (backend, faults) = subject();
    faults.removes().always(Fault::FailBeforeEffect);
    for _ in 0..3 {
        assert!(backend.remove(&key()).await.is_err());
    }
    assert!(backend.read(&key()).await.is_ok());
    faults.heal();
    assert!(backend.remove(&key()).await.is_ok());
}

#[tokio::test]
async fn what_hangs_before_its_effect_takes_effect_when_healed() {
    let (backend, faults) = subject();
    faults.writes().next(1, Fault::HangBeforeEffect);
    let writer = Arc::clone(&backend);
    let write = tokio::spawn(async move { writer.write(&key(), value(1)).await });
    faults.writes().wait_until_hanging(1).await;
    assert_eq!(within(&backend).await, None);
    faults.writes().heal();
    write.await.unwrap().unwrap();
    assert_eq!(within(&backend).await, Some(1));
    assert_eq!(faults.writes().hanging(), 0);
}

#[tokio::test]
async fn what_hangs_after_its_effect_has_taken_effect_though_dropped() {
    let (backend, faults) = subject();
    faults.writes().always(Fault::HangAfterEffect);
    let writer = Arc::clone(&backend);
    let write = tokio::spawn(async move { writer.write(&key(), value(1)).await });
    faults.writes().wait_until_called(1).await;
    faults.writes().wait_until_hanging(1).await;
    write.abort();
    assert!(write.await.unwrap_err().is_cancelled());
    assert_eq!(faults.writes().hanging(), 0);
    assert_eq!(within(&backend).await, Some(1));
}

#[tokio::test]
async fn bulk_operations_fail_key_by_key() {
    let (backend, faults) = subject();
    backend.get_ref().write(&key(), value(1)).await.unwrap();
    faults.reads().next(1, Fault::FailAfterEffect);
    let keys = [key(), key(), CacheKey::from_pair("id", "absent")];
    let mut contexts = vec![BoxContext::default(); 3];
    let outcomes = backend.read_many_with(&keys, &mut contexts).await;
    assert!(outcomes[0].is_err() && outcomes[1].is_ok() && outcomes[2].is_ok());
    let statuses: Vec<_> = contexts.iter().map(BoxContext::status).collect();
    let (hit, miss) = (CacheStatus::Hit, CacheStatus::Miss);
    assert_eq!(statuses, [miss, hit, miss]);
}
