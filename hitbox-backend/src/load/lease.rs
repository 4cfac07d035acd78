//! The right to load a key.

use std::{any::Any, fmt, sync::Arc};

use super::Invalidations;

/// What a load has begun with.
#[derive(Debug)]
#[non_exhaustive]
pub enum Begun {
    /// The caller loads, and holds this until it has stored the value or given up.
    Lead(Lease),
    /// There is a value, which another process may just have stored. The caller looks whether it will do, and if not,
    /// loads with this: what it stores takes the place of that very value, or of none.
    Found(Lease),
    /// Another process loads the key. The caller asks again in a while. If it loads all the same, with this, what it has
    /// loaded does not take the place of what the other one will store.
    Elsewhere(Lease),
}

impl Begun {
    /// The lease, whatever the caller is to do.
    #[must_use]
    pub fn into_lease(self) -> Lease {
        match self {
            Self::Lead(lease) | Self::Found(lease) | Self::Elsewhere(lease) => lease,
        }
    }
}

/// The right to load a key, taken before the load begins.
///
/// As long as it lives, the backend that gave it does not forget what is done to the key, whatever is done to
/// others. Dropping it ends that, on any thread, also outside of a runtime. A clone is the same lease: it lives
/// until the last one is dropped.
///
/// The default holds nothing. It is what a backend gives that knows of no invalidations.
#[derive(Clone, Default)]
pub struct Lease {
    held: Option<Arc<dyn Held>>,
}

/// What a backend makes a [`Lease`] of: dropped when the lease ends.
pub trait Held: Any + Send + Sync {
    /// The newest invalidations of the key that are known here, at the moment. Default: none.
    fn invalidations(&self) -> Invalidations {
        Invalidations::NONE
    }

    /// Whether it is in a store that processes share: whoever changes the key ends it, and the value of the load is then
    /// [refused](super::Conditional::Refused).
    fn is_shared(&self) -> bool;
}

impl Lease {
    /// A lease that holds this.
    #[must_use]
    pub fn holding(held: impl Held) -> Self {
        Self {
            held: Some(Arc::new(held)),
        }
    }

    /// What it holds, if a backend has made it that holds this.
    #[must_use]
    pub fn held<T: Held>(&self) -> Option<&T> {
        let held: &dyn Any = self.held.as_deref()?;
        held.downcast_ref()
    }

    /// The newest invalidations of the key that the backend knows of, at the moment.
    #[must_use]
    pub fn invalidations(&self) -> Invalidations {
        let held = self.held.as_ref();
        held.map_or_else(Invalidations::default, |held| held.invalidations())
    }

    /// [`Held::is_shared`]. Of the default: no.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.held.as_ref().is_some_and(|held| held.is_shared())
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease")
            .field("invalidations", &self.invalidations())
            .field("is_shared", &self.is_shared())
            .finish_non_exhaustive()
    }
}
