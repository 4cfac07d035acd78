//! The scenarios over backends in memory, bare and wrapped, for every arrangement.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::{collections::HashSet, sync::Arc, time::Duration};

use futures::{StreamExt, stream};
use hitbox_backend::{
    Backend, BackendExt, CircuitBreakerConfig, FailureRate, RetryConfig,
    chaos::{Chaos, ChaosBackend},
    conformance::MemoryBackend,
};
use hitbox_scenarios::{Arrangement, LayerPair, Mode, scenarios};

/// Plays every scenario in each of these arrangements, and lists the failures.
async fn assert_all_pass(pair: &LayerPair, arrangements: impl Iterator<Item = Arrangement>) {
    let cases = arrangements.flat_map(|arrangement| scenarios().map(move |one| (arrangement, one)));
    let failures: Vec<_> = stream::iter(cases)
        .map(|(arrangement, scenario)| async move {
            let outcome = scenario.run(pair, arrangement).await;
            let failure = outcome.err()?;
            Some(format!("{arrangement}/{}\n    {failure}", scenario.name()))
        })
        .buffer_unordered(64)
        .filter_map(std::future::ready)
        .collect()
        .await;
    assert!(
        failures.is_empty(),
        "{} failed:\n{}",
        failures.len(),
        failures.join("\n")
    );
}

fn by(mode: Mode) -> impl Iterator<Item = Arrangement> {
    Arrangement::all().filter(move |arrangement| arrangement.mode == mode)
}

fn memory(label: &'static str) -> MemoryBackend {
    MemoryBackend::new().with_label(label)
}

fn pair_of<B: Backend + 'static>(layer: impl Fn(&'static str) -> B) -> LayerPair {
    LayerPair::new(Arc::new(layer("memory")), Arc::new(layer("memory 2")))
}

#[tokio::test]
async fn memory_over_memory_by_their_types() {
    assert_all_pass(&pair_of(memory), by(Mode::Static)).await;
}

#[tokio::test]
async fn memory_over_memory_as_dyn() {
    assert_all_pass(&pair_of(memory), by(Mode::Dyn)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_multi_thread_runtime() {
    assert_all_pass(&pair_of(memory), by(Mode::Dyn)).await;
}

/// In all wrappers, in the order that is recommended.
fn stacked(label: &'static str) -> impl Backend + 'static {
    const LONG: Duration = Duration::from_secs(60);
    let breaker = CircuitBreakerConfig::new().failure_rate(FailureRate::new(0.5));
    let memory: Arc<dyn Backend> = Arc::new(memory(label));
    let backend = memory.deadline(LONG).unwrap();
    let backend = backend.circuit_breaker(breaker).unwrap();
    let backend = backend.retry(RetryConfig::new().within(LONG)).unwrap();
    backend.deadline(LONG).unwrap()
}

#[tokio::test]
async fn layers_in_all_wrappers() {
    assert_all_pass(&pair_of(stacked), Arrangement::all()).await;
}

fn calm(label: &'static str) -> ChaosBackend<MemoryBackend> {
    let down = || Chaos::new().fail(1.0);
    let chaos = ChaosBackend::builder(memory(label))
        .reads(down())
        .writes(down())
        .removes(down())
        .build()
        .unwrap();
    chaos.handle().calm();
    chaos
}

#[tokio::test]
async fn layers_of_calm_chaos() {
    assert_all_pass(&pair_of(calm), Arrangement::all()).await;
}

#[test]
fn names_are_unique_and_in_a_group() {
    let mut seen = HashSet::new();
    for scenario in scenarios() {
        assert!(scenario.name().contains(": "), "{scenario:?}");
        assert!(seen.insert(scenario.name()), "{scenario:?} is there twice");
    }
}
