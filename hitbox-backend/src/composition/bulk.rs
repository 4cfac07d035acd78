//! Many keys at once: policies decide key by key, the layers are asked in bulk.
//!
//! Each key goes through the same path as a single operation, but what its policy asks of a layer
//! is gathered. Whenever no policy can go on without an answer, what has been gathered goes to the
//! layer as one bulk operation. So a sequential read of many keys is one bulk read of L1 and one bulk
//! read of L2 with exactly the keys that L1 lacked, and a policy from elsewhere works unchanged. That
//! particular read comes to the same without a future for each key: see `in_order`.

mod gather;
mod in_order;

use std::{pin::pin, task::Poll};

use futures::{
    StreamExt,
    future::{BoxFuture, join_all, poll_fn},
    stream::FuturesUnordered,
};
use hitbox_core::{BoxContext, CacheKey, CacheValue, Offload, Raw, clock::Moment};

use super::{
    AsksL2, CompositionBackend, CompositionReadPolicy, CompositionWritePolicy, RefillPolicy,
    background::Background,
    layers::Handle,
    ledger::Origin,
    mutate::{self, Done},
    read::{self, Begun},
};
use crate::{Backend, BackendResult, DeleteStatus, ReadOutcome};
use gather::InBulk;

impl<L1, L2, O, R, W> CompositionBackend<L1, L2, O, R, W>
where
    L1: Backend + 'static,
    L2: Backend + 'static,
    O: Offload<'static>,
    R: CompositionReadPolicy,
    W: CompositionWritePolicy,
{
    pub(super) async fn read_in_bulk(
        &self,
        keys: &[CacheKey],
        contexts: &mut [BoxContext],
    ) -> Vec<ReadOutcome> {
        contexts.iter_mut().for_each(BoxContext::clear_failures);
        // Repairs want to know of both layers, whatever the policy asks.
        let in_order = self.read.asks_l2() == AsksL2::IfLeftOpen
            && self.layers.rules.refill != RefillPolicy::Repair;
        let mut outcomes = if in_order {
            self.read_in_order(keys, contexts).await
        } else {
            self.read_by_policy(keys, contexts).await
        };
        // The last key may have been waited for since the others were answered.
        look_again_at_all(&mut outcomes, contexts);
        outcomes
    }

    async fn read_by_policy(
        &self,
        keys: &[CacheKey],
        contexts: &mut [BoxContext],
    ) -> Vec<ReadOutcome> {
        let (l1, l2) = (InBulk::new(self.first()), InBulk::new(self.second()));
        let background = Background::new(&*self.offload);
        let path = self.read_path(&background);
        let mut each = contexts.iter_mut();
        let singles = join_all(keys.iter().map(|key| {
            let context = each.next();
            let (path, l1, l2) = (&path, l1.clone(), l2.clone());
            async move {
                let begun = Begun::at(&self.layers.ledger, key);
                match context {
                    Some(context) => path.read(key, context, begun, (l1, l2)).await,
                    None => {
                        let mut nobodys = BoxContext::default();
                        path.read(key, &mut nobodys, begun, (l1, l2)).await
                    }
                }
            }
        }));
        let (outcomes, bulks) = drive(singles, &l1, &l2, &background).await;
        background.hand_over_bulk(&self.layers.ledger, bulks).await;
        outcomes
    }

    pub(super) async fn write_in_bulk(
        &self,
        origin: Origin,
        entries: Vec<(CacheKey, CacheValue<Raw>)>,
    ) -> Vec<BackendResult<()>> {
        let (l1, l2) = (InBulk::new(self.first()), InBulk::new(self.second()));
        let background = Background::new(&*self.offload);
        let path = self.write_path(&background);
        let singles = join_all(entries.into_iter().map(|(key, value)| {
            let (path, l1, l2) = (&path, l1.clone(), l2.clone());
            async move {
                path.write(&key, value, origin, Done::default(), (l1, l2))
                    .await
            }
        }));
        let (outcomes, bulks) = drive(singles, &l1, &l2, &background).await;
        background.hand_over_bulk(&self.layers.ledger, bulks).await;
        outcomes
    }

    pub(super) async fn remove_in_bulk(
        &self,
        keys: &[CacheKey],
    ) -> Vec<BackendResult<DeleteStatus>> {
        let (l1, l2) = (InBulk::new(self.first()), InBulk::new(self.second()));
        let singles = join_all(keys.iter().map(|key| {
            let ledger = &self.layers.ledger;
            mutate::remove(ledger, self.paths.label(), key, l1.clone(), l2.clone())
        }));
        // A remove waits for both layers: nothing is left for the background.
        let background = Background::new(&*self.offload);
        drive(singles, &l1, &l2, &background).await.0
    }
}

/// So many answers are looked at by one reading of the clock: some microseconds' work.
const BY_ONE_MOMENT: usize = 64;

fn look_again_at_all(outcomes: &mut [ReadOutcome], contexts: &mut [BoxContext]) {
    let mut contexts = contexts.iter_mut();
    for outcomes in outcomes.chunks_mut(BY_ONE_MOMENT) {
        let moment = Moment::default();
        for outcome in outcomes {
            let context = contexts.next();
            if let Ok(found) = outcome {
                read::look_again(found, context, &moment);
            }
        }
    }
}

/// Runs the single operations, and the bulk operations that they wait for. Returns the bulk
/// operations that are still under way in the end: those that a race has left behind.
async fn drive<T, A: Handle, B: Handle, O: Offload<'static>>(
    singles: impl Future<Output = T>,
    l1: &InBulk<A>,
    l2: &InBulk<B>,
    background: &Background<'_, O>,
) -> (T, BoxFuture<'static, ()>) {
    // Also when this future is dropped: nobody may wait for a bulk operation that nobody sends.
    let _close = CloseOnDrop(l1, l2);
    let mut singles = pin!(singles);
    let mut bulks = FuturesUnordered::<BoxFuture<'static, ()>>::new();
    let outcome = poll_fn(|context| {
        loop {
            if let Poll::Ready(outcome) = singles.as_mut().poll(context) {
                return Poll::Ready(outcome);
            }
            let before = bulks.len();
            bulks.extend(l1.start());
            bulks.extend(l2.start());
            let nothing_new = bulks.len() == before;
            // What single operations have left may hold, or have borrowed work that holds, what
            // others of this bulk wait for.
            if background.poll_left(context) {
                continue;
            }
            match bulks.poll_next_unpin(context) {
                Poll::Ready(Some(())) => {}
                Poll::Ready(None) | Poll::Pending if nothing_new => return Poll::Pending,
                Poll::Ready(None) | Poll::Pending => {}
            }
        }
    })
    .await;
    bulks.extend(l1.start_last());
    bulks.extend(l2.start_last());
    (outcome, Box::pin(bulks.collect()))
}

struct CloseOnDrop<'b, A: Handle, B: Handle>(&'b InBulk<A>, &'b InBulk<B>);

impl<A: Handle, B: Handle> Drop for CloseOnDrop<'_, A, B> {
    fn drop(&mut self) {
        self.0.start_last().for_each(drop);
        self.1.start_last().for_each(drop);
    }
}
