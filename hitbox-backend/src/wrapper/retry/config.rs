use std::time::Duration;

/// Longer than anybody waits for an answer, and far from what a duration can hold.
const LONGEST_PAUSE: Duration = Duration::from_secs(24 * 60 * 60);

/// How often and how patiently a [`Retry`](super::Retry) tries.
///
/// ```
/// # fn main() -> Result<(), hitbox_backend::BackendError> {
/// use std::time::Duration;
/// use hitbox_backend::{BackendExt, RetryConfig, conformance::MemoryBackend};
///
/// let config = RetryConfig::new()
///     .retries(3)
///     .pauses(Duration::from_millis(5), Duration::from_millis(50))
///     .within(Duration::from_millis(300));
/// let backend = MemoryBackend::new().retry(config)?;
/// # drop(backend);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct RetryConfig {
    pub(super) retries: u32,
    pub(super) initial: Duration,
    pub(super) max: Duration,
    pub(super) within: Duration,
    pub(super) writes: WriteRetry,
}

impl Default for RetryConfig {
    fn default() -> Self {
        Self {
            retries: 2,
            initial: Duration::from_millis(10),
            max: Duration::from_millis(200),
            within: Duration::from_secs(2),
            writes: WriteRetry::default(),
        }
    }
}

impl RetryConfig {
    /// Up to 2 retries, with pauses of at most 10 and 20 milliseconds, within 2 seconds.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How often a call is repeated at most, the first attempt not counted. Zero leaves only the
    /// deadline. Default: 2.
    #[must_use]
    pub const fn retries(mut self, retries: u32) -> Self {
        self.retries = retries;
        self
    }

    /// How long to wait before an attempt is repeated: a random time from nothing to `first` before
    /// the first retry, to twice that before the second, doubled each time up to `longest`.
    /// Callers that failed together do not come back together that way. Default: 10 and 200
    /// milliseconds.
    #[must_use]
    pub const fn pauses(mut self, first: Duration, longest: Duration) -> Self {
        self.initial = first;
        self.max = longest;
        self
    }

    /// The deadline of a whole call, all attempts and pauses included. Default: 2 seconds.
    #[must_use]
    pub const fn within(mut self, time: Duration) -> Self {
        self.within = time;
        self
    }

    /// Which failed writes and refills are repeated. Default: those that certainly did nothing.
    #[must_use]
    pub const fn writes(mut self, writes: WriteRetry) -> Self {
        self.writes = writes;
        self
    }

    /// What cannot work about it, if anything.
    pub(super) fn defect(&self) -> Option<&'static str> {
        if self.within.is_zero() {
            return Some(
                "within is 0, nothing would ever be done in time: use a millisecond or more",
            );
        }
        if self.initial.is_zero() {
            return Some(
                "pauses: the first is 0, a busy layer would get no rest: use a millisecond or more",
            );
        }
        if self.max < self.initial {
            return Some("pauses: the longest is below the first one: use at least as much");
        }
        if self.max > LONGEST_PAUSE {
            return Some("pauses: the longest is over a day: use a day or less");
        }
        None
    }

    /// How long to wait after so many attempts have failed. `chance` is from 0 to 1.
    pub(super) fn pause(&self, failed: u32, chance: f64) -> Duration {
        let doubled = 2_u32.saturating_pow(failed.saturating_sub(1));
        let most = self.initial.saturating_mul(doubled);
        most.min(self.max).mul_f64(chance)
    }
}

/// Which failed writes and refills a [`Retry`](super::Retry) repeats. Either way the failure must be
/// [retryable](crate::BackendError::is_retryable).
///
/// After a timeout or a broken connection it is not known whether the write took effect, or will. If it
/// is repeated with success, the first attempt may still be applied after the *next* write of the key,
/// and then the older value is back in the layer. A composition is told
/// ([`made_by_repeat`](crate::BackendError::made_by_repeat)), and does not serve it for 60 seconds,
/// after which it looks what the layer holds. Without a composition there is no such guard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WriteRetry {
    /// Those whose failure [is definite](crate::BackendError::is_definite): it certainly did nothing
    /// and will do nothing later. Without a composition, too, no older value comes back by it.
    #[default]
    Untouched,
    /// All. For a layer of a composition; or for a store that applies the requests of this process in
    /// the order they were sent, or that drops one whose caller has gone; or where an older value may
    /// come back.
    Always,
}
