//! Gathering single operations on a layer into bulk operations.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures::future::BoxFuture;
use hitbox_core::{BoxContext, CacheKey, CacheValue, Raw};
use tokio::sync::oneshot;

use crate::{
    BackendResult, Condition, Conditional, DeleteStatus, ReadOutcome,
    composition::{
        CompositionLayer,
        layers::{Handle, LayerAccess},
    },
};

/// Operations of one kind that wait to be sent together, and who waits for each. `None` once nobody
/// sends them any more.
struct Gathered<Q, A>(Mutex<Option<Waiting<Q, A>>>);

type Waiting<Q, A> = Vec<(Q, oneshot::Sender<A>)>;

impl<Q, A> Default for Gathered<Q, A> {
    fn default() -> Self {
        Self(Mutex::new(Some(Vec::new())))
    }
}

impl<Q, A> Gathered<Q, A> {
    /// Adds an operation and waits for its answer. `None` if there will be none: nobody sends bulk
    /// operations any more, or the one that it went with was dropped.
    async fn ask(&self, question: Q) -> Option<A> {
        let receiver = {
            let mut gathered = self.lock();
            let (sender, receiver) = oneshot::channel();
            gathered.as_mut()?.push((question, sender));
            receiver
        };
        // Unconstrained: the answers of one bulk operation arrive all at once, and what is asked next
        // must be gathered from all of them. Tokio would hold the answers beyond a task's budget of
        // 128 back, and every 128 keys would go by themselves.
        tokio::task::coop::unconstrained(receiver).await.ok()
    }

    /// What has been gathered, if anything.
    fn take(&self) -> Option<(Vec<Q>, Vec<oneshot::Sender<A>>)> {
        let gathered = mem::take(self.lock().as_mut()?);
        (!gathered.is_empty()).then(|| gathered.into_iter().unzip())
    }

    /// What has been gathered, for the last time: in one step, so that nothing can slip in between.
    fn take_last(&self) -> Option<(Vec<Q>, Vec<oneshot::Sender<A>>)> {
        // Out of the lock first: dropping what was gathered may wake others.
        let gathered = self.lock().take()?;
        (!gathered.is_empty()).then(|| gathered.into_iter().unzip())
    }

    fn lock(&self) -> MutexGuard<'_, Option<Waiting<Q, A>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn answer<A>(waiting: Vec<oneshot::Sender<A>>, answers: impl IntoIterator<Item = A>) {
    for (sender, answer) in waiting.into_iter().zip(answers) {
        // Nobody may be waiting any more: the race is over, or the caller has gone.
        let _ = sender.send(answer);
    }
}

/// One layer, asked in bulk. Clones gather into the same bulk operations.
pub(in crate::composition) struct InBulk<H> {
    handle: H,
    gathering: Arc<Gathering>,
}

#[derive(Default)]
struct Gathering {
    reads: Gathered<(CacheKey, BoxContext), (ReadOutcome, BoxContext)>,
    writes: Gathered<(CacheKey, CacheValue<Raw>), BackendResult<()>>,
    refills: Gathered<(CacheKey, CacheValue<Raw>), BackendResult<()>>,
    removes: Gathered<CacheKey, BackendResult<DeleteStatus>>,
    fills: Gathered<Fill, BackendResult<Conditional>>,
}

/// A write under a lease.
type Fill = (CacheKey, CacheValue<Raw>, Condition);

impl<H: Handle> InBulk<H> {
    pub(in crate::composition) fn new(handle: H) -> Self {
        Self {
            handle,
            gathering: Arc::default(),
        }
    }

    /// A bulk operation for each kind that anything has been gathered for.
    pub(super) fn start(&self) -> impl Iterator<Item = BoxFuture<'static, ()>> + use<H> {
        let gathering = &*self.gathering;
        self.bulks(
            gathering.reads.take(),
            gathering.writes.take(),
            gathering.refills.take(),
            gathering.removes.take(),
            gathering.fills.take(),
        )
    }

    /// The same for the last time. From now on operations go by themselves: those that policies have
    /// handed to the background and that come to touch the layer after the bulk call has ended.
    pub(super) fn start_last(&self) -> impl Iterator<Item = BoxFuture<'static, ()>> + use<H> {
        let gathering = &*self.gathering;
        self.bulks(
            gathering.reads.take_last(),
            gathering.writes.take_last(),
            gathering.refills.take_last(),
            gathering.removes.take_last(),
            gathering.fills.take_last(),
        )
    }

    fn bulks(
        &self,
        reads: Option<Reads>,
        writes: Option<Writes>,
        refills: Option<Writes>,
        removes: Option<Removes>,
        fills: Option<Fills>,
    ) -> impl Iterator<Item = BoxFuture<'static, ()>> + use<H> {
        let reads = reads.map(|(questions, waiting)| {
            let handle = self.handle.clone();
            boxed(async move {
                let (keys, mut contexts): (Vec<_>, Vec<_>) = questions.into_iter().unzip();
                let outcomes = handle.member().read_many_with(&keys, &mut contexts).await;
                answer(waiting, outcomes.into_iter().zip(contexts));
            })
        });
        let writes = writes.map(|(entries, waiting)| {
            let handle = self.handle.clone();
            boxed(async move { answer(waiting, handle.member().write_many(entries).await) })
        });
        let refills = refills.map(|(entries, waiting)| {
            let handle = self.handle.clone();
            boxed(async move { answer(waiting, handle.member().refill_many(entries).await) })
        });
        let removes = removes.map(|(keys, waiting)| {
            let handle = self.handle.clone();
            boxed(async move { answer(waiting, handle.member().remove_many(&keys).await) })
        });
        let fills = fills.map(|(entries, waiting)| {
            let handle = self.handle.clone();
            boxed(async move { answer(waiting, handle.member().write_many_if(entries).await) })
        });
        let changes = writes.into_iter().chain(refills).chain(removes);
        reads.into_iter().chain(changes).chain(fills)
    }
}

/// Questions, and who waits for each answer.
type Reads = (
    Vec<(CacheKey, BoxContext)>,
    Vec<oneshot::Sender<(ReadOutcome, BoxContext)>>,
);
type Writes = (
    Vec<(CacheKey, CacheValue<Raw>)>,
    Vec<oneshot::Sender<BackendResult<()>>>,
);
type Removes = (
    Vec<CacheKey>,
    Vec<oneshot::Sender<BackendResult<DeleteStatus>>>,
);

type Fills = (Vec<Fill>, Vec<oneshot::Sender<BackendResult<Conditional>>>);

fn boxed(future: impl Future<Output = ()> + Send + 'static) -> BoxFuture<'static, ()> {
    Box::pin(future)
}

impl<H: Handle> Clone for InBulk<H> {
    fn clone(&self) -> Self {
        Self {
            handle: self.handle.clone(),
            gathering: Arc::clone(&self.gathering),
        }
    }
}

impl<H: Handle> LayerAccess for InBulk<H> {
    const LAYER: CompositionLayer = H::LAYER;

    fn may_be_copied(&self) -> bool {
        self.handle.may_be_copied()
    }

    async fn read(&self, key: &CacheKey, context: BoxContext) -> (ReadOutcome, BoxContext) {
        let question = (key.clone(), context.clone());
        match self.gathering.reads.ask(question).await {
            Some(answer) => answer,
            None => LayerAccess::read(&self.handle, key, context).await,
        }
    }

    async fn write(&self, key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
        let question = (key.clone(), value.clone());
        match self.gathering.writes.ask(question).await {
            Some(answer) => answer,
            // Also if a bulk operation with it was dropped, and may have taken effect: the permit is
            // still held, and writing it again changes nothing.
            None => LayerAccess::write(&self.handle, key, value).await,
        }
    }

    async fn refill(&self, key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
        let question = (key.clone(), value.clone());
        match self.gathering.refills.ask(question).await {
            Some(answer) => answer,
            None => LayerAccess::refill(&self.handle, key, value).await,
        }
    }

    async fn remove(&self, key: &CacheKey) -> BackendResult<DeleteStatus> {
        match self.gathering.removes.ask(key.clone()).await {
            Some(answer) => answer,
            None => LayerAccess::remove(&self.handle, key).await,
        }
    }

    async fn write_if(
        &self,
        key: &CacheKey,
        value: CacheValue<Raw>,
        condition: Condition,
    ) -> BackendResult<Conditional> {
        let question = (key.clone(), value.clone(), condition.clone());
        match self.gathering.fills.ask(question).await {
            Some(answer) => answer,
            None => LayerAccess::write_if(&self.handle, key, value, condition).await,
        }
    }
}
