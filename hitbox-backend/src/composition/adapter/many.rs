//! Many keys, by policies that are one future.
//!
//! Each key goes through the same path as a single operation, but what its policy asks of a layer is
//! gathered. Whenever no policy can go on without an answer, what has been gathered goes to the layer as one
//! bulk operation.

use std::task::Poll;

use futures::{
    FutureExt, StreamExt,
    future::{BoxFuture, join_all, poll_fn},
    stream::FuturesUnordered,
};
use hitbox_core::{BoxContext, CacheKey, Offload};

use super::InBulk;
use crate::{
    Backend,
    composition::{
        CompositionBackend, CompositionReadPolicy, background::Background, layers::Handle,
        read::Ended, repair,
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
    pub(in crate::composition) async fn read_many_by_futures(
        &self,
        keys: &[CacheKey],
        contexts: &[BoxContext],
    ) -> Vec<Ended> {
        let (l1, l2) = (InBulk::new(self.first()), InBulk::new(self.second()));
        let background = Background::new(&*self.offload);
        let scratch = BoxContext::default();
        let singles = keys.iter().enumerate().map(|(place, key)| {
            let context = contexts.get(place).unwrap_or(&scratch);
            self.decide_by_future(key, context, (l1.clone(), l2.clone()), &background)
        });
        let (ended, bulks) = drive(singles, &l1, &l2, &background).await;
        background.hand_over_bulk(&self.layers.fences, bulks);
        ended
    }

    /// Repairs what layers have missed of these keys.
    pub(in crate::composition) async fn make_pending_repairs(&self, keys: &[&CacheKey]) {
        let (l1, l2) = (InBulk::new(self.first()), InBulk::new(self.second()));
        let background = Background::new(&*self.offload);
        let (fences, rules) = (&self.layers.fences, self.layers.rules);
        let singles = keys.iter().map(|key| {
            let (l1, l2, background) = (&l1, &l2, background.of(key));
            async move {
                let (fences, key) = (fences.clone(), (*key).clone());
                let (l1, l2) = (l1.clone(), l2.clone());
                let repair = async move {
                    let _whatever_comes_of_it =
                        repair::attempt(&fences, &key, &l1, &l2, rules).await;
                    let _whatever_comes_of_it =
                        repair::attempt(&fences, &key, &l2, &l1, rules).await;
                };
                background.run_without_waiting("repair", repair).await;
            }
        });
        let (_, bulks) = drive(singles, &l1, &l2, &background).await;
        background.hand_over_bulk(fences, bulks);
    }
}

/// Runs the single operations, and the bulk operations that they wait for. Returns the bulk
/// operations that are still under way in the end: those that a race has left behind.
pub(in crate::composition) async fn drive<T, A: Handle, B: Handle, O: Offload<'static>>(
    singles: impl Iterator<Item: Future<Output = T> + Send>,
    l1: &InBulk<A>,
    l2: &InBulk<B>,
    background: &Background<'_, O>,
) -> (Vec<T>, BoxFuture<'static, ()>) {
    // Also when this future is dropped: nobody may wait for a bulk operation that nobody sends.
    let _close = CloseOnDrop(l1, l2);
    // Boxed, so that what polls many is compiled for each outcome, and not for each composition.
    let mut singles = join_all(singles.map(FutureExt::boxed));
    let mut bulks = FuturesUnordered::<BoxFuture<'static, ()>>::new();
    let outcome = poll_fn(|context| {
        loop {
            if let Poll::Ready(outcome) = singles.poll_unpin(context) {
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
