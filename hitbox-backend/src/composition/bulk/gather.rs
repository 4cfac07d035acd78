//! Gathering single operations on a layer into bulk operations.

use std::{
    mem,
    sync::{Arc, Mutex, PoisonError},
};

use futures::future::BoxFuture;
use hitbox_core::{BoxContext, CacheKey, CacheValue, Raw};
use tokio::sync::oneshot;

use crate::{
    Backend, BackendError, BackendErrorKind, BackendResult, DeleteStatus, Operation, ReadOutcome,
    composition::{
        layer::CompositionLayer,
        layers::{Handle, LayerAccess},
    },
};

/// Operations of one kind that wait to be sent together, and who waits for each.
struct Gathered<Q, A>(Mutex<Vec<(Q, oneshot::Sender<A>)>>);

impl<Q, A> Default for Gathered<Q, A> {
    fn default() -> Self {
        Self(Mutex::new(Vec::new()))
    }
}

impl<Q, A> Gathered<Q, A> {
    /// Adds an operation and waits for its answer: `None` if the bulk it went with was dropped.
    async fn ask(&self, question: Q) -> Option<A> {
        let (sender, receiver) = oneshot::channel();
        self.lock().push((question, sender));
        receiver.await.ok()
    }

    /// What has been gathered, if anything.
    fn take(&self) -> Option<(Vec<Q>, Vec<oneshot::Sender<A>>)> {
        let gathered = mem::take(&mut *self.lock());
        (!gathered.is_empty()).then(|| gathered.into_iter().unzip())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(Q, oneshot::Sender<A>)>> {
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
pub(super) struct InBulk<H> {
    handle: H,
    gathering: Arc<Gathering>,
}

#[derive(Default)]
struct Gathering {
    reads: Gathered<(CacheKey, BoxContext), (ReadOutcome, BoxContext)>,
    writes: Gathered<(CacheKey, CacheValue<Raw>), BackendResult<()>>,
    removes: Gathered<CacheKey, BackendResult<DeleteStatus>>,
}

impl<H: Handle> InBulk<H> {
    pub(super) fn new(handle: H) -> Self {
        Self {
            handle,
            gathering: Arc::default(),
        }
    }

    /// A bulk operation for each kind that anything has been gathered for.
    pub(super) fn start(&self) -> impl Iterator<Item = BoxFuture<'static, ()>> + use<H> {
        let Gathering {
            reads,
            writes,
            removes,
        } = &*self.gathering;
        let reads = reads.take().map(|(questions, waiting)| {
            let handle = self.handle.clone();
            boxed(async move {
                let (keys, mut contexts): (Vec<_>, Vec<_>) = questions.into_iter().unzip();
                let backend = handle.backend();
                let outcomes = backend.read_many_with(&keys, &mut contexts).await;
                answer(waiting, outcomes.into_iter().zip(contexts));
            })
        });
        let writes = writes.take().map(|(entries, waiting)| {
            let handle = self.handle.clone();
            boxed(async move { answer(waiting, handle.backend().write_many(entries).await) })
        });
        let removes = removes.take().map(|(keys, waiting)| {
            let handle = self.handle.clone();
            boxed(async move { answer(waiting, handle.backend().remove_many(&keys).await) })
        });
        reads.into_iter().chain(writes).chain(removes)
    }

    fn dropped(&self, operation: Operation) -> BackendError {
        BackendError::new(
            BackendErrorKind::Unavailable,
            operation,
            self.handle.backend().label(),
        )
        .with_detail("the bulk operation was dropped")
    }
}

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

    async fn read(&self, key: &CacheKey, context: BoxContext) -> (ReadOutcome, BoxContext) {
        let question = (key.clone(), context);
        match self.gathering.reads.ask(question).await {
            Some(answer) => answer,
            None => (Err(self.dropped(Operation::Read)), BoxContext::default()),
        }
    }

    async fn write(&self, key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
        let question = (key.clone(), value);
        let answer = self.gathering.writes.ask(question).await;
        answer.unwrap_or_else(|| Err(self.dropped(Operation::Write)))
    }

    async fn remove(&self, key: &CacheKey) -> BackendResult<DeleteStatus> {
        let answer = self.gathering.removes.ask(key.clone()).await;
        answer.unwrap_or_else(|| Err(self.dropped(Operation::Remove)))
    }
}
