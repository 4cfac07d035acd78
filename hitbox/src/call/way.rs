//! A call that was not answered in place.

use std::sync::Arc;

use hitbox_backend::{CacheKey, flights::Terms};

use crate::{LoadError, error::Cause, flights::Nesting, settings::InForce, shared::Shared};

/// A call on its way to an answer.
pub(super) struct Way<'c> {
    pub(super) shared: &'c Arc<Shared>,
    pub(super) key: CacheKey,
    pub(super) settings: InForce<'c>,
    /// Where it was made.
    pub(super) nesting: Nesting,
    pub(super) terms: Terms,
}

impl Way<'_> {
    pub(super) fn error(&self, cause: Cause) -> LoadError {
        LoadError::new(self.key.clone(), cause)
    }
}
