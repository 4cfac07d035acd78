use std::future::Future;

use async_trait::async_trait;
use hitbox_core::{CacheKey, Offload};

use super::CompositionWritePolicy;
use crate::{BackendError, composition::AsksL2};

/// Writes both layers at once, waits for both, and succeeds only if both took the value.
///
/// On failure the error is that of the layer that failed; L2's if both did.
#[derive(Clone, Copy, Debug, Default)]
pub struct StrictWritePolicy;

impl StrictWritePolicy {
    /// The policy.
    #[must_use]
    pub const fn new() -> Self {
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
        let (l1, l2) = futures::join!(write_l1(key.clone()), write_l2(key));
        both(l1, l2)
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
        Some(both(write_l1()?, write_l2()?))
    }

    fn asks_l2(&self) -> AsksL2 {
        AsksL2::Always
    }
}

/// Both layers have answered, and both must have succeeded.
fn both(l1: Result<(), BackendError>, l2: Result<(), BackendError>) -> Result<(), BackendError> {
    match (l1, l2) {
        (l1, Ok(())) => l1,
        (_, l2) => l2,
    }
}
