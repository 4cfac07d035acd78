use std::{fmt, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use hitbox_backend::{CacheValue, Described, InvalidTags, Known, LogMark, Meta, Stamp, TagSet};
use hitbox_core::clock;

use crate::{
    Kept,
    freshness::{Of, Times},
    loaded_life::LoadedLife,
    settings::Settings,
};

/// What a loader returns: a value, or that there is none, and for how long that may be kept.
///
/// A value, an `Arc` of it or an `Option` of it become one by themselves, so a loader with nothing to add returns
/// those: `None` is [`absent`](Self::absent). A keyspace whose values are `Option`s caches the `None`.
///
/// ```
/// use std::time::Duration;
/// use hitbox::Loaded;
///
/// struct Token { text: String, lives: Duration }
///
/// fn loaded(token: Option<Token>) -> Loaded<String> {
///     match token {
///         Some(token) => Loaded::new(token.text).ttl(token.lives),
///         None => Loaded::absent().ttl(Duration::from_secs(5)),
///     }
/// }
/// # let _ = loaded(None);
/// ```
#[must_use]
pub struct Loaded<V> {
    pub(crate) content: Content<V>,
    pub(crate) life: LoadedLife,
    pub(crate) tags: Result<TagSet, InvalidTags>,
}

/// What a load has found.
pub(crate) enum Content<V> {
    Value(Arc<V>),
    /// For those who wait for it, and nobody else.
    Uncached(Arc<V>),
    Absent,
}

impl<V> Loaded<V> {
    const fn of(content: Content<V>) -> Self {
        Self {
            content,
            life: LoadedLife::AsSet,
            tags: Ok(TagSet::NONE),
        }
    }

    /// This value, kept for as long as is set.
    pub fn new(value: V) -> Self {
        Self::shared(Arc::new(value))
    }

    /// This value, which others have, too.
    pub const fn shared(value: Arc<V>) -> Self {
        Self::of(Content::Value(value))
    }

    /// There is no such thing. That is an answer and no failure: it is kept for the
    /// [`absent_ttl`](crate::Keyspace::absent_ttl), and takes the place of a value that was there.
    pub const fn absent() -> Self {
        Self::of(Content::Absent)
    }

    /// This value for those who wait for the load; it is not kept.
    pub fn uncached(value: V) -> Self {
        Self::of(Content::Uncached(Arc::new(value)))
    }

    /// Fresh for so long from the end of the load, in place of the `ttl` (or, if [`absent`](Self::absent), the
    /// `absent_ttl`) that is set. Jitter and windows are as set. The last of `ttl` and
    /// [`expires_at`](Self::expires_at) counts.
    pub const fn ttl(mut self, ttl: Duration) -> Self {
        self.life = LoadedLife::For(ttl);
        self
    }

    /// Kept until this moment, to the millisecond, and neither stale before it nor of use after it, whatever is set:
    /// for a token whose end is known. If it has passed, those who wait get the value, and it is not kept.
    pub const fn expires_at(mut self, expire: DateTime<Utc>) -> Self {
        self.life = LoadedLife::Until(expire);
        self
    }

    /// With this tag: [`remove_tagged`](crate::Cache::remove_tagged) of it removes the value, and all others that have it.
    ///
    /// A value has up to 16 tags of up to 255 bytes each; a load that returns more has failed. What is
    /// [absent](Self::absent) and has no tags counts as having each that there is.
    pub fn tag(self, tag: impl AsRef<str>) -> Self {
        self.tags([tag])
    }

    /// With these tags: [`tag`](Self::tag) for each.
    ///
    /// ```
    /// use hitbox::Loaded;
    ///
    /// struct User { team: u64 }
    ///
    /// fn loaded(user: User) -> Loaded<User> {
    ///     let team = format!("team:{}", user.team);
    ///     Loaded::new(user).tags(["users", &team])
    /// }
    /// # let _ = loaded(User { team: 7 });
    /// ```
    pub fn tags(mut self, tags: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        self.tags = self.tags.and_then(|known| known.and(tags));
        self
    }
}

impl<V> Loaded<V> {
    /// What a load that began then, when so much had been heard of other processes, and ends now, has come to: with its life times, and whether it is to be kept.
    pub(crate) fn into_value(
        self,
        began: Stamp,
        heard: Option<LogMark>,
        settings: &Settings,
    ) -> Result<(CacheValue<Described<V>>, Kept), InvalidTags> {
        let (known, of, kept) = match self.content {
            Content::Value(value) => (Known::Present(value), Of::Value, Kept::BeingStored),
            Content::Uncached(value) => (Known::Present(value), Of::Value, Kept::Uncached),
            Content::Absent => (Known::Absent, Of::Absence, Kept::BeingStored),
        };
        let ended = clock::now();
        let meta = Meta::tagged(self.tags?);
        let meta = match heard {
            Some(heard) => meta.marked(heard),
            None => meta,
        };
        let meta = (!meta.is_empty()).then(|| Arc::new(meta));
        let value = CacheValue::loaded(Described { known, meta }, began);
        let times = Times::at_end(of, self.life, settings, ended, fastrand::f64());
        Ok(match times {
            Some(times) => (times.of(value), kept),
            None => (value.expires_at(ended), Kept::Uncached),
        })
    }
}

impl<V> From<V> for Loaded<V> {
    fn from(value: V) -> Self {
        Self::new(value)
    }
}

impl<V> From<Arc<V>> for Loaded<V> {
    fn from(value: Arc<V>) -> Self {
        Self::shared(value)
    }
}

/// `None` is [`Loaded::absent`].
impl<V> From<Option<V>> for Loaded<V> {
    fn from(value: Option<V>) -> Self {
        value.map_or_else(Self::absent, Self::new)
    }
}

/// Never shows the value.
impl<V> fmt::Debug for Loaded<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let content = match &self.content {
            Content::Value(_) => "a value",
            Content::Uncached(_) => "a value, uncached",
            Content::Absent => "absent",
        };
        let mut shown = f.debug_struct("Loaded");
        shown.field("content", &format_args!("{content}"));
        shown.field("life", &self.life);
        if self.tags != Ok(TagSet::NONE) {
            shown.field("tags", &self.tags);
        }
        shown.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loaded<V>(by: impl Into<Loaded<V>>) -> Option<Arc<V>> {
        match by.into().content {
            Content::Value(value) => Some(value),
            Content::Uncached(_) => panic!("nobody asked for that"),
            Content::Absent => None,
        }
    }

    #[test]
    fn whatever_a_loader_has_at_hand_is_loaded() {
        assert_eq!(loaded(7), Some(Arc::new(7)));
        let shared = Arc::new(7);
        let of_shared = loaded::<i32>(Arc::clone(&shared)).unwrap();
        assert!(Arc::ptr_eq(&of_shared, &shared));
        assert_eq!(loaded::<i32>(Some(7)), Some(Arc::new(7)));
        assert_eq!(loaded::<i32>(None), None);
        assert_eq!(loaded::<Option<i32>>(None::<i32>), Some(Arc::new(None)));
        assert_eq!(loaded::<i32>(Loaded::absent()), None);
    }

    #[test]
    fn the_last_word_on_the_life_counts() {
        let end = DateTime::<Utc>::MAX_UTC;
        let second = Duration::from_secs(1);
        assert_eq!(Loaded::new(1).life, LoadedLife::AsSet);
        let until = Loaded::new(1).ttl(second).expires_at(end);
        assert_eq!(until.life, LoadedLife::Until(end));
        let fresh = Loaded::<u8>::absent().expires_at(end).ttl(second);
        assert_eq!(fresh.life, LoadedLife::For(second));
    }

    #[test]
    fn no_value_is_shown() {
        for loaded in [Loaded::new("secret"), Loaded::uncached("secret")] {
            assert!(!format!("{loaded:?}").contains("secret"));
        }
    }
}
