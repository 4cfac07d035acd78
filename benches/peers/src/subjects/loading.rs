//! What all caches that load have in common, so that they are asked for the same by the same code.

use std::future::Future;

use hitbox_benches::{Failure, bodies::Text};

/// A cache that loads what it does not have, and keeps it.
pub(crate) trait Loading: Clone + Send + Sync + 'static {
    type Key: Clone + Send + Sync + 'static;

    /// An empty one, with room for all that is put into it.
    fn open(runtime: &tokio::runtime::Runtime) -> Result<Self, Failure>;

    fn key(index: usize) -> Self::Key;

    /// The value of the key: the one that is there, or what `load` comes to.
    fn get(
        &self,
        key: &Self::Key,
        load: impl Future<Output = Text> + Send + 'static,
    ) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Returns when what was loaded is stored.
    async fn settle(&self) {}
}

/// One that can be emptied, and is as if nothing had been stored.
pub(crate) trait Emptied: Loading {
    async fn empty(&self) -> Result<(), Failure>;
}
