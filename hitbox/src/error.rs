use std::{error::Error, fmt, sync::Arc, time::Duration};

use hitbox_backend::BackendError;
use hitbox_core::CacheKey;

use crate::key::KeyConflict;

/// Why a call that may load has no value.
///
/// It is one for all who waited for the load, so it is cheap to clone. It says which key it is about; of values, and of
/// what a loader that panicked said, it knows nothing.
///
/// ```
/// use hitbox::{LoadError, LoadErrorKind};
///
/// fn status_of(error: &LoadError) -> u16 {
///     match error.kind() {
///         LoadErrorKind::Absent => 404,
///         LoadErrorKind::Timeout | LoadErrorKind::Overloaded | LoadErrorKind::Closed => 503,
///         _ => 500,
///     }
/// }
/// # let _ = status_of;
/// ```
#[derive(Clone)]
pub struct LoadError {
    inner: Arc<Inner>,
}

struct Inner {
    key: CacheKey,
    cause: Cause,
}

/// What kind of failure a [`LoadError`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LoadErrorKind {
    /// The loader has returned an error, which is the [source](Error::source).
    Loader,
    /// The loader has found that there is no such thing.
    Absent,
    /// The caller's [`hard_timeout`](crate::Keyspace::hard_timeout) or the load's
    /// [`load_deadline`](crate::Keyspace::load_deadline) has passed.
    Timeout,
    /// The loader has panicked. What it said is with the panic hook of the process.
    Panicked,
    /// The load waited for itself: [`LoadError::path`] says by which keys.
    Recursive,
    /// As many loads as may run were running, for as long as the caller waited.
    Overloaded,
    /// The keyspace of the key has, in this cache, values of another type. Whoever reads, loads or inserts is refused;
    /// [`remove`](crate::Cache::remove) and [`expire`](crate::Cache::expire) do not look at the type.
    KeyConflict,
    /// The cache is closed: it begins no loads any more.
    Closed,
    /// The backend has failed, or a setting cannot work.
    Backend,
    /// There is no tokio runtime for the load to run on, or the one that it ran on has ended.
    NoRuntime,
}

/// What there is to know of each kind.
pub(crate) enum Cause {
    Loader(SharedError),
    Absent,
    Timeout(TimedOut),
    Panicked,
    /// From the key whose load has found it, by the keys that each load waits for, back to that key.
    Recursive(Box<[CacheKey]>),
    Overloaded,
    KeyConflict(KeyConflict),
    /// Another call asks for values of another type under the same key, which is of no keyspace.
    OfAnotherType,
    Closed,
    Backend(BackendError),
    NoRuntime,
    RuntimeEnded,
}

/// A loader's error, which may be that of many keys.
pub(crate) type SharedError = Arc<dyn Error + Send + Sync>;

/// Whose time was up, and how long that was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimedOut {
    Caller(Duration),
    Load(Duration),
}

impl LoadError {
    pub(crate) fn new(key: CacheKey, cause: Cause) -> Self {
        Self {
            inner: Arc::new(Inner { key, cause }),
        }
    }

    /// What kind of failure it is.
    #[must_use]
    pub fn kind(&self) -> LoadErrorKind {
        match self.inner.cause {
            Cause::Loader(_) => LoadErrorKind::Loader,
            Cause::Absent => LoadErrorKind::Absent,
            Cause::Timeout(_) => LoadErrorKind::Timeout,
            Cause::Panicked => LoadErrorKind::Panicked,
            Cause::Recursive(_) => LoadErrorKind::Recursive,
            Cause::Overloaded => LoadErrorKind::Overloaded,
            Cause::KeyConflict(_) | Cause::OfAnotherType => LoadErrorKind::KeyConflict,
            Cause::Closed => LoadErrorKind::Closed,
            Cause::Backend(_) => LoadErrorKind::Backend,
            Cause::NoRuntime | Cause::RuntimeEnded => LoadErrorKind::NoRuntime,
        }
    }

    /// Whether the loader has found that there is no such thing: an answer, and no failure.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        self.kind() == LoadErrorKind::Absent
    }

    /// The key whose load it was.
    #[must_use]
    pub fn key(&self) -> &CacheKey {
        &self.inner.key
    }

    /// Of a [recursive](LoadErrorKind::Recursive) load, the keys by which it came back to itself, the first and the
    /// last being the same; else none.
    #[must_use]
    pub fn path(&self) -> &[CacheKey] {
        match &self.inner.cause {
            Cause::Recursive(path) => path,
            Cause::Loader(_)
            | Cause::Absent
            | Cause::Timeout(_)
            | Cause::Panicked
            | Cause::Overloaded
            | Cause::KeyConflict(_)
            | Cause::OfAnotherType
            | Cause::Closed
            | Cause::Backend(_)
            | Cause::NoRuntime
            | Cause::RuntimeEnded => &[],
        }
    }

    /// The loader's error, or the backend's, if it is an `E`.
    #[must_use]
    pub fn downcast_ref<E: Error + 'static>(&self) -> Option<&E> {
        self.source()?.downcast_ref()
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.inner.key)?;
        match &self.inner.cause {
            Cause::Loader(_) => f.write_str("the load failed"),
            Cause::Absent => f.write_str("there is no such thing"),
            Cause::Timeout(TimedOut::Caller(wait)) => {
                write!(f, "no value within {wait:?} (`hard_timeout`)")
            }
            Cause::Timeout(TimedOut::Load(wait)) => {
                write!(f, "the load did not end within {wait:?} (`load_deadline`)")
            }
            Cause::Panicked => f.write_str("the loader panicked"),
            Cause::Recursive(path) => {
                f.write_str("the load waits for itself: ")?;
                for (index, key) in path.iter().enumerate() {
                    let arrow = if index == 0 { "" } else { " -> " };
                    write!(f, "{arrow}{key}")?;
                }
                Ok(())
            }
            Cause::Overloaded => {
                f.write_str("no place came free for another load (`max_loads`)")
            }
            Cause::KeyConflict(conflict) => conflict.fmt(f),
            Cause::OfAnotherType => {
                f.write_str("values of another type are being loaded under this key")
            }
            Cause::Closed => f.write_str("the cache is closed"),
            Cause::Backend(_) => f.write_str("the backend failed"),
            Cause::RuntimeEnded => f.write_str("the runtime that the load ran on has ended"),
            Cause::NoRuntime => f.write_str(
                "a load needs a tokio runtime: call from within one, or give the builder of the cache one (`runtime`)",
            ),
        }
    }
}

impl fmt::Debug for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoadError")
            .field("kind", &self.kind())
            .field("key", &self.inner.key)
            .field("path", &self.path())
            .field("source", &self.source())
            .finish()
    }
}

impl Error for LoadError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.inner.cause {
            Cause::Loader(error) => Some(&**error),
            Cause::Backend(error) => Some(error),
            Cause::Absent
            | Cause::Timeout(_)
            | Cause::Panicked
            | Cause::Recursive(_)
            | Cause::Overloaded
            | Cause::KeyConflict(_)
            | Cause::OfAnotherType
            | Cause::Closed
            | Cause::NoRuntime
            | Cause::RuntimeEnded => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use hitbox_backend::{BackendErrorKind, Operation};

    use super::*;

    fn key(id: &str) -> CacheKey {
        CacheKey::from_pair("id", id)
    }

    fn error(cause: Cause) -> LoadError {
        LoadError::new(key("1"), cause)
    }

    #[test]
    fn each_cause_has_its_kind_and_names_the_key() {
        let loader: SharedError = Arc::new(io::Error::other("down"));
        let backend = BackendError::new(BackendErrorKind::Timeout, Operation::Read, "l1".into());
        let second = Duration::from_secs(1);
        let cases = [
            (
                Cause::Loader(loader),
                LoadErrorKind::Loader,
                ":v0:id=1: the load failed",
            ),
            (
                Cause::Absent,
                LoadErrorKind::Absent,
                ":v0:id=1: there is no such thing",
            ),
            (
                Cause::Timeout(TimedOut::Caller(second)),
                LoadErrorKind::Timeout,
                ":v0:id=1: no value within 1s (`hard_timeout`)",
            ),
            (
                Cause::Timeout(TimedOut::Load(second)),
                LoadErrorKind::Timeout,
                ":v0:id=1: the load did not end within 1s (`load_deadline`)",
            ),
            (
                Cause::Panicked,
                LoadErrorKind::Panicked,
                ":v0:id=1: the loader panicked",
            ),
            (
                Cause::Recursive(["1", "2", "1"].map(key).into()),
                LoadErrorKind::Recursive,
                ":v0:id=1: the load waits for itself: :v0:id=1 -> :v0:id=2 -> :v0:id=1",
            ),
            (
                Cause::Overloaded,
                LoadErrorKind::Overloaded,
                ":v0:id=1: no place came free for another load (`max_loads`)",
            ),
            (
                Cause::Closed,
                LoadErrorKind::Closed,
                ":v0:id=1: the cache is closed",
            ),
            (
                Cause::Backend(backend),
                LoadErrorKind::Backend,
                ":v0:id=1: the backend failed",
            ),
        ];
        for (cause, kind, text) in cases {
            let error = error(cause);
            assert_eq!((error.kind(), &*error.to_string()), (kind, text));
            assert_eq!(error.is_absent(), kind == LoadErrorKind::Absent);
            assert_eq!(
                error.path().len(),
                if kind == LoadErrorKind::Recursive {
                    3
                } else {
                    0
                }
            );
            assert!(format!("{error:?}").contains("id=1"));
        }
        let no_runtime = error(Cause::NoRuntime);
        assert_eq!(no_runtime.kind(), LoadErrorKind::NoRuntime);
        assert!(no_runtime.to_string().contains("`runtime`"));
    }

    #[test]
    fn the_source_is_the_loaders_error_and_clones_share_it() {
        let loader: SharedError = Arc::new(io::Error::other("down"));
        let one = error(Cause::Loader(loader));
        let other = one.clone();
        assert!(Arc::ptr_eq(&one.inner, &other.inner));
        assert_eq!(
            one.source().map(ToString::to_string).as_deref(),
            Some("down")
        );
        assert!(one.downcast_ref::<io::Error>().is_some());
        assert!(one.downcast_ref::<fmt::Error>().is_none());

        // A load that begins another one and passes its error on.
        let passed_on: Box<dyn Error + Send + Sync> = Box::new(error(Cause::Absent));
        let outer = error(Cause::Loader(passed_on.into()));
        assert!(!outer.is_absent());
        assert!(outer.downcast_ref::<LoadError>().unwrap().is_absent());
    }

    #[test]
    fn an_error_is_as_small_as_a_pointer() {
        assert_eq!(size_of::<Result<Arc<u8>, LoadError>>(), 16);
    }
}
