//! A read of one key by a policy that is one future.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use hitbox_core::{BoxContext, CacheKey, CacheValue, Failures, Offload, Raw, clock::Moment};

use crate::{
    Backend, ReadOutcome,
    composition::{
        CompositionBackend, CompositionLayer, CompositionReadPolicy, ReadResult, RefillPolicy,
        admission::guard,
        background::Background,
        layers::{LayerAccess, Layers},
        ledger::Trust,
        read::{Ended, Hit, Noted, Settled, collect},
        refill::{self, Seen},
    },
};

/// What the reads of the layers tell, and their policy does not.
#[derive(Default)]
struct Told {
    failures: Failures,
    seen: [Option<Seen>; 2],
    /// Whether the policy has answered.
    phase: Phase,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Deciding,
    Decided,
}

impl Told {
    /// The live value that a layer has answered with.
    fn value(&self, layer: CompositionLayer) -> Option<&CacheValue<Raw>> {
        match &self.seen[layer as usize] {
            Some(Seen::Value(value)) => Some(value),
            Some(Seen::Nothing | Seen::Failure) | None => None,
        }
    }

    /// What the policy has chosen, as the layer has answered it: a policy may have changed the life times of the
    /// value in its hands.
    fn hit_of(&self, result: ReadResult<Raw>) -> Option<Hit<Raw>> {
        result.value?;
        let layers = [result.source, result.source.other()];
        let chosen = layers
            .into_iter()
            .find_map(|layer| Some((layer, self.value(layer)?.clone())));
        chosen.map(|(layer, value)| Hit {
            layer,
            value,
            context: Some(result.context),
        })
    }
}

/// Shared, because the reads of layers may go on when the policy has answered.
#[derive(Clone, Default)]
struct Record(Arc<Mutex<Told>>);

impl Record {
    fn lock(&self) -> MutexGuard<'_, Told> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
    pub(in crate::composition) async fn read_by_future(
        &self,
        key: &CacheKey,
        mut context: BoxContext,
    ) -> Noted {
        let background = Background::new(&*self.offload);
        let layers = (self.first(), self.second());
        let ended = self.decide(key, &context, layers, &background).await;
        background.hand_over(&self.layers.ledger);
        let moment = Moment::default();
        match self.settle_one(key, ended, &mut context, &moment) {
            Settled::Ready(outcome) => (outcome, context),
            Settled::Pending(rest) => rest.await,
        }
    }

    /// Runs the policy to its end.
    pub(super) async fn decide<A: LayerAccess, B: LayerAccess>(
        &self,
        key: &CacheKey,
        context: &BoxContext,
        (l1, l2): (A, B),
        background: &Background<'_, O>,
    ) -> Ended {
        let trust = self.layers.ledger.trust(key);
        let record = Record::default();
        // The key that a policy passes on is not looked at: what is known of the layers is known of this one.
        let read_l1 = {
            let (key, context) = (key.clone(), context.clone());
            let watched = self.watched(l1, trust, &record);
            move |_| watched.read(key, context)
        };
        let read_l2 = {
            let (key, context) = (key.clone(), context.clone());
            let watched = self.watched(l2, trust, &record);
            move |_| watched.read(key, context)
        };
        let background = background.of(key);
        let policy = &self.read;
        let result = policy
            .execute_with(key.clone(), read_l1, read_l2, &background)
            .await;
        let mut told = record.lock();
        told.phase = Phase::Decided;
        let repairs = self.layers.rules.refill == RefillPolicy::Repair;
        Ended {
            found: result.map(|result| told.hit_of(result)),
            in_l1: told.value(CompositionLayer::L1).map(CacheValue::created),
            // What fails from here on has no part in the answer.
            failures: mem::take(&mut told.failures),
            trust,
            seen: if repairs {
                told.seen.clone()
            } else {
                [None, None]
            },
        }
    }

    fn watched<A: LayerAccess>(
        &self,
        layer: A,
        trust: Trust,
        record: &Record,
    ) -> Watched<A, L1, L2> {
        Watched {
            layer,
            trust,
            record: record.clone(),
            layers: Arc::clone(&self.layers),
        }
    }
}

/// A layer as policies get to see it: without values that are expired or overtaken.
struct Watched<A, L1, L2> {
    layer: A,
    trust: Trust,
    record: Record,
    layers: Arc<Layers<L1, L2>>,
}

impl<A: LayerAccess, L1: Backend + 'static, L2: Backend + 'static> Watched<A, L1, L2> {
    async fn read(self, key: CacheKey, context: BoxContext) -> Noted {
        let (mut outcome, mut context) = self.layer.read(&key, context).await;
        let moment = Moment::default();
        guard(A::LAYER, &mut outcome, &mut context, &self.trust, &moment);
        if let Some(seen) = self.note(&outcome, &mut context)
            && let Some(lacking) = refill::lacking(&seen)
        {
            refill::repair(self.layers, key, self.trust, lacking).await;
        }
        (outcome, context)
    }

    /// Notes what the layer has answered. Where the policy has answered before, and reads repair: what is known
    /// of both layers now.
    fn note(&self, outcome: &ReadOutcome, context: &mut BoxContext) -> Option<[Option<Seen>; 2]> {
        let repairs = self.layers.rules.refill == RefillPolicy::Repair;
        let mut told = self.record.lock();
        collect(&mut told.failures, A::LAYER, outcome, context);
        told.seen[A::LAYER as usize] = Some(Seen::from(outcome));
        (repairs && told.phase == Phase::Decided).then(|| told.seen.clone())
    }
}
