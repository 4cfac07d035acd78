//! The end of a read: refills, repairs, and the answer.

use futures::{FutureExt, future::BoxFuture};
use hitbox_core::{
    BoxContext, CacheKey, CacheValue, Failures, Offload, OffloadKey, Raw, Stamp, clock::Moment,
};

use super::{Answer, Hit, ReadOp, Standing, answer};
use crate::{
    Attempt, Backend, BackendError, BackendResult, ReadOutcome,
    composition::{
        CompositionBackend, CompositionLayer, CompositionReadPolicy, RefillPolicy, RepairPolicy,
        admission::{for_layer, guard},
        background,
        fences::{FenceSnapshot, Permit},
        miss::mark_miss,
        refill::{self, Lacking, Seen},
        repair,
    },
};

/// The answer of a layer that was waited for, and what it noted.
pub(in crate::composition) type Noted = (ReadOutcome, BoxContext);

/// A read whose policy has decided.
pub(in crate::composition) struct Ended {
    pub(in crate::composition) found: BackendResult<Option<Hit<Raw>>>,
    /// The stamp of the value that L1 was seen to hold.
    pub(in crate::composition) in_l1: Option<Stamp>,
    pub(in crate::composition) failures: Failures,
    /// Taken before a layer was asked.
    pub(in crate::composition) snapshot: FenceSnapshot,
    /// What is known of the layers, where reads repair them.
    pub(in crate::composition) seen: [Option<Seen>; 2],
}

/// A read whose end has begun.
pub(in crate::composition) enum Settled<'a> {
    Ready(ReadOutcome),
    /// Something has to be waited for.
    Pending(BoxFuture<'a, Noted>),
}

impl ReadOp<Raw, BackendError> {
    /// What the layers have answered, for repairs.
    pub(super) fn seen(&self) -> [Option<Seen>; 2] {
        CompositionLayer::BOTH.map(|layer| self.answer(layer).map(Seen::from))
    }
}

impl From<&Answer<Raw, BackendError>> for Seen {
    fn from(answer: &Answer<Raw, BackendError>) -> Self {
        match (answer.standing, Self::from(&answer.outcome)) {
            (Standing::LastResort, Self::Value(value)) => Self::LastResort(value),
            (Standing::OfAnotherType, Self::Value(value)) => Self::OfAnotherType(value),
            (Standing::Rejected, _) => Self::Rejected,
            (
                Standing::Full | Standing::Joined | Standing::LastResort | Standing::OfAnotherType,
                seen,
            ) => seen,
        }
    }
}

impl<L1, L2, O, R, W> CompositionBackend<L1, L2, O, R, W>
where
    L1: Backend + 'static,
    L2: Backend + 'static,
    O: Offload<'static>,
    R: CompositionReadPolicy,
    W: Sync,
{
    /// Ends the read of one key. `moment` is the one at which the answer was found to be live.
    #[inline]
    pub(in crate::composition) fn settle_one<'a>(
        &'a self,
        key: &'a CacheKey,
        mut ended: Ended,
        context: &mut BoxContext,
        moment: &Moment,
    ) -> Settled<'a> {
        self.tell(&mut ended.found, &mut ended.failures, context);
        let snapshot = ended.snapshot;
        let after_refill = Moment::default();
        let (refill, moment) = match &ended.found {
            Ok(Some(hit)) if hit.layer == CompositionLayer::L2 => {
                let refill = self.copy_to_l1(key, hit, ended.in_l1, &snapshot);
                // The copy may take as long as a write.
                (refill, &after_refill)
            }
            Ok(_) => (None, moment),
            Err(_) => return Settled::Ready(ended.found.map(|_| None)),
        };
        if self.layers.rules.refill == RefillPolicy::Repair
            && let Some(lacking) = refill::lacking(&ended.seen)
        {
            self.repair_in_background(key, snapshot, lacking);
        }
        let repair = self.has_to_repair(&snapshot).then(|| self.repair_both(key));
        // Where it stood until now: a hit is large, and to move it would cost more than the rest of this.
        let mut outcome = ended.found.map(|hit| hit.map(|hit| hit.value));
        if refill.is_none() && repair.is_none() {
            answer(&self.paths, context, &mut outcome, moment);
            return Settled::Ready(outcome);
        }
        let mut context = context.clone();
        Settled::Pending(Box::pin(async move {
            for rest in [refill, repair].into_iter().flatten() {
                rest.await;
            }
            answer(&self.paths, &mut context, &mut outcome, &Moment::default());
            (outcome, context)
        }))
    }

    /// The stamp of the value that L1 was seen to hold, where a refill wants to know.
    #[inline]
    pub(super) fn seen_in_l1(&self, op: &ReadOp<Raw, BackendError>) -> Option<Stamp> {
        self.layers.rules.l1_ttl?;
        let answer = op.answer(CompositionLayer::L1)?;
        let value = answer.outcome.as_ref().ok()?.as_ref();
        let value = value.filter(|_| answer.standing == Standing::Full);
        value.map(CacheValue::created)
    }

    /// Tells the context of a read what has failed, and takes over the notes of the layer that has answered.
    #[inline]
    pub(super) fn tell(
        &self,
        found: &mut BackendResult<Option<Hit<Raw>>>,
        failures: &mut Failures,
        context: &mut BoxContext,
    ) {
        match found {
            Ok(Some(hit)) => {
                if let Some(noted) = hit.context.take() {
                    context.take_notes_of(noted);
                }
            }
            Ok(None) => {}
            Err(error) => {
                mark_miss(context);
                self.paths.pass(error);
            }
        }
        self.paths.note(failures, context);
    }

    /// Copies to L1 what L2 has answered, if L1 is to have it. What is left is to be waited for.
    #[inline(never)]
    fn copy_to_l1<'a>(
        &'a self,
        key: &'a CacheKey,
        hit: &Hit<Raw>,
        in_l1: Option<Stamp>,
        snapshot: &FenceSnapshot,
    ) -> Option<BoxFuture<'a, ()>> {
        let claim = hit
            .for_l1()
            .and_then(|value| self.claim_refill(key, value, in_l1, snapshot));
        match claim {
            Some((permit, copy)) => self.refill_l1(key, permit, copy),
            None => {
                self.hand_out(key, hit);
                None
            }
        }
    }

    /// A reader is handed a value that is not copied to L1, which is to hold no other one then. Whoever has joined his read
    /// does not leave that to the leader, who may not have come to it yet, or have found a value of his own.
    pub(super) fn hand_out(&self, key: &CacheKey, hit: &Hit<Raw>) {
        match hit.layer {
            CompositionLayer::L1 => {}
            CompositionLayer::L2 => self.layers.l1.drop_other(key, hit.value.created()),
        }
    }

    /// The right to copy L2's value to L1, and the copy, if L1 is to have one.
    pub(super) fn claim_refill(
        &self,
        key: &CacheKey,
        value: &CacheValue<Raw>,
        in_l1: Option<Stamp>,
        snapshot: &FenceSnapshot,
    ) -> Option<(Permit, CacheValue<Raw>)> {
        let (layer, rules) = (CompositionLayer::L1, self.layers.rules);
        match rules.refill {
            RefillPolicy::Always => {}
            RefillPolicy::Never | RefillPolicy::Repair => return None,
        }
        // Under a cap the same value has another expiry in L1.
        if rules.l1_ttl.is_some() && in_l1 == Some(value.created()) {
            return None;
        }
        if !self.layers.can_keep(layer, value) {
            return None;
        }
        let fences = &self.layers.fences;
        let permit = Permit::for_refill(fences, key, layer, value.created(), snapshot)?;
        Some((permit, for_layer(layer, value.clone(), rules)))
    }

    fn refill_l1<'a>(
        &'a self,
        key: &'a CacheKey,
        permit: Permit,
        copy: CacheValue<Raw>,
    ) -> Option<BoxFuture<'a, ()>> {
        let l1 = &self.layers.l1;
        let (permit, copy) = if l1.is_non_blocking() {
            match permit.attempt(copy, |copy| l1.try_refill(key, copy)) {
                Attempt::Ready(()) => return None,
                Attempt::Pending(rest) => return Some(rest),
                Attempt::WouldBlock(unused) => unused,
            }
        } else {
            (permit, copy)
        };
        let refill = refill::copy(permit, key.clone(), copy, self.first());
        self.begin_or_leave("refill".into(), || vec![key.clone()], refill.boxed())
    }

    /// Runs work that should keep nobody waiting: as far as it goes, and then in the background. What is left
    /// is to be waited for where there is no background.
    pub(in crate::composition) fn begin_or_leave(
        &self,
        name: OffloadKey,
        keys: impl FnOnce() -> Vec<CacheKey>,
        work: BoxFuture<'static, ()>,
    ) -> Option<BoxFuture<'static, ()>> {
        if !self.offload.is_enabled() {
            return background::begun(work);
        }
        background::leave(&self.offload, &self.layers.fences, name, keys, work);
        None
    }

    /// Gives the layer that lacks the newest value that was seen that value.
    #[inline(never)]
    fn repair_in_background(&self, key: &CacheKey, snapshot: FenceSnapshot, lacking: Lacking) {
        let repair = refill::repair(self.layers.clone(), key.clone(), snapshot, lacking);
        let shared = self
            .layers
            .fences
            .share_task(vec![key.clone()], repair.boxed());
        self.offload.register((key.clone(), "repair"), shared);
    }

    /// Hands the loser of a race to the background. Where reads repair, it brings the layers up to date when
    /// it ends.
    #[inline(never)]
    pub(super) fn leave_behind(
        &self,
        key: &CacheKey,
        snapshot: FenceSnapshot,
        (layer, loser): (CompositionLayer, BoxFuture<'static, Noted>),
        seen: &[Option<Seen>; 2],
    ) {
        let mut seen = seen.clone();
        let (layers, own_key) = (self.layers.clone(), key.clone());
        let work = async move {
            let (mut outcome, mut context) = loser.await;
            guard(
                layer,
                &mut outcome,
                &mut context,
                &snapshot,
                &Moment::default(),
            );
            seen[layer as usize] = Some(Seen::from(&outcome));
            if let Some(lacking) = refill::lacking(&seen) {
                refill::repair(layers, own_key, snapshot, lacking).await;
            }
        };
        let shared = self
            .layers
            .fences
            .share_task(vec![key.clone()], work.boxed());
        self.offload.register((key.clone(), "race read"), shared);
    }

    /// Whether reads have to repair what layers have missed, since the background does not.
    pub(in crate::composition) fn reads_repair(&self) -> bool {
        match self.layers.rules.repair {
            RepairPolicy::Background(_) => !(self.offload.has_clock() && self.offload.is_enabled()),
            RepairPolicy::OnNextOperation => true,
            RepairPolicy::Never => false,
        }
    }

    /// Whether layers have missed changes of a key that this read has to repair.
    #[inline]
    pub(super) fn has_to_repair(&self, snapshot: &FenceSnapshot) -> bool {
        snapshot.is_fenced() && self.layers.fences.pending_repair_count() > 0 && self.reads_repair()
    }

    #[inline(never)]
    fn repair_both<'a>(&'a self, key: &'a CacheKey) -> BoxFuture<'a, ()> {
        let (l1, l2) = (self.first(), self.second());
        Box::pin(async move {
            for layer in CompositionLayer::BOTH {
                let (layers, key_of_repair) = (self.layers.clone(), key.clone());
                let (l1, l2) = (l1.clone(), l2.clone());
                let repair = async move {
                    let (fences, rules) = (&layers.fences, layers.rules);
                    let _whatever_comes_of_it = match layer {
                        CompositionLayer::L1 => {
                            repair::attempt(fences, &key_of_repair, &l1, &l2, rules).await
                        }
                        CompositionLayer::L2 => {
                            repair::attempt(fences, &key_of_repair, &l2, &l1, rules).await
                        }
                    };
                };
                let keys = || vec![key.clone()];
                if let Some(rest) = self.begin_or_leave("repair".into(), keys, repair.boxed()) {
                    rest.await;
                }
            }
        })
    }
}
