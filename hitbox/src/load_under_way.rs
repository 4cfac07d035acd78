use std::time::Duration;

use hitbox_backend::CacheKey;

use crate::flights::Flight;

/// A load that is under way.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LoadUnderWay {
    /// What is loaded.
    pub key: CacheKey,
    /// How long ago the first caller asked for it.
    pub since: Duration,
    /// How many wait for it. Of a refresh in the background, or of a load that all have left, none.
    pub waiters: usize,
    /// How far it is.
    pub stage: LoadStage,
}

/// How far a load is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LoadStage {
    /// It waits for a place, or for others of the same key.
    Waiting,
    /// The loader has been called.
    Loading,
}

impl LoadUnderWay {
    pub(crate) fn of(flight: &Flight, waiters: usize) -> Self {
        Self {
            key: flight.key().clone(),
            since: flight.since().elapsed(),
            waiters,
            stage: match flight.began() {
                Some(_) => LoadStage::Loading,
                None => LoadStage::Waiting,
            },
        }
    }
}
