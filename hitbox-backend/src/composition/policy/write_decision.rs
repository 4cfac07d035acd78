//! Write policies as pure functions.

use async_trait::async_trait;
use futures::FutureExt;
use hitbox_core::{CacheKey, Offload};

use super::{
    observed::{WriteObserved, WriteStep},
    write::CompositionWritePolicy,
};
use crate::{
    BackendError,
    composition::{
        CompositionLayer, RaceLoserPolicy,
        layer_call::{LayerCall, LayerCalls},
        write::WriteOp,
    },
};

/// A write policy as a pure function: what is known of the layers, and what the write does next.
///
/// It is asked again after each step. One write of a key and a write of many take the same decisions; a write
/// of many asks each layer in bulk. Implement it for a policy of your own that needs no timers; it then is a
/// [`CompositionWritePolicy`], and as fast as those of this crate.
///
/// ```
/// use hitbox_backend::{CompositionLayer, WriteDecision, WriteObserved, WriteStep};
///
/// /// Writes L2, and L1 only once L2 holds the value.
/// struct SharedFirst;
///
/// impl WriteDecision for SharedFirst {
///     fn next(&self, l1: WriteObserved, l2: WriteObserved) -> WriteStep {
///         use CompositionLayer::{L1, L2};
///         use WriteObserved::{Failed, NotAsked, Pending, Written};
///         match (l1, l2) {
///             (_, NotAsked) => WriteStep::Write(L2),
///             (_, Failed) => WriteStep::Fail(L2),
///             (NotAsked, Written) => WriteStep::Write(L1),
///             (_, Pending) | (Pending, _) => WriteStep::Wait,
///             (Written | Failed, Written) => WriteStep::Done,
///         }
///     }
/// }
/// ```
pub trait WriteDecision: Send + Sync {
    /// What the write does next.
    fn next(&self, l1: WriteObserved, l2: WriteObserved) -> WriteStep;

    /// What becomes of a write of a layer that is pending when the policy has decided. Default: it is dropped;
    /// it may take effect all the same, so the layer is bypassed for the key until a newer write or remove, a refill or
    /// a repair succeeds there.
    fn if_left_behind(&self) -> RaceLoserPolicy {
        RaceLoserPolicy::Drop
    }
}

#[async_trait]
impl<P: WriteDecision> CompositionWritePolicy for P {
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
        let (mut write_l1, mut write_l2) = (Some(write_l1), Some(write_l2));
        let (mut op, mut calls) = (WriteOp::new(), LayerCalls::none());
        let decision = loop {
            let decided = op.advance(
                |l1, l2| self.next(l1, l2),
                |layer| {
                    let call = match layer {
                        CompositionLayer::L1 => write_l1.take()?(key.clone()).boxed(),
                        CompositionLayer::L2 => write_l2.take()?(key.clone()).boxed(),
                    };
                    calls.begin(layer, LayerCall::Owned(call));
                    None
                },
            );
            if let Some(decision) = decided {
                break decision;
            }
            let (layer, outcome) = calls.next().await;
            op.note(layer, outcome);
        };
        match self.if_left_behind() {
            RaceLoserPolicy::Offload => {
                for (_, loser) in calls.into_owned() {
                    // Not keyed by the cache key: a write must not be dropped as a duplicate of another write of
                    // the same key.
                    offload.register("race write", loser.map(drop));
                }
            }
            RaceLoserPolicy::Drop => {}
        }
        op.conclude(decision)
    }

    #[inline]
    fn next_step(&self, l1: WriteObserved, l2: WriteObserved) -> Option<WriteStep> {
        Some(self.next(l1, l2))
    }

    #[inline]
    fn if_left_behind(&self) -> RaceLoserPolicy {
        WriteDecision::if_left_behind(self)
    }
}
