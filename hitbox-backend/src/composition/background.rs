//! What an operation leaves for the background.
//!
//! Policies and refills register with a [`Background`], which passes everything on when the
//! operation ends: as work that others can drive along, since it may hold permits
//! (`Fences::share_task`), and for a bulk operation as one piece of work,
//! since its parts wait for each other.

use std::{
    mem,
    sync::{Arc, Mutex, PoisonError},
    task::Context,
};

use futures::{
    FutureExt,
    future::{BoxFuture, join, join_all, poll_fn},
};
use hitbox_core::{CacheKey, Offload, OffloadKey};

use super::fences::Fences;

/// Does what `work` can do without waiting. What is left of it, if anything is.
pub(super) fn begun(mut work: BoxFuture<'static, ()>) -> Option<BoxFuture<'static, ()>> {
    (&mut work).now_or_never().is_none().then_some(work)
}

/// Has work done that should keep nobody waiting: as far as it goes at once, and the rest in the
/// background, where those can drive it along who wait for a permit to one of `keys`.
pub(super) fn leave<O: Offload<'static>>(
    offload: &O,
    fences: &Arc<Fences>,
    name: OffloadKey,
    keys: impl FnOnce() -> Vec<CacheKey>,
    work: BoxFuture<'static, ()>,
) {
    if let Some(rest) = begun(work) {
        offload.register(name, fences.share_task(keys(), rest));
    }
}

pub(super) struct Background<'a, O> {
    offload: &'a O,
    collected: Mutex<Vec<Left>>,
}

struct Left {
    /// The key that the work is on.
    key: CacheKey,
    /// What it was registered as.
    name: OffloadKey,
    work: BoxFuture<'static, ()>,
}

impl<'a, O: Offload<'static>> Background<'a, O> {
    pub(super) fn new(offload: &'a O) -> Self {
        Self {
            offload,
            collected: Mutex::default(),
        }
    }

    /// Where the operation on `key` registers what it leaves.
    pub(super) fn of<'b>(&'b self, key: &'b CacheKey) -> KeyBackground<'b, 'a, O> {
        KeyBackground {
            background: self,
            key,
        }
    }

    /// Hands over what a single operation has left.
    pub(super) fn hand_over(self, fences: &Arc<Fences>) {
        for Left { key, name, work } in self.take() {
            self.offload
                .register(name, fences.share_task(vec![key], work));
        }
    }

    /// Hands over what a bulk operation has left, together with the bulk operations that this waits
    /// for.
    pub(super) fn hand_over_bulk(
        self,
        fences: &Arc<Fences>,
        bulks: impl Future<Output = ()> + Send + 'static,
    ) {
        let (keys, works): (Vec<_>, Vec<_>) = self
            .take()
            .into_iter()
            .map(|Left { key, name: _, work }| (key, work))
            .unzip();
        let together = join(bulks, join_all(works)).map(drop).boxed();
        leave(self.offload, fences, "bulk".into(), || keys, together);
    }

    /// Goes on with what has been left so far, and drops what has ended. Whether any of it has.
    pub(super) fn poll_left(&self, context: &mut Context<'_>) -> bool {
        let mut left = self.take();
        let before = left.len();
        left.retain_mut(|left| left.work.poll_unpin(context).is_pending());
        let ended = left.len() < before;
        let mut collected = self
            .collected
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        left.append(&mut collected);
        *collected = left;
        ended
    }

    fn take(&self) -> Vec<Left> {
        mem::take(
            &mut *self
                .collected
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }
}

/// The [`Offload`] that the policies of one operation get to see.
pub(super) struct KeyBackground<'b, 'a, O> {
    background: &'b Background<'a, O>,
    key: &'b CacheKey,
}

impl<O: Offload<'static>> KeyBackground<'_, '_, O> {
    /// Runs work that a caller should not wait for: to its end if it never has to wait, else in the
    /// background, or here if there is none.
    pub(super) async fn run_without_waiting(
        &self,
        name: &'static str,
        work: impl Future<Output = ()> + Send + 'static,
    ) {
        let Some(mut work) = begun(work.boxed()) else {
            return;
        };
        if self.is_enabled() {
            self.register(name, work);
        } else {
            // What this operation has left may hold what the work waits for: a read of a composition that
            // has lost a race may be refilling a layer. Nobody else would drive that.
            poll_fn(|context| {
                self.background.poll_left(context);
                work.poll_unpin(context)
            })
            .await;
        }
    }
}

impl<O: Offload<'static>> Offload<'static> for KeyBackground<'_, '_, O> {
    fn register<K, F>(&self, key: K, future: F)
    where
        K: Into<OffloadKey>,
        F: Future<Output = ()> + Send + 'static,
    {
        let left = Left {
            key: self.key.clone(),
            name: key.into(),
            work: future.boxed(),
        };
        self.background
            .collected
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(left);
    }

    fn is_enabled(&self) -> bool {
        self.background.offload.is_enabled()
    }
}
