//! The right to load a key.

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
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Lease {}

impl Lease {
    /// The newest invalidations of the key that the backend knows of, at the moment.
    #[must_use]
    pub fn invalidations(&self) -> Invalidations {
        Invalidations::default()
    }
}
