//! A backend beneath a layer in memory.

use std::sync::Arc;

use hitbox_backend::{
    Backend, Compose, CompositionPolicy, CompositionReadPolicy, CompositionWritePolicy,
    OffloadManager, ParallelReadPolicy, RaceReadPolicy, RaceWritePolicy, SequentialWritePolicy,
    StrictWritePolicy, conformance::MemoryBackend,
};
use hitbox_dynamodb::DynamoDbBackend;

/// One that drops nothing of a test.
pub(crate) fn offload() -> OffloadManager {
    OffloadManager::builder().build().unwrap()
}

/// Compositions with an empty first layer, by the names of their policies for reading and writing:
/// among them every one.
pub(crate) fn compositions(
    l2: &DynamoDbBackend,
    offload: &OffloadManager,
) -> [(&'static str, Arc<dyn Backend>); 4] {
    let default = CompositionPolicy::new;
    let sequential = default().write(SequentialWritePolicy::new());
    let race = default().read(RaceReadPolicy::new());
    let race = race.write(RaceWritePolicy::new());
    let strict = default().read(ParallelReadPolicy::new());
    let strict = strict.write(StrictWritePolicy::new());
    [
        ("sequential/optimistic", composed(default(), l2, offload)),
        ("sequential/sequential", composed(sequential, l2, offload)),
        ("race/race", composed(race, l2, offload)),
        ("parallel/strict", composed(strict, l2, offload)),
    ]
}

fn composed<R, W>(
    policy: CompositionPolicy<R, W>,
    l2: &DynamoDbBackend,
    offload: &OffloadManager,
) -> Arc<dyn Backend>
where
    R: CompositionReadPolicy + 'static,
    W: CompositionWritePolicy + 'static,
{
    Arc::new(MemoryBackend::new().compose_with(l2.clone(), offload.clone(), policy))
}
