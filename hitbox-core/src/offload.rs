use std::{
    fmt,
    future::{Future, ready},
    sync::Arc,
    time::Duration,
};

use crate::CacheKey;

/// Hands work to the background.
///
/// A race's loser, a repair, anything that should happen without making the caller wait is
/// registered here. The implementation decides when it runs, and whether it runs at all:
/// [`DisabledOffload`] drops it, the `OffloadManager` of `hitbox-backend` runs it on a tokio runtime
/// within bounds.
///
/// Dropping a registered future must always be safe for the one who registers it.
pub trait Offload<'a>: Send + Sync {
    /// Takes `future` over. Returns at once; the future may run at any later time, or be dropped.
    fn register<K, F>(&self, key: K, future: F)
    where
        K: Into<OffloadKey>,
        F: Future<Output = ()> + Send + 'a;

    /// Whether registered work has any chance to run. Where it has none, compositions refill while
    /// the caller waits.
    fn is_enabled(&self) -> bool {
        true
    }

    /// Takes `future` over, to run it once `delay` has passed. Returns at once.
    ///
    /// Until then the work is *deferred*: it takes no place among what runs or waits for its turn, and
    /// nobody who waits for those waits for it. Default: drops it, as an implementation without a
    /// clock has to.
    fn register_after<K, F>(&self, delay: Duration, key: K, future: F)
    where
        K: Into<OffloadKey>,
        F: Future<Output = ()> + Send + 'a,
    {
        let _no_clock = (delay, key, future);
    }

    /// Whether [`register_after`](Self::register_after) does what it says. Where it does not,
    /// compositions repair a layer only when the key is next used. Default: no.
    fn has_clock(&self) -> bool {
        false
    }

    /// Takes no more work, begins what was deferred, waits for all that was registered up to `within`, and drops the rest.
    /// Returns what did not run to its end. Calling it again is fine. Default: does nothing, and returns nothing.
    fn close(&self, within: Duration) -> impl Future<Output = Vec<OffloadKey>> + Send {
        let _nothing_is_kept = within;
        ready(Vec::new())
    }
}

impl<'a, O: Offload<'a>> Offload<'a> for &O {
    fn register<K, F>(&self, key: K, future: F)
    where
        K: Into<OffloadKey>,
        F: Future<Output = ()> + Send + 'a,
    {
        (**self).register(key, future);
    }

    fn is_enabled(&self) -> bool {
        (**self).is_enabled()
    }

    fn register_after<K, F>(&self, delay: Duration, key: K, future: F)
    where
        K: Into<OffloadKey>,
        F: Future<Output = ()> + Send + 'a,
    {
        (**self).register_after(delay, key, future);
    }

    fn has_clock(&self) -> bool {
        (**self).has_clock()
    }

    fn close(&self, within: Duration) -> impl Future<Output = Vec<OffloadKey>> + Send {
        (**self).close(within)
    }
}

impl<'a, O: Offload<'a>> Offload<'a> for Arc<O> {
    fn register<K, F>(&self, key: K, future: F)
    where
        K: Into<OffloadKey>,
        F: Future<Output = ()> + Send + 'a,
    {
        (**self).register(key, future);
    }

    fn is_enabled(&self) -> bool {
        (**self).is_enabled()
    }

    fn register_after<K, F>(&self, delay: Duration, key: K, future: F)
    where
        K: Into<OffloadKey>,
        F: Future<Output = ()> + Send + 'a,
    {
        (**self).register_after(delay, key, future);
    }

    fn has_clock(&self) -> bool {
        (**self).has_clock()
    }

    fn close(&self, within: Duration) -> impl Future<Output = Vec<OffloadKey>> + Send {
        (**self).close(within)
    }
}

/// What an offloaded piece of work is for: names it in reports, and lets duplicates be recognised.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum OffloadKey {
    /// Work of one kind for one cache key. A second registration while the first is pending may be
    /// dropped as a duplicate, so use it only for work that is worth doing once.
    Keyed {
        /// The cache key.
        key: CacheKey,
        /// What is done, e.g. `"repair"`.
        kind: &'static str,
    },
    /// Work that the caller numbers. Equal numbers of one kind may be recognised as duplicates.
    Explicit {
        /// What is done.
        kind: &'static str,
        /// The caller's number.
        id: u64,
    },
    /// Work that is never a duplicate of other work.
    Auto {
        /// What is done.
        kind: &'static str,
    },
}

impl OffloadKey {
    /// What is done.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Keyed { kind, .. } | Self::Explicit { kind, .. } | Self::Auto { kind } => kind,
        }
    }
}

impl fmt::Display for OffloadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keyed { key, kind } => write!(f, "{kind} {key}"),
            Self::Explicit { kind, id } => write!(f, "{kind} #{id}"),
            Self::Auto { kind } => f.write_str(kind),
        }
    }
}

impl From<&'static str> for OffloadKey {
    fn from(kind: &'static str) -> Self {
        Self::Auto { kind }
    }
}

impl From<(CacheKey, &'static str)> for OffloadKey {
    fn from((key, kind): (CacheKey, &'static str)) -> Self {
        Self::Keyed { key, kind }
    }
}

impl From<(&'static str, u64)> for OffloadKey {
    fn from((kind, id): (&'static str, u64)) -> Self {
        Self::Explicit { kind, id }
    }
}

/// Drops what it is given: nothing runs in the background.
///
/// ```
/// use hitbox_core::{DisabledOffload, Offload};
///
/// DisabledOffload.register("never", async { unreachable!() });
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct DisabledOffload;

impl<'a> Offload<'a> for DisabledOffload {
    fn register<K, F>(&self, _key: K, _future: F)
    where
        K: Into<OffloadKey>,
        F: Future<Output = ()> + Send + 'a,
    {
    }

    fn is_enabled(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_name_their_work() {
        let cases: [(OffloadKey, &str); 3] = [
            ("race".into(), "race"),
            (("race", 7).into(), "race #7"),
            (
                (CacheKey::from_pair("id", "42"), "repair").into(),
                "repair :v0:id=42",
            ),
        ];
        for (key, text) in cases {
            assert_eq!(key.to_string(), text);
            assert!(text.starts_with(key.kind()));
        }
    }

    #[test]
    fn disabled_offload_drops_through_every_forwarding_form() {
        let held = Arc::new(());
        for _ in 0..2 {
            let (by_ref, shared) = (held.clone(), held.clone());
            Offload::register(&&DisabledOffload, "dropped", async move { drop(by_ref) });
            Arc::new(DisabledOffload).register("dropped", async move { drop(shared) });
        }
        for _ in 0..2 {
            let held = held.clone();
            Arc::new(&DisabledOffload)
                .register_after(Duration::ZERO, "dropped", async move { drop(held) });
        }
        assert!(!Offload::has_clock(&&DisabledOffload));
        assert!(!Offload::is_enabled(&&DisabledOffload));
        assert!(!Arc::new(DisabledOffload).is_enabled());
        assert_eq!(Arc::strong_count(&held), 1);
    }
}
