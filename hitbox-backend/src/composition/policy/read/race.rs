use std::{fmt::Debug, future::Future};

use async_trait::async_trait;
use futures::future::{Either, select};
use hitbox_core::{BoxContext, CacheKey, CacheValue, Offload};

use super::{
    Answer, CompositionReadPolicy, FoundAtOnce, ReadResult, after_no_hit, first_hit_at_once,
};
use crate::composition::{CompositionLayer, RaceLoserPolicy};

/// Asks both layers at once and takes the first live value.
///
/// The policy for two layers of similar speed, where the slower one of a moment must not decide
/// the latency. A layer that misses or fails does not end the race: the other one is waited for.
/// An L1 that answers without waiting has won before L2 is asked.
#[derive(Clone, Copy, Debug, Default)]
pub struct RaceReadPolicy {
    loser: RaceLoserPolicy,
}

impl RaceReadPolicy {
    /// The policy; the loser's read is handed to the background.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            loser: RaceLoserPolicy::Offload,
        }
    }

    /// The policy with this treatment of the loser's read.
    #[must_use]
    pub const fn loser(mut self, loser: RaceLoserPolicy) -> Self {
        self.loser = loser;
        self
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
        use CompositionLayer::{L1, L2};

        let l1 = Box::pin(read_l1(key.clone()));
        let l2 = Box::pin(read_l2(key.clone()));
        // `select` polls its first argument first, so a tie goes to L1.
        let (first, answer, second) = match select(l1, l2).await {
            Either::Left((answer, l2)) => (L1, Answer::of(L1, answer), Either::Left(l2)),
            Either::Right((answer, l1)) => (L2, Answer::of(L2, answer), Either::Right(l1)),
        };
        let lost = match answer {
            Answer::Hit(result) => {
                match self.loser {
                    RaceLoserPolicy::Offload => offload.register((key, "race read"), async {
                        let _ = second.await;
                    }),
                    RaceLoserPolicy::Drop => {}
                }
                return Ok(result);
            }
            Answer::NoHit(outcome) => outcome,
        };
        let second = Answer::of(first.other(), second.await);
        let found = after_no_hit(first, lost, second)?;
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
}
