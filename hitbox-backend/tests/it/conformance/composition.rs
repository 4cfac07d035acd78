//! The suite on compositions, with every pair of policies, nested, and over a wrapper.

use std::sync::Arc;

use hitbox_backend::{
    Backend, BackendExt, Compose, CompositionPolicy, CompositionReadPolicy, CompositionWritePolicy,
    OptimisticParallelWritePolicy, ParallelReadPolicy, RaceReadPolicy, RaceWritePolicy,
    SequentialReadPolicy, SequentialWritePolicy, StrictWritePolicy,
    conformance::{Fault, FaultyBackend, MemoryBackend, Subject},
};
use hitbox_core::{CacheKey, DisabledOffload};

async fn assert_conforms(backend: impl Backend + 'static) {
    Subject::new(Arc::new(backend)).assert_conforms().await;
}

async fn with_policies<R, W>(read: R, write: W)
where
    R: CompositionReadPolicy + 'static,
    W: CompositionWritePolicy + 'static,
{
    let policy = CompositionPolicy::new().read(read).write(write);
    let (l1, l2) = (MemoryBackend::new(), MemoryBackend::new());
    assert_conforms(l1.compose_with(l2, DisabledOffload, policy)).await;
}

async fn with_every_write_policy<R: CompositionReadPolicy + Clone + 'static>(read: R) {
    with_policies(read.clone(), SequentialWritePolicy::new()).await;
    with_policies(read.clone(), OptimisticParallelWritePolicy::new()).await;
    with_policies(read.clone(), RaceWritePolicy::new()).await;
    with_policies(read, StrictWritePolicy::new()).await;
}

#[tokio::test]
async fn reading_in_sequence() {
    with_every_write_policy(SequentialReadPolicy::new()).await;
}

#[tokio::test]
async fn reading_as_a_race() {
    with_every_write_policy(RaceReadPolicy::new()).await;
}

#[tokio::test]
async fn reading_in_parallel() {
    with_every_write_policy(ParallelReadPolicy::new()).await;
}

#[tokio::test]
async fn nested() {
    let inner: Box<dyn Backend> =
        Box::new(MemoryBackend::new().compose(MemoryBackend::new(), DisabledOffload));
    let (wrapped, _faults) = FaultyBackend::new(inner);
    assert_conforms(MemoryBackend::new().compose(wrapped, DisabledOffload)).await;
}

#[tokio::test]
async fn a_single_store_in_fences() {
    assert_conforms(MemoryBackend::new().fenced()).await;
    assert_conforms(MemoryBackend::new().keeping_bytes().fenced()).await;
    // Whatever is done to other keys: one that has failed has every read look at the fences.
    let (backend, faults) = FaultyBackend::new(MemoryBackend::new());
    let fenced = backend.fenced();
    let key = CacheKey::from_pair("in doubt", "1");
    faults.removes().next(1, Fault::FailAfterEffect);
    fenced.remove(&key).await.unwrap_err();
    assert_conforms(fenced).await;
}
