//! Both layers, and the value that lives longest.

use std::{fmt::Debug, future::Future};

use async_trait::async_trait;
use futures::join;
use hitbox_core::{BoxContext, CacheKey, CacheValue, Offload};
use tracing::warn;

use super::{CompositionReadPolicy, ReadResult};
use crate::composition::CompositionLayer;

/// Reads both layers and compares what they have.
#[derive(Debug, Clone, Copy, Default)]
pub struct ParallelReadPolicy;

impl ParallelReadPolicy {
    /// The policy.
    pub fn new() -> Self {
        Self
    }
}

#[async_trait]
impl CompositionReadPolicy for ParallelReadPolicy {
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
        let ((in_l1, context_of_l1), (in_l2, context_of_l2)) =
            join!(read_l1(key.clone()), read_l2(key));
        let from_l1 = |value| ReadResult {
            value: Some(value),
            source: CompositionLayer::L1,
            context: context_of_l1,
        };
        let from_l2 = |value| ReadResult {
            value,
            source: CompositionLayer::L2,
            context: context_of_l2,
        };
        match (in_l1, in_l2) {
            (Ok(Some(one)), Ok(Some(two))) => {
                let longer = match (one.expire(), two.expire()) {
                    (None, _) => false,
                    (Some(_), None) => true,
                    (Some(one), Some(two)) => two > one,
                };
                Ok(if longer { from_l2(Some(two)) } else { from_l1(one) })
            }
            (Ok(Some(one)), _) => Ok(from_l1(one)),
            (_, Ok(Some(two))) => Ok(from_l2(Some(two))),
            (Err(of_l1), Err(of_l2)) => {
                warn!(?of_l1, "both layers failed");
                Err(of_l2)
            }
            (Ok(None), _) | (_, Ok(None)) => Ok(ReadResult {
                value: None,
                source: CompositionLayer::L2,
                context: BoxContext::default(),
            }),
        }
    }
}
