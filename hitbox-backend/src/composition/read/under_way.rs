//! Reads of L2 that are under way, and who joins them: many who ask for one key at a time cost L2 one read.

use std::{
    any::Any,
    collections::HashMap,
    hash::BuildHasher,
    panic::{AssertUnwindSafe, resume_unwind},
    sync::{Arc, PoisonError},
};

use futures::{
    FutureExt,
    future::{BoxFuture, Shared, WeakShared},
};
use hitbox_core::{BoxContext, CacheKey, CacheKeyHash, ObjectType, Wants};
use tokio::time::{Duration, Instant};

use super::Noted;
use crate::{
    ReadOutcome,
    composition::{admission::may_be_served, fences::FenceSnapshot, layers::Handle},
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
};

/// Enough that two cores rarely meet in one; each costs an empty map.
const SHARDS: usize = 16;

/// For how many keys a shard that has none keeps room.
const ROOM_KEPT: usize = 32;

/// A read under way, for everybody who waits for it. Whoever is there drives it on; when nobody is, it is dropped.
pub(super) type Answering = Shared<BoxFuture<'static, Answered>>;

/// What a read has come to.
type Answered = Result<Copied, Panic>;

/// The reads of a layer that are under way.
pub(in crate::composition) struct ReadsUnderWay {
    shards: Box<[Mutex<Shard>]>,
    /// Tells reads apart.
    last_id: AtomicU64,
}

/// By key: one for each thing that readers of it want.
type Shard = HashMap<CacheKey, Vec<UnderWay>, CacheKeyHash>;

struct UnderWay {
    id: u64,
    began: Instant,
    terms: Terms,
    answering: WeakShared<BoxFuture<'static, Answered>>,
}

/// What two readers must have in common for one answer to do for both.
#[derive(Clone, Copy)]
pub(super) struct Terms {
    pub(super) wants: Wants,
    /// What the answer is judged by.
    pub(super) snapshot: FenceSnapshot,
    /// How often the key had been changed in L2, as far as this composition knows.
    pub(super) changes: u64,
}

impl Terms {
    /// Whether a reader who comes on these terms may have the answer of a read that began on the `other` ones:
    /// nothing has been done to the key since, and the same fences stand. So the answer is one that he could have
    /// had by himself, had he asked when that read began.
    fn allow(&self, other: &Self) -> bool {
        self.want_the_same(other)
            && self.snapshot.trusts_the_same_as(&other.snapshot)
            && self.changes == other.changes
    }

    fn want_the_same(&self, other: &Self) -> bool {
        let same_object = match (self.wants.object, other.wants.object) {
            (Some(one), Some(two)) => one.is(two),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        same_object && self.wants.freshness == other.wants.freshness
    }
}

/// How a reader takes part in a read.
pub(super) enum Part {
    /// He has begun it.
    Leads(Answering),
    /// Another has, who sees to refills and repairs.
    Joins(Answering),
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
        read: impl FnOnce(Registered) -> BoxFuture<'static, Answered>,
    ) -> Part {
        let mut shard = self.shard(key);
        let terms = terms();
        let now = Instant::now();
        let all = match shard.get_mut(key) {
            Some(all) => all,
            None => shard.entry(key.clone()).or_default(),
        };
        let alike = all.iter().position(|one| one.terms.want_the_same(&terms));
        if let Some(place) = alike {
            let one = &all[place];
            let is_recent = now.duration_since(one.began) <= within;
            // Taken last: one that is not joined must not be dropped under the lock, which its end takes.
            if is_recent
                && terms.allow(&one.terms)
                && let Some(answering) = one.answering.upgrade()
            {
                return Part::Joins(answering);
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
        let answering = read(registered).shared();
        if let Some(weak) = answering.downgrade() {
            all.push(UnderWay {
                id,
                began: now,
                terms,
                answering: weak,
            });
        }
        Part::Leads(answering)
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
pub(super) struct Registered {
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

/// Reads the key for everybody who joins, and decodes what is found once, if it is going to be the answer.
pub(super) async fn read_for_all<H: Handle>(
    layer: H,
    registered: Registered,
    snapshot: FenceSnapshot,
    mut context: BoxContext,
    decoded_as: Option<&'static ObjectType>,
) -> Answered {
    let read = async {
        let (member, key) = (layer.member(), &registered.key);
        let mut outcome = member.read(key, &mut context).await;
        if let (Ok(Some(value)), Some(wanted)) = (&mut outcome, decoded_as)
            && may_be_served(H::LAYER, value, &snapshot, &Default::default())
        {
            // Readers find out for themselves what cannot be decoded, and tell the layer.
            member.decode_if_possible(value, wanted);
        }
        Copied(outcome, context)
    };
    AssertUnwindSafe(read)
        .catch_unwind()
        .await
        .map_err(Panic::new)
}

/// What a reader has of the read that he has taken part in. If that has panicked, the first one to hear of it panics,
/// as he would have by himself, and the others read for themselves.
pub(super) async fn answer_of<H: Handle>(
    answering: Answering,
    layer: H,
    key: &CacheKey,
    mut context: BoxContext,
) -> Noted {
    match answering.await {
        Ok(Copied(outcome, context)) => (outcome, context),
        Err(panic) => {
            panic.go_on();
            let outcome = layer.member().read(key, &mut context).await;
            (outcome, context)
        }
    }
}

/// An answer and what the layer has noted, which everybody gets a copy of.
pub(super) struct Copied(ReadOutcome, BoxContext);

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
pub(super) struct Panic(Arc<std::sync::Mutex<Option<Box<dyn Any + Send>>>>);

impl Panic {
    fn new(payload: Box<dyn Any + Send>) -> Self {
        Self(Arc::new(std::sync::Mutex::new(Some(payload))))
    }

    /// Panics on, if nobody has yet.
    fn go_on(self) {
        let payload = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(payload) = payload {
            resume_unwind(payload);
        }
    }
}
