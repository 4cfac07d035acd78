//! One flight.

use std::{
    any::Any,
    fmt,
    pin::pin,
    sync::{Arc, PoisonError},
};

use hitbox_backend::{CacheKey, CacheValue, Cacheable, Known, Meta, Stamp, flights::FlightId};
use tokio::time::Instant;

use crate::{
    Kept, LoadError,
    sync::{
        Mutex, MutexGuard, Notify, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

/// One load of a key, for those who wait for it.
pub(crate) struct Flight {
    pub(super) id: FlightId,
    key: CacheKey,
    /// When it became the current flight of its key.
    since: Instant,
    began: OnceLock<Stamp>,
    ended: OnceLock<Ended>,
    /// That it has ended, or that what is known of the key has changed.
    news: Notify,
    /// That it may be its turn to begin.
    turn: Notify,
    /// That nobody wants it any more.
    abandoned: Notify,
    /// That a load waits for it.
    waited_for: Notify,
    /// Whoever has joined wants a load, whatever is stored.
    has_to_load: AtomicBool,
    /// The flights that its loader waits for.
    pub(super) waits_for: WaitsFor,
    /// Those of its own key one of which is to end before it may begin.
    pub(super) begins_after: WaitsFor,
    /// That it begins, whatever runs.
    at_once: AtomicBool,
    /// That its leader has found nothing to be stored.
    of_a_miss: AtomicBool,
}

/// How a flight has ended.
#[derive(Clone)]
pub(crate) struct Ended {
    /// How old the value is: as the flight, if it has loaded it.
    pub(crate) created: Stamp,
    /// A value with its life times, of the type that the flight's leader asked for.
    pub(crate) outcome: Result<Arc<dyn Any + Send + Sync>, LoadError>,
    /// Of the value: its tags.
    pub(crate) meta: Option<Arc<Meta>>,
    pub(crate) how: How,
}

/// How a flight came to its value.
#[derive(Clone, Copy, Debug)]
pub(crate) enum How {
    /// It was there.
    Found,
    /// The loader has returned it.
    Loaded(Kept),
}

impl Ended {
    pub(crate) fn with<V: Cacheable>(
        value: CacheValue<Known<V>>,
        meta: Option<Arc<Meta>>,
        how: How,
    ) -> Self {
        Self {
            created: value.created(),
            outcome: Ok(Arc::new(value)),
            meta,
            how,
        }
    }

    /// Of a flight that began then, if it did.
    pub(crate) fn failed(began: Option<Stamp>, error: LoadError) -> Self {
        Self {
            created: began.unwrap_or(Stamp::ZERO),
            outcome: Err(error),
            meta: None,
            how: How::Loaded(Kept::Uncached),
        }
    }

    /// The value; `None` if there is none, or one of another type.
    pub(crate) fn value<V: Cacheable>(&self) -> Option<&CacheValue<Known<V>>> {
        self.outcome.as_ref().ok()?.downcast_ref()
    }
}

/// Flights that are waited for.
#[derive(Default)]
pub(super) struct WaitsFor(Mutex<Vec<Arc<Flight>>>);

impl WaitsFor {
    pub(super) fn lock(&self) -> MutexGuard<'_, Vec<Arc<Flight>>> {
        // No code that holds the lock panics.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Flight {
    pub(super) fn new(id: FlightId, key: CacheKey) -> Arc<Self> {
        Arc::new(Self {
            id,
            key,
            since: Instant::now(),
            began: OnceLock::new(),
            ended: OnceLock::new(),
            news: Notify::new(),
            turn: Notify::new(),
            abandoned: Notify::new(),
            waited_for: Notify::new(),
            has_to_load: AtomicBool::new(false),
            waits_for: WaitsFor::default(),
            begins_after: WaitsFor::default(),
            at_once: AtomicBool::new(false),
            of_a_miss: AtomicBool::new(false),
        })
    }

    /// Its leader has found nothing to be stored.
    pub(crate) fn note_miss(&self) {
        self.of_a_miss.store(true, Ordering::Release);
    }

    /// Whether whoever reads while it is under way would most likely find nothing either.
    pub(super) fn is_of_a_miss(&self) -> bool {
        self.of_a_miss.load(Ordering::Acquire)
    }

    pub(crate) const fn key(&self) -> &CacheKey {
        &self.key
    }

    /// When it became the current flight of its key.
    pub(crate) const fn since(&self) -> Instant {
        self.since
    }

    /// When its loader was called; `None`: not yet.
    pub(crate) fn began(&self) -> Option<Stamp> {
        self.began.get().copied()
    }

    /// How it has ended; `None`: not yet.
    pub(crate) fn ended(&self) -> Option<&Ended> {
        self.ended.get()
    }

    pub(super) fn note_begin(&self, began: Stamp) {
        // A flight begins once: the table says so.
        let _ = self.began.set(began);
    }

    pub(super) fn note_end(&self, ended: Ended) {
        // The first end counts: the guard of a task that was dropped comes after it.
        let _ = self.ended.set(ended);
    }

    /// Wakes those who wait for it. They look for themselves what is new.
    pub(super) fn tell(&self) {
        self.news.notify_waiters();
    }

    /// Wakes it, to ask whether it may begin.
    pub(super) fn offer_turn(&self) {
        self.turn.notify_one();
    }

    /// Drops its work.
    pub(super) fn abandon(&self) {
        self.abandoned.notify_one();
        // It may be one of many that are loaded at once, of which others are wanted.
        self.turn.notify_one();
    }

    /// Returns when it may be its turn to begin.
    pub(crate) async fn turn(&self) {
        self.turn.notified().await;
    }

    /// It begins, whatever runs: what runs waits for it.
    pub(super) fn begin_at_once(&self) {
        self.at_once.store(true, Ordering::Release);
        self.turn.notify_one();
    }

    pub(super) fn is_to_begin_at_once(&self) -> bool {
        self.at_once.load(Ordering::Acquire)
    }

    /// A load waits for it.
    pub(super) fn note_waiting_load(&self) {
        self.waited_for.notify_one();
    }

    /// Returns when a load waits for it.
    pub(crate) async fn is_waited_for_by_a_load(&self) {
        self.waited_for.notified().await;
    }

    /// It loads, whatever is stored. To be said before it begins.
    pub(super) fn load_in_any_case(&self) {
        self.has_to_load.store(true, Ordering::Release);
    }

    pub(crate) fn has_to_load(&self) -> bool {
        self.has_to_load.load(Ordering::Acquire)
    }

    /// Returns when its work is to be dropped.
    pub(crate) async fn abandoned(&self) {
        self.abandoned.notified().await;
    }

    /// Looks by `look` until that finds something: now, and whenever there is news.
    #[allow(
        clippy::manual_async_fn,
        reason = "it would keep what it is given twice, for each of many who wait"
    )]
    pub(crate) fn until<T>(
        &self,
        look: impl Fn(&Self) -> Option<T> + Send,
    ) -> impl Future<Output = T> + Send {
        async move {
            loop {
                let mut news = pin!(self.news.notified());
                // Before the look: what comes between the two is not missed.
                news.as_mut().enable();
                if let Some(found) = look(self) {
                    return found;
                }
                news.await;
            }
        }
    }
}

/// Shows no value.
impl fmt::Debug for Flight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flight")
            .field("key", &self.key)
            .field("began", &self.began())
            .finish_non_exhaustive()
    }
}
