//! Which values of a layer may be served, and for how long a layer may keep one.

use chrono::TimeDelta;
use hitbox_core::{BoxContext, CacheValue, Raw, clock::Moment};

use super::{CompositionLayer, fences::FenceSnapshot, miss::mark_miss, policy::Rules};
use crate::ReadOutcome;

/// Takes from what a layer returned a value that is expired or overtaken. One whose key has been expired since is
/// stale.
#[inline]
pub(super) fn guard(
    layer: CompositionLayer,
    outcome: &mut ReadOutcome,
    context: &mut BoxContext,
    snapshot: &FenceSnapshot,
    moment: &Moment,
) {
    if admit(layer, outcome, snapshot, moment) {
        snapshot.age(outcome, moment);
    } else {
        mark_miss(context);
    }
}

/// [`guard`] without a context. Whether there is a value left.
#[inline]
pub(super) fn admit(
    layer: CompositionLayer,
    outcome: &mut ReadOutcome,
    snapshot: &FenceSnapshot,
    moment: &Moment,
) -> bool {
    match outcome {
        Ok(Some(value)) if may_be_served(layer, value, snapshot, moment) => return true,
        Ok(Some(_)) => *outcome = Ok(None),
        Ok(None) => {}
        Err(error) => error.pass_layer(layer),
    }
    false
}

#[inline]
pub(super) fn may_be_served(
    layer: CompositionLayer,
    value: &CacheValue<Raw>,
    snapshot: &FenceSnapshot,
    moment: &Moment,
) -> bool {
    // What happens after this value was seen must also be stamped after it.
    value.created().observe();
    !value.is_expired_at(moment) && snapshot.allows(layer, value.created())
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
