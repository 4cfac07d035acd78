use std::time::Duration;

/// The timer counts in these: in less a repair could not wait for anything, and a pause would be none.
const SHORTEST: Duration = Duration::from_millis(1);

/// A longer pause could not be added to an instant.
const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 24 * 3_600);

/// How a layer comes to hold what it missed: a write or remove that failed there, was dropped, or was
/// not tried.
///
/// Until then the layer is bypassed for the key, whatever the policy. A repair copies the value from
/// the other layer if that is trusted with one, and else removes the key: a layer that holds nothing
/// is in sync. A newer write or remove takes its place. See
/// [`CompositionBackend::pending_repairs`](crate::CompositionBackend::pending_repairs) for what is pending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RepairPolicy {
    /// Repairs are tried in the background until none is pending, with these pauses.
    ///
    /// Where the [`Offload`](hitbox_core::Offload) is disabled or closed, or has no clock, this is
    /// [`OnNextOperation`](Self::OnNextOperation).
    Background(RepairBackoff),
    /// A read of a key makes the repairs that are pending for it. If that takes waiting, the caller does
    /// not wait: the rest happens in the background (with `DisabledOffload` the caller waits).
    OnNextOperation,
    /// Nothing is repaired. A later write or remove of the key takes the place of the repair, or a refill.
    Never,
}

impl Default for RepairPolicy {
    /// In the background, at the default pace.
    fn default() -> Self {
        Self::Background(RepairBackoff::new())
    }
}

/// How often repairs of a layer are tried, and how long one may take.
///
/// The pace is that of a layer, not of a key: while repairs succeed, they follow one upon the other;
/// after one that failed, there is a pause, which doubles until one succeeds. Each pause is shortened
/// by a random part of up to one half, so that many processes do not return at once.
///
/// ```
/// use std::time::Duration;
/// use hitbox_backend::{CompositionPolicy, RepairBackoff, RepairPolicy};
///
/// let pace = RepairBackoff::new().max(Duration::from_secs(5));
/// let policy = CompositionPolicy::new().repair(RepairPolicy::Background(pace));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RepairBackoff {
    initial: Duration,
    max: Duration,
    attempt_timeout: Duration,
}

impl RepairBackoff {
    /// Pauses of 100 milliseconds to 30 seconds, 5 seconds for one repair.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            initial: Duration::from_millis(100),
            max: Duration::from_secs(30),
            attempt_timeout: Duration::from_secs(5),
        }
    }

    /// How long after a failure the first repair is tried. If it is longer than the [`max`](Self::max), that becomes
    /// as long. A millisecond or more; less counts as that, so that a layer that is down is never asked without a
    /// pause. Default: 100 milliseconds.
    #[must_use]
    pub const fn initial(mut self, pause: Duration) -> Self {
        self.initial = longer(pause, SHORTEST);
        self.max = longer(self.max, self.initial);
        self
    }

    /// What pauses grow to while repairs fail. If it is shorter than the [`initial`](Self::initial), that becomes as
    /// short. A millisecond or more; less counts as that. Default: 30 seconds.
    #[must_use]
    pub const fn max(mut self, pause: Duration) -> Self {
        self.max = longer(pause, SHORTEST);
        self.initial = shorter(self.initial, self.max);
        self
    }

    /// How long the repair of one key in one layer may take before it is dropped and counts as
    /// failed. A write or remove of the same key may have to wait for as long. To be chosen well below
    /// the time limit that the background has for all its work. A millisecond or more; less counts
    /// as that. Default: 5 seconds.
    #[must_use]
    pub const fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.attempt_timeout = longer(timeout, SHORTEST);
        self
    }

    pub(in crate::composition) const fn timeout(self) -> Duration {
        self.attempt_timeout
    }

    /// The pause after so many failures in a row.
    pub(in crate::composition) fn pause(self, failures: u32) -> Duration {
        let doubled = self.initial.saturating_mul(2_u32.saturating_pow(failures));
        let longest = self.max.min(FOR_EVER);
        doubled.min(longest).mul_f64(1.0 - fastrand::f64() / 2.0)
    }
}

// `Ord::max` cannot be called in a `const fn`.
const fn longer(one: Duration, other: Duration) -> Duration {
    if one.as_nanos() < other.as_nanos() {
        other
    } else {
        one
    }
}

const fn shorter(one: Duration, other: Duration) -> Duration {
    if one.as_nanos() < other.as_nanos() {
        one
    } else {
        other
    }
}

impl Default for RepairBackoff {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_are_shortened_by_half_at_most() {
        let pace = RepairBackoff::new();
        for (failures, longest) in [
            (0, 100),
            (1, 200),
            (3, 800),
            (9, 30_000),
            (u32::MAX, 30_000),
        ] {
            for _ in 0..100 {
                let pause = pace.pause(failures);
                let longest = Duration::from_millis(longest);
                assert!(pause <= longest && pause >= longest / 2, "{pause:?}");
            }
        }
    }

    #[test]
    fn of_two_pauses_that_contradict_each_other_the_later_setting_counts() {
        let (short, long) = (Duration::from_millis(1), Duration::from_secs(60));
        let pace = RepairBackoff::new();
        assert_eq!(pace.initial(long), pace.max(long).initial(long));
        assert_eq!(pace.max(short), pace.initial(short).max(short));
        assert!((0..100).all(|_| pace.max(short).pause(9) <= short));
        assert!((0..100).all(|_| pace.initial(long).pause(0) >= long / 2));
    }

    #[test]
    fn a_repair_and_a_pause_have_a_millisecond_at_least() {
        let least = Duration::from_millis(1);
        let pace = RepairBackoff::new();
        for less in [Duration::ZERO, Duration::from_nanos(1)] {
            assert_eq!(pace.attempt_timeout(less), pace.attempt_timeout(least));
            assert_eq!(pace.initial(less), pace.initial(least));
            assert_eq!(pace.max(less), pace.max(least));
            let shortest = pace.initial(less).max(less);
            for failures in [0, 1, u32::MAX] {
                assert!(shortest.pause(failures) >= least / 2);
            }
        }
    }
}
