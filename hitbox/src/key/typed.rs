use std::{
    fmt,
    hash::{Hash, Hasher},
    marker::PhantomData,
};

use hitbox_core::CacheKey;

use super::space::Space;

/// A [`CacheKey`] that knows the type of its value.
///
/// [`Keyspace::key`](crate::Keyspace::key) makes one. Cloning it costs one reference count; making it, two
/// allocations: keep it where the same value is asked for again.
pub struct Key<V> {
    key: CacheKey,
    space: Option<&'static Space>,
    // Neither owns a `V` nor borrows one.
    of: PhantomData<fn() -> V>,
}

impl<V> Key<V> {
    /// A key that was made by other means, for values of type `V`: nobody checks that no other type is kept under it.
    /// The settings of the cache are in force for it.
    ///
    /// ```
    /// use hitbox::{CacheKey, Key};
    ///
    /// let key = Key::<u64>::untyped(CacheKey::from_pair("visits", "2026-11-30"));
    /// assert_eq!(key.to_string(), ":v0:visits=2026-11-30");
    /// ```
    #[must_use]
    pub const fn untyped(key: CacheKey) -> Self {
        Self {
            key,
            space: None,
            of: PhantomData,
        }
    }

    pub(super) const fn within(space: &'static Space, key: CacheKey) -> Self {
        Self {
            key,
            space: Some(space),
            of: PhantomData,
        }
    }

    /// The key itself, as backends take it.
    #[inline]
    #[must_use]
    pub const fn as_cache_key(&self) -> &CacheKey {
        &self.key
    }

    /// The keyspace that it is of.
    #[inline]
    pub(crate) const fn space(&self) -> Option<&'static Space> {
        self.space
    }
}

impl<V> From<Key<V>> for CacheKey {
    fn from(key: Key<V>) -> Self {
        key.key
    }
}

impl<V> From<&Key<V>> for Key<V> {
    fn from(key: &Key<V>) -> Self {
        key.clone()
    }
}

impl<V> Clone for Key<V> {
    #[inline]
    fn clone(&self) -> Self {
        Self {
            key: self.key.clone(),
            space: self.space,
            of: PhantomData,
        }
    }
}

impl<V> PartialEq for Key<V> {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl<V> Eq for Key<V> {}

impl<V> Hash for Key<V> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key.hash(state);
    }
}

impl<V> fmt::Display for Key<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.key.fmt(f)
    }
}

impl<V> fmt::Debug for Key<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({:?})", self.key.as_text())
    }
}
