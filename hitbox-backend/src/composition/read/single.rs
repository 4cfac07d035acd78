//! A read of one key: in place as far as it goes, then waiting.

use futures::future::BoxFuture;
use hitbox_core::{BoxContext, CacheKey, Failures, Offload, Raw, clock::Moment};

use super::{
    Answer, Ended, ReadOp, answer, collect,
    op::Decision,
    settle::{Noted, Settled},
};
use crate::{
    Attempt, Backend, BackendError, ReadAttempt, ReadOutcome,
    composition::{
        CompositionBackend, CompositionLayer, CompositionReadPolicy, Observed, RaceLoserPolicy,
        ReadStep, RefillPolicy,
        admission::guard,
        flight::{Flight, Flights},
        layers::Handle,
        ledger::Trust,
        refill::Seen,
    },
};

/// What the layers have been asked for.
struct Asked<'a> {
    flights: Flights<'a, Noted>,
    failures: Failures,
    /// Taken before a layer was asked.
    trust: Trust,
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
        let trust = self.layers.ledger.trust(key);
        let mut op = ReadOp::new();
        let mut asked = Asked {
            flights: Flights::none(),
            failures: Failures::none(),
            trust,
        };
        if self.next_step(Observed::NotAsked, Observed::NotAsked)
            == ReadStep::Ask(CompositionLayer::L1)
        {
            match self.ask_l1(key, &mut asked, context, moment) {
                // Most reads end here. The value stays a local: moving it into a slot and out of it costs
                // about a tenth of the hit.
                Some(outcome) if self.ends_with(&outcome, &asked) => {
                    let value = outcome.map(|value| answer(&self.paths, context, value, moment));
                    return Settled::Ready(value);
                }
                Some(outcome) => op.note(CompositionLayer::L1, Answer::noted(outcome)),
                None => op.wait_for(CompositionLayer::L1),
            }
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

    /// Whether a read ends with this outcome of L1, and leaves nothing to note or to repair.
    #[inline]
    fn ends_with(&self, outcome: &ReadOutcome, asked: &Asked<'_>) -> bool {
        let in_l1 = Observed::from(outcome);
        matches!(in_l1, Observed::Hit(_))
            && self.next_step(in_l1, Observed::NotAsked) == ReadStep::Answer(CompositionLayer::L1)
            && asked.failures.is_empty()
            && !self.has_to_repair(&asked.trust)
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
        loop {
            let (layer, (mut outcome, mut noted)) = asked.flights.next().await;
            let moment = Moment::default();
            guard(layer, &mut outcome, &mut noted, &asked.trust, &moment);
            collect(&mut asked.failures, layer, &outcome, &mut noted);
            op.note(layer, Answer::noted_in(noted, outcome));
            op.expire(&moment);
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

    /// Runs the policy until it waits or has decided.
    #[inline]
    fn advance<'a>(
        &'a self,
        key: &'a CacheKey,
        op: &mut ReadOp<Raw, BackendError>,
        asked: &mut Asked<'a>,
        context: &mut BoxContext,
        moment: &Moment,
    ) -> Option<Decision> {
        op.advance(
            |l1, l2| self.next_step(l1, l2),
            |layer| match layer {
                CompositionLayer::L1 => {
                    let outcome = self.ask_l1(key, asked, context, moment)?;
                    Some(Answer::noted(outcome))
                }
                CompositionLayer::L2 => self.ask_l2(key, asked, context, moment),
            },
        )
    }

    /// Asks L1, which notes in the context of the read: it answers most of them. `None` if it has to be waited
    /// for.
    #[inline]
    fn ask_l1<'a>(
        &'a self,
        key: &'a CacheKey,
        asked: &mut Asked<'a>,
        context: &mut BoxContext,
        moment: &Moment,
    ) -> Option<ReadOutcome> {
        let attempt = self.layers.l1.try_read(key, context, moment);
        let handle = || self.first();
        self.begin(attempt, handle, (key, asked, context, moment))
    }

    /// Asks L2, which notes in a context of its own.
    #[inline]
    fn ask_l2<'a>(
        &'a self,
        key: &'a CacheKey,
        asked: &mut Asked<'a>,
        context: &BoxContext,
        moment: &Moment,
    ) -> Option<Answer<Raw, BackendError>> {
        let mut noted = context.for_other_layer();
        let attempt = self.layers.l2.try_read(key, &mut noted, moment);
        let handle = || self.second();
        let outcome = self.begin(attempt, handle, (key, asked, &mut noted, moment))?;
        Some(Answer::noted_in(noted, outcome))
    }

    /// The answer of a layer if it is there; else its flight has begun.
    #[inline]
    fn begin<'a, H: Handle>(
        &self,
        attempt: ReadAttempt<'a>,
        handle: impl FnOnce() -> H,
        (key, asked, context, moment): (&CacheKey, &mut Asked<'a>, &mut BoxContext, &Moment),
    ) -> Option<ReadOutcome> {
        let flight = match (attempt, self.read.if_left_behind()) {
            (Attempt::Ready(mut outcome), _) => {
                guard(H::LAYER, &mut outcome, context, &asked.trust, moment);
                collect(&mut asked.failures, H::LAYER, &outcome, context);
                return Some(outcome);
            }
            (Attempt::Pending(rest), RaceLoserPolicy::Drop) => Flight::Borrowed(rest),
            // What has begun borrows from this call, which a loser outlives: it is begun anew.
            (Attempt::Pending(_), RaceLoserPolicy::Offload) | (Attempt::WouldBlock(()), _) => {
                Flight::Owned(read_owned(handle(), key.clone(), context.clone()))
            }
        };
        asked.flights.begin(H::LAYER, flight);
        None
    }

    /// Reads, in the background, the layer that has lost a race before it was asked: repairs want to know what it
    /// holds.
    fn ask_the_other(
        &self,
        key: &CacheKey,
        op: &ReadOp<Raw, BackendError>,
        trust: Trust,
        context: &BoxContext,
        seen: &[Option<Seen>; 2],
    ) {
        for layer in CompositionLayer::BOTH {
            if op.observed(layer) == Observed::NotAsked {
                let (key_of_read, context) = (key.clone(), context.clone());
                let read = match layer {
                    CompositionLayer::L1 => read_owned(self.first(), key_of_read, context),
                    CompositionLayer::L2 => read_owned(self.second(), key_of_read, context),
                };
                self.leave_behind(key, trust, (layer, read), seen);
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
            flights,
            failures,
            trust,
        } = asked;
        let repairs = self.layers.rules.refill == RefillPolicy::Repair;
        let seen = if repairs { op.seen() } else { [None, None] };
        if self.read.if_left_behind() == RaceLoserPolicy::Offload {
            for (layer, loser) in flights.into_owned() {
                self.leave_behind(key, trust, (layer, loser), &seen);
            }
            if self.asks_losers() {
                self.ask_the_other(key, op, trust, context, &seen);
            }
        }
        let ended = Ended {
            in_l1: self.seen_in_l1(op),
            found: op.conclude(decision),
            failures,
            trust,
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
