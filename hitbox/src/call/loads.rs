//! What calls load by: closures, as the methods of the cache make them.

use futures::future::BoxFuture;

use crate::{Batch, Loaded, error::SharedError};

/// A loader, as [`GetOrLoad`](crate::GetOrLoad) calls it once it has to.
pub trait Load<V>: Send + 'static {
    /// Begins to load.
    fn load(self) -> BoxFuture<'static, Result<Loaded<V>, SharedError>>;
}

impl<V, F> Load<V> for F
where
    F: FnOnce() -> BoxFuture<'static, Result<Loaded<V>, SharedError>> + Send + 'static,
{
    fn load(self) -> BoxFuture<'static, Result<Loaded<V>, SharedError>> {
        self()
    }
}

/// A loader of many keys, as [`GetManyOrLoad`](crate::GetManyOrLoad) calls it once it has to.
pub trait LoadMany<I, V>: Send + 'static {
    /// Begins to load.
    fn load(self, missing: Batch<I, V>) -> BoxFuture<'static, Result<Batch<I, V>, SharedError>>;
}

impl<I, V, F> LoadMany<I, V> for F
where
    F: FnOnce(Batch<I, V>) -> BoxFuture<'static, Result<Batch<I, V>, SharedError>> + Send + 'static,
{
    fn load(self, missing: Batch<I, V>) -> BoxFuture<'static, Result<Batch<I, V>, SharedError>> {
        self(missing)
    }
}
