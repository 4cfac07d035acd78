use std::future::Future;

use async_trait::async_trait;
use hitbox_core::{CacheKey, Offload};

use super::{CompositionWritePolicy, one_is_enough};
use crate::{BackendError, composition::AsksL2};

/// Writes both layers at once, waits for both, and is content if one took the value.
///
/// The default: a failing layer costs a line in the log, not the write.
#[derive(Clone, Copy, Debug, Default)]
pub struct OptimisticParallelWritePolicy;

impl OptimisticParallelWritePolicy {
    /// The policy.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

#[async_trait]
impl CompositionWritePolicy for OptimisticParallelWritePolicy {
    async fn execute_with<F1, F2, Fut1, Fut2, O>(
        &self,
        key: CacheKey,
        write_l1: F1,
        write_l2: F2,
        _offload: &O,
    ) -> Result<(), BackendError>
    where
        F1: FnOnce(CacheKey) -> Fut1 + Send,
        F2: FnOnce(CacheKey) -> Fut2 + Send,
        Fut1: Future<Output = Result<(), BackendError>> + Send + 'static,
        Fut2: Future<Output = Result<(), BackendError>> + Send + 'static,
        O: Offload<'static>,
    {
        let (l1, l2) = futures::join!(write_l1(key.clone()), write_l2(key));
        one_is_enough(l1, l2)
    }

    fn execute_at_once<F1, F2>(
        &self,
        _key: &CacheKey,
        write_l1: F1,
        write_l2: F2,
    ) -> Option<Result<(), BackendError>>
    where
        F1: FnOnce() -> Option<Result<(), BackendError>>,
        F2: FnOnce() -> Option<Result<(), BackendError>>,
    {
        Some(one_is_enough(write_l1()?, write_l2()?))
    }

    fn asks_l2(&self) -> AsksL2 {
        AsksL2::Always
    }
}
