//! The suite and the composition scenarios over wrapped backends.

use std::{sync::Arc, time::Duration};

use futures::{StreamExt, stream};
use hitbox_backend::{
    Backend, BackendExt, CircuitBreakerConfig, FailureRate, RetryConfig,
    conformance::{
        MemoryBackend, Subject,
        composition::{self, Arrangement, LayerPair},
    },
};

const LONG: Duration = Duration::from_secs(60);

async fn assert_conforms(backend: impl Backend + 'static) {
    Subject::new(Arc::new(backend)).assert_conforms().await;
}

/// All of them, in the order that is recommended.
fn stacked(label: &'static str) -> impl Backend + 'static {
    let breaker = CircuitBreakerConfig::new().failure_rate(FailureRate::new(0.5));
    let memory: Arc<dyn Backend> = Arc::new(MemoryBackend::new().with_label(label));
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
    assert_conforms(stacked("memory")).await;
}

#[tokio::test]
async fn composed() {
    let pair = LayerPair::new(Arc::new(stacked("one")), Arc::new(stacked("two")));
    let cases = Arrangement::all()
        .flat_map(|arrangement| composition::scenarios().map(move |one| (arrangement, one)));
    let failures: Vec<_> = stream::iter(cases)
        .map(|(arrangement, scenario)| {
            let pair = &pair;
            async move {
                let failure = scenario.run(pair, arrangement).await.err()?;
                Some(format!("{arrangement}/{}: {failure}", scenario.name()))
            }
        })
        .buffer_unordered(64)
        .filter_map(std::future::ready)
        .collect()
        .await;
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
