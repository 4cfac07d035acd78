//! Writes that something newer has kept out.

use std::sync::Arc;

use hitbox_backend::{
    BackendErrorKind, CacheBackend, Compose,
    coherence::Coherence,
    conformance::{Fault, MemoryBackend},
};
use hitbox_core::{CacheValue, DisabledOffload, Stamp};

use super::{BOUND, HEARD, Stage, get, policy};

/// A repair of a composition by one around it is a remove, which is newer than what is about to be written.
#[tokio::test(start_paused = true)]
async fn what_a_repair_of_a_nest_keeps_out_is_not_confirmed_before_that_is() {
    let stage = Stage::new();
    let outer = MemoryBackend::new()
        .compose_with(stage.processes[1].clone(), DisabledOffload, policy())
        .coherent(stage.plane.clone(), Coherence::within(BOUND))
        .unwrap();
    stage.pass(HEARD).await;
    stage.set(0, 1).await;
    stage.pass(HEARD).await;
    let number = |number: u32| CacheValue::loaded(Arc::new(number), Stamp::now());
    stage.faults[1].writes().next(1, Fault::FailBeforeEffect);
    assert!(outer.set(&stage.key, number(2)).await.is_err());
    for in_bulk in [false, true] {
        let value = number(3);
        let entries = vec![(stage.key.clone(), number(4))];
        stage.faults[1].removes().always(Fault::FailBeforeEffect);
        // It repairs, and fails.
        let _whatever = get(&outer, &stage.key).await;
        let outcome = match in_bulk {
            false => outer.set(&stage.key, value).await,
            true => outer.set_many(entries).await.swap_remove(0),
        };
        assert_eq!(outcome.unwrap_err().kind(), BackendErrorKind::Unavailable);
        assert_eq!(stage.get(0).await, Some(1), "the store has not changed");
    }
    // Once it is, whoever is kept out is told so.
    let value = number(5);
    stage.faults[1].heal();
    let _whatever = get(&outer, &stage.key).await;
    outer.set(&stage.key, value).await.unwrap();
    stage.pass(HEARD).await;
    let (here, there) = (get(&outer, &stage.key).await, stage.get(0).await);
    assert_eq!(here, there);
    assert_ne!(there, Some(1));
    outer.set(&stage.key, number(6)).await.unwrap();
    stage.pass(HEARD).await;
    assert_eq!(stage.get(0).await, Some(6));
}
