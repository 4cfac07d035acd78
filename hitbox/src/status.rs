use std::fmt;

/// How a call came to its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Status {
    /// A fresh value was there.
    Hit,
    /// This call has begun a load, and this is what it returned.
    Loaded,
    /// A load was under way, and this is what it returned.
    Joined,
    /// A value was there that is no longer fresh.
    Stale(Why),
}

/// Why a value that is no longer fresh was served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Why {
    /// It is loaded anew in the background
    /// ([`stale_while_revalidate`](crate::Keyspace::stale_while_revalidate)).
    Refreshing,
    /// As [`Refreshing`](Self::Refreshing), but nothing loads it: no place is free ([`max_loads`](crate::CacheBuilder::max_loads)), the
    /// cache is closed, or there is no runtime.
    NotRefreshed,
    /// The load has failed ([`stale_if_error`](crate::Keyspace::stale_if_error)).
    LoadFailed,
    /// The load takes longer than the [`soft_timeout`](crate::Keyspace::soft_timeout). It goes on.
    LoadSlow,
    /// A load has failed a moment ago, and the next one is not yet due
    /// ([`retry_after`](crate::Keyspace::retry_after)).
    Throttled,
}

impl Status {
    /// `hit`, `loaded`, `joined` or `stale`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Loaded => "loaded",
            Self::Joined => "joined",
            Self::Stale(_) => "stale",
        }
    }
}

impl Why {
    /// `refreshing`, `not refreshed`, `load failed`, `load slow` or `throttled`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refreshing => "refreshing",
            Self::NotRefreshed => "not refreshed",
            Self::LoadFailed => "load failed",
            Self::LoadSlow => "load slow",
            Self::Throttled => "throttled",
        }
    }
}

/// `hit`, or `stale (load failed)`.
impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())?;
        match self {
            Self::Stale(why) => write!(f, " ({why})"),
            Self::Hit | Self::Loaded | Self::Joined => Ok(()),
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
