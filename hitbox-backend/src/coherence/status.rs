use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// What a composition has heard, for monitoring. From [`CompositionBackend::hearing`](crate::CompositionBackend::hearing).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HearingStatus {
    /// How stale a copy may be.
    pub bound: Duration,
    /// How long ago the newest question was asked that has been answered completely; `None` if none has been yet. Beyond the
    /// bound the composition is in silence: a copy is served for the bound after it was seen, and no longer.
    pub age: Option<Duration>,
    /// How many pieces of news have been heard.
    pub news: u64,
    /// How often news may have been missed. The first answer counts as one.
    pub gaps: u64,
    /// How many copies of the first layer were not served, since nothing vouched for them.
    pub unvouched: u64,
    /// How many copies were not kept, since news had come of their key, or another answer.
    pub refused: u64,
}

/// What is counted.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) news: Count,
    pub(crate) gaps: Count,
    pub(crate) unvouched: Count,
    pub(crate) refused: Count,
}

#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, number: u64) {
        self.0.fetch_add(number, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
