//! The suite over wrapped backends.

use std::{sync::Arc, time::Duration};

use hitbox_backend::{
    Backend, BackendExt, CircuitBreakerConfig, FailureRate, RetryConfig,
    conformance::{MemoryBackend, Subject},
};

const LONG: Duration = Duration::from_secs(60);

async fn assert_conforms(backend: impl Backend + 'static) {
    Subject::new(Arc::new(backend)).assert_conforms().await;
}

/// All of them, in the order that is recommended.
fn stacked() -> impl Backend + 'static {
    let breaker = CircuitBreakerConfig::new().failure_rate(FailureRate::new(0.5));
    let memory: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
    let backend = memory.deadline(LONG).unwrap();
    let backend = backend.circuit_breaker(breaker).unwrap();
    let backend = backend.retry(RetryConfig::new().within(LONG)).unwrap();
    backend.deadline(LONG).unwrap()
}

#[tokio::test]
async fn with_a_deadline() {
    assert_conforms(MemoryBackend::new().deadline(LONG).unwrap()).await;
}

#[tokio::test]
async fn with_a_circuit_breaker() {
    let breaker = MemoryBackend::new().circuit_breaker(CircuitBreakerConfig::new());
    assert_conforms(breaker.unwrap()).await;
}

#[tokio::test]
async fn with_retries() {
    assert_conforms(MemoryBackend::new().retry(RetryConfig::new()).unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_all_of_them() {
    assert_conforms(stacked()).await;
}
