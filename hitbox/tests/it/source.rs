//! Where values come from: a loader that is counted, and held at a gate.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use futures::future::BoxFuture;
use hitbox::{Cache, Entry, Keyspace, LoadError, Loaded};
use tokio::{sync::Semaphore, task::JoinHandle};

pub(crate) const NUMBERS: Keyspace<u64, u64> = Keyspace::new("numbers", 1);

/// Each load returns how many there have been, itself among them.
#[derive(Clone, Default)]
pub(crate) struct Source(Arc<State>);

struct State {
    loads: AtomicU64,
    gate: Semaphore,
}

impl Default for State {
    fn default() -> Self {
        Self {
            loads: AtomicU64::new(0),
            gate: Semaphore::new(0),
        }
    }
}

impl Source {
    /// One whose loads end at once.
    pub(crate) fn open() -> Self {
        let source = Self::default();
        source.0.gate.add_permits(Semaphore::MAX_PERMITS / 2);
        source
    }

    /// One whose loads wait to be let go.
    pub(crate) fn held() -> Self {
        Self::default()
    }

    /// Lets one load end.
    pub(crate) fn let_go(&self) {
        self.0.gate.add_permits(1);
    }

    pub(crate) fn loads(&self) -> u64 {
        self.0.loads.load(Ordering::SeqCst)
    }

    pub(crate) fn load(&self) -> impl FnOnce() -> BoxFuture<'static, u64> + Send + use<> {
        let source = self.clone();
        move || {
            Box::pin(async move {
                let load = source.0.loads.fetch_add(1, Ordering::SeqCst) + 1;
                source.0.gate.acquire().await.unwrap().forget();
                load
            })
        }
    }

    pub(crate) fn fail(
        &self,
    ) -> impl FnOnce() -> BoxFuture<'static, Result<u64, io::Error>> + Send + use<> {
        let load = self.load();
        move || {
            let load = load();
            Box::pin(async move { Err(io::Error::other(format!("load {} fails", load.await))) })
        }
    }

    /// Returns when so many loads have begun.
    pub(crate) async fn begun(&self, loads: u64) {
        until(|| self.loads() >= loads).await;
    }
}

/// Lets others run until this holds.
pub(crate) async fn until(holds: impl Fn() -> bool) {
    // More than any test takes: one that waits in vain ends.
    let end = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < end, "it never came to that");
        tokio::task::yield_now().await;
    }
}

/// How many wait for loads of the cache.
pub(crate) fn waiters(cache: &Cache) -> usize {
    cache.loads().iter().map(|load| load.waiters).sum()
}

/// A call that somebody makes, who goes on by himself.
pub(crate) struct Asking(JoinHandle<Result<Entry<u64>, LoadError>>);

impl Asking {
    pub(crate) fn of(
        cache: &Cache,
        load: impl FnOnce() -> BoxFuture<'static, u64> + Send + 'static,
    ) -> Self {
        let cache = cache.clone();
        Self(tokio::spawn(async move {
            cache.get_or_load(NUMBERS.key(1), load).entry().await
        }))
    }

    /// The same, with what the loader says besides.
    pub(crate) fn of_loaded(
        cache: &Cache,
        load: impl FnOnce() -> BoxFuture<'static, Loaded<u64>> + Send + 'static,
    ) -> Self {
        let cache = cache.clone();
        Self(tokio::spawn(async move {
            cache.get_or_load(NUMBERS.key(1), load).entry().await
        }))
    }

    pub(crate) async fn entry(self) -> Entry<u64> {
        self.0.await.unwrap().unwrap()
    }

    pub(crate) async fn value(self) -> u64 {
        **self.entry().await.value()
    }

    /// He goes.
    pub(crate) async fn leave(self) {
        self.0.abort();
        assert!(self.0.await.unwrap_err().is_cancelled());
    }
}
