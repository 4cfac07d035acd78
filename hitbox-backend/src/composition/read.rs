//! One read through a composition.

use std::sync::Arc;

use chrono::TimeDelta;
use hitbox_core::{
    BackendLabel, BoxContext, CacheKey, CacheStatus, CacheValue, Offload, Raw, ResponseSource,
};
use tokio::sync::oneshot;

use super::{
    CompositionReadPolicy, ReadResult,
    background::Background,
    layer::CompositionLayer,
    layers::LayerAccess,
    ledger::{Ledger, Trust},
    policy::{RefillPolicy, RepairPolicy, Rules},
    refill::{self, Seen},
    repair,
};
use crate::{BackendError, ReadOutcome};

/// What a read needs besides the layers.
pub(super) struct ReadPath<'a, R, O> {
    pub(super) policy: &'a R,
    pub(super) background: &'a Background<'a, O>,
    pub(super) label: &'a BackendLabel,
    pub(super) ledger: &'a Arc<Ledger>,
    pub(super) rules: Rules,
}

impl<R: CompositionReadPolicy, O: Offload<'static>> ReadPath<'_, R, O> {
    pub(super) async fn read<A: LayerAccess, B: LayerAccess>(
        &self,
        key: &CacheKey,
        context: &mut BoxContext,
        l1: A,
        l2: B,
    ) -> ReadOutcome {
        let trust = self.ledger.trust(key);
        let (tell_l1, seen_in_l1) = self.sighting();
        let (tell_l2, seen_in_l2) = self.sighting();
        let read_l1 = guarded(l1.clone(), key, context.clone(), trust, tell_l1);
        let read_l2 = guarded(l2.clone(), key, context.clone(), trust, tell_l2);
        let result = self
            .policy
            .execute_with(key.clone(), read_l1, read_l2, &self.background.of(key))
            .await;
        let result = match result {
            Ok(result) => result,
            Err(error) => {
                mark_miss(context);
                return Err(error.seen_through(self.label));
            }
        };

        let owes = trust.is_limited() && self.ledger.owed_len() > 0;
        let unrepaired = (owes && self.repairs_here()).then(|| (l1.clone(), l2.clone()));
        match self.rules.refill {
            RefillPolicy::Always => self.refill_l1(key, &result, trust, seen_in_l1, l1).await,
            RefillPolicy::Never => {}
            RefillPolicy::Repair => {
                if let (Some(seen_in_l1), Some(seen_in_l2)) = (seen_in_l1, seen_in_l2)
                    && let Some(repair) = refill::repair(
                        Arc::clone(self.ledger),
                        key.clone(),
                        trust,
                        (seen_in_l1, seen_in_l2),
                        (l1, l2),
                        self.rules,
                    )
                {
                    self.background
                        .of(key)
                        .register((key.clone(), "repair"), repair);
                }
            }
        }
        if let Some((l1, l2)) = unrepaired {
            self.repair(key, l1.clone(), l2.clone()).await;
            self.repair(key, l2, l1).await;
        }
        Ok(self.answer(context, result))
    }

    /// Whether reads have to repair what they find owed, since the background does not.
    fn repairs_here(&self) -> bool {
        match self.rules.repair {
            RepairPolicy::Background(_) => !self.background.can_defer(),
            RepairPolicy::OnNextOperation => true,
            RepairPolicy::Never => false,
        }
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
        seen_in_l1: Option<oneshot::Receiver<Seen>>,
        l1: A,
    ) {
        let (CompositionLayer::L2, Some(value)) = (result.source, &result.value) else {
            return;
        };
        let seen = seen_in_l1.and_then(|mut seen| seen.try_recv().ok());
        if matches!(seen, Some(Seen::Value(seen)) if seen.created() == value.created()) {
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

    /// What the caller gets to see of a policy's result.
    fn answer(&self, context: &mut BoxContext, result: ReadResult<Raw>) -> Option<CacheValue<Raw>> {
        // Once more: a policy may have waited for the other layer since the value was read.
        let live = result.value.filter(|value| !value.is_expired());
        let Some(value) = live else {
            mark_miss(context);
            return None;
        };
        *context = result.context;
        let source = match context.source() {
            ResponseSource::Backend(inner) => self.label.join(inner),
            // A policy that made up a context of its own.
            ResponseSource::Upstream => self.label.clone(),
        };
        context.set_source(ResponseSource::Backend(source));
        context.set_status(status_of(&value));
        Some(value)
    }
}

/// Brings an answer up to date that others have been waited for since: what has expired is a miss.
pub(super) fn look_again(found: &mut Option<CacheValue<Raw>>, context: Option<&mut BoxContext>) {
    *found = found.take().filter(|value| !value.is_expired());
    match (found, context) {
        (Some(value), Some(context)) => context.set_status(status_of(value)),
        (None, Some(context)) => mark_miss(context),
        (Some(_) | None, None) => {}
    }
}

fn status_of(value: &CacheValue<Raw>) -> CacheStatus {
    if value.is_stale() {
        CacheStatus::Stale
    } else {
        CacheStatus::Hit
    }
}

fn mark_miss(context: &mut BoxContext) {
    context.set_status(CacheStatus::Miss);
    context.set_source(ResponseSource::Upstream);
}

/// The read of one layer as policies get to see it: without values that are expired or overtaken.
///
/// The key that a policy passes on is not looked at: what is known of the layers is known of this
/// one.
fn guarded<A: LayerAccess>(
    layer: A,
    key: &CacheKey,
    context: BoxContext,
    trust: Trust,
    tell: Option<oneshot::Sender<Seen>>,
) -> impl FnOnce(CacheKey) -> GuardedRead + Send {
    let key = key.clone();
    move |_| {
        Box::pin(async move {
            let (outcome, mut context) = layer.read(&key, context).await;
            let outcome =
                outcome.map(|found| found.filter(|value| is_usable(A::LAYER, value, &trust)));
            let outcome = outcome.map_err(|error| error.in_layer(A::LAYER));
            if !matches!(outcome, Ok(Some(_))) {
                mark_miss(&mut context);
            }
            if let Some(tell) = tell {
                // Nobody may want to know any more.
                let _ = tell.send(Seen::from(&outcome));
            }
            (outcome, context)
        })
    }
}

type GuardedRead = std::pin::Pin<
    Box<
        dyn Future<Output = (Result<Option<CacheValue<Raw>>, BackendError>, BoxContext)>
            + Send
            + 'static,
    >,
>;

pub(super) fn is_usable(layer: CompositionLayer, value: &CacheValue<Raw>, trust: &Trust) -> bool {
    // What happens after this value was seen must also be stamped after it.
    value.created().observe();
    !value.is_expired() && trust.covers(layer, value.created())
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
