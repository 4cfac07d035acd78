use std::{error::Error, fmt, time::Duration};

use tokio::time::Instant;

use crate::{BackendError, Operation};

/// The calls that have a circuit of their own in a [`CircuitBreaker`](super::CircuitBreaker).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Calls {
    /// Reads, of one key or many.
    Reads,
    /// Writes, refills and removes.
    Changes,
}

impl Calls {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Reads, Self::Changes];

    pub(crate) const fn of(operation: Operation) -> Self {
        match operation {
            Operation::Read => Self::Reads,
            Operation::Open | Operation::Write | Operation::Remove | Operation::Maintain => {
                Self::Changes
            }
        }
    }
}

impl fmt::Display for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reads => "reads",
            Self::Changes => "changes",
        })
    }
}

/// Whether a [`CircuitBreaker`](super::CircuitBreaker) lets calls through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CircuitState {
    /// It does.
    Closed,
    /// It refuses them.
    Open {
        /// From then on the next call is let through as a probe. In the past if none has come since.
        until: Instant,
    },
    /// It refuses them, but for one probe at a time.
    HalfOpen,
}

/// What a [`CircuitBreaker`](super::CircuitBreaker) has done since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CircuitBreakerStatistics {
    /// How often the circuit has opened, after failed probes too.
    pub opened: u64,
    /// Calls that were let through as probes.
    pub probes: u64,
    /// Calls that were refused. A bulk call counts as one.
    pub refused: u64,
}

/// Why a call was refused: the circuit is open. The source of the error that the call fails with.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// use hitbox_backend::{
///     Backend, BackendError, BackendExt, CircuitBreakerConfig,
///     conformance::{Fault, FaultyBackend, MemoryBackend},
///     wrapper::CircuitOpen,
/// };
/// use hitbox_core::CacheKey;
///
/// let (backend, faults) = FaultyBackend::new(MemoryBackend::new());
/// let backend = backend.circuit_breaker(CircuitBreakerConfig::new().consecutive_failures(1))?;
/// faults.reads().always(Fault::FailBeforeEffect);
///
/// let key = CacheKey::from_pair("id", "42");
/// let failed = backend.read(&key).await.unwrap_err();
/// assert!(!CircuitOpen::is_cause_of(&failed));
/// let refused = backend.read(&key).await.unwrap_err();
/// assert!(CircuitOpen::is_cause_of(&refused));
/// # Ok::<(), BackendError>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CircuitOpen {
    since: Duration,
    until: Option<Duration>,
}

impl CircuitOpen {
    pub(super) const fn until(since: Duration, until: Duration) -> Self {
        Self {
            since,
            until: Some(until),
        }
    }

    pub(super) const fn while_probed(since: Duration) -> Self {
        Self { since, until: None }
    }

    /// Whether this is why an operation failed.
    #[must_use]
    pub fn is_cause_of(error: &BackendError) -> bool {
        error.source().is_some_and(<dyn Error>::is::<Self>)
    }

    /// For how long the circuit had been open when the call was refused.
    #[must_use]
    pub const fn since(&self) -> Duration {
        self.since
    }

    /// How much later a call would have been let through as a probe; `None` if one was under way.
    #[must_use]
    pub const fn until_probe(&self) -> Option<Duration> {
        self.until
    }
}

impl fmt::Display for CircuitOpen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since = self.since.as_millis();
        write!(f, "open for {since} ms, ")?;
        match self.until {
            Some(until) => write!(f, "the next probe is due in {} ms", until.as_millis()),
            None => f.write_str("a probe is under way"),
        }
    }
}

impl Error for CircuitOpen {}
