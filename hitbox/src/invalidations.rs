use hitbox_core::Stamp;

/// The newest invalidations that cover a value, by its key, by one of its tags, or as one of all: flights, fallbacks
/// and throttles look at the same ones.
///
/// A write counts as a removal by the stamp before its own: of what is older, and not of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Invalidations {
    /// After which an older value must not be seen again. [`Stamp::ZERO`]: none.
    pub(crate) hard: Stamp,
    /// After which an older value is stale. [`Stamp::ZERO`]: none.
    pub(crate) soft: Stamp,
}

impl Invalidations {
    /// Nothing was invalidated.
    pub(crate) const NONE: Self = Self {
        hard: Stamp::ZERO,
        soft: Stamp::ZERO,
    };

    /// Whether what was created then has been removed.
    pub(crate) fn remove(&self, created: Stamp) -> bool {
        created <= self.hard
    }

    /// Whether what was created then has been expired by hand.
    pub(crate) fn expire(&self, created: Stamp) -> bool {
        created <= self.soft
    }

    /// Whether anything has come since, or at once with, a load that began then.
    pub(crate) fn overtake(&self, began: Stamp) -> bool {
        self.remove(began) || self.expire(began)
    }
}
