//! Gathering single operations on a layer into bulk operations.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
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

/// Operations of one kind that wait to be sent together, and who waits for each. `None` once nobody
/// sends them any more.
struct Gathered<Q, A>(Mutex<Option<Waiting<Q, A>>>);

type Waiting<Q, A> = Vec<(Q, oneshot::Sender<A>)>;

/// What became of an operation that was to go with others.
enum Asked<Q, A> {
    Answered(A),
    /// The bulk operation it went with was dropped.
    Dropped,
    /// There are no bulk operations any more: it has to go by itself.
    Alone(Q),
}

impl<Q, A> Default for Gathered<Q, A> {
    fn default() -> Self {
        Self(Mutex::new(Some(Vec::new())))
    }
}

impl<Q, A> Gathered<Q, A> {
    async fn ask(&self, question: Q) -> Asked<Q, A> {
        let receiver = match &mut *self.lock() {
            None => return Asked::Alone(question),
            Some(waiting) => {
                let (sender, receiver) = oneshot::channel();
                waiting.push((question, sender));
                receiver
            }
        };
        // Unconstrained: the answers of one bulk operation arrive all at once, and what is asked next
        // must be gathered from all of them. Tokio would hold the answers beyond a task's budget of
        // 128 back, and every 128 keys would go by themselves.
        let answer = tokio::task::coop::unconstrained(receiver).await;
        answer.map_or(Asked::Dropped, Asked::Answered)
    }

    /// What has been gathered, if anything.
    fn take(&self) -> Option<(Vec<Q>, Vec<oneshot::Sender<A>>)> {
        let gathered = mem::take(self.lock().as_mut()?);
        (!gathered.is_empty()).then(|| gathered.into_iter().unzip())
    }

    fn close(&self) {
        *self.lock() = None;
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

    /// From now on operations go by themselves: those that policies have handed to the background
    /// and that come to touch the layer after the bulk call has ended. What has been gathered and
    /// not started is dropped.
    pub(super) fn close(&self) {
        self.gathering.reads.close();
        self.gathering.writes.close();
        self.gathering.removes.close();
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
        match self.gathering.reads.ask((key.clone(), context)).await {
            Asked::Answered(answer) => answer,
            Asked::Dropped => (Err(self.dropped(Operation::Read)), BoxContext::default()),
            Asked::Alone((key, context)) => self.handle.read(&key, context).await,
        }
    }

    async fn write(&self, key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
        match self.gathering.writes.ask((key.clone(), value)).await {
            Asked::Answered(answer) => answer,
            Asked::Dropped => Err(self.dropped(Operation::Write)),
            Asked::Alone((key, value)) => self.handle.write(&key, value).await,
        }
    }

    async fn remove(&self, key: &CacheKey) -> BackendResult<DeleteStatus> {
        match self.gathering.removes.ask(key.clone()).await {
            Asked::Answered(answer) => answer,
            Asked::Dropped => Err(self.dropped(Operation::Remove)),
            Asked::Alone(key) => self.handle.remove(&key).await,
        }
    }
}
