use std::future::Future;

use async_trait::async_trait;
use hitbox_core::{CacheKey, Offload};

use super::CompositionWritePolicy;
use crate::{BackendError, composition::AsksL2};

/// Writes L1, then L2, and stops at the first failure.
#[derive(Clone, Copy, Debug, Default)]
pub struct SequentialWritePolicy;

impl SequentialWritePolicy {
    /// The policy.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

#[async_trait]
impl CompositionWritePolicy for SequentialWritePolicy {
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
        write_l1(key.clone()).await?;
        write_l2(key).await
    }

    fn execute_at_once<F1, F2>(
        &self,
        key: &CacheKey,
        write_l1: F1,
        write_l2: F2,
    ) -> Option<Result<(), BackendError>>
    where
        F1: FnOnce() -> Option<Result<(), BackendError>>,
        F2: FnOnce() -> Option<Result<(), BackendError>>,
    {
        let _ = key;
        match write_l1()? {
            Ok(()) => write_l2(),
            Err(error) => Some(Err(error)),
        }
    }

    fn asks_l2(&self) -> AsksL2 {
        AsksL2::IfLeftOpen
    }
}
