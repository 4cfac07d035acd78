//! What calls have come to.

use hitbox_backend::{CacheValue, Known};

use super::striped::Striped;

/// What calls that ask for values have come to. Each counts once, when it has its answer; of a call for many keys, each key. One
/// that is dropped before does not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Calls {
    /// A fresh value was there ([`Hit`](crate::Status::Hit)).
    pub hits: u64,
    /// A stale value was served, and is loaded anew ([`Refreshing`](crate::Why::Refreshing)).
    pub refreshing: u64,
    /// A stale value was served, and nothing loads it ([`NotRefreshed`](crate::Why::NotRefreshed)).
    pub not_refreshed: u64,
    /// A stale value was served, since its load failed ([`LoadFailed`](crate::Why::LoadFailed)).
    pub load_failed: u64,
    /// A stale value was served, since its load took long ([`LoadSlow`](crate::Why::LoadSlow)).
    pub load_slow: u64,
    /// A stale value was served, since a load had failed a moment before ([`Throttled`](crate::Why::Throttled)).
    pub throttled: u64,
    /// The call has begun a load, and got a value ([`Loaded`](crate::Status::Loaded)).
    pub loaded: u64,
    /// The call has waited for a load that was under way, and got a value ([`Joined`](crate::Status::Joined)).
    pub joined: u64,
    /// There is no such thing: as it was kept, or as a load has found.
    pub absent: u64,
    /// A call that does not load ([`get`](crate::Cache::get), [`try_get`](crate::Cache::try_get) and
    /// [`get_many`](crate::Cache::get_many)) has found nothing that is fresh.
    pub misses: u64,
    /// The call has returned an error, other than that there is no such thing.
    pub failed: u64,
}

/// What a call has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Hit,
    Refreshing,
    NotRefreshed,
    LoadFailed,
    LoadSlow,
    Throttled,
    Loaded,
    Joined,
    Absent,
    Miss,
    Failed,
}

const OUTCOMES: usize = Outcome::Failed as usize + 1;

/// The counts behind [`Calls`].
#[derive(Debug, Default)]
pub(crate) struct CallCounters(Striped<OUTCOMES>);

impl CallCounters {
    #[inline]
    pub(crate) fn add(&self, outcome: Outcome) {
        self.0.add(outcome as usize);
    }

    pub(super) fn calls(&self) -> Calls {
        let count = |outcome| self.0.get(outcome as usize);
        Calls {
            hits: count(Outcome::Hit),
            refreshing: count(Outcome::Refreshing),
            not_refreshed: count(Outcome::NotRefreshed),
            load_failed: count(Outcome::LoadFailed),
            load_slow: count(Outcome::LoadSlow),
            throttled: count(Outcome::Throttled),
            loaded: count(Outcome::Loaded),
            joined: count(Outcome::Joined),
            absent: count(Outcome::Absent),
            misses: count(Outcome::Miss),
            failed: count(Outcome::Failed),
        }
    }
}

impl Outcome {
    /// Of what is fresh and was there.
    #[inline]
    pub(crate) const fn of_hit<V>(value: &CacheValue<Known<V>>) -> Self {
        match value.data() {
            Known::Present(_) => Self::Hit,
            Known::Absent => Self::Absent,
        }
    }
}
