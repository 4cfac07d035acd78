//! The right to load a key.

use std::{fmt, sync::Arc};

use super::Invalidations;

/// What a load has begun with.
#[derive(Debug)]
#[non_exhaustive]
pub enum Begun {
    /// The caller loads, and holds this until it has stored the value or given up.
    Lead(Lease),
}

/// The right to load a key, taken before the load begins.
///
/// As long as it lives, the backend that gave it does not forget what is done to the key, whatever is done to
/// others. Dropping it ends that, on any thread, also outside of a runtime. A clone is the same lease: it lives
/// until the last one is dropped.
///
/// The default pins nothing. It is what a backend gives that knows of no invalidations.
#[derive(Clone, Default)]
pub struct Lease {
    pinned: Option<Arc<dyn Pinned>>,
}

/// What a lease keeps a backend from forgetting, until it is dropped.
pub(crate) trait Pinned: Send + Sync {
    fn invalidations(&self) -> Invalidations;
}

impl Lease {
    pub(crate) fn pinning(pinned: impl Pinned + 'static) -> Self {
        Self {
            pinned: Some(Arc::new(pinned)),
        }
    }

    /// The newest invalidations of the key that the backend knows of, at the moment.
    #[must_use]
    pub fn invalidations(&self) -> Invalidations {
        let pinned = self.pinned.as_ref();
        pinned.map_or_else(Invalidations::default, |pinned| pinned.invalidations())
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease")
            .field("invalidations", &self.invalidations())
            .finish_non_exhaustive()
    }
}
