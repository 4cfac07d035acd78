//! The scenarios of composition over two backends in memory, for every arrangement.

use std::{collections::HashSet, sync::Arc};

use futures::{StreamExt, stream};
use hitbox_backend::conformance::{
    MemoryBackend,
    composition::{self, Arrangement, LayerPair, Mode},
};

/// Plays every scenario in every arrangement of this mode, and lists the failures.
async fn assert_all_pass(pair: &LayerPair, mode: Mode) {
    let cases = Arrangement::all()
        .filter(|arrangement| arrangement.mode == mode)
        .flat_map(|arrangement| composition::scenarios().map(move |one| (arrangement, one)));
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

fn memory_over_memory() -> LayerPair {
    let [l1, l2] = ["memory", "memory 2"].map(|label| MemoryBackend::new().with_label(label));
    LayerPair::new(Arc::new(l1), Arc::new(l2))
}

#[tokio::test]
async fn memory_over_memory_by_their_types() {
    assert_all_pass(&memory_over_memory(), Mode::Static).await;
}

#[tokio::test]
async fn memory_over_memory_as_dyn() {
    assert_all_pass(&memory_over_memory(), Mode::Dyn).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_multi_thread_runtime() {
    assert_all_pass(&memory_over_memory(), Mode::Dyn).await;
}

#[test]
fn names_are_unique_and_in_a_group() {
    let mut seen = HashSet::new();
    for scenario in composition::scenarios() {
        assert!(scenario.name().contains(": "), "{scenario:?}");
        assert!(seen.insert(scenario.name()), "{scenario:?} is there twice");
    }
}
