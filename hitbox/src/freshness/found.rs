use std::time::Duration;

use hitbox_backend::Invalidations;
use hitbox_core::{CacheValue, Stamp, clock::Moment};

use crate::settings::{Refresh, Settings};

/// What a read has found, as far as freshness goes: something live that has not been removed, or nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Nothing,
    /// That there is no such thing, still to be believed.
    Absence,
    Fresh,
    /// Fresh, and due for a refresh ahead of its end.
    Due,
    /// Past its fresh life.
    Stale {
        revalidate: Window,
        on_error: Window,
    },
    /// Expired by hand: whoever did that wants a new value if it can be had, so
    /// `stale_while_revalidate` does not count.
    Expired {
        on_error: Window,
    },
}

/// Whether a value is in one of the caller's windows, which begin when it ceases to be fresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Window {
    Within,
    Beyond,
}

impl Window {
    /// One of this length, for a value that has ceased to be fresh at that millisecond.
    pub(super) fn of(length: Duration, ceased: i64, now: i64) -> Self {
        let since = u64::try_from(now.saturating_sub(ceased)).unwrap_or(0);
        // At its end it is over, as a life is.
        if Duration::from_millis(since) < length {
            Self::Within
        } else {
            Self::Beyond
        }
    }
}

impl Found {
    /// What a live value is that has not been removed. `settings` are those of the caller, and so are the windows: what
    /// the value was stored with only says for how long it is there.
    #[inline]
    pub(crate) fn value<T>(
        value: &CacheValue<T>,
        invalidations: &Invalidations,
        settings: &Settings,
        moment: &Moment,
    ) -> Self {
        let by_hand = invalidations.have_expired(value.created());
        if !by_hand && !value.is_stale_at(moment) {
            return match settings.refresh {
                Refresh::After(fraction) if is_due(value, fraction, moment) => Self::Due,
                Refresh::After(_) | Refresh::Never => Self::Fresh,
            };
        }
        let (ceased, now) = (ceased(value, invalidations), moment.unix_millis());
        let on_error = Window::of(settings.stale_if_error, ceased, now);
        if by_hand {
            Self::Expired { on_error }
        } else {
            Self::Stale {
                revalidate: Window::of(settings.stale_while_revalidate, ceased, now),
                on_error,
            }
        }
    }

    /// What the knowledge is that there is no such thing, which is live and has not been removed. It is no fallback.
    pub(crate) fn absence(created: Stamp, invalidations: &Invalidations) -> Self {
        if invalidations.have_expired(created) {
            Self::Nothing
        } else {
            Self::Absence
        }
    }
}

/// When a value has ceased to be fresh, or will, in milliseconds since 1970: by its age or by hand, whichever was
/// first.
pub(super) fn ceased<T>(value: &CacheValue<T>, invalidations: &Invalidations) -> i64 {
    let by_age = value.stale_millis().unwrap_or(i64::MAX);
    if invalidations.have_expired(value.created()) {
        by_age.min(millis(invalidations.soft))
    } else {
        by_age
    }
}

/// Whether this fraction of its fresh life has passed. Never, if it is fresh for ever.
fn is_due<T>(value: &CacheValue<T>, fraction: f32, moment: &Moment) -> bool {
    let Some(end) = value.stale_millis().or(value.expire_millis()) else {
        return false;
    };
    let created = millis(value.created());
    let life = end.saturating_sub(created) as f64;
    moment.has_reached(created.saturating_add((life * f64::from(fraction)).ceil() as i64))
}

fn millis(stamp: Stamp) -> i64 {
    // No overflow: a thousandth of a u64 is less than an i64 holds.
    (stamp.as_micros() / 1_000) as i64
}

#[cfg(test)]
mod tests {
    use Window::{Beyond, Within};

    use super::*;
    use crate::{
        freshness::testing::{BEGAN, MILLI, SECOND, at_age, expired_at, stamp, value},
        settings::Life,
    };

    fn settings() -> Settings {
        Settings {
            stale_while_revalidate: 3 * SECOND,
            stale_if_error: 5 * SECOND,
            ..Settings::living(Life::For(10 * SECOND))
        }
    }

    fn found(age: Duration, invalidations: Invalidations) -> Found {
        found_of(&value(), age, invalidations, &settings())
    }

    fn found_of(
        value: &CacheValue<()>,
        age: Duration,
        invalidations: Invalidations,
        settings: &Settings,
    ) -> Found {
        at_age(age, |moment| {
            Found::value(value, &invalidations, settings, moment)
        })
    }

    const fn stale(revalidate: Window, on_error: Window) -> Found {
        Found::Stale {
            revalidate,
            on_error,
        }
    }

    #[test]
    fn windows_begin_with_the_stale_time_and_their_ends_are_outside() {
        let cases = [
            (10 * SECOND - MILLI, Found::Fresh),
            (10 * SECOND, stale(Within, Within)),
            (13 * SECOND - MILLI, stale(Within, Within)),
            (13 * SECOND, stale(Beyond, Within)),
            (15 * SECOND - MILLI, stale(Beyond, Within)),
            (15 * SECOND, stale(Beyond, Beyond)),
        ];
        for (age, expected) in cases {
            assert_eq!(found(age, Invalidations::NONE), expected, "{age:?}");
        }
        let none = Settings::living(Life::For(SECOND));
        let found = found_of(&value(), 10 * SECOND, Invalidations::NONE, &none);
        assert_eq!(found, stale(Beyond, Beyond));
    }

    #[test]
    fn expired_by_hand_it_is_in_the_window_of_errors_alone_from_then_on() {
        let cases = [
            (2 * SECOND, Within),
            (7 * SECOND - MILLI, Within),
            (7 * SECOND, Beyond),
            (12 * SECOND, Beyond),
        ];
        for (age, on_error) in cases {
            let found = found(age, expired_at(2 * SECOND));
            assert_eq!(found, Found::Expired { on_error }, "{age:?}");
        }
        // After it was stale already: the window is that of its age.
        for (age, on_error) in [(14 * SECOND, Within), (15 * SECOND, Beyond)] {
            let found = found(age, expired_at(14 * SECOND));
            assert_eq!(found, Found::Expired { on_error }, "{age:?}");
        }
    }

    #[test]
    fn only_what_began_before_is_expired_by_hand() {
        let before = Invalidations {
            soft: stamp(Duration::ZERO).predecessor(),
            ..Invalidations::NONE
        };
        assert_eq!(found(SECOND, before), Found::Fresh);
        let at_once = expired_at(Duration::ZERO);
        assert_eq!(found(SECOND, at_once), Found::Expired { on_error: Within });
    }

    #[test]
    fn a_value_that_is_fresh_for_ever_can_be_expired_by_hand() {
        let value = CacheValue::loaded((), stamp(Duration::ZERO));
        let by_hand = found_of(&value, 2 * SECOND, expired_at(SECOND), &settings());
        assert_eq!(by_hand, Found::Expired { on_error: Within });
        let year = 365 * 86_400 * SECOND;
        let by_age = found_of(&value, year, Invalidations::NONE, &settings());
        assert_eq!(by_age, Found::Fresh);
    }

    #[test]
    fn a_refresh_is_due_after_the_fraction_of_the_fresh_life() {
        let settings = Settings {
            refresh: Refresh::After(0.5),
            ..settings()
        };
        let found =
            |value: &CacheValue<()>, age| found_of(value, age, Invalidations::NONE, &settings);
        assert_eq!(found(&value(), 5 * SECOND - MILLI), Found::Fresh);
        assert_eq!(found(&value(), 5 * SECOND), Found::Due);
        assert_eq!(found(&value(), 10 * SECOND), stale(Within, Within));
        // Without windows, the fresh life is all of it.
        let expire = Some(BEGAN + 60_000);
        let value = CacheValue::from_millis((), expire, None, stamp(Duration::ZERO)).unwrap();
        assert_eq!(found(&value, 30 * SECOND - MILLI), Found::Fresh);
        assert_eq!(found(&value, 30 * SECOND), Found::Due);
        let for_ever = CacheValue::loaded((), stamp(Duration::ZERO));
        assert_eq!(found(&for_ever, 365 * 86_400 * SECOND), Found::Fresh);
    }

    #[test]
    fn absence_is_believed_until_it_is_expired_by_hand() {
        let created = stamp(Duration::ZERO);
        let found = Found::absence(created, &Invalidations::NONE);
        assert_eq!(found, Found::Absence);
        let found = Found::absence(created, &expired_at(Duration::ZERO));
        assert_eq!(found, Found::Nothing);
    }
}
