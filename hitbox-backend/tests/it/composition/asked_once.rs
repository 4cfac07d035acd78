//! How often a read asks each layer: what a layer has begun is kept, and not begun anew.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use bytes::Bytes;
use hitbox_backend::{
    Attempt, Backend, BackendResult, Compose, CompositionBackend, CompositionPolicy,
    CompositionReadPolicy, DeleteStatus, ParallelReadPolicy, RaceLoserPolicy, RaceReadPolicy,
    ReadAttempt, ReadOutcome, SequentialReadPolicy, conformance::MemoryBackend,
};
use hitbox_core::{
    BackendLabel, BoxContext, CacheKey, CacheValue, DisabledOffload, Raw, Stamp, clock::Moment,
};

/// How a layer answers a read.
#[derive(Clone, Copy)]
enum Answers {
    InPlace,
    /// It fetches the value in place, and the rest takes waiting: as a large value does on a local disk.
    Begins,
    Waits,
}

/// Counts how often it is looked into.
struct Layer {
    memory: Arc<MemoryBackend>,
    answers: Answers,
    looks: Arc<AtomicUsize>,
}

impl Layer {
    fn new(answers: Answers) -> (Self, Arc<AtomicUsize>) {
        let looks = Arc::<AtomicUsize>::default();
        let layer = Self {
            memory: Arc::default(),
            answers,
            looks: Arc::clone(&looks),
        };
        (layer, looks)
    }

    fn look(&self) {
        self.looks.fetch_add(1, Ordering::Relaxed);
    }
}

#[async_trait]
impl Backend for Layer {
    async fn read(&self, key: &CacheKey) -> ReadOutcome {
        self.look();
        tokio::task::yield_now().await;
        self.memory.read(key).await
    }

    fn try_read<'a>(
        &'a self,
        key: &'a CacheKey,
        context: &mut BoxContext,
        moment: &Moment,
    ) -> ReadAttempt<'a> {
        match self.answers {
            Answers::InPlace => {
                self.look();
                self.memory.try_read(key, context, moment)
            }
            Answers::Begins => {
                self.look();
                let mut context = context.clone();
                Attempt::Pending(Box::pin(async move {
                    tokio::task::yield_now().await;
                    let outcome = self.memory.read_with(key, &mut context).await;
                    (outcome, context)
                }))
            }
            Answers::Waits => Attempt::WouldBlock(()),
        }
    }

    async fn write(&self, key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
        self.memory.write(key, value).await
    }

    async fn remove(&self, key: &CacheKey) -> BackendResult<DeleteStatus> {
        self.memory.remove(key).await
    }

    fn label(&self) -> BackendLabel {
        BackendLabel::new_static("layer")
    }
}

fn key() -> CacheKey {
    CacheKey::from_pair("key", "1")
}

/// Reads through a layer in process, over a composition of another one and of one that answers so. Returns
/// how often each of the three was looked into.
async fn looks<R: CompositionReadPolicy + Clone + 'static>(
    read: R,
    answers: Answers,
    one: impl AsyncFn(&dyn Backend) -> Option<CacheValue<Raw>>,
) -> [usize; 3] {
    let (outermost, looks_outermost) = Layer::new(Answers::InPlace);
    let (middle, looks_middle) = Layer::new(Answers::InPlace);
    let (innermost, looks_innermost) = Layer::new(answers);
    let value = CacheValue::loaded(Raw::from(Bytes::from_static(b"value")), Stamp::now());
    innermost.memory.write(&key(), value.clone()).await.unwrap();
    let policy = || CompositionPolicy::new().read(read.clone());
    let inner: CompositionBackend<_, _, _, R> =
        middle.compose_with(innermost, DisabledOffload, policy());
    let cache = outermost.compose_with(inner, DisabledOffload, policy());
    assert_eq!(one(&cache).await, Some(value));
    [looks_outermost, looks_middle, looks_innermost].map(|looks| looks.load(Ordering::Relaxed))
}

async fn single(cache: &dyn Backend) -> Option<CacheValue<Raw>> {
    cache.read(&key()).await.unwrap()
}

async fn many(cache: &dyn Backend) -> Option<CacheValue<Raw>> {
    let mut outcomes = cache.read_many(&[key()]).await;
    outcomes.pop().unwrap().unwrap()
}

#[tokio::test]
async fn each_layer_of_a_nest_is_asked_once() {
    for answers in [Answers::InPlace, Answers::Begins, Answers::Waits] {
        let sequential = SequentialReadPolicy::new;
        assert_eq!(looks(sequential(), answers, single).await, [1, 1, 1]);
        assert_eq!(looks(sequential(), answers, many).await, [1, 1, 1]);
        let parallel = ParallelReadPolicy::new;
        assert_eq!(looks(parallel(), answers, single).await, [1, 1, 1]);
        assert_eq!(looks(parallel(), answers, many).await, [1, 1, 1]);
        let race = || RaceReadPolicy::new().loser(RaceLoserPolicy::Drop);
        assert_eq!(looks(race(), answers, single).await, [1, 1, 1]);
    }
}
