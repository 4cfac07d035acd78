use std::{fmt::Debug, future::Future};

use async_trait::async_trait;
use hitbox_core::{BoxContext, CacheKey, CacheValue, Offload};

use super::{Answer, CompositionReadPolicy, ReadResult, warn_failed, without_a_hit};
use crate::composition::CompositionLayer;

/// Asks L1, and L2 only if L1 has no live value.
///
/// The policy for a fast L1 in front of a slow or costly L2: a hit in L1 costs L2 nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct SequentialReadPolicy;

impl SequentialReadPolicy {
    /// The policy.
    #[must_use]
    pub const fn new() -> Self {
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
        let l1 = match Answer::of(CompositionLayer::L1, read_l1(key.clone()).await) {
            Answer::Hit(result) => return Ok(result),
            Answer::NoHit(outcome) => outcome,
        };
        match Answer::of(CompositionLayer::L2, read_l2(key.clone()).await) {
            Answer::Hit(result) => {
                if let Err(error) = l1 {
                    warn_failed(&key, CompositionLayer::L1, &error);
                }
                Ok(result)
            }
            Answer::NoHit(l2) => without_a_hit(&key, l1, l2),
        }
    }
}
