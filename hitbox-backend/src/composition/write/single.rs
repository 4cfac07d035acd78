//! A write of one key: in place as far as it goes, then waiting.

use futures::{FutureExt, TryFutureExt};
use hitbox_core::{CacheKey, CacheValue, Offload, Raw};

use super::{Ended, WriteOp, op::Decision, write_with_permit};
use crate::{
    Attempt, Backend, BackendError, BackendResult, Conditional,
    backend::BegunWrite,
    composition::{
        CompositionBackend, CompositionLayer, CompositionWritePolicy, RaceLoserPolicy,
        WriteObserved, WriteStep,
        admission::for_layer,
        fences::{Effect, Origin, Permits, Refusal, Share, TryPermit},
        layer_call::{LayerCall, LayerCalls},
        layers::Handle,
        member::Member,
    },
};

/// A write that has been admitted, and how far it has got.
struct Writing<'a> {
    key: &'a CacheKey,
    value: CacheValue<Raw>,
    op: WriteOp<BackendError>,
    // Dropped before the permits are given back.
    calls: LayerCalls<'a, BackendResult<()>>,
    share: Share,
}

impl<L1, L2, O, R, W> CompositionBackend<L1, L2, O, R, W>
where
    L1: Backend + 'static,
    L2: Backend + 'static,
    O: Offload<'static>,
    R: Sync,
    W: CompositionWritePolicy,
{
    /// Whether the policy is a pure function.
    pub(super) fn writes_by_steps(&self) -> bool {
        let (l1, l2) = (WriteObserved::NotAsked, WriteObserved::NotAsked);
        self.write.next_step(l1, l2).is_some()
    }

    pub(super) fn next_write_step(&self, l1: WriteObserved, l2: WriteObserved) -> WriteStep {
        self.write.next_step(l1, l2).unwrap_or(WriteStep::Done)
    }

    /// Writes a key as far as that goes without waiting.
    pub(in crate::composition) fn begin_single_write<'a>(
        &'a self,
        origin: Origin,
        key: &'a CacheKey,
        value: CacheValue<Raw>,
    ) -> BegunWrite<'a> {
        if !self.writes_by_steps() {
            let write = self.write_by_future(origin, key, value);
            return Attempt::Pending(Box::pin(write.map_ok(drop)));
        }
        match self.admit_write(origin, key, value) {
            Ok(writing) => self.begin_admitted(writing),
            Err(refusal) => self.end_write(key, Ended::refused(key, refusal)),
        }
    }

    /// Writes the value of a load, and says whether something newer has kept it out.
    pub(in crate::composition) async fn fill(
        &self,
        key: &CacheKey,
        value: CacheValue<Raw>,
    ) -> BackendResult<Conditional> {
        if !self.writes_by_steps() {
            return self.write_by_future(Origin::Fill, key, value).await;
        }
        match self.admit_write(Origin::Fill, key, value) {
            Ok(writing) => {
                let written = self.begin_admitted(writing).finish().await;
                written.map(|()| Conditional::Written)
            }
            Err(refusal) => self.settle_write(key, Ended::refused(key, refusal)).await,
        }
    }

    #[inline]
    fn admit_write<'a>(
        &self,
        origin: Origin,
        key: &'a CacheKey,
        value: CacheValue<Raw>,
    ) -> Result<Writing<'a>, Refusal> {
        let value = self.layers.admitted(value);
        let fences = &self.layers.fences;
        let share = fences.begin_write(key, value.created(), origin, Permits::IfFree)?;
        Ok(Writing {
            key,
            value,
            op: WriteOp::new(),
            calls: LayerCalls::none(),
            share,
        })
    }

    #[inline]
    fn begin_admitted<'a>(&'a self, mut writing: Writing<'a>) -> BegunWrite<'a> {
        if let Some(decision) = self.advance_write(&mut writing) {
            let key = writing.key;
            let ended = self.conclude_write(writing, decision);
            return self.end_write(key, ended);
        }
        // Others need not wait for what this does not need at the moment.
        let Writing { share, calls, .. } = &mut writing;
        share.give_back_but(|layer| calls.is_under_way(layer));
        Attempt::Pending(Box::pin(self.finish_write(writing)))
    }

    /// Ends a write, without waiting if nothing has to be removed.
    fn end_write<'a>(&'a self, key: &'a CacheKey, ended: Ended) -> BegunWrite<'a> {
        match ended {
            Ended::Refused if self.layers.shared().is_some() => {
                Attempt::Pending(Box::pin(self.superseded(key)))
            }
            Ended::Done | Ended::Refused => Attempt::Ready(Ok(())),
            Ended::Failed(error) => Attempt::Ready(Err(self.seen_from_outside(error))),
            Ended::Removes(_) => {
                Attempt::Pending(Box::pin(self.settle_write(key, ended).map_ok(drop)))
            }
        }
    }

    /// Waits for layers until the policy has decided.
    async fn finish_write<'a>(&'a self, mut writing: Writing<'a>) -> BackendResult<()> {
        let key = writing.key;
        let decision = loop {
            let (layer, outcome) = writing.calls.next().await;
            self.land(&mut writing, layer, outcome);
            if let Some(decision) = self.advance_write(&mut writing) {
                break decision;
            }
        };
        let ended = self.conclude_write(writing, decision);
        self.settle_write(key, ended).await.map(drop)
    }

    /// Runs the policy until it waits (`None`) or has decided.
    ///
    /// A loser that is to go on in the background, but has begun in place, cannot leave this call: it is waited
    /// for.
    fn advance_write<'a>(&'a self, writing: &mut Writing<'a>) -> Option<Decision> {
        let Writing {
            key,
            value,
            op,
            calls,
            share,
        } = writing;
        let (layers, rules) = (&*self.layers, self.layers.rules);
        let decision = op.advance(
            |l1, l2| self.next_write_step(l1, l2),
            |layer| {
                let value = for_layer(layer, value.clone(), rules);
                match layer {
                    CompositionLayer::L1 => {
                        self.begin_in(&layers.l1, || self.first(), (key, value), share, calls)
                    }
                    CompositionLayer::L2 => {
                        self.begin_in(&layers.l2, || self.second(), (key, value), share, calls)
                    }
                }
            },
        );
        match self.write.if_left_behind() {
            RaceLoserPolicy::Offload => decision.filter(|_| !calls.has_borrowed()),
            RaceLoserPolicy::Drop => decision,
        }
    }

    /// Writes a layer. The answer if it is there; else the call of the write has begun.
    fn begin_in<'a, H: Handle>(
        &self,
        member: &'a Member<H::Backend>,
        handle: impl FnOnce() -> H,
        (key, value): (&'a CacheKey, CacheValue<Raw>),
        share: &mut Share,
        calls: &mut LayerCalls<'a, BackendResult<()>>,
    ) -> Option<BackendResult<()>> {
        let layer = <H as Handle>::LAYER;
        let owned = |value, share: &mut Share| {
            let share = share.split(layer);
            LayerCall::Owned(write_with_permit(handle(), key.clone(), value, share).boxed())
        };
        let may_be_left = self.write.if_left_behind() == RaceLoserPolicy::Offload;
        if may_be_left && !member.is_non_blocking() {
            calls.begin(layer, owned(value, share));
            return None;
        }
        let call = match share.try_permit(layer) {
            // As if it had been written and replaced immediately.
            TryPermit::Overtaken => return Some(Ok(())),
            TryPermit::Busy => owned(value, share),
            TryPermit::Held => {
                share.note(layer, Effect::Unknown);
                match member.begin_write(key, value) {
                    Attempt::Ready(outcome) => {
                        let (effect, outcome) = Effect::of(outcome);
                        share.note(layer, effect);
                        return Some(outcome.map_err(|error| error.in_layer(layer)));
                    }
                    Attempt::Pending(rest) => LayerCall::Borrowed(rest),
                    Attempt::WouldBlock(value) if may_be_left => {
                        share.note(layer, Effect::None);
                        owned(value, share)
                    }
                    Attempt::WouldBlock(value) => {
                        LayerCall::Borrowed(member.write_without_note(key, value))
                    }
                }
            }
        };
        calls.begin(layer, call);
        None
    }

    /// Takes the answer of a layer that was waited for.
    fn land(&self, writing: &mut Writing<'_>, layer: CompositionLayer, outcome: BackendResult<()>) {
        let outcome = if writing.share.holds(layer) {
            match layer {
                CompositionLayer::L1 => self.layers.l1.note_write(writing.key, &outcome),
                CompositionLayer::L2 => self.layers.l2.note_write(writing.key, &outcome),
            }
            let (effect, outcome) = Effect::of(outcome);
            writing.share.give_back(layer, effect);
            outcome.map_err(|error| error.in_layer(layer))
        } else {
            outcome
        };
        writing.op.note(layer, outcome);
    }

    /// Ends a write that is decided, and leaves the losers of a race to the background.
    fn conclude_write(&self, writing: Writing<'_>, decision: Decision) -> Ended {
        let Writing {
            key,
            op,
            calls,
            share,
            ..
        } = writing;
        match self.write.if_left_behind() {
            RaceLoserPolicy::Drop => drop(calls),
            RaceLoserPolicy::Offload => {
                for (_, loser) in calls.into_owned() {
                    let (keys, loser) = (vec![key.clone()], loser.map(drop).boxed());
                    self.leave_writes_behind("race write", keys, loser);
                }
            }
        }
        // Before anything is made of the outcome: what has failed may have to be removed.
        drop(share);
        op.conclude(decision).into()
    }
}
