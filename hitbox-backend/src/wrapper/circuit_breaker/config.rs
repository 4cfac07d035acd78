use std::time::Duration;

/// Longer than anybody wants to wait for a probe, and far from what a clock can count to.
const LONGEST_OPEN: Duration = Duration::from_secs(24 * 60 * 60);

/// When a [`CircuitBreaker`](super::CircuitBreaker) opens, and for how long.
///
/// ```
/// # fn main() -> Result<(), hitbox_backend::BackendError> {
/// use std::time::Duration;
/// use hitbox_backend::{BackendExt, CircuitBreakerConfig, FailureRate, conformance::MemoryBackend};
///
/// let config = CircuitBreakerConfig::new()
///     .consecutive_failures(10)
///     .failure_rate(FailureRate::new(0.5).window(200).minimum_calls(50))
///     .open_for(Duration::from_millis(500))
///     .open_for_at_most(Duration::from_secs(10));
/// let backend = MemoryBackend::new().circuit_breaker(config)?;
/// # drop(backend);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct CircuitBreakerConfig {
    pub(super) consecutive_failures: u32,
    pub(super) failure_rate: Option<FailureRate>,
    pub(super) open_for: Duration,
    pub(super) open_for_at_most: Option<Duration>,
    pub(super) jitter: f64,
}

impl Default for CircuitBreakerConfig {
    fn default() -> Self {
        Self {
            consecutive_failures: 5,
            failure_rate: None,
            open_for: Duration::from_secs(1),
            open_for_at_most: None,
            jitter: 0.2,
        }
    }
}

impl CircuitBreakerConfig {
    /// Opens after 5 consecutive failures, for a second more or less.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens after so many failures with no success between them. Default: 5.
    #[must_use]
    pub const fn consecutive_failures(mut self, failures: u32) -> Self {
        self.consecutive_failures = failures;
        self
    }

    /// Also opens when so large a part of the last calls has failed. Default: only consecutive
    /// failures count.
    ///
    /// With it every call takes a lock for a moment to note its outcome; without it, only calls
    /// that fail, and those that succeed after one that failed.
    #[must_use]
    pub const fn failure_rate(mut self, rate: FailureRate) -> Self {
        self.failure_rate = Some(rate);
        self
    }

    /// How long the circuit stays open before a call is let through as a probe. Default: 1 second.
    #[must_use]
    pub const fn open_for(mut self, time: Duration) -> Self {
        self.open_for = time;
        self
    }

    /// Lets that time double each time a probe fails, up to this, jitter apart. It starts anew when
    /// the circuit closes. Default: it does not grow.
    #[must_use]
    pub const fn open_for_at_most(mut self, time: Duration) -> Self {
        self.open_for_at_most = Some(time);
        self
    }

    /// By how much the time is varied at random, as a part of it: with 0.2 one second becomes 0.8
    /// to 1.2 seconds. So the processes that saw one outage do not all come back at once. From 0
    /// to 1. Default: 0.2.
    #[must_use]
    pub const fn jitter(mut self, part: f64) -> Self {
        self.jitter = part;
        self
    }

    /// What cannot work about it, if anything.
    pub(super) fn defect(&self) -> Option<&'static str> {
        let longest = self.open_for_at_most.unwrap_or(self.open_for);
        if self.consecutive_failures == 0 {
            return Some(
                "consecutive_failures is 0, the circuit would never close: use at least 1",
            );
        }
        if self.open_for.is_zero() {
            return Some(
                "open_for is 0, the circuit would not stay open: use a millisecond or more",
            );
        }
        if longest < self.open_for {
            return Some("open_for_at_most is below open_for: use at least as much");
        }
        if longest > LONGEST_OPEN {
            return Some("open_for, or open_for_at_most, is over a day: use a day or less");
        }
        if !(0.0..=1.0).contains(&self.jitter) {
            return Some("jitter is not a part of the time: use 0 to 1");
        }
        self.failure_rate.as_ref().and_then(FailureRate::defect)
    }

    /// How long the circuit stays open that has been opened `reopened` times since it was last
    /// closed, not counting the first. `chance` is from 0 to 1.
    pub(super) fn open_time(&self, reopened: u32, chance: f64) -> Duration {
        let longest = self.open_for_at_most.unwrap_or(self.open_for);
        let doubled = 2_u32.saturating_pow(reopened);
        let time = self.open_for.saturating_mul(doubled).min(longest);
        time.mul_f64(1.0 + self.jitter * (2.0 * chance - 1.0))
    }
}

/// The part of the last calls that may fail before a circuit opens. See
/// [`CircuitBreakerConfig::failure_rate`].
#[derive(Clone, Copy, Debug)]
pub struct FailureRate {
    pub(super) part: f64,
    pub(super) window: usize,
    pub(super) minimum_calls: usize,
}

impl FailureRate {
    /// Opens when at least this part of the calls has failed: 0.5 for every second one. Above 0, at
    /// most 1. It looks at the last 100 calls, once there have been 20.
    #[must_use]
    pub const fn new(part: f64) -> Self {
        Self {
            part,
            window: 100,
            minimum_calls: 20,
        }
    }

    /// How many calls it looks back; each takes a byte of memory. Default: 100.
    #[must_use]
    pub const fn window(mut self, calls: usize) -> Self {
        self.window = calls;
        self
    }

    /// How many calls there must have been since the circuit was last closed before the rate says
    /// anything. Default: 20.
    #[must_use]
    pub const fn minimum_calls(mut self, calls: usize) -> Self {
        self.minimum_calls = calls;
        self
    }

    fn defect(&self) -> Option<&'static str> {
        if !(self.part > 0.0 && self.part <= 1.0) {
            return Some("failure_rate is not a part of the calls: use more than 0 and at most 1");
        }
        if self.minimum_calls == 0 {
            return Some("failure_rate: minimum_calls is 0: use at least 1");
        }
        if self.window < self.minimum_calls {
            return Some(
                "failure_rate: window is below minimum_calls, the rate would never count: use at least as much",
            );
        }
        if self.window > 1_000_000 {
            return Some("failure_rate: window is over 1,000,000 calls: use that or less");
        }
        None
    }
}
