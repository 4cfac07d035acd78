use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use hitbox_core::CacheValue;

use crate::{
    loaded_life::LoadedLife,
    settings::{Life, Settings},
};

/// Until when the outcome of a load is fresh, and until when it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Times {
    /// `None`: it is fresh for as long as it is kept.
    pub(crate) stale: Option<DateTime<Utc>>,
    /// `None`: it is kept for ever.
    pub(crate) expire: Option<DateTime<Utc>>,
}

/// What the times are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Of {
    Value,
    /// That there is no such thing.
    Absence,
}

impl Times {
    /// The times of the outcome of a load that has ended at `ended`. `None`: it is not kept.
    ///
    /// Of the jitter, `chance` (from 0 to 1) takes its part: a life is shortened and never lengthened. The longer
    /// window is kept beyond the fresh life, of values only. What the loader says of a moment is exact: no jitter, no
    /// window.
    pub(crate) fn at_end(
        of: Of,
        said: LoadedLife,
        settings: &Settings,
        ended: DateTime<Utc>,
        chance: f64,
    ) -> Option<Self> {
        let fresh = match (said, of, settings.life) {
            (LoadedLife::Until(expire), _, _) => return Self::until(expire, ended),
            (LoadedLife::For(ttl), Of::Absence, _) => return Self::until(after(ended, ttl), ended),
            (LoadedLife::AsSet, Of::Absence, _) => {
                return Self::until(after(ended, settings.absent_ttl), ended);
            }
            (LoadedLife::AsSet, Of::Value, Life::Forever) => {
                return Some(Self {
                    stale: None,
                    expire: None,
                });
            }
            (LoadedLife::For(ttl), Of::Value, _)
            | (LoadedLife::AsSet, Of::Value, Life::For(ttl)) => {
                after(ended, shortened(ttl, settings.jitter, chance))
            }
        };
        let window = settings.stale_while_revalidate.max(settings.stale_if_error);
        if window.is_zero() {
            return Self::until(fresh, ended);
        }
        Some(Self {
            stale: Some(fresh),
            expire: Some(after(fresh, window)),
        })
    }

    /// A value with these times.
    pub(crate) fn of<T>(self, value: CacheValue<T>) -> CacheValue<T> {
        let value = match self.stale {
            Some(stale) => value.stale_at(stale),
            None => value,
        };
        match self.expire {
            Some(expire) => value.expires_at(expire),
            None => value,
        }
    }

    fn until(expire: DateTime<Utc>, ended: DateTime<Utc>) -> Option<Self> {
        (expire > ended).then_some(Self {
            stale: None,
            expire: Some(expire),
        })
    }
}

fn shortened(ttl: Duration, jitter: f32, chance: f64) -> Duration {
    ttl.saturating_sub(ttl.mul_f64(f64::from(jitter) * chance.clamp(0.0, 1.0)))
}

/// Or the last moment of the calendar.
fn after(moment: DateTime<Utc>, time: Duration) -> DateTime<Utc> {
    let later = TimeDelta::from_std(time)
        .ok()
        .and_then(|time| moment.checked_add_signed(time));
    later.unwrap_or(DateTime::<Utc>::MAX_UTC)
}

#[cfg(test)]
mod tests {
    use std::time::{SystemTime, UNIX_EPOCH};

    use LoadedLife::{AsSet, For, Until};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const MINUTE: Duration = Duration::from_secs(60);
    /// Past the millisecond, to the nanosecond.
    const ENDED: DateTime<Utc> = DateTime::from_timestamp_nanos(1_796_000_000_123_456_789);

    fn settings() -> Settings {
        Settings::living(Life::For(MINUTE))
    }

    fn with_windows(revalidate: Duration, on_error: Duration) -> Settings {
        Settings {
            stale_while_revalidate: revalidate,
            stale_if_error: on_error,
            ..settings()
        }
    }

    /// Stale and expire, in seconds after the end of the load.
    type Seconds = Option<(Option<i64>, Option<i64>)>;

    fn seconds(of: Of, said: LoadedLife, settings: &Settings) -> Seconds {
        let seconds = |moment: DateTime<Utc>| (moment - ENDED).num_seconds();
        let times = Times::at_end(of, said, settings, ENDED, 0.0);
        times.map(|times| (times.stale.map(seconds), times.expire.map(seconds)))
    }

    fn of_value(said: LoadedLife, settings: &Settings) -> Seconds {
        seconds(Of::Value, said, settings)
    }

    fn of_absence(said: LoadedLife, settings: &Settings) -> Seconds {
        seconds(Of::Absence, said, settings)
    }

    #[test]
    fn a_value_is_fresh_from_the_end_of_its_load_and_kept_for_the_longer_window() {
        assert_eq!(of_value(AsSet, &settings()), Some((None, Some(60))));
        for (revalidate, on_error) in [(SECOND, 2 * SECOND), (2 * SECOND, Duration::ZERO)] {
            let settings = with_windows(revalidate, on_error);
            assert_eq!(of_value(AsSet, &settings), Some((Some(60), Some(62))));
            assert_eq!(of_value(For(SECOND), &settings), Some((Some(1), Some(3))));
        }
        let forever = Settings {
            life: Life::Forever,
            ..with_windows(SECOND, SECOND)
        };
        assert_eq!(of_value(AsSet, &forever), Some((None, None)));
        assert_eq!(of_value(For(SECOND), &forever), Some((Some(1), Some(2))));
    }

    #[test]
    fn what_is_over_already_is_not_kept() {
        assert_eq!(of_value(For(Duration::ZERO), &settings()), None);
        assert_eq!(of_value(Until(ENDED), &settings()), None);
        let windows = with_windows(MINUTE, MINUTE);
        assert_eq!(of_value(Until(ENDED - SECOND), &windows), None);
        // Of use as a fallback, though never fresh.
        let window = with_windows(Duration::ZERO, SECOND);
        let fallback = of_value(For(Duration::ZERO), &window);
        assert_eq!(fallback, Some((Some(0), Some(1))));
    }

    #[test]
    fn a_moment_that_the_loader_names_is_exact() {
        let settings = Settings {
            jitter: 0.5,
            ..with_windows(MINUTE, MINUTE)
        };
        let expire = ENDED + Duration::from_millis(900);
        for of in [Of::Value, Of::Absence] {
            let times = Times::at_end(of, Until(expire), &settings, ENDED, 1.0);
            let expected = Times {
                stale: None,
                expire: Some(expire),
            };
            assert_eq!(times, Some(expected));
        }
    }

    #[test]
    fn absence_has_a_life_of_its_own_and_no_windows() {
        let unset = with_windows(MINUTE, MINUTE);
        assert_eq!(of_absence(AsSet, &unset), None);
        assert_eq!(of_absence(For(SECOND), &unset), Some((None, Some(1))));
        let set = Settings {
            absent_ttl: 10 * SECOND,
            ..unset
        };
        assert_eq!(of_absence(AsSet, &set), Some((None, Some(10))));
        assert_eq!(of_absence(For(Duration::ZERO), &set), None);
    }

    #[test]
    fn a_life_beyond_the_calendar_ends_with_it() {
        let settings = Settings {
            jitter: 0.5,
            ..with_windows(Duration::MAX, Duration::MAX)
        };
        let times = Times::at_end(Of::Value, For(Duration::MAX), &settings, ENDED, 1.0);
        let last = Some(DateTime::<Utc>::MAX_UTC);
        let expected = Times {
            stale: last,
            expire: last,
        };
        assert_eq!(times, Some(expected));
    }

    /// What is written together does not expire together, and nothing later than it may.
    #[test]
    fn ten_thousand_values_are_spread_over_the_jitter() {
        let seed = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_nanos() as u64;
        println!("seed: {seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        let settings = Settings {
            jitter: 0.1,
            ..with_windows(Duration::ZERO, MINUTE)
        };
        let mut of_tenths = [0; 10];
        for _ in 0..10_000 {
            let times = Times::at_end(Of::Value, AsSet, &settings, ENDED, random.f64());
            let Some(Times {
                stale: Some(stale),
                expire: Some(expire),
            }) = times
            else {
                panic!("it is kept, and not for ever");
            };
            assert_eq!(expire, stale + MINUTE);
            let early = ENDED + MINUTE - stale;
            assert!(early >= TimeDelta::zero(), "{early}");
            let tenth = early.num_milliseconds() / 600;
            of_tenths[usize::try_from(tenth).unwrap()] += 1;
        }
        // 1,000 each, with a standard deviation of 30.
        let expected = 700..1_300;
        assert!(
            of_tenths.iter().all(|count| expected.contains(count)),
            "{of_tenths:?}"
        );
    }
}
