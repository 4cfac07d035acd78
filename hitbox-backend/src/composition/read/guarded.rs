//! The read of one layer, without what must not be served.

use hitbox_core::{BoxContext, CacheKey, CacheValue, Raw, clock::Moment};
use tokio::sync::oneshot;

use super::{Glimpse, SharedFailures, collect, mark_miss};
use crate::{
    ReadOutcome,
    composition::{CompositionLayer, layers::LayerAccess, ledger::Trust, refill::Seen},
};

/// Where the read of a layer tells what its policy does not.
pub(super) struct Aside {
    tell: Option<oneshot::Sender<Seen>>,
    failures: SharedFailures,
}

impl Aside {
    pub(super) fn new(tell: Option<oneshot::Sender<Seen>>, failures: &SharedFailures) -> Self {
        Self {
            tell,
            failures: failures.clone(),
        }
    }
}

/// The read of one layer as policies get to see it: without values that are expired or overtaken.
pub(super) async fn guarded<A: LayerAccess>(
    layer: A,
    key: CacheKey,
    context: BoxContext,
    trust: Trust,
    glimpse: Glimpse,
    aside: Aside,
) -> (ReadOutcome, BoxContext) {
    let (mut outcome, mut context) = match glimpse {
        // It has been asked already.
        Glimpse::Miss => (Ok(None), context),
        Glimpse::Nothing | Glimpse::Value(_) => layer.read(&key, context).await,
    };
    let moment = Moment::default();
    guard(A::LAYER, &mut outcome, &mut context, &trust, &moment);
    if outcome.is_err() || context.has_failures() {
        let mut failures = aside.failures.lock();
        collect(&mut failures, A::LAYER, &outcome, &mut context);
    }
    if let Some(tell) = aside.tell {
        // Nobody may want to know any more.
        let _ = tell.send(Seen::from(&outcome));
    }
    (outcome, context)
}

/// Takes from what a layer returned a value that is expired or overtaken.
#[inline]
pub(in crate::composition) fn guard(
    layer: CompositionLayer,
    outcome: &mut ReadOutcome,
    context: &mut BoxContext,
    trust: &Trust,
    moment: &Moment,
) {
    if !admit(layer, outcome, trust, moment) {
        mark_miss(context);
    }
}

/// [`guard`] without a context. Whether there is a value left.
#[inline]
pub(in crate::composition) fn admit(
    layer: CompositionLayer,
    outcome: &mut ReadOutcome,
    trust: &Trust,
    moment: &Moment,
) -> bool {
    match outcome {
        Ok(Some(value)) if is_usable(layer, value, trust, moment) => return true,
        Ok(Some(_)) => *outcome = Ok(None),
        Ok(None) => {}
        Err(error) => error.pass_layer(layer),
    }
    false
}

#[inline]
pub(in crate::composition) fn is_usable(
    layer: CompositionLayer,
    value: &CacheValue<Raw>,
    trust: &Trust,
    moment: &Moment,
) -> bool {
    // What happens after this value was seen must also be stamped after it.
    value.created().observe();
    !value.is_expired_at(moment) && trust.covers(layer, value.created())
}
