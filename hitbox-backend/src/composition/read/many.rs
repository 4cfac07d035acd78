//! A read of many keys, in rounds: the policy decides key by key, the layers are asked in bulk.
//!
//! In each round the policy of every undecided key goes on until it waits. What it has asked of a layer
//! meanwhile goes there as one bulk read. So a sequential read of many keys is one bulk read of L1, and one of
//! L2 with exactly the keys that L1 lacked.

use std::{borrow::Cow, sync::Arc, task::Poll};

use futures::{
    FutureExt,
    future::{join_all, poll_fn},
};
use hitbox_core::{BoxContext, CacheKey, Failures, Offload, Raw, Wants, clock::Moment};

use super::{
    Answer, Ended, ReadOp, Standing, answer, collect,
    copies::{Copies, copy_to_lacking, give},
    op::Decision,
    recheck,
};
use crate::{
    Backend, BackendError, ReadOutcome,
    composition::{
        CompositionBackend, CompositionLayer, CompositionReadPolicy, RaceLoserPolicy, RefillPolicy,
        admission::{admit, guard},
        fences::FenceSnapshot,
        layer_call::LayerCall,
        layers::Handle,
        refill::{self, Lacking, Seen},
    },
};

/// The read of one key among many.
struct One {
    op: ReadOp<Raw, BackendError>,
    failures: Failures,
    /// Taken before a layer was asked.
    snapshot: FenceSnapshot,
    wants: Wants,
    decision: Option<Decision>,
}

/// The answers of a layer to a bulk read.
struct Round {
    layer: CompositionLayer,
    /// Of the keys that were asked for.
    places: Vec<usize>,
    outcomes: Vec<ReadOutcome>,
    /// Of as many keys as there are contexts for.
    noted: Vec<BoxContext>,
}

impl<L1, L2, O, R, W> CompositionBackend<L1, L2, O, R, W>
where
    L1: Backend + 'static,
    L2: Backend + 'static,
    O: Offload<'static>,
    R: CompositionReadPolicy,
    W: Sync,
{
    /// Reads many keys. `contexts` holds one for each key; keys beyond its end are read without one.
    pub(in crate::composition) async fn read_keys(
        &self,
        keys: &[CacheKey],
        contexts: &mut [BoxContext],
    ) -> Vec<ReadOutcome> {
        if keys.is_empty() {
            return Vec::new();
        }
        contexts.iter_mut().for_each(BoxContext::clear_failures);
        let ended = if self.reads_by_steps() {
            self.read_in_rounds(keys, contexts).await
        } else {
            self.read_many_by_futures(keys, contexts).await
        };
        let mut outcomes = self.settle_many(keys, ended, contexts).await;
        // The last key may have been waited for since the others were answered.
        recheck_all(&mut outcomes, contexts);
        outcomes
    }

    async fn read_in_rounds(&self, keys: &[CacheKey], contexts: &mut [BoxContext]) -> Vec<Ended> {
        let mut reads: Vec<_> = keys
            .iter()
            .enumerate()
            .map(|(place, key)| One {
                op: ReadOp::new(),
                failures: Failures::none(),
                snapshot: self.layers.fences.snapshot(key),
                wants: contexts
                    .get(place)
                    .map_or(Wants::NOTHING, BoxContext::wants),
                decision: None,
            })
            .collect();
        let mut calls: Vec<LayerCall<'_, Round>> = Vec::new();
        loop {
            let mut asked: [Vec<usize>; 2] = Default::default();
            for (place, one) in reads.iter_mut().enumerate() {
                if one.decision.is_none() {
                    let (key, wants) = (&keys[place], one.wants);
                    one.decision = self.decide(key, &mut one.op, wants, |op, layer| {
                        asked[layer as usize].push(place);
                        op.wait_for(layer);
                    });
                }
            }
            for (layer, places) in CompositionLayer::BOTH.into_iter().zip(asked) {
                if !places.is_empty() {
                    calls.push(self.ask_many(layer, keys, places, contexts));
                }
            }
            if reads.iter().all(|one| one.decision.is_some()) {
                break;
            }
            note_round(&mut reads, first_to_end(&mut calls).await);
        }
        self.leave_rounds_behind(keys, calls, &reads);
        let repairs = self.layers.rules.refill == RefillPolicy::Repair;
        let ended = reads.into_iter().map(|mut one| Ended {
            in_l1: self.seen_in_l1(&one.op),
            seen: if repairs { one.op.seen() } else { [None, None] },
            found: one.op.conclude(one.decision.unwrap_or(Decision::NoHit)),
            failures: one.failures,
            snapshot: one.snapshot,
        });
        ended.collect()
    }

    /// A bulk read of a layer. The places ascend, so those without a context are the last ones.
    fn ask_many<'a>(
        &self,
        layer: CompositionLayer,
        keys: &'a [CacheKey],
        places: Vec<usize>,
        contexts: &[BoxContext],
    ) -> LayerCall<'a, Round> {
        let noted = places.iter().map_while(|&place| contexts.get(place));
        let noted: Vec<_> = noted.cloned().collect();
        let of_places = || places.iter().map(|&place| keys[place].clone()).collect();
        match self.read.if_left_behind() {
            RaceLoserPolicy::Drop => {
                let asked = if places.len() == keys.len() {
                    Cow::Borrowed(keys)
                } else {
                    Cow::Owned(of_places())
                };
                LayerCall::Borrowed(match layer {
                    CompositionLayer::L1 => ask(self.first(), asked, places, noted).boxed(),
                    CompositionLayer::L2 => ask(self.second(), asked, places, noted).boxed(),
                })
            }
            RaceLoserPolicy::Offload => {
                let asked = Cow::Owned(of_places());
                LayerCall::Owned(match layer {
                    CompositionLayer::L1 => ask(self.first(), asked, places, noted).boxed(),
                    CompositionLayer::L2 => ask(self.second(), asked, places, noted).boxed(),
                })
            }
        }
    }

    /// Leaves the losers of races to the background. Where reads repair, they bring the layers up to date when
    /// they end.
    fn leave_rounds_behind(
        &self,
        keys: &[CacheKey],
        calls: Vec<LayerCall<'_, Round>>,
        reads: &[One],
    ) {
        let losers: Vec<_> = calls
            .into_iter()
            .filter_map(LayerCall::into_owned)
            .collect();
        if losers.is_empty() {
            return;
        }
        let winners: Vec<_> = match self.layers.rules.refill {
            RefillPolicy::Repair => reads
                .iter()
                .map(|one| (one.op.seen(), one.snapshot))
                .collect(),
            RefillPolicy::Always | RefillPolicy::Never => Vec::new(),
        };
        let (layers, keys_of_winners) = (Arc::clone(&self.layers), keys.to_vec());
        let work = async move {
            let rounds = join_all(losers).await;
            let repairs = lacking_after(rounds, &winners, &keys_of_winners);
            copy_to_lacking(layers, repairs).await;
        };
        let shared = self.layers.fences.share_task(keys.to_vec(), work.boxed());
        self.offload.register("bulk", shared);
    }

    async fn settle_many(
        &self,
        keys: &[CacheKey],
        ended: Vec<Ended>,
        contexts: &mut [BoxContext],
    ) -> Vec<ReadOutcome> {
        let moment = Moment::default();
        let mut scratch = BoxContext::default();
        let mut refills = Copies::default();
        let mut repairs = Vec::new();
        let mut fenced = Vec::new();
        let mut outcomes = Vec::with_capacity(keys.len());
        for (place, (key, mut ended)) in keys.iter().zip(ended).enumerate() {
            let context = contexts.get_mut(place).unwrap_or(&mut scratch);
            let snapshot = ended.snapshot;
            if snapshot.is_fenced() {
                fenced.push(key);
            }
            self.tell(&mut ended.found, &mut ended.failures, context);
            if let Ok(Some(hit)) = &ended.found {
                let for_l1 = hit.for_l1();
                let claim =
                    for_l1.and_then(|value| self.claim_refill(key, value, ended.in_l1, &snapshot));
                match claim {
                    Some((permit, copy)) => refills.push(permit, key, copy),
                    None => self.hand_out(key, hit),
                }
            }
            if let Some(lacking) = refill::lacking(&ended.seen) {
                repairs.push((key.clone(), snapshot, lacking));
            }
            let mut outcome = ended.found.map(|hit| hit.map(|hit| hit.value));
            answer(&self.paths, context, &mut outcome, &moment);
            outcomes.push(outcome);
        }
        self.refill_many_in_l1(refills).await;
        self.copy_in_background(repairs);
        if self.layers.fences.pending_repair_count() > 0 && self.reads_repair() {
            self.make_pending_repairs(&fenced).await;
        }
        outcomes
    }

    async fn refill_many_in_l1(&self, refills: Copies) {
        if refills.is_empty() {
            return;
        }
        let keys = refills.keys();
        let refill = give(self.first(), refills).boxed();
        if let Some(rest) = self.begin_or_leave("bulk".into(), || keys, refill) {
            rest.await;
        }
    }

    /// Gives layers the values that they lack.
    fn copy_in_background(&self, repairs: Vec<(CacheKey, FenceSnapshot, Lacking)>) {
        if repairs.is_empty() {
            return;
        }
        let keys = repairs.iter().map(|(key, ..)| key.clone()).collect();
        let repair = copy_to_lacking(Arc::clone(&self.layers), repairs);
        let shared = self.layers.fences.share_task(keys, repair.boxed());
        self.offload.register("bulk", shared);
    }
}

/// What layers lack of what was seen in the others, once the losers of races have ended.
fn lacking_after(
    rounds: Vec<Round>,
    winners: &[([Option<Seen>; 2], FenceSnapshot)],
    keys: &[CacheKey],
) -> Vec<(CacheKey, FenceSnapshot, Lacking)> {
    let moment = Moment::default();
    let mut repairs = Vec::new();
    for round in rounds {
        for (place, mut outcome) in round.places.into_iter().zip(round.outcomes) {
            let Some((seen, snapshot)) = winners.get(place) else {
                continue;
            };
            admit(round.layer, &mut outcome, snapshot, &moment);
            let mut seen = seen.clone();
            seen[round.layer as usize] = Some(Seen::from(&outcome));
            let lacking = refill::lacking(&seen);
            repairs.extend(lacking.map(|lacking| (keys[place].clone(), *snapshot, lacking)));
        }
    }
    repairs
}

async fn ask<H: Handle>(
    layer: H,
    keys: Cow<'_, [CacheKey]>,
    places: Vec<usize>,
    mut noted: Vec<BoxContext>,
) -> Round {
    let mut outcomes = layer.member().read_many_with(&keys, &mut noted).await;
    // By contract there is one for each key.
    outcomes.resize_with(keys.len(), || Ok(None));
    Round {
        layer: H::LAYER,
        places,
        outcomes,
        noted,
    }
}

/// Waits for the first call to end. At least one is under way.
async fn first_to_end(calls: &mut Vec<LayerCall<'_, Round>>) -> Round {
    poll_fn(|context| {
        for place in 0..calls.len() {
            if let Poll::Ready(round) = calls[place].poll_unpin(context) {
                drop(calls.remove(place));
                return Poll::Ready(round);
            }
        }
        Poll::Pending
    })
    .await
}

fn note_round(reads: &mut [One], round: Round) {
    let moment = Moment::default();
    let layer = round.layer;
    let mut noted = round.noted.into_iter();
    for (place, mut outcome) in round.places.into_iter().zip(round.outcomes) {
        let one = &mut reads[place];
        let mut context = noted.next();
        let mut scratch = BoxContext::default();
        let in_context = context.as_mut().unwrap_or(&mut scratch);
        guard(layer, &mut outcome, in_context, &one.snapshot, &moment);
        collect(&mut one.failures, layer, &outcome, in_context);
        let answer = Answer {
            context,
            ..Answer::noted(outcome, Standing::Full)
        };
        one.op.note(layer, answer);
    }
    for one in reads.iter_mut().filter(|one| one.decision.is_none()) {
        one.op.age(one.wants.freshness, &moment);
    }
}

/// How many answers are checked against one reading of the clock: some microseconds' work.
const BY_ONE_MOMENT: usize = 64;

fn recheck_all(outcomes: &mut [ReadOutcome], contexts: &mut [BoxContext]) {
    let mut contexts = contexts.iter_mut();
    for outcomes in outcomes.chunks_mut(BY_ONE_MOMENT) {
        let moment = Moment::default();
        for outcome in outcomes {
            let context = contexts.next();
            if let Ok(found) = outcome {
                recheck(found, context, &moment);
            }
        }
    }
}
