//! L1, then L2.

use std::future::Future;

use async_trait::async_trait;
use hitbox_core::{CacheKey, Offload};

use super::CompositionWritePolicy;
use crate::BackendError;

/// Writes L1, then L2.
#[derive(Debug, Clone, Copy, Default)]
pub struct SequentialWritePolicy;

impl SequentialWritePolicy {
    /// The policy.
    pub fn new() -> Self {
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
}
