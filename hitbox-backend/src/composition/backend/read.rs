//! How a read goes: in place as far as it can.

use futures::future::BoxFuture;
use hitbox_core::{BoxContext, CacheKey, CacheValue, Failures, Offload, Raw, clock::Moment};

use crate::{
    Backend, BackendError, ReadOutcome,
    composition::{
        AsksL2, CompositionBackend, CompositionLayer, CompositionReadPolicy, FoundAtOnce,
        RefillPolicy,
        background::Background,
        layers::Layers,
        policy::second_in_order,
        read::{
            AtOnce, Begun, Glimpse, Glimpses, answer, collect, for_layer, guard, mark_miss, note,
        },
        refill::{self, Copying},
    },
};

impl<L1, L2, O, R, W> CompositionBackend<L1, L2, O, R, W>
where
    L1: Backend + 'static,
    L2: Backend + 'static,
    O: Offload<'static>,
    R: CompositionReadPolicy,
    W: Sync,
{
    /// The answer, or what is left to wait for.
    pub(super) fn read_at_once<'a>(
        &'a self,
        key: &'a CacheKey,
        context: &'a mut BoxContext,
        moment: &Moment,
    ) -> Result<ReadOutcome, BoxFuture<'a, ReadOutcome>> {
        let layers = &*self.layers;
        context.clear_failures();
        let mut begun = Begun::at(&layers.ledger, key);
        let owes = begun.trust.is_limited() && layers.ledger.owed_len() > 0;
        // Repairs want to know of both layers, whatever the policy asks.
        if owes || layers.rules.refill == RefillPolicy::Repair {
            return Err(Box::pin(self.read_on(key, context, begun)));
        }
        let both = (&layers.l1, &layers.l2);
        let at_once = AtOnce { key, moment };
        let decided = at_once.decide(&self.read, context, both, &mut begun);
        let Some(decided) = decided else {
            begun.forget_failures_of_open_layers();
            return Err(self.read_rest(key, context, begun));
        };
        note(&mut begun.failures, self.paths.label(), context);
        let found = match decided {
            Ok(found) => found,
            Err(error) => {
                return Err(Box::pin(self.follow_up(key, context, begun, Err(error))));
            }
        };
        match self.begin_refill(key, &found, &begun) {
            // The moment is that in which L1 was found to have it.
            Copying::Needless if begun.has_asked_l1_alone() => {
                Ok(Ok(answer(&self.paths, context, found.value, moment)))
            }
            Copying::Needless | Copying::Done => {
                let moment = Moment::default();
                Ok(Ok(answer(&self.paths, context, found.value, &moment)))
            }
            Copying::Begun(rest) => Err(Box::pin(async move {
                rest.await;
                Ok(answer(
                    &self.paths,
                    context,
                    found.value,
                    &Moment::default(),
                ))
            })),
            Copying::NotBegun => Err(Box::pin(self.follow_up(key, context, begun, Ok(found)))),
        }
    }

    /// What is left of a read that could not be decided at once. Where it is known whom the policy asks, that
    /// takes none of what a policy needs that may ask either.
    fn read_rest<'a>(
        &'a self,
        key: &'a CacheKey,
        context: &'a mut BoxContext,
        begun: Begun,
    ) -> BoxFuture<'a, ReadOutcome> {
        match self.read.asks_l2() {
            // Something may be owed, and then it is for the policy's path to repair it.
            _ if begun.trust.is_limited() => {}
            AsksL2::IfLeftOpen if begun.lacks_in_l1_alone() => {
                return Box::pin(self.read_second(key, context, begun));
            }
            AsksL2::Always if begun.has_seen_nothing() => {
                return Box::pin(self.read_both(key, context, begun));
            }
            AsksL2::Always | AsksL2::IfLeftOpen | AsksL2::Unforeseen => {}
        }
        Box::pin(self.read_on(key, context, begun))
    }

    /// A read of both layers, and the policy's choice.
    async fn read_both(
        &self,
        key: &CacheKey,
        context: &mut BoxContext,
        mut begun: Begun,
    ) -> ReadOutcome {
        use CompositionLayer::{L1, L2};
        let Layers { l1, l2, .. } = &*self.layers;
        let trust = begun.trust;
        let mut context_of_l1 = context.clone();
        let (mut in_l1, mut in_l2) =
            futures::join!(l1.read(key, &mut context_of_l1), l2.read_with(key, context));
        // Once both have answered: the one may have expired while the other was waited for.
        let moment = Moment::default();
        guard(L1, &mut in_l1, &mut context_of_l1, &trust, &moment);
        guard(L2, &mut in_l2, context, &trust, &moment);
        collect(&mut begun.failures, L1, &in_l1, &mut context_of_l1);
        collect(&mut begun.failures, L2, &in_l2, context);
        begun.glimpses = [Glimpse::from(&in_l1), Glimpse::from(&in_l2)];
        let decided = self
            .read
            .execute_at_once(key, || Some(in_l1), || Some(in_l2));
        match decided {
            Some(Ok(found)) => {
                if found.source == L1 {
                    *context = context_of_l1;
                }
                note(&mut begun.failures, self.paths.label(), context);
                self.refill_and_answer(key, context, begun, found, moment)
                    .await
            }
            Some(Err(error)) => {
                mark_miss(context);
                note(&mut begun.failures, self.paths.label(), context);
                Err(error.seen_through(self.paths.label()))
            }
            // It does not decide by both, against what it has said.
            None => {
                begun.glimpses = Glimpses::default();
                begun.failures = Failures::none();
                Box::pin(self.read_on(key, context, begun)).await
            }
        }
    }

    /// What a sequential read is that L1 has answered without a value: the read of L2.
    async fn read_second(
        &self,
        key: &CacheKey,
        context: &mut BoxContext,
        mut begun: Begun,
    ) -> ReadOutcome {
        let layer = CompositionLayer::L2;
        let mut outcome = self.layers.l2.read_with(key, context).await;
        let moment = Moment::default();
        guard(layer, &mut outcome, context, &begun.trust, &moment);
        collect(&mut begun.failures, layer, &outcome, context);
        note(&mut begun.failures, self.paths.label(), context);
        let value = second_in_order(Ok(()), outcome)
            .map_err(|error| error.seen_through(self.paths.label()))?;
        let found = FoundAtOnce {
            value,
            source: layer,
        };
        self.refill_and_answer(key, context, begun, found, moment)
            .await
    }

    /// The end of a read that has waited for L2, until `moment`.
    async fn refill_and_answer(
        &self,
        key: &CacheKey,
        context: &mut BoxContext,
        begun: Begun,
        found: FoundAtOnce<Raw>,
        moment: Moment,
    ) -> ReadOutcome {
        let moment = match self.begin_refill(key, &found, &begun) {
            Copying::Needless => moment,
            Copying::Done => Moment::default(),
            Copying::Begun(rest) => {
                rest.await;
                Moment::default()
            }
            Copying::NotBegun => {
                return Box::pin(self.follow_up(key, context, begun, Ok(found))).await;
            }
        };
        Ok(answer(&self.paths, context, found.value, &moment))
    }

    /// Copies to L1 what was found in L2, if that is where it was.
    fn begin_refill<'a>(
        &'a self,
        key: &'a CacheKey,
        found: &FoundAtOnce<Raw>,
        begun: &Begun,
    ) -> Copying<'a> {
        match found {
            FoundAtOnce {
                value: Some(value),
                source: CompositionLayer::L2,
            } => self.begin_refill_of_l1(key, value, begun),
            FoundAtOnce { .. } => Copying::Needless,
        }
    }

    /// Copies to L1 what was found in L2, as far as that goes without waiting.
    fn begin_refill_of_l1<'a>(
        &'a self,
        key: &'a CacheKey,
        value: &CacheValue<Raw>,
        begun: &Begun,
    ) -> Copying<'a> {
        let (layers, layer) = (&*self.layers, CompositionLayer::L1);
        let rules = layers.rules;
        if rules.refill == RefillPolicy::Never || begun.has_in_l1(value, rules) {
            return Copying::Needless;
        }
        if !layers.l1.writes_at_once() {
            return Copying::NotBegun;
        }
        let Some(turn) = layers
            .ledger
            .begin_refill(key, layer, value.created(), &begun.trust)
        else {
            return Copying::Needless;
        };
        let value = for_layer(layer, value.clone(), rules);
        refill::begin_copy(turn, key, value, &layers.l1)
    }

    async fn follow_up(
        &self,
        key: &CacheKey,
        context: &mut BoxContext,
        begun: Begun,
        found: Result<FoundAtOnce<Raw>, BackendError>,
    ) -> ReadOutcome {
        let background = Background::new(&*self.offload);
        let outcome = self
            .read_path(&background)
            .follow_up(key, context, begun, found, (self.first(), self.second()))
            .await;
        background.hand_over(&self.layers.ledger);
        outcome
    }

    async fn read_on(&self, key: &CacheKey, context: &mut BoxContext, begun: Begun) -> ReadOutcome {
        let background = Background::new(&*self.offload);
        let outcome = self
            .read_path(&background)
            .read(key, context, begun, (self.first(), self.second()))
            .await;
        background.hand_over(&self.layers.ledger);
        outcome
    }
}
