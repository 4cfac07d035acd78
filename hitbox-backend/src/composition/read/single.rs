//! A read of one key: in place as far as it goes, then waiting.

use std::{mem, sync::Arc};

use futures::{FutureExt, future::BoxFuture};
use hitbox_core::{BoxContext, CacheKey, Failures, Freshness, Offload, Raw, clock::Moment};
use tokio::runtime;

use super::{
    Answer, Ended, ReadOp, Standing, answer, collect,
    op::Decision,
    settle::{Noted, Settled},
    sharing::{answer_of, read_for_all},
    under_way::{Claimed, Part, SharedRead, Terms},
};
use crate::{
    Attempt, Backend, BackendError, ReadAttempt, ReadOutcome,
    composition::{
        CompositionBackend, CompositionLayer, CompositionReadPolicy, Observed, RaceLoserPolicy,
        ReadStep, RefillPolicy,
        admission::guard,
        fences::FenceSnapshot,
        layer_call::{LayerCall, LayerCalls},
        layers::{Handle, Layers},
        refill::Seen,
    },
};

/// What the layers have been asked for.
struct Asked<'a> {
    calls: LayerCalls<'a, Noted>,
    failures: Failures,
    /// Taken before a layer was asked.
    snapshot: FenceSnapshot,
    /// That of L2, if others may take part in it.
    read_of_l2: Option<Arc<SharedRead>>,
}

impl Asked<'_> {
    /// What the answer of a layer that was waited for counts for. Whoever is the first to have one that others share sees to
    /// refills and repairs, until he drops what he gets.
    fn claim(&self, layer: CompositionLayer) -> (Standing, Option<Claimed>) {
        match (layer, &self.read_of_l2) {
            (CompositionLayer::L2, Some(read)) => match read.claim() {
                Some(claimed) => (Standing::Full, Some(claimed)),
                None => (Standing::Joined, None),
            },
            (CompositionLayer::L1 | CompositionLayer::L2, _) => (Standing::Full, None),
        }
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
    /// Whether the policy is a pure function.
    #[inline]
    pub(in crate::composition) fn reads_by_steps(&self) -> bool {
        let (l1, l2) = (Observed::NotAsked, Observed::NotAsked);
        self.read.next_step(l1, l2).is_some()
    }

    #[inline]
    pub(in crate::composition) fn next_step(&self, l1: Observed, l2: Observed) -> ReadStep {
        self.read.next_step(l1, l2).unwrap_or(ReadStep::NoHit)
    }

    /// Reads a key as far as that goes without waiting.
    pub(in crate::composition) fn begin_single_read<'a>(
        &'a self,
        key: &'a CacheKey,
        context: &mut BoxContext,
        moment: &Moment,
    ) -> Settled<'a> {
        context.clear_failures();
        if !self.reads_by_steps() {
            return Settled::Pending(Box::pin(self.read_by_future(key, context.clone())));
        }
        let snapshot = self.layers.fences.snapshot(key);
        let nobody_asked = self.next_step(Observed::NotAsked, Observed::NotAsked);
        let mut in_l1 = None;
        if nobody_asked == ReadStep::Ask(CompositionLayer::L1) {
            let mut attempt = self.layers.l1.try_read(key, context, moment);
            if let Attempt::Ready(outcome) = &mut attempt {
                guard(CompositionLayer::L1, outcome, context, &snapshot, moment);
                // Most reads end here. The value stays where it is: moving it into a slot and out of it costs
                // about a tenth of the hit.
                if self.ends_with(outcome, &snapshot, context, moment) {
                    answer(&self.paths, context, outcome, moment);
                    return Settled::Ready(mem::replace(outcome, Ok(None)));
                }
            }
            in_l1 = Some(attempt);
        }
        let mut op = ReadOp::new();
        let mut asked = Asked {
            calls: LayerCalls::none(),
            failures: Failures::none(),
            snapshot,
            read_of_l2: None,
        };
        if let Some(attempt) = in_l1 {
            self.note_l1(key, &mut op, &mut asked, attempt, (context, moment));
        }
        let Some(decision) = self.advance(key, &mut op, &mut asked, context, moment) else {
            return Settled::Pending(Box::pin(self.finish(key, op, asked, context.clone())));
        };
        // Where L2 was asked too, time has passed since L1 answered.
        let later = Moment::default();
        let moment = match op.observed(CompositionLayer::L2) {
            Observed::NotAsked => moment,
            Observed::Pending | Observed::Hit(_) | Observed::Miss | Observed::Failed => &later,
        };
        self.settle(key, &mut op, asked, decision, context, moment)
    }

    /// Whether a read ends with this outcome of L1, and leaves nothing to decode, to note or to repair.
    #[inline]
    fn ends_with(
        &self,
        outcome: &ReadOutcome,
        snapshot: &FenceSnapshot,
        context: &BoxContext,
        moment: &Moment,
    ) -> bool {
        let Ok(Some(value)) = outcome else {
            return false;
        };
        let in_l1 = Observed::Hit(value.expiry());
        context.wants().are_met_by(value, moment)
            && self.next_step(in_l1, Observed::NotAsked) == ReadStep::Answer(CompositionLayer::L1)
            && !context.has_failures()
            && !self.has_to_repair(snapshot)
            && !self.asks_losers()
    }

    /// Whether a layer that has lost a race is asked all the same: repairs want to know what it holds.
    #[inline]
    fn asks_losers(&self) -> bool {
        self.layers.rules.refill == RefillPolicy::Repair
            && self.read.if_left_behind() == RaceLoserPolicy::Offload
    }

    /// Waits for layers until the policy has decided.
    async fn finish(
        &self,
        key: &CacheKey,
        mut op: ReadOp<Raw, BackendError>,
        mut asked: Asked<'_>,
        mut context: BoxContext,
    ) -> Noted {
        let mut claimed = None;
        loop {
            let (layer, (mut outcome, mut noted)) = asked.calls.next().await;
            let moment = Moment::default();
            guard(layer, &mut outcome, &mut noted, &asked.snapshot, &moment);
            collect(&mut asked.failures, layer, &outcome, &mut noted);
            let (standing, claim) = asked.claim(layer);
            // Until the end, which refills.
            claimed = claimed.or(claim);
            op.note(layer, Answer::noted_in(noted, outcome, standing));
            op.age(context.wants().freshness, &moment);
            let decided = self.advance(key, &mut op, &mut asked, &mut context, &moment);
            let Some(decision) = decided else {
                continue;
            };
            return match self.settle(key, &mut op, asked, decision, &mut context, &moment) {
                Settled::Ready(outcome) => (outcome, context),
                Settled::Pending(rest) => rest.await,
            };
        }
    }

    /// Runs the policy until it waits or has chosen a value that the reader can use.
    #[inline]
    fn advance<'a>(
        &'a self,
        key: &'a CacheKey,
        op: &mut ReadOp<Raw, BackendError>,
        asked: &mut Asked<'a>,
        context: &mut BoxContext,
        moment: &Moment,
    ) -> Option<Decision> {
        let wants = context.wants();
        self.decide(key, op, wants, |op, layer| match layer {
            CompositionLayer::L1 => {
                let mut attempt = self.layers.l1.try_read(key, context, moment);
                if let Attempt::Ready(outcome) = &mut attempt {
                    guard(layer, outcome, context, &asked.snapshot, moment);
                }
                self.note_l1(key, op, asked, attempt, (context, moment));
            }
            CompositionLayer::L2 => self.ask_l2(key, op, asked, context, moment),
        })
    }

    /// Takes L1's answer, guarded, if it is there, noted in the context of the read: it answers most of them.
    #[inline]
    fn note_l1<'a>(
        &'a self,
        key: &'a CacheKey,
        op: &mut ReadOp<Raw, BackendError>,
        asked: &mut Asked<'a>,
        attempt: ReadAttempt<'a>,
        (context, moment): (&mut BoxContext, &Moment),
    ) {
        let layer = CompositionLayer::L1;
        match attempt {
            Attempt::Ready(outcome) => {
                if let Some(answer) = op.room_for(layer, None) {
                    answer.outcome = outcome;
                    collect(&mut asked.failures, layer, &answer.outcome, context);
                    let freshness = context.wants().freshness;
                    answer.standing = Standing::of(&answer.outcome, freshness, moment);
                }
            }
            begun @ (Attempt::Pending(_) | Attempt::WouldBlock(())) => {
                op.wait_for(layer);
                let call = self.layer_call(begun, || self.first(), key, context);
                asked.calls.begin(layer, call);
            }
        }
    }

    /// Asks L2, which notes in a context of its own.
    #[inline]
    fn ask_l2<'a>(
        &'a self,
        key: &'a CacheKey,
        op: &mut ReadOp<Raw, BackendError>,
        asked: &mut Asked<'a>,
        context: &BoxContext,
        moment: &Moment,
    ) {
        let layer = CompositionLayer::L2;
        // Where it stays: to move an answer costs much of what it costs to have one.
        let Some(Answer {
            outcome,
            context: Some(noted),
            standing,
        }) = op.room_for(layer, Some(context.for_other_layer()))
        else {
            return;
        };
        match self.layers.l2.try_read(key, noted, moment) {
            Attempt::Ready(answered) => {
                *outcome = answered;
                guard(layer, outcome, noted, &asked.snapshot, moment);
                collect(&mut asked.failures, layer, outcome, noted);
                *standing = Standing::of(outcome, context.wants().freshness, moment);
            }
            Attempt::WouldBlock(()) if self.joins(noted) => {
                let (context, in_l1) = (noted.clone(), op.observed(CompositionLayer::L1));
                let (call, read) = self.join(key, context, asked.snapshot, in_l1);
                asked.calls.begin(layer, call);
                asked.read_of_l2 = Some(read);
                op.wait_for(layer);
            }
            begun @ (Attempt::Pending(_) | Attempt::WouldBlock(())) => {
                let call = self.layer_call(begun, || self.second(), key, noted);
                asked.calls.begin(layer, call);
                op.wait_for(layer);
            }
        }
    }

    /// Whether a read with this context joins others, and lets them join.
    fn joins(&self, context: &BoxContext) -> bool {
        // One of the caller's own type may carry what others are not to see.
        context.is_usual() && !self.layers.rules.join_within.is_zero()
    }

    /// Joins the read of L2 that is under way, or begins one.
    #[inline(never)]
    fn join<'a>(
        &self,
        key: &'a CacheKey,
        context: BoxContext,
        snapshot: FenceSnapshot,
        in_l1: Observed,
    ) -> (LayerCall<'a, Noted>, Arc<SharedRead>) {
        let Layers { reads, fences, .. } = &*self.layers;
        let terms = || Terms {
            wants: context.wants(),
            runtime: runtime::Handle::try_current()
                .ok()
                .map(|runtime| runtime.id()),
            snapshot,
            changes: fences.changes(key),
            came: self.layers.now_if_coherent(),
            answered: self.layers.answered(key),
        };
        let decoded_as = match in_l1 {
            // L2's value is the answer, if it has one.
            Observed::Miss | Observed::Failed => context.wants().object,
            Observed::Hit(_) | Observed::Pending | Observed::NotAsked => None,
        };
        let part = reads.join(key, self.layers.join_within(), terms, || {
            let (key, context) = (key.clone(), context.clone());
            read_for_all(self.second(), key, snapshot, context, decoded_as).boxed()
        });
        let second = self.second();
        match (part, self.read.if_left_behind()) {
            (Part::Leads(read), RaceLoserPolicy::Offload) => {
                let (key, own) = (key.clone(), Arc::clone(&read));
                let answer = async move { answer_of(own, second, &key, context).await };
                (LayerCall::Owned(answer.boxed()), read)
            }
            // Of those who take part, the leader sees to what a race leaves behind.
            (Part::Leads(read), RaceLoserPolicy::Drop) | (Part::Joins(read), _) => {
                let answer = answer_of(Arc::clone(&read), second, key, context);
                (LayerCall::Borrowed(answer.boxed()), read)
            }
        }
    }

    /// The rest of a read of a layer that has to be waited for.
    #[inline(never)]
    fn layer_call<'a, H: Handle>(
        &self,
        begun: ReadAttempt<'a>,
        handle: impl FnOnce() -> H,
        key: &CacheKey,
        context: &BoxContext,
    ) -> LayerCall<'a, Noted> {
        match (begun, self.read.if_left_behind()) {
            (Attempt::Pending(rest), RaceLoserPolicy::Drop) => LayerCall::Borrowed(rest),
            // What has begun borrows from this call, which a loser outlives: it is begun anew.
            (Attempt::Pending(_), RaceLoserPolicy::Offload)
            | (Attempt::WouldBlock(()) | Attempt::Ready(_), _) => {
                LayerCall::Owned(read_owned(handle(), key.clone(), context.clone()))
            }
        }
    }

    /// Reads, in the background, the layer that has lost a race before it was asked: repairs want to know what it
    /// holds.
    #[inline(never)]
    fn ask_the_other(
        &self,
        key: &CacheKey,
        op: &ReadOp<Raw, BackendError>,
        snapshot: FenceSnapshot,
        context: &BoxContext,
        seen: &[Option<Seen>; 2],
    ) {
        for layer in CompositionLayer::BOTH {
            if op.observed(layer) == Observed::NotAsked {
                let (key_of_read, mut context) = (key.clone(), context.clone());
                // Others may be able to use what the reader cannot.
                context.set_wanted_type(None);
                context.set_freshness(Freshness::Any);
                let read = match layer {
                    CompositionLayer::L1 => read_owned(self.first(), key_of_read, context),
                    CompositionLayer::L2 => read_owned(self.second(), key_of_read, context),
                };
                self.leave_behind(key, snapshot, (layer, read), seen);
            }
        }
    }

    #[inline]
    fn settle<'a>(
        &'a self,
        key: &'a CacheKey,
        op: &mut ReadOp<Raw, BackendError>,
        asked: Asked<'a>,
        decision: Decision,
        context: &mut BoxContext,
        moment: &Moment,
    ) -> Settled<'a> {
        let Asked {
            calls,
            failures,
            snapshot,
            read_of_l2: _,
        } = asked;
        let repairs = self.layers.rules.refill == RefillPolicy::Repair && !op.has_joined();
        let seen = if repairs { op.seen() } else { [None, None] };
        if self.read.if_left_behind() == RaceLoserPolicy::Offload {
            for (layer, loser) in calls.into_owned() {
                self.leave_behind(key, snapshot, (layer, loser), &seen);
            }
            if self.asks_losers() {
                self.ask_the_other(key, op, snapshot, context, &seen);
            }
        }
        let ended = Ended {
            in_l1: self.seen_in_l1(op),
            found: op.conclude(decision),
            failures,
            snapshot,
            seen,
        };
        self.settle_one(key, ended, context, moment)
    }
}

fn read_owned<H: Handle>(
    layer: H,
    key: CacheKey,
    mut context: BoxContext,
) -> BoxFuture<'static, Noted> {
    Box::pin(async move {
        let outcome = layer.member().read(&key, &mut context).await;
        (outcome, context)
    })
}
