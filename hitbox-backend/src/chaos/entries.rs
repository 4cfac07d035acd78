//! What bulk calls store.

use hitbox_core::{CacheKey, CacheValue, Raw};

use super::late::Put;
use crate::{Backend, BackendResult, Condition, Conditional};

/// What a bulk call stores, by the way in which it does.
pub(super) enum Entries {
    Written(Vec<(CacheKey, CacheValue<Raw>)>),
    Refilled(Vec<(CacheKey, CacheValue<Raw>)>),
    Conditional(Vec<(CacheKey, CacheValue<Raw>, Condition)>),
}

impl Entries {
    pub(super) fn keys(&self) -> Vec<CacheKey> {
        match self {
            Self::Written(entries) | Self::Refilled(entries) => {
                entries.iter().map(|(key, _)| key.clone()).collect()
            }
            Self::Conditional(entries) => entries.iter().map(|(key, ..)| key.clone()).collect(),
        }
    }

    /// Stores them by one call.
    pub(super) async fn put_whole<B: Backend>(
        self,
        backend: &B,
    ) -> Vec<BackendResult<Conditional>> {
        let outcomes = match self {
            Self::Written(entries) => backend.write_many(entries).await,
            Self::Refilled(entries) => backend.refill_many(entries).await,
            Self::Conditional(entries) => return backend.write_many_if(entries).await,
        };
        let outcomes = outcomes.into_iter();
        outcomes.map(|outcome| outcome.map(written)).collect()
    }

    pub(super) fn singles(self) -> Vec<(CacheKey, CacheValue<Raw>, Put)> {
        let all = |entries: Vec<(CacheKey, CacheValue<Raw>)>, put: Put| {
            let entries = entries.into_iter();
            let singles = entries.map(|(key, value)| (key, value, put.clone()));
            singles.collect()
        };
        match self {
            Self::Written(entries) => all(entries, Put::Write),
            Self::Refilled(entries) => all(entries, Put::Refill),
            Self::Conditional(entries) => entries
                .into_iter()
                .map(|(key, value, condition)| (key, value, Put::If(condition)))
                .collect(),
        }
    }
}

/// What a write without a condition answers.
pub(super) const fn written((): ()) -> Conditional {
    Conditional::Written
}
