use std::{ops::RangeInclusive, time::Duration};

use super::{Life, Limits, Refresh, Settings};

/// What `jitter` may be.
const JITTERS: RangeInclusive<f32> = 0.0..=0.5;

/// What was set in one place: on the builder of the cache, on a keyspace or on a call. Of two that say something, the
/// nearer to the call is in force.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Overrides {
    pub(crate) life: Option<Life>,
    pub(crate) jitter: Option<f32>,
    pub(crate) absent_ttl: Option<Duration>,
    pub(crate) stale_while_revalidate: Option<Duration>,
    pub(crate) stale_if_error: Option<Duration>,
    pub(crate) refresh: Option<Refresh>,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) soft_timeout: Option<Duration>,
    pub(crate) hard_timeout: Option<Duration>,
    pub(crate) load_deadline: Option<Duration>,
}

impl Overrides {
    /// Nothing was set.
    pub(crate) const NONE: Self = Self {
        life: None,
        jitter: None,
        absent_ttl: None,
        stale_while_revalidate: None,
        stale_if_error: None,
        refresh: None,
        retry_after: None,
        soft_timeout: None,
        hard_timeout: None,
        load_deadline: None,
    };

    /// What is in force where this is nearer than `below`; a sentence that names the setting at fault, if one that was set here
    /// cannot work, by itself or with what is in force beside it.
    pub(crate) fn checked_over(&self, below: &Settings) -> Result<Settings, String> {
        self.check_each()?;
        let settings = self.over(below);
        self.check_together(&settings)?;
        Ok(settings)
    }

    /// The one place where settings are merged.
    fn over(&self, below: &Settings) -> Settings {
        // In full: a setting that is added and not merged is an error.
        let Self {
            life,
            jitter,
            absent_ttl,
            stale_while_revalidate,
            stale_if_error,
            refresh,
            retry_after,
            soft_timeout,
            hard_timeout,
            load_deadline,
        } = *self;
        Settings {
            life: life.unwrap_or(below.life),
            jitter: jitter.unwrap_or(below.jitter),
            absent_ttl: absent_ttl.unwrap_or(below.absent_ttl),
            stale_while_revalidate: stale_while_revalidate.unwrap_or(below.stale_while_revalidate),
            stale_if_error: stale_if_error.unwrap_or(below.stale_if_error),
            refresh: refresh.unwrap_or(below.refresh),
            retry_after: retry_after.unwrap_or(below.retry_after),
            soft_timeout: soft_timeout.or(below.soft_timeout),
            hard_timeout: hard_timeout.or(below.hard_timeout),
            load_deadline: load_deadline.unwrap_or(below.load_deadline),
        }
    }

    /// What is in force in a cache for which this was set; a sentence that names the setting at fault, if one cannot
    /// work or the life is missing.
    pub(crate) fn of_cache(&self) -> Result<Settings, String> {
        let Some(life) = self.life else {
            return Err(
                "`ttl` is missing: say for how long values are fresh, or `never_expires`".into(),
            );
        };
        self.checked_over(&Settings::living(life))
    }

    fn check_each(&self) -> Result<(), String> {
        if let Some(jitter) = self.jitter
            && !JITTERS.contains(&jitter)
        {
            return Err(format!(
                "`jitter` is {jitter}: it is a fraction from 0 to 0.5"
            ));
        }
        if let Some(Refresh::After(fraction)) = self.refresh
            && !(fraction > 0.0 && fraction < 1.0)
        {
            return Err(format!(
                "`refresh` is After({fraction}): it is a fraction above 0 and below 1"
            ));
        }
        let waits = [
            ("hard_timeout", self.hard_timeout),
            ("load_deadline", self.load_deadline),
        ];
        for (name, wait) in waits {
            if wait == Some(Duration::ZERO) {
                return Err(format!("`{name}` is zero: no load ends in no time"));
            }
        }
        if self.soft_timeout == Some(Duration::ZERO) {
            return Err(
                "`soft_timeout` is zero: what is stale is served at once within \
                 `stale_while_revalidate`"
                    .into(),
            );
        }
        Ok(())
    }

    /// Looks at what was set here beside what is in force. What is set elsewhere is not at fault here: it may suit other keys.
    fn check_together(&self, in_force: &Settings) -> Result<(), String> {
        let falls_back = !in_force.stale_if_error.is_zero();
        let serves_stale = falls_back || !in_force.stale_while_revalidate.is_zero();
        if self.life == Some(Life::For(Duration::ZERO)) && !serves_stale {
            return Err(
                "`ttl` is zero, and neither `stale_while_revalidate` nor `stale_if_error` is \
                 set: nothing that is stored could be served"
                    .into(),
            );
        }
        if let Some(soft) = self.soft_timeout
            && !falls_back
        {
            return Err(format!(
                "`soft_timeout` is {soft:?}, and `stale_if_error` is not set: there is nothing to \
                 serve after it"
            ));
        }
        if let (Some(soft), Some(hard)) = (self.soft_timeout, self.hard_timeout)
            && soft >= hard
        {
            return Err(format!(
                "`soft_timeout` is {soft:?}, and `hard_timeout` {hard:?}: it is to be shorter"
            ));
        }
        Ok(())
    }
}

impl Limits {
    /// A sentence that names the first limit that cannot work, if there is one.
    pub(crate) fn check(&self) -> Result<(), String> {
        let counts = [("max_loads", self.max_loads), ("max_fills", self.max_fills)];
        match counts.into_iter().find(|(_, count)| *count == 0) {
            Some((name, _)) => Err(format!(
                "`{name}` is zero: nothing could be loaded and kept"
            )),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Everything set, each time to something else.
    fn all(n: u32) -> Overrides {
        let fraction = n as f32 / 100.0;
        Overrides {
            life: Some(Life::For(SECOND * n)),
            jitter: Some(fraction),
            absent_ttl: Some(SECOND * (n + 1)),
            stale_while_revalidate: Some(SECOND * (n + 2)),
            stale_if_error: Some(SECOND * (n + 3)),
            refresh: Some(Refresh::After(fraction)),
            retry_after: Some(SECOND * (n + 4)),
            soft_timeout: Some(SECOND * (n + 5)),
            hard_timeout: Some(SECOND * (n + 6)),
            load_deadline: Some(SECOND * (n + 7)),
        }
    }

    #[test]
    fn the_nearer_setting_is_in_force() {
        let cache = all(10).of_cache().unwrap();
        let keyspace = all(20).over(&cache);
        assert_eq!(keyspace, all(20).of_cache().unwrap());
        assert_eq!(
            all(30).over(&keyspace),
            all(30).over(&Settings::living(Life::Forever))
        );
        assert_eq!(Overrides::NONE.over(&cache), cache);
        assert_eq!(Overrides::NONE, Overrides::default());
    }

    #[test]
    fn one_setting_leaves_the_others_as_they_are() {
        let cache = all(10).of_cache().unwrap();
        let call = Overrides {
            hard_timeout: Some(SECOND),
            ..Overrides::NONE
        };
        let expected = Settings {
            hard_timeout: Some(SECOND),
            ..cache
        };
        assert_eq!(call.over(&cache), expected);
    }

    #[test]
    fn a_cache_says_how_long_values_live() {
        let error = Overrides::NONE.of_cache().unwrap_err();
        assert!(error.starts_with("`ttl` is missing"), "{error}");
        let forever = Overrides {
            life: Some(Life::Forever),
            ..Overrides::NONE
        };
        assert_eq!(
            forever.of_cache(),
            Ok(Settings::living(Life::Forever)),
            "and nothing else"
        );
    }

    #[test]
    fn what_cannot_work_is_refused_by_name() {
        let jitters = [-0.1, 0.51, f32::NAN, f32::INFINITY].map(|jitter| Overrides {
            jitter: Some(jitter),
            ..all(10)
        });
        let refreshes = [0.0, 1.0, -1.0, f32::NAN].map(|fraction| Overrides {
            refresh: Some(Refresh::After(fraction)),
            ..all(10)
        });
        let hard = Overrides {
            hard_timeout: Some(Duration::ZERO),
            ..all(10)
        };
        let deadline = Overrides {
            load_deadline: Some(Duration::ZERO),
            ..all(10)
        };
        let soft = Overrides {
            soft_timeout: Some(Duration::ZERO),
            ..all(10)
        };
        let refused = |overrides: &[Overrides], name: &str| {
            for overrides in overrides {
                let error = overrides.of_cache().unwrap_err();
                assert!(error.starts_with(&format!("`{name}` is ")), "{error}");
                let in_force = Settings::living(Life::Forever);
                assert_eq!(overrides.checked_over(&in_force), Err(error));
            }
        };
        refused(&jitters, "jitter");
        refused(&refreshes, "refresh");
        refused(&[hard], "hard_timeout");
        refused(&[deadline], "load_deadline");
        refused(&[soft], "soft_timeout");
        for jitter in [0.0, 0.5] {
            let overrides = Overrides {
                jitter: Some(jitter),
                ..all(10)
            };
            assert!(overrides.of_cache().is_ok());
        }
    }

    #[test]
    fn what_does_nothing_where_it_is_set_is_refused_there() {
        let only = |overrides: Overrides| Overrides {
            life: Some(Life::For(SECOND)),
            ..overrides
        };
        let soft = Overrides {
            soft_timeout: Some(SECOND),
            ..Overrides::NONE
        };
        let error = only(soft).of_cache().unwrap_err();
        assert!(error.contains("`stale_if_error` is not set"), "{error}");
        let longer_than_hard = Overrides {
            hard_timeout: Some(SECOND),
            stale_if_error: Some(SECOND),
            ..soft
        };
        let error = only(longer_than_hard).of_cache().unwrap_err();
        assert!(error.contains("it is to be shorter"), "{error}");
        let nothing_fresh = Overrides {
            life: Some(Life::For(Duration::ZERO)),
            ..Overrides::NONE
        };
        let error = nothing_fresh.of_cache().unwrap_err();
        assert!(error.starts_with("`ttl` is zero"), "{error}");

        // Beside what is set for all keys, they may have a sense, or be at fault nowhere.
        let cache = all(10).of_cache().unwrap();
        assert!(soft.checked_over(&cache).is_ok());
        assert!(nothing_fresh.checked_over(&cache).is_ok());
        let hasty = Overrides {
            hard_timeout: Some(SECOND),
            ..Overrides::NONE
        };
        assert!(hasty.checked_over(&cache).is_ok());
        let no_fallback = Overrides {
            stale_if_error: Some(Duration::ZERO),
            ..Overrides::NONE
        };
        assert!(no_fallback.checked_over(&cache).is_ok());
    }

    #[test]
    fn no_loads_or_fills_at_all_are_refused() {
        assert_eq!(Limits::default().check(), Ok(()));
        let no_loads = Limits {
            max_loads: 0,
            ..Limits::default()
        };
        let no_fills = Limits {
            max_fills: 0,
            ..Limits::default()
        };
        for (limits, name) in [(no_loads, "`max_loads`"), (no_fills, "`max_fills`")] {
            assert!(limits.check().unwrap_err().starts_with(name));
        }
    }
}
