//! The first success.

use std::future::Future;

use async_trait::async_trait;
use futures::future::{Either, select};
use hitbox_core::{CacheKey, Offload};
use tracing::warn;

use super::CompositionWritePolicy;
use crate::BackendError;

/// Writes both layers, and waits for the first success.
#[derive(Debug, Clone, Copy, Default)]
pub struct RaceWritePolicy;

impl RaceWritePolicy {
    /// The policy.
    pub fn new() -> Self {
        Self
    }
}

#[async_trait]
impl CompositionWritePolicy for RaceWritePolicy {
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
        let in_l1 = Box::pin(write_l1(key.clone()));
        let in_l2 = Box::pin(write_l2(key));
        let (first, second) = match select(in_l1, in_l2).await {
            Either::Left((outcome, second)) => (outcome, Either::Left(second)),
            Either::Right((outcome, second)) => (outcome, Either::Right(second)),
        };
        match (first, second) {
            (Ok(()), second) => {
                offload.register("the slower write", async move {
                    if let Err(error) = second.await {
                        warn!(%error, "the slower layer failed");
                    }
                });
                Ok(())
            }
            // L2's error, if both fail.
            (Err(_), Either::Left(in_l2)) => in_l2.await,
            (Err(of_l2), Either::Right(in_l1)) => in_l1.await.map_err(|_| of_l2),
        }
    }
}
