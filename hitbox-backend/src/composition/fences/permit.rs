//! The right to change one key in one layer.

use std::{future::poll_fn, sync::Arc, task::Poll};

use futures::{FutureExt, StreamExt, stream::FuturesUnordered};
use hitbox_core::{CacheKey, CacheValue, CompositionLayer, Raw, Stamp};
use tokio::sync::oneshot::error::RecvError;

use super::{
    effect::Effect,
    help::{Help, help},
    records::Fences,
    snapshot::FenceSnapshot,
    waiters::Place,
};
use crate::{Attempt, BackendError, WriteAttempt, repeated::Answer};

/// The right to change one key in one layer: no other operation does until it is given back, by
/// [`settle`](Self::settle) or by dropping it.
pub(in crate::composition) struct Permit {
    fences: Arc<Fences>,
    key: CacheKey,
    layer: CompositionLayer,
    /// The write's or remove's. A refill's is that of the newest write or remove when it began: if another has
    /// begun since, the refill says nothing about that one.
    id: u64,
    /// The stamp of the value, if this is a refill's.
    refilled: Option<Stamp>,
    /// What a drop means: nothing before the layer is touched, anything after. `None`: the share that waited has it.
    if_dropped: Option<Effect>,
}

impl Permit {
    pub(super) fn new(
        fences: Arc<Fences>,
        key: CacheKey,
        layer: CompositionLayer,
        id: u64,
        refilled: Option<Stamp>,
    ) -> Self {
        Self {
            fences,
            key,
            layer,
            id,
            refilled,
            if_dropped: Some(Effect::None),
        }
    }

    /// The permit to copy a value that a read with `snapshot` found to `layer`, if no write or remove has touched the
    /// key since the read began and the layer is free.
    pub(in crate::composition) fn for_refill(
        fences: &Arc<Fences>,
        key: &CacheKey,
        layer: CompositionLayer,
        created: Stamp,
        snapshot: &FenceSnapshot,
    ) -> Option<Self> {
        let newest = fences.shard(key).begin_refill(key, layer, snapshot.ends)?;
        let (fences, key) = (Arc::clone(fences), key.clone());
        Some(Self::new(fences, key, layer, newest, Some(created)))
    }

    /// Waits until no other operation on this key and layer is under way. Helps the tasks that hold it up.
    pub(super) async fn wait(
        fences: &Arc<Fences>,
        key: &CacheKey,
        layer: CompositionLayer,
        id: u64,
    ) -> Self {
        let permit = || Self::new(Arc::clone(fences), key.clone(), layer, id, None);
        loop {
            let place = fences.shard(key).take_permit_or_wait(key, layer);
            let Some(place) = place else {
                return permit();
            };
            let tasks = place.tasks.iter().filter_map(help).collect();
            if (Waiting { place, permit }).help(tasks).await.is_ok() {
                return permit();
            }
        }
    }

    /// Runs `operation` on the layer and settles by its outcome. Dropped midway, the operation
    /// counts as one that may yet take effect.
    pub(in crate::composition) async fn run<T: Answer>(
        mut self,
        operation: impl Future<Output = Result<T, BackendError>>,
    ) -> Result<T, BackendError> {
        self.touch();
        let (effect, outcome) = Effect::of(operation.await);
        self.settle(effect);
        outcome
    }

    /// Tries an `operation` with `value` on the layer, and settles by its outcome. The permit and the value come
    /// back where nothing has been done.
    pub(in crate::composition) fn attempt<'a>(
        mut self,
        value: CacheValue<Raw>,
        operation: impl FnOnce(CacheValue<Raw>) -> WriteAttempt<'a>,
    ) -> Attempt<'a, (), (), (Self, CacheValue<Raw>)> {
        self.touch();
        match operation(value) {
            Attempt::Ready(outcome) => {
                let (effect, _of_no_consequence) = Effect::of(outcome);
                self.settle(effect);
                Attempt::Ready(())
            }
            Attempt::WouldBlock(value) => {
                self.if_dropped = Some(Effect::None);
                Attempt::WouldBlock((self, value))
            }
            Attempt::Pending(rest) => Attempt::Pending(Box::pin(self.run(rest).map(drop))),
        }
    }

    /// For an operation that is one of many: from now on the layer may have been touched, until
    /// [`settle`](Self::settle) says what came of it.
    pub(in crate::composition) fn touching(mut self) -> Self {
        self.touch();
        self
    }

    fn touch(&mut self) {
        self.if_dropped = Some(Effect::Unknown);
    }

    /// Gives the permit back.
    pub(in crate::composition) fn settle(mut self, effect: Effect) {
        // The drop does the rest.
        self.if_dropped = Some(effect);
    }

    /// Leaves the permit to the share that waited for it, which gives it back.
    pub(super) fn take_over(mut self) {
        self.if_dropped = None;
    }
}

impl Fences {
    /// Whether a layer has confirmed the newest change of a key, once nothing is under way there.
    pub(in crate::composition) async fn has_confirmed(
        self: &Arc<Self>,
        key: &CacheKey,
        layer: CompositionLayer,
    ) -> bool {
        // Given back untouched: that nobody else has it is what was waited for.
        drop(Permit::wait(self, key, layer, 0).await);
        self.shard(key).has_confirmed(key, layer)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let Some(effect) = self.if_dropped else {
            return;
        };
        let next = {
            let mut shard = self.fences.shard(&self.key);
            self.fences.account(|delta| {
                let (key, layer) = (&self.key, self.layer);
                if effect.leaves_doubt() {
                    shard.note_doubt(key, layer, delta);
                }
                match (effect.confirms(), self.refilled) {
                    (true, None) => shard.note_confirmed(key, layer, self.id, delta),
                    (true, Some(created)) => {
                        shard.note_refilled(key, layer, self.id, created, delta);
                    }
                    (false, _) => {}
                }
                shard.release(key, layer, delta)
            })
        };
        self.fences.hand_on(&self.key, self.layer, next);
        // A refill that failed may have left a repair pending.
        self.fences.see_to_repairs();
    }
}

/// A place in the queue. Dropped, it gives back a permit that has arrived there.
struct Waiting<F: Fn() -> Permit> {
    place: Place,
    permit: F,
}

impl<F: Fn() -> Permit> Waiting<F> {
    /// Helps until the permit arrives.
    async fn help(mut self, mut tasks: FuturesUnordered<Help>) -> Result<(), RecvError> {
        let place = &mut self.place;
        poll_fn(|context| {
            if let Poll::Ready(permit) = place.permit.poll_unpin(context) {
                return Poll::Ready(permit);
            }
            while let Poll::Ready(Some(task)) = place.offers.poll_recv(context) {
                tasks.extend(help(&task));
            }
            while let Poll::Ready(Some(())) = tasks.poll_next_unpin(context) {}
            Poll::Pending
        })
        .await
    }
}

impl<F: Fn() -> Permit> Drop for Waiting<F> {
    fn drop(&mut self) {
        self.place.permit.close();
        if self.place.permit.try_recv().is_ok() {
            drop((self.permit)());
        }
    }
}
