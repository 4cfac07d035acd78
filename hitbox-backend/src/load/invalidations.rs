//! What has overtaken the values of a key.

use hitbox_core::Stamp;

/// The newest invalidations of a key that a backend knows of. [`Stamp::ZERO`] stands for none.
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
    /// The newer of each kind.
    #[must_use]
    pub fn combine(self, other: Self) -> Self {
        Self {
            hard: self.hard.max(other.hard),
            soft: self.soft.max(other.soft),
        }
    }
}
