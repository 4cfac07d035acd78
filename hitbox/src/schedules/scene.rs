use std::{
    io,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    task::{Context, Waker},
    time::Duration,
};

use exploration::{Notify, wait_for};
use futures::future::BoxFuture;
use hitbox_backend::{BackendExt, conformance::MemoryBackend};

use crate::{
    Cache, Keyspace, LoadError,
    key::KnownSpaces,
    settings::{Life, Limits, Settings},
    shared::Shared,
    tags::Tags,
};

pub(super) const NUMBERS: Keyspace<u64, u64> = Keyspace::new("numbers", 1);

/// A call that somebody makes.
pub(super) type Call = BoxFuture<'static, Result<u64, LoadError>>;

/// A cache, one key of it, and where the values of that come from.
#[derive(Clone)]
pub(super) struct Scene {
    pub(super) shared: Arc<Shared>,
    pub(super) cache: Cache,
    source: Arc<Source>,
}

/// Each load returns how many there have been, itself among them.
#[derive(Default)]
struct Source {
    loads: AtomicU64,
    /// That a load has begun that is to be let go.
    begun: Notify,
    let_go: Notify,
}

/// How a load goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Course {
    EndsAtOnce,
    Fails,
    /// It waits to be let go.
    Waits,
}

impl Scene {
    pub(super) fn new() -> Self {
        let backend = Box::new(MemoryBackend::new().fenced());
        let tags = Tags::new(&*backend, String::new(), 1 << 16);
        let shared = Arc::new(Shared::new(
            backend,
            tags,
            KnownSpaces::new(Self::settings()),
            Limits::default(),
            None,
        ));
        Self {
            cache: Cache::new(Arc::clone(&shared)),
            shared,
            source: Arc::default(),
        }
    }

    pub(super) fn settings() -> Settings {
        Settings::living(Life::For(Duration::from_secs(300)))
    }

    /// A call that is not made before it is polled.
    pub(super) fn call(&self, course: Course) -> Call {
        let (cache, source) = (self.cache.clone(), Arc::clone(&self.source));
        Box::pin(async move {
            let load = move || source.load(course);
            let value = cache.get_or_try_load(NUMBERS.key(1), load).await;
            value.map(|value| *value)
        })
    }

    pub(super) fn ask(&self, course: Course) -> Result<u64, LoadError> {
        wait_for(self.call(course))
    }

    /// A call whose load has begun, and waits.
    pub(super) fn begin(&self) -> Call {
        let call = self.begin_to_wait();
        wait_for(self.source.begun.notified());
        call
    }

    /// The same of one whose load may have to wait for its turn.
    pub(super) fn begin_to_wait(&self) -> Call {
        let mut call = self.call(Course::Waits);
        poll_once(&mut call);
        call
    }

    /// Lets a load go that waits, or the next one that will.
    pub(super) fn let_go(&self) {
        self.source.let_go.notify_one();
    }

    pub(super) fn remove(&self) {
        wait_for(self.cache.remove(NUMBERS.key(1))).unwrap();
    }

    pub(super) fn loads(&self) -> u64 {
        self.source.loads.load(SeqCst)
    }

    /// What is stored when all loads have ended. Then nothing is left at the table.
    pub(super) fn stored(&self) -> Option<u64> {
        wait_for(self.cache.drain());
        assert!(self.cache.loads().is_empty());
        let stored = wait_for(self.cache.get(NUMBERS.key(1))).unwrap();
        stored.map(|value| *value)
    }
}

impl Source {
    async fn load(self: Arc<Self>, course: Course) -> io::Result<u64> {
        let load = self.loads.fetch_add(1, SeqCst) + 1;
        match course {
            Course::EndsAtOnce => Ok(load),
            Course::Fails => Err(io::Error::other("the source is not there")),
            Course::Waits => {
                self.begun.notify_one();
                self.let_go.notified().await;
                Ok(load)
            }
        }
    }
}

fn poll_once(call: &mut Call) {
    let mut context = Context::from_waker(Waker::noop());
    let polled = pin!(call).poll(&mut context);
    assert!(polled.is_pending());
}
