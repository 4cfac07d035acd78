use std::{error::Error, fmt, future::Future, hash::Hash, sync::Arc};

use futures::FutureExt;
use hitbox_backend::{BackendResult, Cacheable, DeleteStatus};

use crate::{
    Batch, Cache, GetManyOrLoad, GetOrLoad, KeyParts, Keyspace, Loaded,
    call::{Load, LoadMany},
    error::SharedError,
};

/// How the values of a keyspace are loaded, whoever asks.
///
/// A loader sees the id and nothing else of who asks: so what it returns to one may be given to all. Prefer it to a closure
/// for whatever depends on who asks: that has to be in the id then.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// use std::{io, time::Duration};
/// use hitbox::{Cache, Keyspace, Loaded, Loader, moka::MokaBackend};
///
/// struct Squares;
///
/// impl Loader for Squares {
///     type Id = u64;
///     type Value = u64;
///     type Error = io::Error;
///
///     fn space(&self) -> &'static Keyspace<u64, u64> {
///         const SQUARES: Keyspace<u64, u64> = Keyspace::new("squares", 1);
///         &SQUARES
///     }
///
///     async fn load(&self, id: u64) -> Result<Loaded<u64>, io::Error> {
///         Ok(Loaded::new(id * id))
///     }
/// }
///
/// let cache = Cache::builder(MokaBackend::builder().max_entries(10_000).build()?)
///     .ttl(Duration::from_secs(300))
///     .build()?;
/// let squares = cache.loading(Squares);
/// assert_eq!(*squares.get(4).await?, 16);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub trait Loader: Send + Sync + 'static {
    /// What values are asked for by.
    type Id: KeyParts + Hash + Eq + Clone + Send + Sync + 'static;
    /// What is loaded.
    type Value: Cacheable;
    /// Why it could not be.
    type Error: Into<Box<dyn Error + Send + Sync>>;

    /// The keyspace that the values are kept in: a constant.
    fn space(&self) -> &'static Keyspace<Self::Id, Self::Value>;

    /// Loads one value.
    fn load(
        &self,
        id: Self::Id,
    ) -> impl Future<Output = Result<Loaded<Self::Value>, Self::Error>> + Send;

    /// Loads many. Default: one after the other, each with its own error.
    fn load_many(
        &self,
        mut missing: Batch<Self::Id, Self::Value>,
    ) -> impl Future<Output = Result<Batch<Self::Id, Self::Value>, Self::Error>> + Send {
        async move {
            for id in missing.ids().to_vec() {
                match self.load(id.clone()).await {
                    Ok(loaded) => missing.found(id, loaded),
                    Err(error) => missing.fail(id, error),
                }
            }
            Ok(missing)
        }
    }
}

/// A [`Cache`] with the [`Loader`] of one keyspace: made by [`Cache::loading`].
///
/// Cloning is cheap; clones share cache and loader.
pub struct LoadingCache<L> {
    cache: Cache,
    loader: Arc<L>,
}

impl Cache {
    /// This cache with a loader for one keyspace.
    #[must_use]
    pub fn loading<L: Loader>(&self, loader: L) -> LoadingCache<L> {
        LoadingCache::new(self.clone(), loader)
    }
}

impl<L: Loader> LoadingCache<L> {
    pub(crate) fn new(cache: Cache, loader: L) -> Self {
        Self {
            cache,
            loader: Arc::new(loader),
        }
    }

    /// The value of the id: the one that is there, or what the loader returns. See [`Cache::get_or_load`].
    ///
    /// # Errors
    ///
    /// Those of [`Cache::get_or_try_load`].
    pub fn get(&self, id: L::Id) -> GetOrLoad<'_, L::Value, impl Load<L::Value>> {
        let key = self.loader.space().key(&id);
        self.cache.get_or_load_by(key, self.load(id))
    }

    /// The values of many ids, of which those that are missing are loaded by one call of
    /// [`load_many`](Loader::load_many). See [`Cache::get_many_or_load`].
    pub fn get_many(
        &self,
        ids: impl IntoIterator<Item = L::Id>,
    ) -> GetManyOrLoad<'_, L::Id, L::Value, impl LoadMany<L::Id, L::Value>> {
        let loader = Arc::clone(&self.loader);
        let load = move |missing| async move { loader.load_many(missing).await };
        self.cache.get_many_or_load(self.loader.space(), ids, load)
    }

    /// Loads the value of the id, whatever is there, and returns it: the outcome of a load that begins after this is called.
    ///
    /// # Errors
    ///
    /// Those of [`Cache::get_or_try_load`].
    pub fn refresh(&self, id: L::Id) -> GetOrLoad<'_, L::Value, impl Load<L::Value>> {
        let key = self.loader.space().key(&id);
        self.cache.get_or_load_by(key, self.load(id)).anew()
    }

    /// Loads those of the ids that are not there, in calls of the loader for up to a hundred at a time. Returns how many of all are
    /// there now.
    pub async fn warm(&self, ids: impl IntoIterator<Item = L::Id>) -> usize {
        const AT_A_TIME: usize = 100;
        let mut ids = ids.into_iter().peekable();
        let mut there = 0;
        while ids.peek().is_some() {
            let next: Vec<L::Id> = ids.by_ref().take(AT_A_TIME).collect();
            let values = self.get_many(next).await;
            there += values.iter().filter(|value| value.is_ok()).count();
        }
        there
    }

    /// [`Cache::remove`].
    ///
    /// # Errors
    ///
    /// What the backend returns.
    pub async fn remove(&self, id: &L::Id) -> BackendResult<DeleteStatus> {
        self.cache.remove(self.loader.space().key(id)).await
    }

    /// The cache, for everything else.
    #[must_use]
    pub const fn cache(&self) -> &Cache {
        &self.cache
    }

    fn load(&self, id: L::Id) -> impl Load<L::Value> + use<L> {
        let loader = Arc::clone(&self.loader);
        move || {
            let loading = async move {
                let loaded = loader.load(id).await;
                loaded.map_err(|error| SharedError::from(error.into()))
            };
            loading.boxed()
        }
    }
}

impl<L> Clone for LoadingCache<L> {
    fn clone(&self) -> Self {
        Self {
            cache: self.cache.clone(),
            loader: Arc::clone(&self.loader),
        }
    }
}

impl<L> fmt::Debug for LoadingCache<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoadingCache")
            .field("cache", &self.cache)
            .finish_non_exhaustive()
    }
}
