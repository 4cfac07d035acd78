use std::time::Duration;

use hitbox_backend::Invalidations;
use hitbox_core::{CacheValue, clock::Moment};

use super::found::{Window, ceased};

/// Whether a value that a caller has read may be given to him in place of one that could not be loaded.
///
/// This is asked when it is handed over, not when it was read: it must be live and within the caller's
/// `stale_if_error`, and not have been removed meanwhile.
pub(crate) fn may_fall_back<T>(
    value: &CacheValue<T>,
    invalidations: &Invalidations,
    stale_if_error: Duration,
    moment: &Moment,
) -> bool {
    let ceased = ceased(value, invalidations);
    !value.is_expired_at(moment)
        && !invalidations.have_removed(value.created())
        && Window::of(stale_if_error, ceased, moment.unix_millis()) == Window::Within
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::freshness::testing::{MILLI, SECOND, at_age, expired_at, removed_at, stamp, value};

    fn may(age: Duration, invalidations: Invalidations, window: Duration) -> bool {
        at_age(age, |moment| {
            may_fall_back(&value(), &invalidations, window, moment)
        })
    }

    #[test]
    fn within_the_window_and_while_it_lives() {
        assert!(may(15 * SECOND - MILLI, Invalidations::NONE, 5 * SECOND));
        assert!(!may(15 * SECOND, Invalidations::NONE, 5 * SECOND));
        assert!(!may(10 * SECOND, Invalidations::NONE, Duration::ZERO));
        // The window of another caller may be longer than what the value was stored for.
        assert!(may(60 * SECOND - MILLI, Invalidations::NONE, 100 * SECOND));
        assert!(!may(60 * SECOND, Invalidations::NONE, 100 * SECOND));
    }

    #[test]
    fn nothing_removed_comes_back_and_what_was_expired_by_hand_does() {
        let since = |after| (removed_at(after), expired_at(after));
        let (removed, expired) = since(11 * SECOND);
        assert!(!may(12 * SECOND, removed, 5 * SECOND));
        assert!(may(12 * SECOND, expired, 5 * SECOND));
        // At once with the begin of its load counts, before it does not.
        let (removed, expired) = since(Duration::ZERO);
        assert!(!may(2 * SECOND, removed, 5 * SECOND));
        assert!(may(2 * SECOND, expired, 5 * SECOND));
        let before = Invalidations {
            hard: stamp(Duration::ZERO).predecessor(),
            ..Invalidations::NONE
        };
        assert!(may(12 * SECOND, before, 5 * SECOND));
    }
}
