//! What cannot be coherent says so.

use std::time::Duration;

use hitbox_backend::{
    BackendErrorKind, BackendExt, BackendResult, Compose, CompositionPolicy, RefillPolicy,
    coherence::{Coherence, LocalBackplane},
    conformance::MemoryBackend,
};
use hitbox_core::DisabledOffload;

const WITHIN: Coherence = Coherence::within(Duration::from_millis(100));

fn why<T>(made: BackendResult<T>) -> String {
    let error = made.err().expect("a refusal");
    assert_eq!(error.kind(), BackendErrorKind::InvalidConfiguration);
    error.to_string()
}

#[tokio::test]
async fn what_cannot_be_coherent_is_refused() {
    let (plane, other) = (LocalBackplane::new(), LocalBackplane::new());
    let store = || plane.announcing(MemoryBackend::new());
    let memory = MemoryBackend::new;

    let mute = memory().compose(memory(), DisabledOffload);
    assert!(why(mute.coherent(plane.clone(), WITHIN)).contains("does not announce"));

    let elsewhere = memory().compose(store(), DisabledOffload);
    assert!(why(elsewhere.coherent(other, WITHIN)).contains("and not on"));

    let nested = memory().compose(store(), DisabledOffload);
    let outer = memory().compose(nested, DisabledOffload);
    assert!(why(outer.coherent(plane.clone(), WITHIN)).contains("does not announce"));

    let waits = memory().deadline(Duration::from_secs(1)).unwrap();
    let slow = waits.compose(store(), DisabledOffload);
    assert!(why(slow.coherent(plane.clone(), WITHIN)).contains("not in process"));

    let fenced = memory().fenced().compose(store(), DisabledOffload);
    assert!(why(fenced.coherent(plane.clone(), WITHIN)).contains("keeps fences"));

    let policy = CompositionPolicy::new().refill(RefillPolicy::Repair);
    let repairing = memory().compose_with(store(), DisabledOffload, policy);
    assert!(why(repairing.coherent(plane.clone(), WITHIN)).contains("RefillPolicy::Repair"));

    let hasty = memory().compose(store(), DisabledOffload);
    let bound = Coherence::within(Duration::from_millis(19));
    assert!(why(hasty.coherent(plane.clone(), bound)).contains("20ms or more"));

    let once = memory()
        .compose(store(), DisabledOffload)
        .coherent(plane.clone(), WITHIN)
        .unwrap();
    assert!(why(once.coherent(plane.clone(), WITHIN)).contains("already"));
}

#[test]
fn outside_of_a_runtime_it_is_refused() {
    let plane = LocalBackplane::new();
    let cache =
        MemoryBackend::new().compose(plane.announcing(MemoryBackend::new()), DisabledOffload);
    assert!(why(cache.coherent(plane, WITHIN)).contains("tokio runtime"));
}
