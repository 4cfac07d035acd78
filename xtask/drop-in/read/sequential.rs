//! L1, and L2 if that has nothing.

use std::{fmt::Debug, future::Future};

use async_trait::async_trait;
use hitbox_core::{BoxContext, CacheKey, CacheValue, Offload};
use tracing::warn;

use super::{CompositionReadPolicy, ReadResult};
use crate::composition::CompositionLayer;

/// Reads L1, then L2.
#[derive(Debug, Clone, Copy, Default)]
pub struct SequentialReadPolicy;

impl SequentialReadPolicy {
    /// The policy.
    pub fn new() -> Self {
        Self
    }
}

#[async_trait]
impl CompositionReadPolicy for SequentialReadPolicy {
    async fn execute_with<T, E, F1, F2, Fut1, Fut2, O>(
        &self,
        key: CacheKey,
        read_l1: F1,
        read_l2: F2,
        _offload: &O,
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
        let (in_l1, context) = read_l1(key.clone()).await;
        let l1_failed = match in_l1 {
            Ok(Some(value)) => {
                return Ok(ReadResult {
                    value: Some(value),
                    source: CompositionLayer::L1,
                    context,
                });
            }
            Ok(None) => false,
            Err(error) => {
                warn!(?error, "L1 failed");
                true
            }
        };
        let (in_l2, context) = read_l2(key).await;
        match in_l2 {
            Ok(value) => Ok(ReadResult {
                value,
                source: CompositionLayer::L2,
                context,
            }),
            Err(error) if l1_failed => Err(error),
            Err(error) => {
                warn!(?error, "L2 failed");
                Ok(ReadResult {
                    value: None,
                    source: CompositionLayer::L2,
                    context: BoxContext::default(),
                })
            }
        }
    }
}
