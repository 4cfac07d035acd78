//! What a cache has done.

mod calls;
mod striped;

use std::sync::atomic::{AtomicU64, Ordering};

pub use calls::Calls;
pub(crate) use calls::Outcome;

use calls::CallCounters;

/// What a cache has done since it was built. The counts are read one after the other, while calls go on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statistics {
    /// What calls have come to.
    pub calls: Calls,
    /// Loads that are under way now, refreshes among them, and those whose outcome is being stored.
    pub under_way: usize,
    /// Loaders that were called. One that loads many keys counts once.
    pub loads: u64,
    /// Keys that another process was loading, for which this one waited.
    pub loads_elsewhere: u64,
    /// Keys whose load came to nothing: by an error, a panic, the deadline, for want of a place, or since nobody wanted it any
    /// more. Of a call for many keys that fails, each.
    pub failed_keys: u64,
    /// Outcomes of loads that were stored.
    pub fills: u64,
    /// Those that were not, since something had invalidated the key meanwhile.
    pub overtaken_fills: u64,
    /// Those that were not, since the backend failed.
    pub failed_fills: u64,
    /// Those that were not, since [`max_fills`](crate::CacheBuilder::max_fills) were under way.
    pub skipped_fills: u64,
    /// Reads that the backend failed. Each costs a load.
    pub failed_reads: u64,
    /// Refreshes in the background that were due, and not begun, since no place was free.
    pub skipped_refreshes: u64,
}

macro_rules! counters {
    ($($counter:ident),+ $(,)?) => {
        /// The counts behind [`Statistics`].
        #[derive(Debug, Default)]
        pub(crate) struct Counters {
            pub(crate) calls: CallCounters,
            $(pub(crate) $counter: Counter,)+
        }

        impl Counters {
            pub(crate) fn statistics(&self, under_way: usize) -> Statistics {
                Statistics {
                    calls: self.calls.calls(),
                    under_way,
                    $($counter: self.$counter.get(),)+
                }
            }
        }
    };
}

counters!(
    loads,
    loads_elsewhere,
    failed_keys,
    fills,
    overtaken_fills,
    failed_fills,
    skipped_fills,
    failed_reads,
    skipped_refreshes,
);

#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self) {
        // A count by itself: it orders nothing.
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
