use std::{fmt, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};

use crate::{
    Raw, Stamp,
    clock::{Moment, Tick, UnixTime},
};

mod life_time;

use life_time::LifeTime;

/// Whether a value may still be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CacheState {
    /// Live and fresh.
    Actual,
    /// Live, but past its stale time: usable, due for a refresh.
    Stale,
    /// At or past its expiry: must not be used.
    Expired,
}

/// When a value expires, for comparing: the later expiry is the greater, and a value that never expires has
/// the greatest.
///
/// ```
/// use std::time::Duration;
/// use hitbox_core::{CacheValue, Stamp};
///
/// let lasting = CacheValue::loaded("a", Stamp::now());
/// let brief = CacheValue::loaded("b", Stamp::now()).ttl(Duration::from_secs(5));
/// assert!(lasting.expiry() > brief.expiry());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Expiry(LifeTime);

impl Expiry {
    /// That of a value which never expires.
    pub const NEVER: Self = Self(LifeTime::NEVER_ENDS);

    /// An expiry at this time, rounded down to the millisecond.
    #[must_use]
    pub fn at(time: DateTime<Utc>) -> Self {
        Self(LifeTime::until(Some(time)))
    }
}

impl fmt::Debug for Expiry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.end() {
            Some(end) => end.fmt(f),
            None => f.write_str("never"),
        }
    }
}

/// A value with its life times.
///
/// `expire` is when it must no longer be used, `stale` when it is due for a refresh; `None` means
/// never. Both are rounded down to the millisecond once, when the value is made, so that every
/// layer agrees on them and none keeps the value longer than it was asked to.
///
/// `created` says when the load that produced the data *began*. It decides which of two values of
/// a key is older: a composition does not let a value replace one that was created after it, and a
/// value created before the key was removed is not put back.
///
/// That is why every constructor takes it: a stamp taken *after* the load would hide what happened
/// during the load.
///
/// ```
/// use std::time::Duration;
/// use hitbox_core::{CacheValue, Stamp};
///
/// let began = Stamp::now(); // before the load
/// let data = "the result of a slow query";
/// let value = CacheValue::loaded(data, began).ttl(Duration::from_secs(300));
///
/// assert!(value.remaining() > Some(Duration::from_secs(299)));
/// assert_eq!(CacheValue::loaded(data, began).remaining(), None);
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct CacheValue<T> {
    data: T,
    expire: LifeTime,
    stale: LifeTime,
    created: Stamp,
}

impl<T> CacheValue<T> {
    /// A value whose load began at `began`. It never expires and is never stale, until
    /// [`ttl`](Self::ttl), [`stale_after`](Self::stale_after) or their absolute forms say otherwise.
    ///
    /// Take the stamp ([`Stamp::now`]) *before* the load: then a removal that happens during the load
    /// is newer than the value, and a composition does not put the value back.
    #[must_use]
    pub const fn loaded(data: T, began: Stamp) -> Self {
        Self {
            data,
            expire: LifeTime::NEVER_ENDS,
            stale: LifeTime::NEVER_ENDS,
            created: began,
        }
    }

    /// A value as it was kept somewhere, from [its parts](Self::into_parts).
    #[must_use]
    pub fn from_parts(
        data: T,
        expire: Option<DateTime<Utc>>,
        stale: Option<DateTime<Utc>>,
        created: Stamp,
    ) -> Self {
        Self {
            data,
            expire: LifeTime::until(expire),
            stale: LifeTime::until(stale),
            created,
        }
    }

    /// A value as it was kept somewhere, with its life times as milliseconds since 1970-01-01 UTC:
    /// without the calendar, which takes longer than most of the rest of decoding. `None` if a time is
    /// none that [`from_parts`](Self::from_parts) could be given.
    ///
    /// ```
    /// use chrono::DateTime;
    /// use hitbox_core::{CacheValue, Stamp};
    ///
    /// let value = CacheValue::from_millis("data", Some(1_500), None, Stamp::ZERO);
    /// let expire = DateTime::from_timestamp_millis(1_500);
    /// assert_eq!(value, Some(CacheValue::from_parts("data", expire, None, Stamp::ZERO)));
    /// assert_eq!(CacheValue::from_millis("data", Some(i64::MAX), None, Stamp::ZERO), None);
    /// ```
    #[must_use]
    pub fn from_millis(
        data: T,
        expire: Option<i64>,
        stale: Option<i64>,
        created: Stamp,
    ) -> Option<Self> {
        let until =
            |end: Option<i64>| end.map_or(Some(LifeTime::NEVER_ENDS), LifeTime::until_millis);
        Some(Self {
            data,
            expire: until(expire)?,
            stale: until(stale)?,
            created,
        })
    }

    /// The same value with this stamp.
    #[must_use]
    pub const fn created_at(mut self, created: Stamp) -> Self {
        self.created = created;
        self
    }

    /// The same value, expiring `ttl` from now. With a `ttl` of zero it has expired already; one
    /// that ends after the last date of the calendar ends there.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.expire = LifeTime::from_now(ttl);
        self
    }

    /// The same value, expiring at this time.
    #[must_use]
    pub fn expires_at(mut self, expire: DateTime<Utc>) -> Self {
        self.expire = LifeTime::until(Some(expire));
        self
    }

    /// The same value, due for a refresh `fresh` from now. Without effect if it expires before.
    ///
    /// ```
    /// use std::time::Duration;
    /// use hitbox_core::{CacheState, CacheValue, Stamp};
    ///
    /// let minute = Duration::from_secs(60);
    /// let value = CacheValue::loaded((), Stamp::now()).ttl(minute).stale_after(Duration::ZERO);
    /// assert_eq!(value.cache_state(), CacheState::Stale);
    /// ```
    #[must_use]
    pub fn stale_after(mut self, fresh: Duration) -> Self {
        self.stale = LifeTime::from_now(fresh);
        self
    }

    /// The same value, due for a refresh at this time. Without effect if it expires before.
    #[must_use]
    pub fn stale_at(mut self, stale: DateTime<Utc>) -> Self {
        self.stale = LifeTime::until(Some(stale));
        self
    }

    /// The same value, expiring at `limit` if it would have lived longer.
    #[must_use]
    pub fn expire_no_later_than(mut self, limit: DateTime<Utc>) -> Self {
        self.expire = self.expire.min(LifeTime::until(Some(limit)));
        self
    }

    /// The same value, stale at this moment at the latest: what a cache answers with that was told so meanwhile.
    ///
    /// ```
    /// use hitbox_core::{CacheState, CacheValue, Stamp, clock::Moment};
    ///
    /// let value = CacheValue::loaded((), Stamp::now()).stale_by(&Moment::default());
    /// assert_eq!(value.cache_state(), CacheState::Stale);
    /// ```
    #[must_use]
    pub fn stale_by(mut self, moment: &Moment) -> Self {
        self.stale = self.stale.min(LifeTime::ended_at(moment));
        self
    }

    /// The data.
    #[must_use]
    pub const fn data(&self) -> &T {
        &self.data
    }

    /// The data, without the life times.
    #[must_use]
    pub fn into_inner(self) -> T {
        self.data
    }

    /// When the value expires, for comparing it with another.
    #[inline]
    #[must_use]
    pub const fn expiry(&self) -> Expiry {
        Expiry(self.expire)
    }

    /// When the value must no longer be used; `None`: never.
    #[must_use]
    pub fn expire(&self) -> Option<DateTime<Utc>> {
        self.expire.end()
    }

    /// When the value is due for a refresh; `None`: never.
    #[must_use]
    pub fn stale(&self) -> Option<DateTime<Utc>> {
        self.stale.end()
    }

    /// [`expire`](Self::expire) as milliseconds since 1970-01-01 UTC.
    #[inline]
    #[must_use]
    pub const fn expire_millis(&self) -> Option<i64> {
        self.expire.end_millis()
    }

    /// [`stale`](Self::stale) as milliseconds since 1970-01-01 UTC.
    #[inline]
    #[must_use]
    pub const fn stale_millis(&self) -> Option<i64> {
        self.stale.end_millis()
    }

    /// When the load that produced the data began.
    #[must_use]
    pub const fn created(&self) -> Stamp {
        self.created
    }

    /// The remaining life. `None` means that the value never expires, and nothing else: an expired
    /// value has `Some(Duration::ZERO)`.
    #[must_use]
    pub fn remaining(&self) -> Option<Duration> {
        self.expire.remaining(UnixTime::now())
    }

    /// Whether the expiry has been reached. At the expiry instant a value is expired.
    #[must_use]
    pub fn is_expired(&self) -> bool {
        self.is_expired_at(&Moment::default())
    }

    /// Whether the expiry has been reached at this moment.
    #[inline]
    #[must_use]
    pub fn is_expired_at(&self, moment: &Moment) -> bool {
        self.expire.has_ended(moment)
    }

    /// Whether the stale time has been reached, expired or not.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        self.is_stale_at(&Moment::default())
    }

    /// Whether the stale time has been reached at this moment, expired or not.
    #[inline]
    #[must_use]
    pub fn is_stale_at(&self, moment: &Moment) -> bool {
        self.stale.has_ended(moment)
    }

    /// Both life times looked at together.
    #[must_use]
    pub fn cache_state(&self) -> CacheState {
        let moment = Moment::default();
        if self.is_expired_at(&moment) {
            CacheState::Expired
        } else if self.is_stale_at(&moment) {
            CacheState::Stale
        } else {
            CacheState::Actual
        }
    }

    /// Data, expire, stale and created.
    #[must_use]
    pub fn into_parts(self) -> (T, Option<DateTime<Utc>>, Option<DateTime<Utc>>, Stamp) {
        let (expire, stale) = (self.expire(), self.stale());
        (self.data, expire, stale, self.created)
    }

    /// Other data with the same life times and stamp.
    #[must_use]
    pub fn map<U>(self, map: impl FnOnce(T) -> U) -> CacheValue<U> {
        CacheValue {
            data: map(self.data),
            expire: self.expire,
            stale: self.stale,
            created: self.created,
        }
    }

    /// Other data, if it can be had, with the same life times and stamp.
    ///
    /// # Errors
    ///
    /// What `map` returns.
    pub fn try_map<U, E>(self, map: impl FnOnce(T) -> Result<U, E>) -> Result<CacheValue<U>, E> {
        Ok(CacheValue {
            data: map(self.data)?,
            expire: self.expire,
            stale: self.stale,
            created: self.created,
        })
    }

    /// The value behind a reference count, as typed access hands values in and out.
    #[must_use]
    pub fn shared(self) -> CacheValue<Arc<T>> {
        self.map(Arc::new)
    }
}

impl CacheValue<Raw> {
    /// A value that says that there is no such thing: the answer of a load that began at `began` and found nothing.
    /// It has life times and a stamp like any other, and [no data](Raw::absent).
    ///
    /// ```
    /// use std::time::Duration;
    /// use hitbox_core::{CacheValue, Stamp};
    ///
    /// let began = Stamp::now(); // before the load
    /// let value = CacheValue::absent(began).ttl(Duration::from_secs(10));
    /// assert!(value.data().is_absent());
    /// ```
    #[must_use]
    pub fn absent(began: Stamp) -> Self {
        Self::loaded(Raw::absent(), began)
    }

    /// The latest moment as of which this is known to be what the store holds that processes share;
    /// [`UNKNOWN`](Tick::UNKNOWN) if nobody knows. It is of this process, and is not stored.
    ///
    /// A coherent composition notes it, and judges by it whether a copy may be served.
    #[inline]
    #[must_use]
    pub fn seen(&self) -> Tick {
        self.data.seen()
    }

    /// The same value, with the moment as of which it is known to be what the store holds.
    #[must_use]
    pub fn seen_at(self, seen: Tick) -> Self {
        self.map(|raw| raw.seen_at(seen))
    }
}

/// Shows the life times, never the data: cached values do not belong in logs.
impl<T> fmt::Debug for CacheValue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheValue")
            .field("expire", &self.expire())
            .field("stale", &self.stale())
            .field("created", &self.created)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::clock::VirtualTime;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn times_are_rounded_down_to_the_millisecond() {
        let time = at("2026-01-02T03:04:05.678999999Z");
        let value = CacheValue::loaded((), Stamp::now())
            .expires_at(time)
            .stale_at(time);
        assert_eq!(value.expire(), Some(at("2026-01-02T03:04:05.678Z")));
        assert_eq!(value.stale(), value.expire());

        let leap = at("2016-12-31T23:59:60.500Z");
        let value = CacheValue::loaded((), Stamp::now()).expires_at(leap);
        assert_eq!(value.expire(), Some(at("2016-12-31T23:59:59.999Z")));

        let old = at("1969-12-31T23:59:59.9995Z");
        let value = CacheValue::loaded((), Stamp::now()).expires_at(old);
        assert_eq!(value.expire(), Some(at("1969-12-31T23:59:59.999Z")));
    }

    #[test]
    fn lives_from_now_are_the_absolute_ones() {
        let clock = VirtualTime::start(at("2026-01-01T00:00:00.000400Z"));
        let began = Stamp::now();
        let life = Duration::from_millis(1_500);
        let value = CacheValue::loaded((), began).ttl(life).stale_after(life);
        let end = at("2026-01-01T00:00:01.500Z");
        assert_eq!(
            value,
            CacheValue::loaded((), began).expires_at(end).stale_at(end)
        );
        assert_eq!(value.created(), began);

        let bare = CacheValue::loaded((), began);
        assert_eq!((bare.expire(), bare.stale()), (None, None));
        assert_eq!((bare.expire_millis(), bare.stale_millis()), (None, None));
        assert!(bare.clone().ttl(Duration::ZERO).is_expired());
        let longest = bare.ttl(Duration::MAX);
        assert_eq!(
            longest.expire().map(|end| end.timestamp_millis()),
            Some(DateTime::<Utc>::MAX_UTC.timestamp_millis())
        );
        drop(clock);
    }

    #[test]
    fn remaining_life_at_every_boundary() {
        let clock = VirtualTime::start(at("2026-01-01T00:00:00.000000500Z"));
        let expire = at("2026-01-01T00:00:10Z");
        let value = CacheValue::loaded((), Stamp::now()).expires_at(expire);
        assert_eq!(value.remaining(), Some(Duration::new(9, 999_999_500)));

        clock.advance(expire - clock.now() - TimeDelta::nanoseconds(1));
        assert_eq!(value.remaining(), Some(Duration::from_nanos(1)));
        assert!(!value.is_expired());

        clock.advance(TimeDelta::nanoseconds(1));
        assert_eq!(value.remaining(), Some(Duration::ZERO));
        assert!(value.is_expired());

        clock.advance(TimeDelta::days(1));
        assert_eq!(value.remaining(), Some(Duration::ZERO));
        assert_eq!(CacheValue::loaded((), Stamp::now()).remaining(), None);
    }

    #[test]
    fn extreme_times_do_not_overflow() {
        let value = CacheValue::loaded((), Stamp::now()).expires_at(DateTime::<Utc>::MAX_UTC);
        assert!(value.remaining() > Some(Duration::from_secs(1 << 32)));
        let value = CacheValue::loaded((), Stamp::now()).expires_at(DateTime::<Utc>::MIN_UTC);
        assert_eq!(value.remaining(), Some(Duration::ZERO));
    }

    #[test]
    fn every_count_of_milliseconds_is_a_time_or_refused() {
        let first = DateTime::<Utc>::MIN_UTC.timestamp_millis();
        let last = DateTime::<Utc>::MAX_UTC.timestamp_millis();
        for millis in [
            i64::MIN,
            first - 1,
            first,
            -1,
            0,
            1,
            last,
            last + 1,
            i64::MAX,
        ] {
            let time = DateTime::from_timestamp_millis(millis);
            let expected = |time| CacheValue::from_parts((), time, time, Stamp::ZERO);
            let made = CacheValue::from_millis((), Some(millis), Some(millis), Stamp::ZERO);
            assert_eq!(made, time.map(|time| expected(Some(time))), "{millis}");
            let both = made.map(|value| (value.expire_millis(), value.stale_millis()));
            assert_eq!(both, time.map(|_| (Some(millis), Some(millis))));
        }
        assert!(CacheValue::from_millis((), None, None, Stamp::ZERO).is_some());
        assert!(CacheValue::from_millis((), None, Some(last + 1), Stamp::ZERO).is_none());
    }

    #[test]
    fn states_in_order_of_life() {
        let clock = VirtualTime::start(at("2026-01-01T00:00:00Z"));
        let value = CacheValue::loaded((), Stamp::now())
            .expires_at(clock.now() + TimeDelta::seconds(2))
            .stale_at(clock.now() + TimeDelta::seconds(1));
        assert_eq!(value.cache_state(), CacheState::Actual);
        clock.advance(TimeDelta::seconds(1));
        assert_eq!(value.cache_state(), CacheState::Stale);
        clock.advance(TimeDelta::seconds(1));
        assert_eq!(value.cache_state(), CacheState::Expired);
        assert!(value.is_stale());
    }

    #[test]
    fn a_cap_shortens_and_never_lengthens() {
        let early = at("2026-01-01T00:00:00Z");
        let late = at("2027-01-01T00:00:00Z");
        let capped = |expire| {
            CacheValue::from_parts((), expire, None, Stamp::now())
                .expire_no_later_than(early)
                .expire()
        };
        assert_eq!(capped(Some(late)), Some(early));
        assert_eq!(capped(None), Some(early));
        let value = CacheValue::loaded((), Stamp::now())
            .expires_at(early)
            .expire_no_later_than(late);
        assert_eq!(value.expire(), Some(early));
    }

    #[test]
    fn debug_shows_no_data_and_parts_survive_map() {
        let began = Stamp::now();
        let value = CacheValue::from_parts("secret", None, None, began);
        assert!(!format!("{value:?}").contains("secret"));
        let (length, expire, stale, created) = value.map(str::len).into_parts();
        assert_eq!((length, expire, stale, created), (6, None, None, began));
    }
}
