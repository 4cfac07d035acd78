//! Copying a value from one layer to the other.

use std::{cmp::Ordering, sync::Arc};

use futures::{FutureExt, future::BoxFuture};
use hitbox_core::{CacheKey, CacheValue, Raw};
use tokio::sync::oneshot::{self, error::TryRecvError};

use super::{
    CompositionLayer,
    layers::LayerAccess,
    ledger::{BegunInTurn, Ledger, Trust, Turn},
    member::Member,
    policy::Rules,
    read::for_layer,
};
use crate::{Backend, ReadOutcome};

/// Copies a value to a layer. A failure is of no consequence, but that the layer tells the log.
pub(super) async fn copy<A: LayerAccess>(
    turn: Turn,
    key: CacheKey,
    value: CacheValue<Raw>,
    layer: A,
) {
    let _of_no_consequence = turn.run(layer.refill(&key, value)).await;
}

/// How far [`begin_copy`] got.
pub(super) enum Copying<'a> {
    /// There is nothing to copy.
    Needless,
    /// It is done, or has failed; it has taken the time of a write.
    Done,
    /// The rest of it, to be waited for.
    Begun(BoxFuture<'a, ()>),
    /// Nothing has been done.
    NotBegun,
}

/// [`copy`] as far as it goes without waiting.
pub(super) fn begin_copy<'a>(
    turn: Turn,
    key: &'a CacheKey,
    value: CacheValue<Raw>,
    member: &'a Member<impl Backend>,
) -> Copying<'a> {
    match turn.begin(|| member.begin_refill(key, value)) {
        BegunInTurn::Answered => Copying::Done,
        BegunInTurn::Begun(rest) => Copying::Begun(rest.map(drop).boxed()),
        BegunInTurn::NotBegun => Copying::NotBegun,
    }
}

/// What a read of one layer saw, for repairs.
pub(super) enum Seen {
    Nothing,
    Value(CacheValue<Raw>),
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

/// What is known of one layer when a read has been answered.
enum View {
    Known(Seen),
    /// The read of the layer is still on its way: the loser of a race.
    Coming(oneshot::Receiver<Seen>),
}

impl View {
    /// `None` if the layer was not asked, or its read was dropped.
    fn of(mut seen: oneshot::Receiver<Seen>) -> Option<Self> {
        match seen.try_recv() {
            Ok(seen) => Some(Self::Known(seen)),
            Err(TryRecvError::Empty) => Some(Self::Coming(seen)),
            Err(TryRecvError::Closed) => None,
        }
    }

    async fn wait(self) -> Option<Seen> {
        match self {
            Self::Known(seen) => Some(seen),
            Self::Coming(seen) => seen.await.ok(),
        }
    }
}

/// The layer that lacks the newest value that was seen, and that value.
fn lacking(l1: &Seen, l2: &Seen) -> Option<(CompositionLayer, CacheValue<Raw>)> {
    use CompositionLayer::{L1, L2};
    match (l1, l2) {
        (Seen::Nothing, Seen::Value(value)) => Some((L1, value.clone())),
        (Seen::Value(value), Seen::Nothing) => Some((L2, value.clone())),
        (Seen::Value(one), Seen::Value(two)) => match one.created().cmp(&two.created()) {
            Ordering::Less => Some((L1, two.clone())),
            Ordering::Greater => Some((L2, one.clone())),
            Ordering::Equal => None,
        },
        // A layer that failed says nothing about what it holds.
        (Seen::Failure, _) | (_, Seen::Failure) | (Seen::Nothing, Seen::Nothing) => None,
    }
}

/// The work of bringing the layer up to date that lacks the newest value; `None` if it is known
/// already that neither does.
pub(super) fn repair<A: LayerAccess, B: LayerAccess>(
    ledger: Arc<Ledger>,
    key: CacheKey,
    trust: Trust,
    (seen_in_l1, seen_in_l2): (oneshot::Receiver<Seen>, oneshot::Receiver<Seen>),
    (l1, l2): (A, B),
    rules: Rules,
) -> Option<impl Future<Output = ()> + Send + 'static> {
    let views = (View::of(seen_in_l1)?, View::of(seen_in_l2)?);
    if let (View::Known(l1), View::Known(l2)) = &views {
        lacking(l1, l2)?;
    }
    Some(async move {
        let (Some(seen_in_l1), Some(seen_in_l2)) = (views.0.wait().await, views.1.wait().await)
        else {
            return;
        };
        let Some((layer, value)) = lacking(&seen_in_l1, &seen_in_l2) else {
            return;
        };
        if layer == CompositionLayer::L2 && rules.l1_ttl.is_some() {
            // L1's copy has a shorter life than the value was written with.
            return;
        }
        // Only now: work that waits for its place in the background must not hold the turn.
        let Some(turn) = ledger.begin_refill(&key, layer, value.created(), &trust) else {
            return;
        };
        let value = for_layer(layer, value, rules);
        match layer {
            CompositionLayer::L1 => copy(turn, key, value, l1).await,
            CompositionLayer::L2 => copy(turn, key, value, l2).await,
        }
    })
}
