//! Read policies as pure functions.

use std::fmt::Debug;

use async_trait::async_trait;
use futures::FutureExt;
use hitbox_core::{BoxContext, CacheKey, CacheValue, Offload};

use super::{
    observed::{Observed, ReadStep},
    read::{CompositionReadPolicy, ReadResult},
};
use crate::composition::{
    CompositionLayer, RaceLoserPolicy,
    layer_call::{LayerCall, LayerCalls},
    read::{Answer, Hit, Next, ReadOp, Standing},
};

/// A read policy as a pure function: what is known of the layers, and what the read does next.
///
/// It is asked again after each step. One read of a key and a read of many take the same decisions; a read
/// of many asks each layer in bulk. Implement it for a policy of your own that needs no timers; it then is a
/// [`CompositionReadPolicy`], and as fast as those of this crate.
///
/// ```
/// use hitbox_backend::{CompositionLayer, Observed, ReadDecision, ReadStep};
///
/// /// Asks L2 first, for whoever trusts the shared layer more; L1 only if L2 fails.
/// struct SharedFirst;
///
/// impl ReadDecision for SharedFirst {
///     fn next(&self, l1: Observed, l2: Observed) -> ReadStep {
///         use CompositionLayer::{L1, L2};
///         use Observed::{Failed, Hit, Miss, NotAsked, Pending};
///         match (l1, l2) {
///             (_, NotAsked) => ReadStep::Ask(L2),
///             (_, Hit(_)) => ReadStep::Answer(L2),
///             (_, Miss) => ReadStep::NoHit,
///             (NotAsked, Failed) => ReadStep::Ask(L1),
///             (Hit(_), Failed) => ReadStep::Answer(L1),
///             (Miss | Failed, Failed) => ReadStep::NoHit,
///             (Pending, _) | (_, Pending) => ReadStep::Wait,
///         }
///     }
/// }
/// ```
pub trait ReadDecision: Send + Sync {
    /// What the read does next.
    fn next(&self, l1: Observed, l2: Observed) -> ReadStep;

    /// What becomes of a read that is pending when the policy has decided. Default: it is dropped.
    fn if_left_behind(&self) -> RaceLoserPolicy {
        RaceLoserPolicy::Drop
    }
}

#[async_trait]
impl<P: ReadDecision> CompositionReadPolicy for P {
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
        let (mut read_l1, mut read_l2) = (Some(read_l1), Some(read_l2));
        let (mut op, mut calls) = (ReadOp::new(), LayerCalls::none());
        let decision = loop {
            match op.next(|l1, l2| self.next(l1, l2)) {
                Next::Ask(layer) => {
                    let call = match layer {
                        CompositionLayer::L1 => {
                            read_l1.take().map(|read| read(key.clone()).boxed())
                        }
                        CompositionLayer::L2 => {
                            read_l2.take().map(|read| read(key.clone()).boxed())
                        }
                    };
                    if let Some(call) = call {
                        calls.begin(layer, LayerCall::Owned(call));
                    }
                    op.wait_for(layer);
                }
                Next::Wait => {
                    let (layer, (outcome, context)) = calls.next().await;
                    op.note(layer, Answer::noted_in(context, outcome, Standing::Full));
                }
                Next::Decided(decision) => break decision,
            }
        };
        match self.if_left_behind() {
            RaceLoserPolicy::Offload => {
                for (_, loser) in calls.into_owned() {
                    offload.register((key.clone(), "race read"), loser.map(drop));
                }
            }
            RaceLoserPolicy::Drop => {}
        }
        Ok(op
            .conclude(decision)?
            .map_or_else(ReadResult::miss, ReadResult::from))
    }

    #[inline]
    fn next_step(&self, l1: Observed, l2: Observed) -> Option<ReadStep> {
        Some(self.next(l1, l2))
    }

    #[inline]
    fn if_left_behind(&self) -> RaceLoserPolicy {
        ReadDecision::if_left_behind(self)
    }
}

impl<T> From<Hit<T>> for ReadResult<T> {
    fn from(hit: Hit<T>) -> Self {
        Self {
            value: Some(hit.value),
            source: hit.layer,
            context: hit.context.unwrap_or_default(),
        }
    }
}
