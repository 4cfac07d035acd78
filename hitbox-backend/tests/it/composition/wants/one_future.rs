//! A read policy that is one future, as those from elsewhere are.

use std::fmt::Debug;

use async_trait::async_trait;
use hitbox_backend::{CompositionLayer, CompositionReadPolicy, ReadResult};
use hitbox_core::{BoxContext, CacheKey, CacheValue, Offload};

/// Asks one layer, and the other one if that has nothing.
pub(crate) struct OneFuture {
    pub(crate) first: CompositionLayer,
}

#[async_trait]
impl CompositionReadPolicy for OneFuture {
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
        let (mut read_l1, mut read_l2) = (Some(read_l1), Some(read_l2));
        let mut last = Ok(ReadResult::miss());
        for source in [self.first, self.first.other()] {
            let (outcome, context) = match source {
                CompositionLayer::L1 => read_l1.take().expect("asked once")(key.clone()).await,
                CompositionLayer::L2 => read_l2.take().expect("asked once")(key.clone()).await,
            };
            match outcome {
                Ok(Some(value)) => {
                    return Ok(ReadResult {
                        value: Some(value),
                        source,
                        context,
                    });
                }
                Ok(None) => {}
                Err(error) => last = Err(error),
            }
        }
        last
    }
}
