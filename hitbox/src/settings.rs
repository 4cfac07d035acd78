//! What can be set, and which of what was set is in force.

mod boxed;
mod overrides;
mod setters;

use std::{ops::Deref, time::Duration};

pub(crate) use boxed::BoxOverrides;
pub(crate) use overrides::Overrides;
pub(crate) use setters::setters;

/// For how long what a load returns is fresh, from the load's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    For(Duration),
    Forever,
}

/// When a value is loaded anew though it is still fresh.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Refresh {
    /// Never: once it is stale.
    #[default]
    Never,
    /// From this fraction of its fresh life on, above 0 and below 1: `After(0.8)` of a value with a `ttl` of ten
    /// minutes, once it is eight minutes old. Callers go on getting the value that is there.
    After(f32),
}

/// All that is in force for one call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Settings {
    pub(crate) life: Life,
    /// A fraction, up to [`MOST_JITTER`](overrides::MOST_JITTER).
    pub(crate) jitter: f32,
    /// Zero: what is absent is not kept.
    pub(crate) absent_ttl: Duration,
    pub(crate) stale_while_revalidate: Duration,
    pub(crate) stale_if_error: Duration,
    pub(crate) refresh: Refresh,
    /// After the first failure in a row. Zero: the next caller loads.
    pub(crate) retry_after: Duration,
    pub(crate) soft_timeout: Option<Duration>,
    pub(crate) hard_timeout: Option<Duration>,
    pub(crate) load_deadline: Duration,
}

impl Settings {
    /// What is in force where nothing but the life was set.
    pub(crate) const fn living(life: Life) -> Self {
        Self {
            life,
            jitter: 0.0,
            absent_ttl: Duration::ZERO,
            stale_while_revalidate: Duration::ZERO,
            stale_if_error: Duration::ZERO,
            refresh: Refresh::Never,
            retry_after: Duration::from_secs(5),
            soft_timeout: None,
            hard_timeout: None,
            load_deadline: Duration::from_secs(60),
        }
    }
}

/// What is in force for a call: a word of it, unless that has set something itself.
pub(crate) enum InForce<'s> {
    /// What is in force for the keyspace.
    OfSpace(&'s Settings),
    OfCall(Box<Settings>),
}

impl Deref for InForce<'_> {
    type Target = Settings;

    fn deref(&self) -> &Settings {
        match self {
            Self::OfSpace(settings) => settings,
            Self::OfCall(settings) => settings,
        }
    }
}

/// How much a cache does at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Loads that run.
    pub(crate) max_loads: usize,
    /// What loads have returned and is being written to the backend.
    pub(crate) max_fills: usize,
    /// For how long after its load a flight stands for a value that is still being written.
    pub(crate) fill_patience: Duration,
    /// For how long a load waits for one of another process.
    pub(crate) fleet_patience: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_loads: 1_024,
            max_fills: 1_024,
            fill_patience: Duration::from_secs(5),
            fleet_patience: Duration::from_secs(1),
        }
    }
}
