//! A layer that has missed it gets it later.

use std::sync::Arc;

use hitbox_backend::{
    Compose, CompositionPolicy, DisabledOffload, RepairPolicy, SequentialReadPolicy,
    conformance::{Fault, FaultyBackend},
};

use super::arrangement::{byte_store, known, memory, nothing, set, text};

fn policy() -> CompositionPolicy<SequentialReadPolicy> {
    CompositionPolicy::new().repair(RepairPolicy::OnNextOperation)
}

#[tokio::test]
async fn a_repair_of_l2_writes_it_there() {
    let (l1, store) = (memory(), byte_store());
    let (l2, faults) = FaultyBackend::new(Arc::clone(&store));
    let cache = l1.compose_with(l2, DisabledOffload, policy());
    set(&cache, &text("before")).await;
    faults.writes().always(Fault::FailBeforeEffect);
    let absent = nothing();
    set(&cache, &absent).await;
    assert_eq!(cache.pending_repair_count(), 1);
    faults.heal();
    assert_eq!(known(&cache).await.as_ref(), Some(&absent));
    assert_eq!(known(&store).await, Some(absent));
}

#[tokio::test]
async fn a_repair_of_l1_writes_it_there() {
    let (memory, store) = (memory(), byte_store());
    let (l1, faults) = FaultyBackend::new(Arc::clone(&memory));
    let cache = l1.compose_with(store, DisabledOffload, policy());
    set(&cache, &text("before")).await;
    faults.writes().always(Fault::FailBeforeEffect);
    let absent = nothing();
    set(&cache, &absent).await;
    assert_eq!(cache.pending_repair_count(), 1);
    faults.heal();
    assert_eq!(known(&cache).await.as_ref(), Some(&absent));
    assert_eq!(known(&memory).await, Some(absent));
}
