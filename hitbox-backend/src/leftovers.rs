use hitbox_core::OffloadKey;

use crate::BackendError;

/// What a backend has not done by the time that it was to be [closed](crate::Backend::close).
#[derive(Debug, Default)]
#[non_exhaustive]
#[must_use = "it says what is lost"]
pub struct Leftovers {
    /// Work in the background that was dropped: refills, repairs, the losers of races. In no particular order.
    pub unfinished: Vec<OffloadKey>,
    /// Why layers may not keep all that they were told.
    pub failures: Vec<BackendError>,
}

impl Leftovers {
    /// Of a layer that has failed to write what it was told to where it survives.
    pub fn failure(error: BackendError) -> Self {
        Self {
            failures: vec![error],
            ..Self::default()
        }
    }

    /// Whether there is nothing: all has been done.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.unfinished.is_empty() && self.failures.is_empty()
    }

    /// These, and those of another backend.
    pub fn and(mut self, other: Self) -> Self {
        self.unfinished.extend(other.unfinished);
        self.failures.extend(other.failures);
        self
    }
}
