//! Copying a value from one layer to the other.

use std::{cmp::Ordering, sync::Arc};

use hitbox_core::{CacheKey, CacheValue, Raw};

use super::{
    CompositionLayer,
    admission::for_layer,
    fences::{FenceSnapshot, Permit},
    layers::{First, LayerAccess, Layers, Second},
};
use crate::{Backend, ReadOutcome};

/// Copies a value to a layer. A failure is of no consequence, but that the layer tells the log.
pub(super) async fn copy<A: LayerAccess>(
    permit: Permit,
    key: CacheKey,
    value: CacheValue<Raw>,
    layer: A,
) {
    let _of_no_consequence = permit.run(layer.refill(&key, value)).await;
}

/// What a read of one layer saw, for repairs.
#[derive(Clone, Debug)]
pub(super) enum Seen {
    Nothing,
    Value(CacheValue<Raw>),
    /// A stale value, which the reader did not want.
    LastResort(CacheValue<Raw>),
    /// An object of another type than the reader wants.
    OfAnotherType(CacheValue<Raw>),
    /// A value that the reader could not use.
    Rejected,
    Failure,
}

impl From<&ReadOutcome> for Seen {
    fn from(outcome: &ReadOutcome) -> Self {
        match outcome {
            Ok(Some(value)) => Self::Value(value.clone()),
            Ok(None) => Self::Nothing,
            Err(_) => Self::Failure,
        }
    }
}

/// A layer that lacks the newest value that was seen, and that value.
pub(super) type Lacking = (CompositionLayer, CacheValue<Raw>);

/// The layer that lacks the newest value that was seen, if both were seen.
pub(super) fn lacking(seen: &[Option<Seen>; 2]) -> Option<Lacking> {
    use CompositionLayer::{L1, L2};
    use Seen::{Failure, LastResort, Nothing, OfAnotherType, Rejected, Value};
    let [Some(in_l1), Some(in_l2)] = seen else {
        return None;
    };
    match (in_l1, in_l2) {
        (Nothing | OfAnotherType(_) | Rejected, Value(value)) => Some((L1, value.clone())),
        (Value(value), Nothing) => Some((L2, value.clone())),
        (Value(one), Value(two)) => match one.created().cmp(&two.created()) {
            Ordering::Less => Some((L1, two.clone())),
            Ordering::Greater => Some((L2, one.clone())),
            Ordering::Equal => None,
        },
        (LastResort(one), Value(two)) if two.created() > one.created() => Some((L1, two.clone())),
        (Value(one), LastResort(two)) if one.created() > two.created() => Some((L2, one.clone())),
        // The reader's last resort is copied nowhere.
        (LastResort(_), _) | (_, LastResort(_)) => None,
        // Whoever shares L2 may be able to use what this reader cannot.
        (Value(_), OfAnotherType(_) | Rejected) => None,
        // A layer that failed says nothing about what it holds.
        (Failure, _) | (_, Failure) => None,
        (Nothing | OfAnotherType(_) | Rejected, Nothing | OfAnotherType(_) | Rejected) => None,
    }
}

/// The right to give a layer the value that it lacks, and its copy; `None` if it is not to have one.
pub(super) fn claim_repair<L1: Backend, L2: Backend>(
    layers: &Layers<L1, L2>,
    key: &CacheKey,
    snapshot: &FenceSnapshot,
    (layer, value): Lacking,
) -> Option<(Permit, CacheValue<Raw>)> {
    if layer == CompositionLayer::L2 && layers.rules.l1_ttl.is_some() {
        // L1's copy has a shorter life than the value was written with.
        return None;
    }
    if !layers.can_keep(layer, &value) {
        return None;
    }
    let permit = Permit::for_refill(&layers.fences, key, layer, value.created(), snapshot)?;
    Some((permit, for_layer(layer, value, layers.rules)))
}

/// Gives a layer the value that it lacks.
pub(super) async fn repair<L1: Backend + 'static, L2: Backend + 'static>(
    layers: Arc<Layers<L1, L2>>,
    key: CacheKey,
    snapshot: FenceSnapshot,
    lacking: Lacking,
) {
    let layer = lacking.0;
    // Only now: work that waits for its place in the background must not hold the permit.
    let Some((permit, value)) = claim_repair(&layers, &key, &snapshot, lacking) else {
        return;
    };
    match layer {
        CompositionLayer::L1 => copy(permit, key, value, First(layers)).await,
        CompositionLayer::L2 => copy(permit, key, value, Second(layers)).await,
    }
}
