//! Both layers, and both must succeed.

use std::future::Future;

use async_trait::async_trait;
use futures::join;
use hitbox_core::{CacheKey, Offload};

use super::CompositionWritePolicy;
use crate::BackendError;

/// Writes both layers at once.
#[derive(Debug, Clone, Copy, Default)]
pub struct StrictWritePolicy;

impl StrictWritePolicy {
    /// The policy.
    pub fn new() -> Self {
        Self
    }
}

#[async_trait]
impl CompositionWritePolicy for StrictWritePolicy {
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
        let (in_l1, in_l2) = join!(write_l1(key.clone()), write_l2(key));
        in_l2.and(in_l1)
    }
}
