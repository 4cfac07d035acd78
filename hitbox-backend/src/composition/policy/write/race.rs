use std::future::Future;

use async_trait::async_trait;
use futures::future::{Either, select};
use hitbox_core::{CacheKey, Offload};

use super::{CompositionWritePolicy, one_is_enough};
use crate::{
    BackendError,
    composition::{CompositionLayer, RaceLoserPolicy},
};

/// Writes both layers at once and returns at the first success.
///
/// The slower layer's write goes on in the background, or is dropped. Until it has confirmed, that
/// layer is not trusted with the key.
#[derive(Clone, Copy, Debug, Default)]
pub struct RaceWritePolicy {
    loser: RaceLoserPolicy,
}

impl RaceWritePolicy {
    /// The policy; the loser's write is handed to the background.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            loser: RaceLoserPolicy::Offload,
        }
    }

    /// The policy with this treatment of the loser's write.
    #[must_use]
    pub const fn loser(mut self, loser: RaceLoserPolicy) -> Self {
        self.loser = loser;
        self
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
        use CompositionLayer::{L1, L2};

        let l1 = Box::pin(write_l1(key.clone()));
        let l2 = Box::pin(write_l2(key));
        let (first, outcome, second) = match select(l1, l2).await {
            Either::Left((outcome, l2)) => (L1, outcome, Either::Left(l2)),
            Either::Right((outcome, l1)) => (L2, outcome, Either::Right(l1)),
        };
        match (outcome, self.loser) {
            (Ok(()), RaceLoserPolicy::Drop) => Ok(()),
            (Ok(()), RaceLoserPolicy::Offload) => {
                // Not keyed by the cache key: a write must not be dropped as a duplicate of
                // another write of the same key.
                offload.register("race write", async move {
                    let _of_no_consequence = second.await;
                });
                Ok(())
            }
            (Err(error), _) => match first {
                L1 => one_is_enough(Err(error), second.await),
                L2 => one_is_enough(second.await, Err(error)),
            },
        }
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
        match (write_l1()?, self.loser) {
            (Ok(()), RaceLoserPolicy::Drop) => Some(Ok(())),
            // A loser that need not be waited for.
            (outcome, _) => Some(one_is_enough(outcome, write_l2()?)),
        }
    }
}
