//! The suite on the backend for tests, itself and through every form that forwards to it.

use std::{collections::HashSet, sync::Arc};

use hitbox_backend::{
    Backend,
    conformance::{self, FaultyBackend, MemoryBackend, Subject},
};

async fn assert_conforms(backend: impl Backend + 'static) {
    Subject::new(Arc::new(backend)).assert_conforms().await;
}

/// References in a subject must live as long as the program.
fn leaked() -> &'static MemoryBackend {
    Box::leak(Box::new(MemoryBackend::new()))
}

#[tokio::test]
async fn itself() {
    assert_conforms(MemoryBackend::new()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_multi_thread_runtime() {
    assert_conforms(MemoryBackend::new()).await;
}

#[tokio::test]
async fn through_a_reference() {
    assert_conforms(leaked()).await;
}

#[tokio::test]
async fn through_a_box() {
    assert_conforms(Box::new(MemoryBackend::new())).await;
}

#[tokio::test]
async fn through_an_arc() {
    assert_conforms(Arc::new(MemoryBackend::new())).await;
}

#[tokio::test]
async fn through_a_dyn_reference() {
    let backend: &dyn Backend = leaked();
    assert_conforms(backend).await;
}

#[tokio::test]
async fn through_a_dyn_box() {
    let backend: Box<dyn Backend> = Box::new(MemoryBackend::new());
    assert_conforms(backend).await;
}

#[tokio::test]
async fn through_a_dyn_arc() {
    let backend: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
    assert_conforms(backend).await;
}

#[tokio::test]
async fn through_nested_forms() {
    let boxed: Box<dyn Backend> = Box::new(MemoryBackend::new());
    assert_conforms(Arc::new(boxed)).await;
    let shared: Arc<dyn Backend> = Arc::new(leaked());
    assert_conforms(Box::new(shared)).await;
}

#[tokio::test]
async fn through_a_faulty_wrapper_without_faults() {
    let (backend, _faults) = FaultyBackend::new(MemoryBackend::new());
    assert_conforms(backend).await;
}

#[test]
fn names_of_checks_are_unique() {
    let mut seen = HashSet::new();
    for name in conformance::checks() {
        assert!(name.contains("::"), "{name}");
        assert!(seen.insert(name), "{name} is there twice");
    }
}

#[tokio::test]
async fn a_run_of_no_checks_does_not_conform() {
    let subject = Subject::new(Arc::new(MemoryBackend::new()));
    assert!(!subject.clone().only("no such check").run().await.conforms());
    // Not called for without the hook.
    assert!(!subject.only("corruption::").run().await.conforms());
}
