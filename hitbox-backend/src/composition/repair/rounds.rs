//! Repairs in the background: one task per layer that has repairs pending, in rounds.
//!
//! A round works through the pending repairs until something fails. Between rounds nothing runs and nothing
//! is pending: the next one is registered to be due after the pause, and keeps only a weak reference
//! to the layers.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use futures::{
    FutureExt,
    future::{BoxFuture, join_all},
};
use hitbox_core::{CacheKey, Offload};
use tokio::{sync::oneshot, time::Instant};

use super::{Attempt, attempt};
use crate::{
    Backend,
    composition::{
        CompositionLayer, RepairBackoff,
        fences::{Fences, Job, JobLease},
        layers::{First, LayerAccess, Layers, Second},
    },
};

/// How many keys are repaired at once, after as many have succeeded.
const MOST_AT_ONCE: usize = 32;

/// After this a round ends, to be continued by the next: background work has a time limit.
const ROUND: Duration = Duration::from_secs(10);

/// How many keys a round looks up.
const MOST_IN_A_ROUND: usize = 1_024;

/// Keys that are being repaired. If the background drops the round, at a time limit that is too short
/// or because a layer has panicked, these repairs count as failed: else the next round would come at
/// once, and begin with the same keys.
struct UnderWay<'a> {
    fences: &'a Fences,
    layer: CompositionLayer,
    pace: RepairBackoff,
    keys: Vec<CacheKey>,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        if self.keys.is_empty() {
            return;
        }
        for key in &self.keys {
            self.fences.note_failed_repair(key, self.layer);
        }
        self.fences.pending().slow_down(self.layer, self.pace);
    }
}

struct Repairer<L1, L2, O> {
    layers: Weak<Layers<L1, L2>>,
    offload: Arc<O>,
    pace: RepairBackoff,
}

/// From now on, every repair that becomes pending is made in the background.
pub(in crate::composition) fn in_background<L1, L2, O>(
    layers: &Arc<Layers<L1, L2>>,
    offload: &Arc<O>,
    pace: RepairBackoff,
) where
    L1: Backend + 'static,
    L2: Backend + 'static,
    O: Offload<'static> + 'static,
{
    let repairer = Arc::new(Repairer {
        // The fences that keeps this belongs to the layers.
        layers: Arc::downgrade(layers),
        offload: Arc::clone(offload),
        pace,
    });
    layers
        .fences
        .pending()
        .on_pending(move || Repairer::start(&repairer));
}

impl<L1, L2, O> Repairer<L1, L2, O>
where
    L1: Backend + 'static,
    L2: Backend + 'static,
    O: Offload<'static> + 'static,
{
    fn start(self: &Arc<Self>) {
        let Some(layers) = self.layers.upgrade() else {
            return;
        };
        if !self.offload.has_clock() || !self.offload.is_enabled() {
            return;
        }
        for lease in layers.fences.pending().lease() {
            let delay = layers.fences.delay(lease.job(), self.pace);
            self.register(lease, delay);
        }
    }

    fn register(self: &Arc<Self>, lease: JobLease, delay: Duration) {
        let work = Arc::clone(self).work(lease);
        self.offload
            .register_after(delay, "repair of a layer", work);
    }

    /// One round, and the registration of the next.
    fn work(self: Arc<Self>, mut lease: JobLease) -> BoxFuture<'static, ()> {
        async move {
            lease.begin();
            let job = lease.job();
            match job {
                Job::Repair(CompositionLayer::L1) => self.repair(First, Second).await,
                Job::Repair(CompositionLayer::L2) => self.repair(Second, First).await,
                Job::Lapses => self.look_at_lapses(),
            }
            let Some(layers) = self.layers.upgrade() else {
                return;
            };
            if !layers.fences.pending().is_due(job) {
                match job {
                    Job::Repair(layer) => layers.fences.pending().forget_failures(layer),
                    Job::Lapses => {}
                }
                return;
            }
            if !self.offload.is_enabled() {
                match job {
                    Job::Repair(layer) => tracing::warn!(composition = %layers.fences.name(), %layer, pending_repairs = layers.fences.pending_repair_count(),
                        "the background is closed: reads make the repairs that are still pending"),
                    Job::Lapses => {}
                }
                return;
            }
            lease.pause();
            self.register(lease, layers.fences.delay(job, self.pace));
        }
        .boxed()
    }

    fn look_at_lapses(&self) {
        if let Some(layers) = self.layers.upgrade() {
            layers.fences.end_lapsed_doubts();
        }
    }

    /// Repairs `A` until no repair is pending, something fails, or time is up.
    async fn repair<A: LayerAccess, B: LayerAccess>(
        &self,
        dirty: impl Fn(Arc<Layers<L1, L2>>) -> A,
        other: impl Fn(Arc<Layers<L1, L2>>) -> B,
    ) {
        let until = Instant::now() + ROUND;
        let Some(layers) = self.layers.upgrade() else {
            return;
        };
        let fences = &layers.fences;
        let keys = fences.repairable(A::LAYER, MOST_IN_A_ROUND);
        let mut keys = keys.into_iter().peekable();
        // The first one finds out whether the layer is back.
        let mut at_once = 1;
        while keys.peek().is_some() && Instant::now() < until {
            let mut under_way = UnderWay {
                fences,
                layer: A::LAYER,
                pace: self.pace,
                keys: keys.by_ref().take(at_once).collect(),
            };
            let batch = under_way.keys.iter().cloned().map(|key| {
                let (dirty, other) = (dirty(Arc::clone(&layers)), other(Arc::clone(&layers)));
                self.attempt_within_time(&layers, key, dirty, other).boxed()
            });
            let outcomes = join_all(batch).await;
            under_way.keys.clear();
            if outcomes.contains(&Attempt::Failed) {
                fences.pending().slow_down(A::LAYER, self.pace);
                return;
            }
            if outcomes.contains(&Attempt::Succeeded) {
                fences.pending().forget_failures(A::LAYER);
                at_once = (2 * at_once).min(MOST_AT_ONCE);
            }
        }
    }

    /// Repairs one key. Whoever comes to wait for the permit meanwhile drives it along.
    async fn attempt_within_time<A: LayerAccess, B: LayerAccess>(
        &self,
        layers: &Layers<L1, L2>,
        key: CacheKey,
        dirty: A,
        other: B,
    ) -> Attempt {
        let (fences, rules) = (Arc::clone(&layers.fences), layers.rules);
        let timeout = self.pace.timeout();
        let (tell, told) = oneshot::channel();
        let keys = vec![key.clone()];
        let attempt = {
            let (fences, key) = (Arc::clone(&fences), key.clone());
            async move { attempt(&fences, &key, &dirty, &other, rules).await }
        };
        // Made here, inside the runtime of the background: a task that helps need not be
        // in any.
        let attempt = tokio::time::timeout(timeout, attempt);
        let work = async move {
            let outcome = attempt.await.unwrap_or_else(|_elapsed| {
                let (composition, layer) = (fences.name(), A::LAYER);
                tracing::debug!(%composition, %layer, %key, ?timeout, "a repair took too long");
                fences.note_failed_repair(&key, A::LAYER);
                Attempt::Failed
            });
            // The round may have been dropped.
            let _ = tell.send(outcome);
        };
        layers.fences.share_task(keys, work.boxed()).await;
        told.await.unwrap_or(Attempt::Failed)
    }
}
