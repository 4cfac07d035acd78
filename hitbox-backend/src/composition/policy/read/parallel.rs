use std::{fmt::Debug, future::Future};

use async_trait::async_trait;
use hitbox_core::{BoxContext, CacheKey, CacheValue, Offload};

use super::{Answer, CompositionReadPolicy, ReadResult, warn_failed, without_a_hit};
use crate::composition::CompositionLayer;

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

        let (l1, l2) = futures::join!(read_l1(key.clone()), read_l2(key.clone()));
        match (Answer::of(L1, l1), Answer::of(L2, l2)) {
            (Answer::Hit(l1), Answer::Hit(l2)) => Ok(longer_lived(l1, l2)),
            (Answer::Hit(result), Answer::NoHit(other)) => {
                if let Err(error) = other {
                    warn_failed(&key, L2, &error);
                }
                Ok(result)
            }
            (Answer::NoHit(other), Answer::Hit(result)) => {
                if let Err(error) = other {
                    warn_failed(&key, L1, &error);
                }
                Ok(result)
            }
            (Answer::NoHit(l1), Answer::NoHit(l2)) => without_a_hit(&key, l1, l2),
        }
    }
}

fn longer_lived<T>(l1: ReadResult<T>, l2: ReadResult<T>) -> ReadResult<T> {
    // Expiries are compared instead of remaining lives: the same order, without the clock moving
    // on between the two. `None` never expires.
    let expire = |result: &ReadResult<T>| result.value.as_ref().map(CacheValue::expire);
    match (expire(&l1).flatten(), expire(&l2).flatten()) {
        (Some(_), None) => l2,
        (Some(one), Some(two)) if two > one => l2,
        (None, _) | (Some(_), Some(_)) => l1,
    }
}
