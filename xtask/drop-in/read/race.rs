//! Whichever layer answers first.

use std::{fmt::Debug, future::Future};

use async_trait::async_trait;
use futures::{FutureExt, select_biased};
use hitbox_core::{BoxContext, CacheKey, CacheValue, Offload};

use super::{CompositionReadPolicy, ReadResult};
use crate::composition::CompositionLayer;

/// Reads both layers and takes the first hit.
#[derive(Debug, Clone, Copy, Default)]
pub struct RaceReadPolicy;

impl RaceReadPolicy {
    /// The policy.
    pub fn new() -> Self {
        Self
    }
}

#[async_trait]
impl CompositionReadPolicy for RaceReadPolicy {
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
        let (mut l1, mut l2) = (Box::pin(read_l1(key.clone())).fuse(), Box::pin(read_l2(key)).fuse());
        let (first, source) = select_biased! {
            answer = l1 => (answer, CompositionLayer::L1),
            answer = l2 => (answer, CompositionLayer::L2),
        };
        let none_in_first = match first {
            (Ok(Some(value)), context) => {
                offload.register("the slower read", async move {
                    match source {
                        CompositionLayer::L1 => drop(l2.await),
                        CompositionLayer::L2 => drop(l1.await),
                    }
                });
                return Ok(ReadResult {
                    value: Some(value),
                    source,
                    context,
                });
            }
            (none, _) => none.map(drop),
        };
        let (second, context) = match source {
            CompositionLayer::L1 => l2.await,
            CompositionLayer::L2 => l1.await,
        };
        match (none_in_first, second) {
            (_, Ok(Some(value))) => Ok(ReadResult {
                value: Some(value),
                source: match source {
                    CompositionLayer::L1 => CompositionLayer::L2,
                    CompositionLayer::L2 => CompositionLayer::L1,
                },
                context,
            }),
            (Err(of_first), Err(of_second)) => Err(match source {
                CompositionLayer::L1 => of_second,
                CompositionLayer::L2 => of_first,
            }),
            (_, _) => Ok(ReadResult {
                value: None,
                source: CompositionLayer::L2,
                context: BoxContext::default(),
            }),
        }
    }
}
