use std::{fmt, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use hitbox_core::{CacheValue, ResponseSource, clock};

use crate::{LoadError, Status, Why};

/// A value, and what is known of how a call came to it.
pub struct Entry<V> {
    value: CacheValue<Arc<V>>,
    source: ResponseSource,
    answer: Answer,
}

/// What has become of the outcome of a load, as far as it was known when the call returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kept {
    /// The backend has it.
    Stored,
    /// It is being written to the backend.
    BeingStored,
    /// What has invalidated the value came while it was loaded: nobody else will get it.
    Overtaken,
    /// It is not to be kept: the loader has said so, or its life is over.
    Uncached,
}

/// How a call came to its value, with what each way has to say.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Hit,
    Loaded(Kept),
    Joined(Kept),
    Refreshing,
    NotRefreshed,
    LoadFailed(LoadError),
    LoadSlow,
    /// With the failure that the next load waits on.
    Throttled(LoadError),
}

impl Answer {
    pub(crate) const fn status(&self) -> Status {
        match self {
            Self::Hit => Status::Hit,
            Self::Loaded(_) => Status::Loaded,
            Self::Joined(_) => Status::Joined,
            Self::Refreshing => Status::Stale(Why::Refreshing),
            Self::NotRefreshed => Status::Stale(Why::NotRefreshed),
            Self::LoadFailed(_) => Status::Stale(Why::LoadFailed),
            Self::LoadSlow => Status::Stale(Why::LoadSlow),
            Self::Throttled(_) => Status::Stale(Why::Throttled),
        }
    }
}

impl<V> Entry<V> {
    pub(crate) const fn new(
        value: CacheValue<Arc<V>>,
        source: ResponseSource,
        answer: Answer,
    ) -> Self {
        Self {
            value,
            source,
            answer,
        }
    }

    /// The value.
    #[must_use]
    pub const fn value(&self) -> &Arc<V> {
        self.value.data()
    }

    /// The value alone.
    #[must_use]
    pub fn into_value(self) -> Arc<V> {
        self.value.into_inner()
    }

    /// How the call came to it.
    #[must_use]
    pub const fn status(&self) -> Status {
        self.answer.status()
    }

    /// Which backend has answered; [`ResponseSource::Upstream`] if it was a load.
    #[must_use]
    pub const fn source(&self) -> &ResponseSource {
        &self.source
    }

    /// How long ago the load began that the value is of.
    #[must_use]
    pub fn age(&self) -> Duration {
        let created = self.value.created().as_micros();
        let now = u64::try_from(clock::now().timestamp_micros()).unwrap_or(0);
        Duration::from_micros(now.saturating_sub(created))
    }

    /// Until when it may be served, stale or fresh; `None`: for ever.
    ///
    /// Of a value that is not [kept](Self::kept) it says nothing of what others get, who get a value of their own: of one that
    /// was [overtaken](Kept::Overtaken) it is what it would have been, as of one that the loader does not want kept
    /// ([`Loaded::uncached`](crate::Loaded::uncached)); of one whose life is over, a moment that has passed.
    #[must_use]
    pub fn expire(&self) -> Option<DateTime<Utc>> {
        self.value.expire()
    }

    /// What has become of it, if it was loaded; [`Kept::Stored`] if it was there.
    #[must_use]
    pub const fn kept(&self) -> Kept {
        match self.answer {
            Answer::Loaded(kept) | Answer::Joined(kept) => kept,
            Answer::Hit
            | Answer::Refreshing
            | Answer::NotRefreshed
            | Answer::LoadFailed(_)
            | Answer::LoadSlow
            | Answer::Throttled(_) => Kept::Stored,
        }
    }

    /// The failure for which a stale value was served.
    #[must_use]
    pub const fn load_error(&self) -> Option<&LoadError> {
        match &self.answer {
            Answer::LoadFailed(error) | Answer::Throttled(error) => Some(error),
            Answer::Hit
            | Answer::Loaded(_)
            | Answer::Joined(_)
            | Answer::Refreshing
            | Answer::NotRefreshed
            | Answer::LoadSlow => None,
        }
    }
}

impl<V> Clone for Entry<V> {
    fn clone(&self) -> Self {
        Self {
            value: self.value.clone(),
            source: self.source.clone(),
            answer: self.answer.clone(),
        }
    }
}

/// Never shows the value.
impl<V> fmt::Debug for Entry<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("value", &self.value)
            .field("source", &self.source)
            .field("answer", &self.answer)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use hitbox_core::{CacheKey, Stamp, clock::VirtualTime};

    use super::*;
    use crate::{LoadErrorKind, error::Cause};

    fn entry(answer: Answer) -> Entry<&'static str> {
        let value = CacheValue::loaded(Arc::new("secret"), Stamp::now());
        Entry::new(value, ResponseSource::Upstream, answer)
    }

    #[test]
    fn each_answer_says_what_it_knows() {
        let error = || LoadError::new(CacheKey::from_pair("id", "1"), Cause::Panicked);
        let cases = [
            (Answer::Hit, "hit", Kept::Stored, None),
            (
                Answer::Loaded(Kept::Uncached),
                "loaded",
                Kept::Uncached,
                None,
            ),
            (
                Answer::Joined(Kept::Overtaken),
                "joined",
                Kept::Overtaken,
                None,
            ),
            (Answer::Refreshing, "stale (refreshing)", Kept::Stored, None),
            (
                Answer::NotRefreshed,
                "stale (not refreshed)",
                Kept::Stored,
                None,
            ),
            (
                Answer::LoadFailed(error()),
                "stale (load failed)",
                Kept::Stored,
                Some(LoadErrorKind::Panicked),
            ),
            (Answer::LoadSlow, "stale (load slow)", Kept::Stored, None),
            (
                Answer::Throttled(error()),
                "stale (throttled)",
                Kept::Stored,
                Some(LoadErrorKind::Panicked),
            ),
        ];
        for (answer, status, kept, error) in cases {
            let entry = entry(answer);
            assert_eq!(entry.status().to_string(), status);
            assert_eq!(entry.kept(), kept);
            assert_eq!(entry.load_error().map(LoadError::kind), error);
            assert!(!format!("{entry:?}").contains("secret"));
        }
    }

    #[test]
    fn its_age_is_that_of_the_load() {
        let clock = VirtualTime::start(Utc::now());
        // Of this clock: the stamps of a process may be ahead of it, by what other tests have stamped.
        let began = u64::try_from(clock.now().timestamp_micros()).unwrap();
        let value = CacheValue::loaded(Arc::new(1), Stamp::from_micros(began));
        let entry = Entry::new(value, ResponseSource::Upstream, Answer::Hit);
        clock.advance(TimeDelta::seconds(5));
        assert_eq!(entry.age(), Duration::from_secs(5));
        // A stamp may be ahead of the wall clock, which may be turned back.
        clock.advance(TimeDelta::hours(-1));
        assert_eq!(entry.age(), Duration::ZERO);
    }
}
