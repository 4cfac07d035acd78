//! What has overtaken the values of a key.

use hitbox_core::Stamp;

/// The newest invalidations of a key that a backend knows of. [`Stamp::ZERO`] stands for none.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// use hitbox_backend::{
///     Backend, CacheKey, Compose, DisabledOffload, Invalidations, Stamp, conformance::MemoryBackend,
/// };
///
/// let cache = MemoryBackend::new().compose(MemoryBackend::new(), DisabledOffload);
/// let key = CacheKey::from_pair("user", "42");
/// assert_eq!(cache.invalidations(&key), Invalidations::default());
///
/// let before = Stamp::now();
/// cache.remove(&key).await?;
/// assert!(cache.invalidations(&key).hard > before);
/// # Ok::<(), hitbox_backend::BackendError>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Invalidations {
    /// Values at or below this stamp are gone: the key has been removed since, or a newer value has been written.
    /// A fill, which is a [write under a lease](crate::Condition::Lease), does not count.
    pub hard: Stamp,
    /// Values at or below this stamp are [stale](hitbox_core::CacheStatus::Stale):
    /// [`expire`](crate::Backend::expire) has been called since.
    pub soft: Stamp,
}

impl Invalidations {
    /// None.
    pub const NONE: Self = Self {
        hard: Stamp::ZERO,
        soft: Stamp::ZERO,
    };

    /// Whether a value that was created then is gone.
    #[must_use]
    pub fn have_removed(&self, created: Stamp) -> bool {
        created <= self.hard
    }

    /// Whether a value that was created then is stale, whatever its own stale time.
    #[must_use]
    pub fn have_expired(&self, created: Stamp) -> bool {
        created <= self.soft
    }

    /// Whether what a load returns that began then is gone or stale: it has been overtaken.
    #[must_use]
    pub fn have_overtaken(&self, began: Stamp) -> bool {
        self.have_removed(began) || self.have_expired(began)
    }

    /// The newer of each kind.
    #[must_use]
    pub fn combine(self, other: Self) -> Self {
        Self {
            hard: self.hard.max(other.hard),
            soft: self.soft.max(other.soft),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_created_by_then_is_invalidated() {
        let at = Stamp::from_micros;
        let hard = Invalidations {
            hard: at(10),
            ..Invalidations::NONE
        };
        let soft = Invalidations {
            soft: at(10),
            ..Invalidations::NONE
        };
        for micros in [9, 10, 11] {
            let (created, is_before) = (at(micros), micros <= 10);
            assert_eq!(hard.have_removed(created), is_before);
            assert_eq!(soft.have_expired(created), is_before);
            assert!(!soft.have_removed(created) && !hard.have_expired(created));
            assert_eq!(hard.have_overtaken(created), is_before);
            assert_eq!(soft.have_overtaken(created), is_before);
            assert!(!Invalidations::NONE.have_overtaken(created));
        }
        assert_eq!(Invalidations::default(), Invalidations::NONE);
    }
}
