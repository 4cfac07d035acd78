//! A write of many keys, in rounds: the policy decides key by key, the layers are written in bulk.
//!
//! In each round the policy of every undecided key goes on until it waits. What it has asked of a layer
//! meanwhile, and has the permit for, goes there as one bulk write. Keys whose permit is taken follow as soon as they
//! get it. A permit is taken only for what is sent in the same round: two bulk writes over common keys would else wait for
//! each other.

use std::task::{Context, Poll};

use futures::{
    FutureExt, StreamExt,
    future::{BoxFuture, join_all, poll_fn},
    stream::FuturesUnordered,
};
use hitbox_core::{CacheKey, CacheValue, Offload, Raw};

use super::{Ended, WriteOp, op::Decision, write_with_permit};
use crate::{
    Backend, BackendError, BackendErrorKind, BackendResult, Conditional, Operation,
    composition::{
        CompositionBackend, CompositionLayer, CompositionWritePolicy, RaceLoserPolicy,
        admission::for_layer,
        fences::{Effect, Origin, Permits, Share, TryPermit},
        layers::Handle,
    },
};

/// The write of one key among many.
struct One {
    key: CacheKey,
    value: CacheValue<Raw>,
    op: WriteOp<BackendError>,
    progress: Progress,
}

enum Progress {
    /// The policy has not decided. The write is under way as long as its share is there.
    Open(Share),
    Decided(Decision),
    /// It was not admitted.
    Refused(Ended),
}

/// The answers of a layer to a bulk write.
struct Round {
    layer: CompositionLayer,
    places: Vec<usize>,
    outcomes: Vec<BackendResult<()>>,
}

/// A key whose permit has been waited for.
struct Waited {
    layer: CompositionLayer,
    place: usize,
    share: Share,
}

/// What is waited for.
#[derive(Default)]
struct UnderWay {
    rounds: FuturesUnordered<BoxFuture<'static, Round>>,
    permits: FuturesUnordered<BoxFuture<'static, Waited>>,
}

/// What goes to a layer in one bulk write.
#[derive(Default)]
struct Batch {
    places: Vec<usize>,
    shares: Vec<Share>,
}

impl<L1, L2, O, R, W> CompositionBackend<L1, L2, O, R, W>
where
    L1: Backend + 'static,
    L2: Backend + 'static,
    O: Offload<'static>,
    R: Sync,
    W: CompositionWritePolicy,
{
    pub(in crate::composition) async fn write_entries(
        &self,
        origin: Origin,
        entries: Vec<(CacheKey, CacheValue<Raw>)>,
    ) -> Vec<BackendResult<Conditional>> {
        if !self.writes_by_steps() {
            return self.write_many_by_futures(origin, entries).await;
        }
        let mut writes: Vec<_> = entries
            .into_iter()
            .map(|(key, value)| self.begin_one(origin, key, value))
            .collect();
        let mut under_way = UnderWay::default();
        while self.start_round(&mut writes, &mut under_way) {
            let (rounds, waited) = under_way.next().await;
            for round in rounds {
                for (place, outcome) in round.places.into_iter().zip(round.outcomes) {
                    writes[place].op.note(round.layer, outcome);
                }
            }
            self.send_waited(&mut writes, &under_way, waited);
        }
        self.leave_bulk_behind(&writes, under_way);
        let ended = writes.into_iter().map(|one| {
            let ended = match one.progress {
                Progress::Decided(decision) => one.op.conclude(decision).into(),
                Progress::Refused(ended) => ended,
                Progress::Open(_) => one.op.conclude(Decision::Done).into(),
            };
            (one.key, ended)
        });
        self.settle_writes(ended.collect()).await
    }

    fn begin_one(&self, origin: Origin, key: CacheKey, value: CacheValue<Raw>) -> One {
        let value = self.layers.admitted(value);
        let fences = &self.layers.fences;
        let progress = match fences.begin_write(&key, value.created(), origin, Permits::Later) {
            Ok(share) => Progress::Open(share),
            Err(refusal) => Progress::Refused(Ended::refused(&key, refusal)),
        };
        One {
            key,
            value,
            op: WriteOp::new(),
            progress,
        }
    }

    /// Lets the policies of all keys go on, and sends what they have asked for. Whether one has not decided.
    fn start_round(&self, writes: &mut [One], under_way: &mut UnderWay) -> bool {
        let mut batches: [Batch; 2] = Default::default();
        let mut open = false;
        for (place, one) in writes.iter_mut().enumerate() {
            let Progress::Open(share) = &mut one.progress else {
                continue;
            };
            let decided = one.op.advance(
                |l1, l2| self.next_write_step(l1, l2),
                |layer| {
                    let mut share = share.split(layer);
                    match share.try_permit(layer) {
                        TryPermit::Held => batches[layer as usize].push(place, share),
                        TryPermit::Busy => under_way.wait_for_permit(layer, place, share),
                        // As if it had been written and replaced at once.
                        TryPermit::Overtaken => return Some(Ok(())),
                    }
                    None
                },
            );
            match decided {
                Some(decision) => one.progress = Progress::Decided(decision),
                None => open = true,
            }
        }
        for (layer, batch) in CompositionLayer::BOTH.into_iter().zip(batches) {
            self.send(writes, under_way, layer, batch);
        }
        open
    }

    /// Sends what has got its permit.
    fn send_waited(&self, writes: &mut [One], under_way: &UnderWay, waited: Vec<Waited>) {
        let mut batches: [Batch; 2] = Default::default();
        for Waited {
            layer,
            place,
            share,
        } in waited
        {
            if share.holds(layer) {
                batches[layer as usize].push(place, share);
            } else {
                writes[place].op.note(layer, Ok(()));
            }
        }
        for (layer, batch) in CompositionLayer::BOTH.into_iter().zip(batches) {
            self.send(writes, under_way, layer, batch);
        }
    }

    /// Sends a bulk write to a layer.
    fn send(&self, writes: &[One], under_way: &UnderWay, layer: CompositionLayer, batch: Batch) {
        if batch.places.is_empty() {
            return;
        }
        let rules = self.layers.rules;
        let entry = |&place: &usize| {
            let one = &writes[place];
            (one.key.clone(), for_layer(layer, one.value.clone(), rules))
        };
        let entries = batch.places.iter().map(entry).collect();
        under_way.rounds.push(match layer {
            CompositionLayer::L1 => write_batch(self.first(), entries, batch).boxed(),
            CompositionLayer::L2 => write_batch(self.second(), entries, batch).boxed(),
        });
    }

    /// Leaves the losers of races to the background.
    fn leave_bulk_behind(&self, writes: &[One], under_way: UnderWay) {
        let UnderWay { rounds, permits } = under_way;
        if self.write.if_left_behind() == RaceLoserPolicy::Drop
            || rounds.is_empty() && permits.is_empty()
        {
            return;
        }
        let rules = self.layers.rules;
        let (l1, l2) = (self.first(), self.second());
        let entries: Vec<_> = writes
            .iter()
            .map(|one| (one.key.clone(), one.value.clone()))
            .collect();
        let keys = entries.iter().map(|(key, _)| key.clone()).collect();
        let singles = permits.into_iter().map(move |permit| {
            let (l1, l2, entries) = (l1.clone(), l2.clone(), entries.clone());
            async move {
                let waited = permit.await;
                let (key, value) = entries[waited.place].clone();
                let value = for_layer(waited.layer, value, rules);
                let _of_no_consequence = match waited.layer {
                    CompositionLayer::L1 => write_with_permit(l1, key, value, waited.share).await,
                    CompositionLayer::L2 => write_with_permit(l2, key, value, waited.share).await,
                };
            }
            .boxed()
        });
        let losers = futures::future::join(rounds.for_each(async |_| ()), join_all(singles));
        self.leave_writes_behind("bulk", keys, losers.map(drop).boxed());
    }
}

impl Batch {
    fn push(&mut self, place: usize, share: Share) {
        self.places.push(place);
        self.shares.push(share);
    }
}

impl UnderWay {
    fn wait_for_permit(&self, layer: CompositionLayer, place: usize, mut share: Share) {
        let waited = async move {
            share.permit(layer).await;
            Waited {
                layer,
                place,
                share,
            }
        };
        self.permits.push(waited.boxed());
    }

    /// Waits for something to end, and returns all that has.
    async fn next(&mut self) -> (Vec<Round>, Vec<Waited>) {
        let (mut rounds, mut waited) = (Vec::new(), Vec::new());
        poll_fn(|context| {
            take_ready(&mut self.rounds, context, &mut rounds);
            take_ready(&mut self.permits, context, &mut waited);
            if rounds.is_empty() && waited.is_empty() {
                Poll::Pending
            } else {
                Poll::Ready(())
            }
        })
        .await;
        (rounds, waited)
    }
}

fn take_ready<T>(
    futures: &mut FuturesUnordered<BoxFuture<'static, T>>,
    context: &mut Context<'_>,
    ready: &mut Vec<T>,
) {
    while let Poll::Ready(Some(ended)) = futures.poll_next_unpin(context) {
        ready.push(ended);
    }
}

async fn write_batch<H: Handle>(
    layer: H,
    entries: Vec<(CacheKey, CacheValue<Raw>)>,
    batch: Batch,
) -> Round {
    let Batch { places, mut shares } = batch;
    for share in &mut shares {
        share.note(H::LAYER, Effect::Unknown);
    }
    let mut answers = layer.member().write_many(entries).await.into_iter();
    let outcomes = shares.into_iter().map(|mut share| {
        // By contract there is an answer for each entry. One that is missing says nothing of what was done.
        let answer = answers.next().unwrap_or_else(|| {
            let label = layer.member().backend.label();
            let error = BackendError::new(BackendErrorKind::Unavailable, Operation::Write, label);
            Err(error.with_detail("a bulk write has no answer for this entry"))
        });
        let (effect, outcome) = Effect::of(answer);
        share.note(H::LAYER, effect);
        outcome.map_err(|error| error.in_layer(H::LAYER))
    });
    Round {
        layer: H::LAYER,
        outcomes: outcomes.collect(),
        places,
    }
}
