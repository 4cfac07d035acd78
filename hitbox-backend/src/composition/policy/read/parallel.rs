use std::{fmt::Debug, future::Future};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use hitbox_core::{BoxContext, CacheKey, CacheValue, Offload};

use super::{Answer, CompositionReadPolicy, FoundAtOnce, ReadResult, without_a_hit};
use crate::composition::{AsksL2, CompositionLayer};

/// Asks both layers at once, waits for both, and takes the value with the longest remaining life.
///
/// A value that never expires beats any other; a tie goes to L1. The policy for layers that are
/// written by others too, where the longer-lived value is the fresher one.
#[derive(Clone, Copy, Debug, Default)]
pub struct ParallelReadPolicy;

impl ParallelReadPolicy {
    /// The policy.
    #[must_use]
    pub const fn new() -> Self {
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
        use CompositionLayer::{L1, L2};

        let (l1, l2) = futures::join!(read_l1(key.clone()), read_l2(key));
        let expire = |result: &ReadResult<T>| result.value.as_ref().and_then(CacheValue::expire);
        let found = longest_lived(Answer::of(L1, l1), Answer::of(L2, l2), expire)?;
        Ok(found.map_or_else(ReadResult::miss, |(_, result)| result))
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
        // The slower layer first: if it has to be waited for, L1 is not read in vain.
        let l2 = Answer::at_once(read_l2()?);
        let l1 = Answer::at_once(read_l1()?);
        Some(longest_lived(l1, l2, CacheValue::expire).map(FoundAtOnce::new))
    }

    fn asks_l2(&self) -> AsksL2 {
        AsksL2::Always
    }
}

/// The hit that expires last, and the layer that has it.
fn longest_lived<H, E>(
    l1: Answer<H, E>,
    l2: Answer<H, E>,
    expire: impl Fn(&H) -> Option<DateTime<Utc>>,
) -> Result<Option<(CompositionLayer, H)>, E> {
    use CompositionLayer::{L1, L2};
    match (l1, l2) {
        // Expiries are compared instead of remaining lives: the same order, without the clock moving
        // on between the two. `None` never expires.
        (Answer::Hit(l1), Answer::Hit(l2)) => Ok(Some(match (expire(&l1), expire(&l2)) {
            (Some(_), None) => (L2, l2),
            (Some(one), Some(two)) if two > one => (L2, l2),
            (None, _) | (Some(_), Some(_)) => (L1, l1),
        })),
        (Answer::Hit(hit), Answer::NoHit(_)) => Ok(Some((L1, hit))),
        (Answer::NoHit(_), Answer::Hit(hit)) => Ok(Some((L2, hit))),
        (Answer::NoHit(l1), Answer::NoHit(l2)) => without_a_hit(l1, l2).map(|()| None),
    }
}
