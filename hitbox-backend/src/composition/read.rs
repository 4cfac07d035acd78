//! One read through a composition.

mod at_once;
mod begun;
mod failures;
mod guarded;
mod source;

use std::{mem, sync::Arc};

use chrono::TimeDelta;
use hitbox_core::{
    BoxContext, CacheKey, CacheStatus, CacheValue, Offload, Raw, ResponseSource, Stamp,
    clock::Moment,
};
use tokio::sync::oneshot;

use super::{
    CompositionLayer, CompositionReadPolicy, FoundAtOnce, ReadResult,
    background::Background,
    layers::LayerAccess,
    ledger::{Ledger, Trust},
    policy::{RefillPolicy, RepairPolicy, Rules},
    refill::{self, Seen},
    repair,
};
use crate::{BackendError, ReadOutcome};

pub(super) use at_once::{AtOnce, Glimpse, Glimpses};
pub(super) use begun::Begun;
use failures::SharedFailures;
pub(super) use failures::{collect, note};
use guarded::{Aside, guarded};
pub(super) use guarded::{admit, guard, is_usable};
pub(super) use source::SourcePaths;

/// What a read needs besides the layers.
pub(super) struct ReadPath<'a, R, O> {
    pub(super) policy: &'a R,
    pub(super) background: &'a Background<'a, O>,
    pub(super) paths: &'a SourcePaths,
    pub(super) ledger: &'a Arc<Ledger>,
    pub(super) rules: Rules,
}

/// What the layers had, for those that bring them up to date.
enum Sighted {
    AtOnce(Glimpses),
    /// By L1 and by L2, where it was wanted.
    Told(
        Option<oneshot::Receiver<Seen>>,
        Option<oneshot::Receiver<Seen>>,
    ),
}

impl<R: CompositionReadPolicy, O: Offload<'static>> ReadPath<'_, R, O> {
    pub(super) async fn read<A: LayerAccess, B: LayerAccess>(
        &self,
        key: &CacheKey,
        context: &mut BoxContext,
        Begun {
            trust,
            glimpses,
            failures,
        }: Begun,
        (l1, l2): (A, B),
    ) -> ReadOutcome {
        let failures = SharedFailures::new(failures);
        let (tell_l1, seen_in_l1) = self.sighting();
        let (tell_l2, seen_in_l2) = self.sighting();
        let [in_l1, in_l2] = glimpses;
        // The key that a policy passes on is not looked at: what is known of the layers is known of
        // this one.
        let read_l1 = {
            let (layer, key, context) = (l1.clone(), key.clone(), context.clone());
            let aside = Aside::new(tell_l1, &failures);
            move |_| guarded(layer, key, context, trust, in_l1, aside)
        };
        let read_l2 = {
            let (layer, key, context) = (l2.clone(), key.clone(), context.clone());
            let aside = Aside::new(tell_l2, &failures);
            move |_| guarded(layer, key, context, trust, in_l2, aside)
        };
        let result = self
            .policy
            .execute_with(key.clone(), read_l1, read_l2, &self.background.of(key))
            .await;
        // Before anything is waited for: what fails from here on has no part in the answer.
        let mut failures = mem::take(&mut *failures.lock());
        let sighted = Sighted::Told(seen_in_l1, seen_in_l2);
        let outcome = self
            .conclude(key, context, trust, result, sighted, (l1, l2))
            .await;
        note(&mut failures, self.paths.label(), context);
        outcome
    }

    /// What is left to do for a read that the layers have answered at once.
    pub(super) async fn follow_up<A: LayerAccess, B: LayerAccess>(
        &self,
        key: &CacheKey,
        context: &mut BoxContext,
        Begun {
            trust, glimpses, ..
        }: Begun,
        found: Result<FoundAtOnce<Raw>, BackendError>,
        layers: (A, B),
    ) -> ReadOutcome {
        let result = found.map(|FoundAtOnce { value, source }| ReadResult {
            value,
            source,
            context: context.clone(),
        });
        let sighted = Sighted::AtOnce(glimpses);
        self.conclude(key, context, trust, result, sighted, layers)
            .await
    }

    /// Turns what the policy returned into the answer, and sees to refills and repairs.
    async fn conclude<A: LayerAccess, B: LayerAccess>(
        &self,
        key: &CacheKey,
        context: &mut BoxContext,
        trust: Trust,
        result: Result<ReadResult<Raw>, BackendError>,
        sighted: Sighted,
        (l1, l2): (A, B),
    ) -> ReadOutcome {
        let result = match result {
            Ok(result) => result,
            Err(error) => {
                mark_miss(context);
                return Err(error.seen_through(self.paths.label()));
            }
        };
        let owes = trust.is_limited() && self.ledger.owed_len() > 0;
        let unrepaired = (owes && self.repairs_here()).then(|| (l1.clone(), l2.clone()));
        match (self.rules.refill, sighted) {
            (RefillPolicy::Always, sighted) => {
                self.refill_l1(key, &result, trust, sighted, l1).await;
            }
            (RefillPolicy::Repair, Sighted::Told(Some(in_l1), Some(in_l2))) => {
                let (ledger, seen) = (Arc::clone(self.ledger), (in_l1, in_l2));
                let repair = refill::repair(ledger, key.clone(), trust, seen, (l1, l2), self.rules);
                if let Some(repair) = repair {
                    let background = self.background.of(key);
                    background.register((key.clone(), "repair"), repair);
                }
            }
            (RefillPolicy::Repair, Sighted::Told(..) | Sighted::AtOnce(_))
            | (RefillPolicy::Never, _) => {}
        }
        if let Some(layers) = unrepaired {
            self.repair_both(key, layers).await;
        }
        if result.value.is_some() {
            *context = result.context;
        }
        // Once more by the clock: a policy may have waited for the other layer since the value was
        // read.
        let moment = Moment::default();
        Ok(answer(self.paths, context, result.value, &moment))
    }

    /// Whether reads have to repair what they find owed, since the background does not.
    pub(super) fn repairs_here(&self) -> bool {
        match self.rules.repair {
            RepairPolicy::Background(_) => !self.background.can_defer(),
            RepairPolicy::OnNextOperation => true,
            RepairPolicy::Never => false,
        }
    }

    /// Repairs what either layer owes of the key.
    pub(super) async fn repair_both<A: LayerAccess, B: LayerAccess>(
        &self,
        key: &CacheKey,
        (l1, l2): (A, B),
    ) {
        self.repair(key, l1.clone(), l2.clone()).await;
        self.repair(key, l2, l1).await;
    }

    async fn repair<A: LayerAccess, B: LayerAccess>(&self, key: &CacheKey, owing: A, other: B) {
        if self.ledger.debt(key, A::LAYER).is_none() {
            return;
        }
        let (ledger, repaired, rules) = (Arc::clone(self.ledger), key.clone(), self.rules);
        let repair = async move {
            let _whatever_comes_of_it =
                repair::attempt(&ledger, &repaired, &owing, &other, rules).await;
        };
        self.background
            .of(key)
            .run_without_waiting("repair", repair)
            .await;
    }

    /// Where the read of a layer tells what it saw, if anybody wants to know: repairs, and refills
    /// under a cap, where the same value has another expiry in L1.
    fn sighting(
        &self,
    ) -> (
        Option<oneshot::Sender<Seen>>,
        Option<oneshot::Receiver<Seen>>,
    ) {
        match (self.rules.refill, self.rules.l1_ttl) {
            (RefillPolicy::Repair, _) | (RefillPolicy::Always, Some(_)) => {
                let (sender, receiver) = oneshot::channel();
                (Some(sender), Some(receiver))
            }
            (RefillPolicy::Always, None) | (RefillPolicy::Never, _) => (None, None),
        }
    }

    async fn refill_l1<A: LayerAccess>(
        &self,
        key: &CacheKey,
        result: &ReadResult<Raw>,
        trust: Trust,
        sighted: Sighted,
        l1: A,
    ) {
        let (CompositionLayer::L2, Some(value)) = (result.source, &result.value) else {
            return;
        };
        if self.rules.l1_ttl.is_some() && sighted.created_in_l1() == Some(value.created()) {
            return;
        }
        let turn = self
            .ledger
            .begin_refill(key, CompositionLayer::L1, value.created(), &trust);
        if let Some(turn) = turn {
            let value = for_layer(CompositionLayer::L1, value.clone(), self.rules);
            let refill = refill::copy(turn, key.clone(), value, l1);
            self.background
                .of(key)
                .run_without_waiting("refill", refill)
                .await;
        }
    }
}

impl Sighted {
    fn created_in_l1(self) -> Option<Stamp> {
        match self {
            Self::AtOnce([Glimpse::Value(created), _]) => Some(created),
            Self::AtOnce(_) | Self::Told(None, _) => None,
            Self::Told(Some(mut in_l1), _) => match in_l1.try_recv() {
                Ok(Seen::Value(value)) => Some(value.created()),
                Ok(Seen::Nothing | Seen::Failure) | Err(_) => None,
            },
        }
    }
}

/// What the caller gets to see of a value, if it is still live. `context` is that of the layer that
/// answered.
#[inline]
pub(super) fn answer(
    paths: &SourcePaths,
    context: &mut BoxContext,
    value: Option<CacheValue<Raw>>,
    moment: &Moment,
) -> Option<CacheValue<Raw>> {
    let Some(live) = value.as_ref().filter(|value| !value.is_expired_at(moment)) else {
        mark_miss(context);
        return None;
    };
    let source = match context.source() {
        ResponseSource::Backend(layer) => paths.to(layer),
        // A policy that made up a context of its own.
        ResponseSource::Upstream => paths.label().clone(),
    };
    context.set_source(ResponseSource::Backend(source));
    context.set_status(status_of(live, moment));
    value
}

/// Brings an answer up to date that others have been waited for since: what has expired is a miss.
pub(super) fn look_again(
    found: &mut Option<CacheValue<Raw>>,
    context: Option<&mut BoxContext>,
    moment: &Moment,
) {
    let Some(value) = found else {
        return;
    };
    if value.is_expired_at(moment) {
        context.into_iter().for_each(mark_miss);
        *found = None;
    } else if let Some(context) = context {
        context.set_status(status_of(value, moment));
    }
}

#[inline]
fn status_of(value: &CacheValue<Raw>, moment: &Moment) -> CacheStatus {
    if value.is_stale_at(moment) {
        CacheStatus::Stale
    } else {
        CacheStatus::Hit
    }
}

pub(super) fn mark_miss(context: &mut BoxContext) {
    context.set_status(CacheStatus::Miss);
    context.set_source(ResponseSource::Upstream);
}

/// The value as `layer` may keep it: L1 by its cap on life times.
pub(super) fn for_layer(
    layer: CompositionLayer,
    value: CacheValue<Raw>,
    rules: Rules,
) -> CacheValue<Raw> {
    match (layer, rules.l1_ttl) {
        (CompositionLayer::L1, Some(l1_ttl)) => {
            let cap = TimeDelta::from_std(l1_ttl)
                .ok()
                .and_then(|cap| hitbox_core::clock::now().checked_add_signed(cap));
            match cap {
                Some(cap) => value.expire_no_later_than(cap),
                // Longer than time itself: no cap.
                None => value,
            }
        }
        (CompositionLayer::L1 | CompositionLayer::L2, _) => value,
    }
}
