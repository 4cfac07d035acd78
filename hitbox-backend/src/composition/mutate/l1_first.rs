//! A write that L1 takes without waiting, while L2 has to be waited for.

use std::sync::Arc;

use hitbox_core::{CacheKey, CacheValue, Raw};

use crate::{
    Attempt, Backend, BackendResult, WriteAttempt,
    composition::{
        AsksL2, CompositionLayer, CompositionWritePolicy,
        admission::for_layer,
        ledger::{AdmissionAtOnce, Effect, Ledger, Origin},
        member::Member,
        policy::Rules,
    },
    stamped::with_believable_stamp,
};

/// A write with the turns of both layers, if they were free.
pub(in crate::composition) struct L1First<'a> {
    key: &'a CacheKey,
    value: CacheValue<Raw>,
    rules: Rules,
    admission: AdmissionAtOnce<'a>,
}

impl<'a> L1First<'a> {
    /// Takes the turns of both layers, if they are free.
    pub(in crate::composition) fn begin(
        ledger: &'a Arc<Ledger>,
        key: &'a CacheKey,
        value: CacheValue<Raw>,
        origin: Origin,
        rules: Rules,
    ) -> Self {
        let value = with_believable_stamp(value);
        let admission = ledger.begin_write_at_once(key, value.created(), origin);
        Self {
            key,
            value,
            rules,
            admission,
        }
    }

    /// Writes both layers by a policy that says when it asks L2. The value comes back if it has to be
    /// written another way.
    pub(in crate::composition) async fn write<W: CompositionWritePolicy>(
        self,
        policy: &W,
        (l1, l2): (&Member<impl Backend>, &Member<impl Backend>),
    ) -> Result<BackendResult<()>, CacheValue<Raw>> {
        let Self {
            key,
            value,
            rules,
            admission,
        } = self;
        let mut write = match admission {
            AdmissionAtOnce::Accepted(write) => write,
            AdmissionAtOnce::Superseded => {
                tracing::debug!(%key, "a write was older than what was done to the key since");
                return Ok(Ok(()));
            }
            AdmissionAtOnce::Waits => return Err(value),
        };
        let for_l1 = for_layer(CompositionLayer::L1, value.clone(), rules);
        write.note(CompositionLayer::L1, Effect::Unknown);
        let Some(in_l1) = in_place(l1.try_write(key, for_l1)).await else {
            write.note(CompositionLayer::L1, Effect::None);
            return Err(value);
        };
        // Others need not wait for L2 as well.
        let (effect, in_l1) = Effect::of(in_l1);
        write.give_back(CompositionLayer::L1, effect);
        let in_l1 = in_l1.map_err(|error| error.in_layer(CompositionLayer::L1));
        let in_l2 = match (policy.asks_l2(), &in_l1) {
            (AsksL2::IfLeftOpen, Err(_)) => None,
            (AsksL2::Always | AsksL2::IfLeftOpen | AsksL2::Unforeseen, _) => {
                write.note(CompositionLayer::L2, Effect::Unknown);
                let (effect, outcome) = Effect::of(l2.write(key, value.clone()).await);
                write.note(CompositionLayer::L2, effect);
                Some(outcome.map_err(|error| error.in_layer(CompositionLayer::L2)))
            }
        };
        // Ended before anything is made of it: what has failed may have to be removed.
        drop(write);
        // Written anew if the policy does not decide by both, against what it has said.
        policy
            .execute_at_once(key, || Some(in_l1), || in_l2)
            .ok_or(value)
    }
}

/// What came of the write of a layer that takes it without waiting. `None` if it does not, against what
/// it has said.
async fn in_place(writing: WriteAttempt<'_>) -> Option<BackendResult<()>> {
    match writing {
        Attempt::Ready(outcome) => Some(outcome),
        Attempt::Pending(rest) => Some(rest.await),
        Attempt::WouldBlock(_) => None,
    }
}
