//! Calm or merely slow chaos changes nothing: it conforms, alone and as a layer.

use std::{sync::Arc, time::Duration};

use hitbox_backend::{
    Backend, Compose,
    chaos::{Chaos, ChaosBackend},
    conformance::{MemoryBackend, Subject},
};
use hitbox_core::DisabledOffload;

use crate::chaos::{build, builder};

fn calm() -> ChaosBackend<MemoryBackend> {
    let down = || Chaos::new().fail(1.0);
    let chaos = ChaosBackend::builder(MemoryBackend::new())
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
    assert_conforms(calm()).await;
    assert_conforms(builder().build().unwrap()).await;
}

#[tokio::test]
async fn calm_chaos_around_a_composition_conforms() {
    let composed = calm().compose(calm(), DisabledOffload);
    assert_conforms(ChaosBackend::builder(composed).build().unwrap()).await;
}

#[tokio::test]
async fn slow_chaos_conforms() {
    let (slowed, handle) = build(builder().reads(slow()).writes(slow()).removes(slow()));
    assert_conforms(slowed).await;
    assert!(handle.injected_in_all() > 1_000);
}
