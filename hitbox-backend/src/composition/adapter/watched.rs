//! What the layers tell of a read, beside what they tell its policy.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use hitbox_core::{BoxContext, CacheKey, CacheValue, Failures, Raw, Wants, clock::Moment};

use crate::{
    Backend, BackendError,
    composition::{
        CompositionLayer, ReadResult, RefillPolicy,
        admission::guard,
        fences::FenceSnapshot,
        layers::{LayerAccess, Layers},
        miss::mark_miss,
        read::{Answer, Hit, Noted, Standing, collect},
        refill::{self, Seen},
    },
};

/// What the reads of the layers tell, and their policy does not.
#[derive(Default)]
pub(super) struct Told {
    failures: Failures,
    /// What each layer has answered, and what it noted.
    answers: [Option<(Seen, BoxContext)>; 2],
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
    /// What is known of the layers.
    pub(super) fn seen(&self) -> [Option<Seen>; 2] {
        let [l1, l2] = &self.answers;
        [l1, l2].map(|answer| Some(answer.as_ref()?.0.clone()))
    }

    pub(super) const fn has_answered(&self, layer: CompositionLayer) -> bool {
        self.answers[layer as usize].is_some()
    }

    /// The live value that a layer has answered with, unless that is a last resort.
    pub(super) fn value(&self, layer: CompositionLayer) -> Option<&CacheValue<Raw>> {
        match &self.answers[layer as usize] {
            Some((Seen::Value(value), _)) => Some(value),
            Some(_) | None => None,
        }
    }

    /// The layer's value, unless that is a last resort.
    pub(super) fn hit_in(&self, layer: CompositionLayer) -> Option<Hit<Raw>> {
        let value = self.value(layer)?.clone();
        Some(self.hit(layer, value, Standing::Full))
    }

    /// What the policy has chosen, as the layer has answered it: a policy may have changed the life times of the
    /// value in its hands.
    pub(super) fn hit_of(&self, result: ReadResult<Raw>) -> Option<Hit<Raw>> {
        result.value?;
        let layers = [result.source, result.source.other()];
        let hit = layers.into_iter().find_map(|layer| self.hit_in(layer))?;
        Some(Hit {
            context: Some(result.context),
            ..hit
        })
    }

    /// The newest value that is a last resort; if there is none, the newest object of another type.
    pub(super) fn last_resort(&self) -> Option<Hit<Raw>> {
        let hits = CompositionLayer::BOTH.map(|layer| match &self.answers[layer as usize] {
            Some((Seen::LastResort(value), _)) => {
                Some(self.hit(layer, value.clone(), Standing::LastResort))
            }
            Some((Seen::OfAnotherType(value), _)) => {
                Some(self.hit(layer, value.clone(), Standing::OfAnotherType))
            }
            Some(_) | None => None,
        });
        // Of equal ones the last, so L2's come first.
        hits.into_iter().rev().flatten().max_by_key(|hit| {
            let is_last_resort = hit.standing == Standing::LastResort;
            (is_last_resort, hit.value.created())
        })
    }

    fn hit(&self, layer: CompositionLayer, value: CacheValue<Raw>, standing: Standing) -> Hit<Raw> {
        let answer = self.answers[layer as usize].as_ref();
        Hit {
            layer,
            value,
            context: answer.map(|(_, context)| context.clone()),
            standing,
        }
    }

    /// What this layer has is an object of another type than the reader wants.
    pub(super) fn set_aside(&mut self, layer: CompositionLayer) {
        if let Some((seen, _)) = &mut self.answers[layer as usize]
            && let Seen::Value(value) | Seen::LastResort(value) = seen
        {
            *seen = Seen::OfAnotherType(value.clone());
        }
    }

    /// The reader cannot use what this layer has.
    pub(super) fn reject(&mut self, layer: CompositionLayer) {
        if let Some((seen, _)) = &mut self.answers[layer as usize] {
            *seen = Seen::Rejected;
        }
    }

    /// The policy has answered. What has failed until now has a part in the answer.
    pub(super) fn decided(&mut self) -> Failures {
        self.phase = Phase::Decided;
        mem::take(&mut self.failures)
    }
}

/// Shared, because the reads of layers may go on when the policy has answered.
#[derive(Clone, Default)]
pub(super) struct Record(Arc<Mutex<Told>>);

impl Record {
    pub(super) fn lock(&self) -> MutexGuard<'_, Told> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A layer as policies get to see it: without values that are expired or overtaken, nor those that are a last
/// resort.
pub(super) struct Watched<A, L1, L2> {
    layer: A,
    snapshot: FenceSnapshot,
    wants: Wants,
    record: Record,
    layers: Arc<Layers<L1, L2>>,
}

impl<A: Clone, L1, L2> Clone for Watched<A, L1, L2> {
    fn clone(&self) -> Self {
        Self {
            layer: self.layer.clone(),
            snapshot: self.snapshot,
            wants: self.wants,
            record: self.record.clone(),
            layers: Arc::clone(&self.layers),
        }
    }
}

impl<A: LayerAccess, L1: Backend + 'static, L2: Backend + 'static> Watched<A, L1, L2> {
    pub(super) fn new(
        layer: A,
        layers: &Arc<Layers<L1, L2>>,
        snapshot: FenceSnapshot,
        wants: Wants,
        record: &Record,
    ) -> Self {
        Self {
            layer,
            snapshot,
            wants,
            record: record.clone(),
            layers: Arc::clone(layers),
        }
    }

    pub(super) async fn read(self, key: CacheKey, context: BoxContext) -> Noted {
        let (mut outcome, mut context) = self.layer.read(&key, context).await;
        let moment = Moment::default();
        guard(
            A::LAYER,
            &mut outcome,
            &mut context,
            &self.snapshot,
            &moment,
        );
        let standing = Standing::of(&outcome, self.wants.freshness, &moment);
        let answer = Answer::noted(outcome, standing);
        if let Some(seen) = self.note(&answer, &mut context)
            && let Some(lacking) = refill::lacking(&seen)
        {
            refill::repair(self.layers, key, self.snapshot, lacking).await;
        }
        match answer.standing {
            Standing::Full | Standing::Joined => (answer.outcome, context),
            Standing::LastResort | Standing::OfAnotherType | Standing::Rejected => {
                mark_miss(&mut context);
                (Ok(None), context)
            }
        }
    }

    /// Notes what the layer has answered. Where the policy has answered before, and reads repair: what is known
    /// of both layers now.
    fn note(
        &self,
        answer: &Answer<Raw, BackendError>,
        context: &mut BoxContext,
    ) -> Option<[Option<Seen>; 2]> {
        let repairs = self.layers.rules.refill == RefillPolicy::Repair;
        let mut told = self.record.lock();
        collect(&mut told.failures, A::LAYER, &answer.outcome, context);
        told.answers[A::LAYER as usize] = Some((Seen::from(answer), context.clone()));
        (repairs && told.phase == Phase::Decided).then(|| told.seen())
    }
}
