//! Reads of many keys, first from L1 and then, of those that it lacks, from L2.
//!
//! What the sequential policy and `read` make of each key, without a future for it: nothing has to be
//! gathered where it is known beforehand who is asked for what.

use std::mem;

use futures::{FutureExt, future::join_all};
use hitbox_core::{BoxContext, CacheKey, CacheValue, Failures, Offload, Raw, clock::Moment};

use super::{InBulk, drive};
use crate::{
    Backend, ReadOutcome,
    composition::{
        CompositionBackend, CompositionLayer, CompositionReadPolicy, CompositionWritePolicy,
        RefillPolicy,
        background::Background,
        layers::Handle,
        ledger::{Effect, Trust, Turn},
        policy::second_in_order,
        read::{admit, answer, collect, for_layer, mark_miss, note},
    },
};

/// A key that L1 has no value of: its place in the call, and what has failed so far.
struct Lacking {
    place: usize,
    failures: Failures,
}

/// Copies of values that a layer is to be given together.
#[derive(Default)]
struct Refills {
    turns: Vec<Turn>,
    /// One for each turn.
    entries: Vec<(CacheKey, CacheValue<Raw>)>,
}

impl<L1, L2, O, R, W> CompositionBackend<L1, L2, O, R, W>
where
    L1: Backend + 'static,
    L2: Backend + 'static,
    O: Offload<'static>,
    R: CompositionReadPolicy,
    W: CompositionWritePolicy,
{
    pub(super) async fn read_in_order(
        &self,
        keys: &[CacheKey],
        contexts: &mut [BoxContext],
    ) -> Vec<ReadOutcome> {
        if keys.is_empty() {
            return Vec::new();
        }
        // Before a layer is asked.
        let ledger = &self.layers.ledger;
        let trusts: Vec<_> = keys.iter().map(|key| ledger.trust(key)).collect();
        let mut outcomes = self.layers.l1.read_many_with(keys, contexts).await;
        // By contract there is one for each key.
        outcomes.resize_with(keys.len(), || Ok(None));
        let mut lacking = self.take_from_l1(&mut outcomes, &trusts, contexts);
        if !lacking.is_empty() {
            let refills = self
                .take_from_l2(keys, &mut lacking, &mut outcomes, &trusts, contexts)
                .await;
            let asked = || lacking.iter().map(|one| keys[one.place].clone()).collect();
            self.refill_l1(refills, asked).await;
        }
        self.repair_what_is_owed(keys, &trusts).await;
        outcomes
    }

    /// Turns what L1 has into answers. Returns the keys that it has no value of.
    fn take_from_l1(
        &self,
        outcomes: &mut [ReadOutcome],
        trusts: &[Trust],
        contexts: &mut [BoxContext],
    ) -> Vec<Lacking> {
        let moment = Moment::default();
        let mut lacking = Vec::new();
        for (place, (outcome, trust)) in outcomes.iter_mut().zip(trusts).enumerate() {
            let mut context = contexts.get_mut(place);
            let has_value = admit(CompositionLayer::L1, outcome, trust, &moment);
            let mut failures = Failures::none();
            if let Some(context) = &mut context {
                collect(&mut failures, CompositionLayer::L1, outcome, context);
            }
            if !has_value {
                lacking.push(Lacking { place, failures });
                context.into_iter().for_each(mark_miss);
            } else if let (Ok(found), Some(context)) = (outcome, context) {
                *found = answer(&self.paths, context, found.take(), &moment);
                note(&mut failures, self.paths.label(), context);
            }
        }
        lacking
    }

    /// Asks L2 for these keys, and puts what comes of it in their places. Returns what L1 is to be given
    /// of it.
    async fn take_from_l2(
        &self,
        keys: &[CacheKey],
        lacking: &mut [Lacking],
        outcomes: &mut [ReadOutcome],
        trusts: &[Trust],
        contexts: &mut [BoxContext],
    ) -> Refills {
        let asked: Vec<_> = lacking.iter().map(|one| keys[one.place].clone()).collect();
        // The places ascend, so those without a context are the last ones.
        let noted = lacking.iter().map_while(|one| contexts.get(one.place));
        let mut noted: Vec<_> = noted.cloned().collect();
        let found = self.layers.l2.read_many_with(&asked, &mut noted).await;
        let mut noted = noted.into_iter();

        let moment = Moment::default();
        let mut refills = Refills::default();
        for ((Lacking { place, failures }, key), mut in_l2) in
            lacking.iter_mut().zip(asked).zip(found)
        {
            let trust = &trusts[*place];
            admit(CompositionLayer::L2, &mut in_l2, trust, &moment);
            let mut noted = noted.next();
            if let Some(noted) = &mut noted {
                collect(failures, CompositionLayer::L2, &in_l2, noted);
            }
            let in_l1 = mem::replace(&mut outcomes[*place], Ok(None)).map(drop);
            let found = second_in_order(in_l1, in_l2);
            let mut context = contexts.get_mut(*place);
            let found = found.map_err(|error| error.seen_through(self.paths.label()));
            if let Ok(Some(value)) = &found {
                self.call_for_refill(&mut refills, key, value, trust);
            }
            outcomes[*place] = match (found, &mut context, noted) {
                (Ok(Some(value)), Some(context), Some(noted)) => {
                    **context = noted;
                    Ok(answer(&self.paths, context, Some(value), &moment))
                }
                (found, _, _) => found,
            };
            if let Some(context) = context {
                note(failures, self.paths.label(), context);
            }
        }
        refills
    }

    fn call_for_refill(
        &self,
        refills: &mut Refills,
        key: CacheKey,
        value: &CacheValue<Raw>,
        trust: &Trust,
    ) {
        match self.layers.rules.refill {
            RefillPolicy::Always => {}
            RefillPolicy::Never | RefillPolicy::Repair => return,
        }
        let (layer, ledger) = (CompositionLayer::L1, &self.layers.ledger);
        if let Some(turn) = ledger.begin_refill(&key, layer, value.created(), trust) {
            refills.turns.push(turn);
            let value = for_layer(layer, value.clone(), self.layers.rules);
            refills.entries.push((key, value));
        }
    }

    /// Without letting the caller wait for a layer that does not take it at once, if there is a
    /// background. `keys` are those of the refills, and may be more.
    async fn refill_l1(&self, refills: Refills, keys: impl FnOnce() -> Vec<CacheKey>) {
        if refills.turns.is_empty() {
            return;
        }
        let mut refill = give(self.first(), refills).boxed();
        if futures::poll!(&mut refill).is_ready() {
            return;
        }
        if self.offload.is_enabled() {
            let adopted = self.layers.ledger.adopt(keys(), refill);
            self.offload.register("bulk", adopted);
        } else {
            refill.await;
        }
    }

    /// Where the background does not repair, those who read do.
    async fn repair_what_is_owed(&self, keys: &[CacheKey], trusts: &[Trust]) {
        let ledger = &self.layers.ledger;
        if ledger.owed_len() == 0 {
            return;
        }
        let background = Background::new(&*self.offload);
        let path = self.read_path(&background);
        if !path.repairs_here() {
            return;
        }
        let (l1, l2) = (InBulk::new(self.first()), InBulk::new(self.second()));
        let limited = keys
            .iter()
            .zip(trusts)
            .filter(|(_, trust)| trust.is_limited());
        let singles =
            join_all(limited.map(|(key, _)| path.repair_both(key, (l1.clone(), l2.clone()))));
        let (_, bulks) = drive(singles, &l1, &l2, &background).await;
        background.hand_over_bulk(ledger, bulks).await;
    }
}

/// Gives a layer copies of values that the other one has.
async fn give<H: Handle>(layer: H, refills: Refills) {
    // Should this be dropped, or the layer answer for fewer, the others may yet take effect.
    let turns: Vec<_> = refills.turns.into_iter().map(Turn::touching).collect();
    let outcomes = layer.member().refill_many(refills.entries).await;
    for (turn, outcome) in turns.into_iter().zip(outcomes) {
        let (effect, _of_no_consequence) = Effect::of(outcome);
        turn.settle(effect);
    }
}
