//! Policies that are chosen at run time.
//!
//! As types, the policies would multiply every pair of layers by twelve compositions to compile.

use std::fmt::Debug;

use async_trait::async_trait;
use hitbox_backend::{
    BackendError, CompositionReadPolicy, CompositionWritePolicy, Observed,
    OptimisticParallelWritePolicy, ParallelReadPolicy, RaceLoserPolicy, RaceReadPolicy,
    RaceWritePolicy, ReadResult, ReadStep, SequentialReadPolicy, SequentialWritePolicy,
    StrictWritePolicy, WriteObserved, WriteStep,
};
use hitbox_core::{BoxContext, CacheKey, CacheValue, Offload};

use super::{ReadKind, WriteKind};

/// The policy of that name.
#[async_trait]
impl CompositionReadPolicy for ReadKind {
    async fn execute_with<T, E, F1, F2, Fut1, Fut2, O>(
        &self,
        key: CacheKey,
        read_l1: F1,
        read_l2: F2,
        offload: &O,
    ) -> Result<ReadResult<T>, E>
    where
        T: Send + 'static,
        E: Send + Debug + 'static,
        F1: FnOnce(CacheKey) -> Fut1 + Send,
        F2: FnOnce(CacheKey) -> Fut2 + Send,
        Fut1: Future<Output = (Result<Option<CacheValue<T>>, E>, BoxContext)> + Send + 'static,
        Fut2: Future<Output = (Result<Option<CacheValue<T>>, E>, BoxContext)> + Send + 'static,
        O: Offload<'static>,
    {
        match self {
            Self::Sequential => {
                let policy = SequentialReadPolicy::new();
                policy.execute_with(key, read_l1, read_l2, offload).await
            }
            Self::Race => {
                let policy = RaceReadPolicy::new();
                policy.execute_with(key, read_l1, read_l2, offload).await
            }
            Self::Parallel => {
                let policy = ParallelReadPolicy::new();
                policy.execute_with(key, read_l1, read_l2, offload).await
            }
        }
    }

    fn next_step(&self, l1: Observed, l2: Observed) -> Option<ReadStep> {
        match self {
            Self::Sequential => SequentialReadPolicy::new().next_step(l1, l2),
            Self::Race => RaceReadPolicy::new().next_step(l1, l2),
            Self::Parallel => ParallelReadPolicy::new().next_step(l1, l2),
        }
    }

    fn if_left_behind(&self) -> RaceLoserPolicy {
        match self {
            Self::Sequential => SequentialReadPolicy::new().if_left_behind(),
            Self::Race => CompositionReadPolicy::if_left_behind(&RaceReadPolicy::new()),
            Self::Parallel => ParallelReadPolicy::new().if_left_behind(),
        }
    }
}

/// The policy of that name.
#[async_trait]
impl CompositionWritePolicy for WriteKind {
    async fn execute_with<F1, F2, Fut1, Fut2, O>(
        &self,
        key: CacheKey,
        write_l1: F1,
        write_l2: F2,
        offload: &O,
    ) -> Result<(), BackendError>
    where
        F1: FnOnce(CacheKey) -> Fut1 + Send,
        F2: FnOnce(CacheKey) -> Fut2 + Send,
        Fut1: Future<Output = Result<(), BackendError>> + Send + 'static,
        Fut2: Future<Output = Result<(), BackendError>> + Send + 'static,
        O: Offload<'static>,
    {
        match self {
            Self::Sequential => {
                let policy = SequentialWritePolicy::new();
                policy.execute_with(key, write_l1, write_l2, offload).await
            }
            Self::OptimisticParallel => {
                let policy = OptimisticParallelWritePolicy::new();
                policy.execute_with(key, write_l1, write_l2, offload).await
            }
            Self::Race => {
                let policy = RaceWritePolicy::new();
                policy.execute_with(key, write_l1, write_l2, offload).await
            }
            Self::Strict => {
                let policy = StrictWritePolicy::new();
                policy.execute_with(key, write_l1, write_l2, offload).await
            }
        }
    }

    fn next_step(&self, l1: WriteObserved, l2: WriteObserved) -> Option<WriteStep> {
        match self {
            Self::Sequential => SequentialWritePolicy::new().next_step(l1, l2),
            Self::OptimisticParallel => OptimisticParallelWritePolicy::new().next_step(l1, l2),
            Self::Race => RaceWritePolicy::new().next_step(l1, l2),
            Self::Strict => StrictWritePolicy::new().next_step(l1, l2),
        }
    }

    fn if_left_behind(&self) -> RaceLoserPolicy {
        match self {
            Self::Sequential => SequentialWritePolicy::new().if_left_behind(),
            Self::OptimisticParallel => OptimisticParallelWritePolicy::new().if_left_behind(),
            Self::Race => CompositionWritePolicy::if_left_behind(&RaceWritePolicy::new()),
            Self::Strict => StrictWritePolicy::new().if_left_behind(),
        }
    }
}
