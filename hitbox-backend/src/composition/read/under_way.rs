//! Reads of L2 that are under way, and who joins them: many who ask for one key at a time cost L2 one read.

use std::{
    any::Any,
    collections::HashMap,
    hash::BuildHasher,
    panic::resume_unwind,
    sync::{Arc, PoisonError, Weak},
};

use futures::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use hitbox_core::{BoxContext, CacheKey, CacheKeyHash, Wants, clock::Tick};
use tokio::{
    runtime,
    time::{Duration, Instant},
};

use crate::{
    ReadOutcome,
    composition::fences::FenceSnapshot,
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
};

/// Enough that two cores rarely meet in one; each costs an empty map.
const SHARDS: usize = 16;

/// For how many keys a shard that has none keeps room.
const ROOM_KEPT: usize = 32;

/// A read under way. Whoever is there drives it on; when nobody is, it is dropped.
type Answering = Shared<BoxFuture<'static, Answered>>;

/// What a read has come to.
pub(super) type Answered = Result<Copied, Panic>;

/// A read under way, for everybody who waits for it.
pub(super) struct SharedRead {
    answering: Answering,
    /// Until one of them sees to refills and repairs.
    registered: Mutex<Option<Registered>>,
}

impl SharedRead {
    /// What it comes to.
    pub(super) fn answer(&self) -> impl Future<Output = Answered> + use<> {
        self.answering.clone()
    }

    /// Whether it is under way, or has found what L1 is about to have. A failure is that of those who waited for it.
    fn is_worth_joining(&self) -> bool {
        match self.answering.peek() {
            None | Some(Ok(Copied(Ok(Some(_)), _))) => true,
            Some(Ok(Copied(Ok(None) | Err(_), _)) | Err(_)) => false,
        }
    }

    /// Leaves it to the caller to see to refills and repairs, if nobody does yet. Until he is done, and drops what he
    /// gets, others can join: so that they do not read what L1 is about to have.
    pub(super) fn claim(self: &Arc<Self>) -> Option<Claimed> {
        let mut registered = self
            .registered
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let registered = registered.take()?;
        Some(Claimed {
            _registered: registered,
            _read: Arc::clone(self),
        })
    }
}

/// That refills and repairs after a read are seen to. Others can join as long as this lives.
pub(super) struct Claimed {
    // Dropped first.
    _registered: Registered,
    _read: Arc<SharedRead>,
}

/// The reads of a layer that are under way.
pub(in crate::composition) struct ReadsUnderWay {
    shards: Box<[Mutex<Shard>]>,
    /// Tells reads apart.
    last_id: AtomicU64,
}

/// By key: one for each thing that readers want of it, in each runtime.
type Shard = HashMap<CacheKey, Vec<UnderWay>, CacheKeyHash>;

struct UnderWay {
    id: u64,
    began: Instant,
    terms: Terms,
    read: Weak<SharedRead>,
}

/// What two readers must have in common for one answer to do for both.
#[derive(Clone, Copy)]
pub(super) struct Terms {
    pub(super) wants: Wants,
    /// Where timers and connections go on for as long as the reader waits, and may not if it is another's. `None`: outside of
    /// tokio.
    pub(super) runtime: Option<runtime::Id>,
    /// What the answer is judged by.
    pub(super) snapshot: FenceSnapshot,
    /// How often the key had been changed in L2, as far as this composition knows.
    pub(super) changes: u64,
    /// When the reader came, and when L2 had last answered by then; not known where the composition is not coherent.
    pub(super) came: Tick,
    pub(super) answered: Tick,
}

impl Terms {
    /// Whether a reader who comes on these terms may have the answer of a read that began on the `other` ones:
    /// nothing has been done to the key since, and the same fences stand. So the answer is one that he could have
    /// had by himself, had he asked when that read began.
    fn allow(&self, other: &Self) -> bool {
        self.are_alike(other)
            && self.snapshot.trusts_the_same_as(&other.snapshot)
            && self.changes == other.changes
            // What has been answered since it began may have been newer.
            && (self.answered == Tick::UNKNOWN || other.came > self.answered)
    }

    /// Whether they differ in nothing but what time brings.
    fn are_alike(&self, other: &Self) -> bool {
        let same_object = match (self.wants.object, other.wants.object) {
            (Some(one), Some(two)) => one.is(two),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        same_object
            && self.wants.freshness == other.wants.freshness
            && self.runtime == other.runtime
    }
}

/// How a reader takes part in a read.
pub(super) enum Part {
    /// He has begun it.
    Leads(Arc<SharedRead>),
    /// Another has.
    Joins(Arc<SharedRead>),
}

impl ReadsUnderWay {
    pub(in crate::composition) fn new() -> Arc<Self> {
        Arc::new(Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            last_id: AtomicU64::new(0),
        })
    }

    /// Joins the read of the key that is under way, if it began at most `within` ago and its terms allow that. Else a
    /// new one begins, for others to join. `terms` are asked under the lock: whoever comes later has come after them.
    pub(super) fn join(
        self: &Arc<Self>,
        key: &CacheKey,
        within: Duration,
        terms: impl FnOnce() -> Terms,
        read: impl FnOnce() -> BoxFuture<'static, Answered>,
    ) -> Part {
        // Dropped after the lock: its end takes that.
        let mut declined = None;
        let mut shard = self.shard(key);
        let terms = terms();
        let now = Instant::now();
        let all = match shard.get_mut(key) {
            Some(all) => all,
            None => shard.entry(key.clone()).or_default(),
        };
        let alike = all.iter().position(|one| one.terms.are_alike(&terms));
        if let Some(place) = alike {
            let one = &all[place];
            let is_recent = now.duration_since(one.began) <= within;
            if is_recent
                && terms.allow(&one.terms)
                && let Some(read) = one.read.upgrade()
            {
                if read.is_worth_joining() {
                    return Part::Joins(read);
                }
                declined = Some(read);
            }
            // Nobody can join it any more.
            all.swap_remove(place);
        }
        let id = self.last_id.fetch_add(1, Ordering::Relaxed) + 1;
        let registered = Registered {
            reads: Arc::clone(self),
            key: key.clone(),
            id,
        };
        let read = Arc::new(SharedRead {
            answering: read().shared(),
            registered: Mutex::new(Some(registered)),
        });
        all.push(UnderWay {
            id,
            began: now,
            terms,
            read: Arc::downgrade(&read),
        });
        drop(shard);
        drop(declined);
        Part::Leads(read)
    }

    fn shard(&self, key: &CacheKey) -> MutexGuard<'_, Shard> {
        let hash = CacheKeyHash.hash_one(key);
        // The map within uses the lowest bits and the highest: those in between tell shards apart.
        let shard = &self.shards[(hash >> 32) as usize % SHARDS];
        // No code that holds the lock leaves a shard half-changed.
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A read that others may join, as long as this lives.
struct Registered {
    reads: Arc<ReadsUnderWay>,
    key: CacheKey,
    id: u64,
}

impl Drop for Registered {
    fn drop(&mut self) {
        let mut shard = self.reads.shard(&self.key);
        if let Some(all) = shard.get_mut(&self.key) {
            all.retain(|one| one.id != self.id);
            if all.is_empty() {
                shard.remove(&self.key);
            }
        }
        // After a herd of keys, its room is given back.
        if shard.is_empty() && shard.capacity() > ROOM_KEPT {
            *shard = HashMap::default();
        }
    }
}

/// An answer and what the layer has noted, which everybody gets a copy of.
pub(super) struct Copied(pub(super) ReadOutcome, pub(super) BoxContext);

impl Clone for Copied {
    fn clone(&self) -> Self {
        let outcome = match &self.0 {
            Ok(found) => Ok(found.clone()),
            Err(error) => Err(error.copy()),
        };
        Self(outcome, self.1.clone())
    }
}

/// What a layer has panicked with.
#[derive(Clone)]
pub(super) struct Panic(Arc<Mutex<Option<Box<dyn Any + Send>>>>);

impl Panic {
    pub(super) fn new(payload: Box<dyn Any + Send>) -> Self {
        Self(Arc::new(Mutex::new(Some(payload))))
    }

    /// Panics on, if nobody has yet.
    pub(super) fn go_on(self) {
        let payload = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(payload) = payload {
            resume_unwind(payload);
        }
    }
}
