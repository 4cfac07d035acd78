use std::{fmt::Debug, future::Future};

use async_trait::async_trait;
use hitbox_core::{BoxContext, CacheKey, CacheValue, Offload};

use super::{
    Answer, CompositionReadPolicy, FoundAtOnce, ReadResult, after_no_hit, first_hit_at_once,
};
use crate::composition::{AsksL2, CompositionLayer};

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
        let l2 = Answer::of(CompositionLayer::L2, read_l2(key).await);
        let found = after_no_hit(CompositionLayer::L1, l1, l2)?;
        Ok(found.unwrap_or_else(ReadResult::miss))
    }

    fn execute_at_once<T, E, F1, F2>(
        &self,
        _key: &CacheKey,
        read_l1: F1,
        read_l2: F2,
    ) -> Option<Result<FoundAtOnce<T>, E>>
    where
        E: Debug,
        F1: FnOnce() -> Option<Result<Option<CacheValue<T>>, E>>,
        F2: FnOnce() -> Option<Result<Option<CacheValue<T>>, E>>,
    {
        first_hit_at_once(read_l1, read_l2)
    }

    fn asks_l2(&self) -> AsksL2 {
        AsksL2::IfLeftOpen
    }
}
