//! Calm or merely slow chaos changes nothing: it conforms, alone and as a layer.

use std::{sync::Arc, time::Duration};

use futures::{StreamExt, stream};
use hitbox_backend::{
    Backend, Compose,
    chaos::{Chaos, ChaosBackend},
    conformance::{
        MemoryBackend, Subject,
        composition::{self, Arrangement, LayerPair},
    },
};
use hitbox_core::DisabledOffload;

use crate::{build, builder};

fn calm(label: &'static str) -> ChaosBackend<MemoryBackend> {
    let down = || Chaos::new().fail(1.0);
    let chaos = ChaosBackend::builder(MemoryBackend::new().with_label(label))
        .reads(down())
        .writes(down())
        .removes(down())
        .build()
        .unwrap();
    chaos.handle().calm();
    chaos
}

fn slow() -> Chaos {
    Chaos::new().delay(0.5, Duration::ZERO..=Duration::from_millis(2))
}

async fn assert_conforms(backend: impl Backend + 'static) {
    Subject::new(Arc::new(backend)).assert_conforms().await;
}

#[tokio::test]
async fn calm_chaos_conforms() {
    assert_conforms(calm("memory")).await;
    assert_conforms(builder().build().unwrap()).await;
}

#[tokio::test]
async fn calm_chaos_around_a_composition_conforms() {
    let composed = calm("memory").compose(calm("memory"), DisabledOffload);
    assert_conforms(ChaosBackend::builder(composed).build().unwrap()).await;
}

#[tokio::test]
async fn slow_chaos_conforms() {
    let (slowed, handle) = build(builder().reads(slow()).writes(slow()).removes(slow()));
    assert_conforms(slowed).await;
    assert!(handle.injected_in_all() > 1_000);
}

#[tokio::test]
async fn every_scenario_of_compositions_passes_on_calm_layers() {
    let layers = LayerPair::new(Arc::new(calm("memory")), Arc::new(calm("memory 2")));
    let cases = Arrangement::all()
        .flat_map(|arrangement| composition::scenarios().map(move |one| (arrangement, one)));
    let failures: Vec<_> = stream::iter(cases)
        .map(|(arrangement, scenario)| {
            let layers = &layers;
            async move {
                let failure = scenario.run(layers, arrangement).await.err()?;
                Some(format!("{arrangement}/{}: {failure}", scenario.name()))
            }
        })
        .buffer_unordered(64)
        .filter_map(std::future::ready)
        .collect()
        .await;
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
