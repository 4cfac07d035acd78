use std::{error::Error, fmt, future::Future, hash::Hash, slice, sync::Arc};

use futures::FutureExt;
use hitbox_backend::{
    Backend, BackendResult, BoxContext, CacheBackend, CacheKey, CacheStatus, CacheValue, Cacheable,
    DeleteStatus, Described, tags::Severity,
};

use crate::{
    Batch, FillUnderWay, Key, KeyParts, Keyspace, LoadUnderWay, Loaded, Statistics,
    call::{GetManyOrLoad, GetOrLoad, Insert, Load, LoadMany, OfValue},
    error::SharedError,
    reading::InPlace,
    shared::Shared,
    statistics::Outcome,
    tags::Scope,
};

/// What a service calls: values that are loaded once, however many ask for them, kept in a backend, fresh for as long
/// as is set, and gone when they are removed.
///
/// Cloning is cheap; clones are one cache. Two caches over one backend know of each other's removals if that is a
/// composition, or the clone of one [fenced](hitbox_backend::BackendExt::fenced) backend.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// use std::time::Duration;
/// use hitbox::{Cache, Keyspace, moka::MokaBackend};
///
/// const USERS: Keyspace<u64, String> = Keyspace::new("users", 1);
///
/// let cache = Cache::builder(MokaBackend::builder().max_entries(10_000).build()?)
///     .ttl(Duration::from_secs(300))
///     .build()?;
/// let user = cache.get_or_load(USERS.key(42), || async { String::from("Ada") }).await?;
/// assert_eq!(*user, "Ada");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct Cache {
    shared: Arc<Shared>,
}

impl Cache {
    pub(crate) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// The value of the key, if a fresh one is there.
    ///
    /// # Errors
    ///
    /// What the backend returns. [`InvalidConfiguration`](hitbox_backend::BackendErrorKind::InvalidConfiguration), if the keyspace
    /// of the key has values of another type in this cache, or a setting that cannot work.
    pub async fn get<V: Cacheable>(&self, key: impl Into<Key<V>>) -> BackendResult<Option<Arc<V>>> {
        let key = key.into();
        if let Err(error) = self.shared.serves(&key) {
            return self.fresh(Err(error), &BoxContext::default());
        }
        let mut context = BoxContext::default().fresh_only();
        let found = self.shared.get::<V>(key.as_cache_key(), &mut context).await;
        self.fresh(found, &context)
    }

    /// The value of the key, if a fresh one is there and can be had without waiting: from a cache in process, for one.
    /// It needs no runtime. Where [`get`](Self::get) fails, this has nothing.
    pub fn try_get<V: Cacheable>(&self, key: impl Into<Key<V>>) -> Option<Arc<V>> {
        let key = key.into();
        let mut context = BoxContext::default();
        if let Err(error) = self.shared.serves(&key) {
            return self.fresh(Err(error), &context).unwrap_or_default();
        }
        let found = self
            .shared
            .get_in_place::<V>(key.as_cache_key(), &mut context);
        let found = match found {
            InPlace::Found(outcome) => outcome,
            InPlace::Waits | InPlace::Doubtful(_) => Ok(None),
        };
        // It has been counted.
        self.fresh(found, &context).unwrap_or_default()
    }

    /// The value of the key: the one that is there, or what `load` returns.
    ///
    /// However many ask for a key at once, one of them loads and all get the outcome. The load runs as a task of its
    /// own: once it has begun, whoever asked for it may go. What it returns is stored, unless the key has been removed meanwhile; who asks after a
    /// [`remove`](Self::remove) has returned gets nothing that began to load before it.
    ///
    /// # Errors
    ///
    /// [`Absent`](crate::LoadErrorKind::Absent), if the load says so; and what keeps a load from being made or ending.
    pub fn get_or_load<V, F, Fut, T>(
        &self,
        key: impl Into<Key<V>>,
        load: F,
    ) -> GetOrLoad<'_, V, impl Load<V>, OfValue>
    where
        V: Cacheable,
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = T> + Send + 'static,
        T: Into<Loaded<V>>,
    {
        let loader = move || async move { Ok(load().await.into()) }.boxed();
        GetOrLoad::new(&self.shared, key.into(), loader)
    }

    /// [`get_or_load`](Self::get_or_load) by a loader that may fail.
    ///
    /// # Errors
    ///
    /// [`Loader`](crate::LoadErrorKind::Loader), with what the loader has returned as its source. All who wait for the load get
    /// it; it is not stored, and the next one who asks loads again.
    pub fn get_or_try_load<V, F, Fut, T, E>(
        &self,
        key: impl Into<Key<V>>,
        load: F,
    ) -> GetOrLoad<'_, V, impl Load<V>, OfValue>
    where
        V: Cacheable,
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        T: Into<Loaded<V>>,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        let loader = move || {
            let loading = async move { load().await.map(Into::into).map_err(shared_error) };
            loading.boxed()
        };
        GetOrLoad::new(&self.shared, key.into(), loader)
    }

    /// Loads the value of the key, whatever is there, and returns it: the outcome of a load that begins after this is called.
    /// Who asks for the key meanwhile gets the value that is there.
    ///
    /// # Errors
    ///
    /// Those of [`get_or_try_load`](Self::get_or_try_load).
    pub fn refresh<V, F, Fut, T, E>(
        &self,
        key: impl Into<Key<V>>,
        load: F,
    ) -> GetOrLoad<'_, V, impl Load<V>, OfValue>
    where
        V: Cacheable,
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        T: Into<Loaded<V>>,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        self.get_or_try_load(key, load).anew()
    }

    pub(crate) const fn get_or_load_by<V, L: Load<V>>(
        &self,
        key: Key<V>,
        loader: L,
    ) -> GetOrLoad<'_, V, L> {
        GetOrLoad::new(&self.shared, key, loader)
    }

    /// [`get`](Self::get) for many keys: one outcome for each, in the order asked.
    pub async fn get_many<V: Cacheable>(
        &self,
        keys: impl IntoIterator<Item = Key<V>>,
    ) -> Vec<BackendResult<Option<Arc<V>>>> {
        let keys: Vec<Key<V>> = keys.into_iter().collect();
        let context = BoxContext::default().fresh_only();
        // They are of one keyspace, mostly, and the same is true of all of them.
        if keys.iter().any(|key| self.shared.serves(key).is_err()) {
            let mut outcomes = Vec::with_capacity(keys.len());
            for key in keys {
                outcomes.push(self.get(key).await);
            }
            return outcomes;
        }
        let keys: Vec<CacheKey> = keys.into_iter().map(CacheKey::from).collect();
        let mut contexts = vec![context; keys.len()];
        let found = self.shared.get_many(&keys, &mut contexts).await;
        let outcomes = found.into_iter().zip(contexts);
        outcomes
            .map(|(found, context)| self.fresh(found, &context))
            .collect()
    }

    /// The values of many ids: those that are there, and what one call of `load` returns for those that are missing and that
    /// nobody else is loading.
    ///
    /// The loader gets each missing id once, in a [`Batch`], and returns that with what it has found. An id of which it says
    /// nothing is [absent](crate::LoadErrorKind::Absent). An error of the loader is that of each key that it was called for; one
    /// that it tells of an id ([`Batch::fail`]), of that key alone.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// use std::time::Duration;
    /// use hitbox::{Batch, Cache, Keyspace, moka::MokaBackend};
    ///
    /// const SQUARES: Keyspace<u64, u64> = Keyspace::new("squares", 1);
    ///
    /// let cache = Cache::builder(MokaBackend::builder().max_entries(10_000).build()?)
    ///     .ttl(Duration::from_secs(300))
    ///     .build()?;
    /// let load = |mut missing: Batch<u64, u64>| async move {
    ///     for id in missing.ids().to_vec() {
    ///         missing.found(id, id * id);
    ///     }
    ///     Ok::<_, std::io::Error>(missing)
    /// };
    /// let squares = cache.get_many_or_load(&SQUARES, [1, 2, 3], load).await;
    /// let squares: Result<Vec<_>, _> = squares.into_iter().map(|square| square.map(|square| *square)).collect();
    /// assert_eq!(squares?, [1, 4, 9]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    pub fn get_many_or_load<I, V, F, Fut, E>(
        &self,
        space: &'static Keyspace<I, V>,
        ids: impl IntoIterator<Item = I>,
        load: F,
    ) -> GetManyOrLoad<'_, I, V, impl LoadMany<I, V>, OfValue>
    where
        I: KeyParts + Hash + Eq + Clone + Send + 'static,
        V: Cacheable,
        F: FnOnce(Batch<I, V>) -> Fut + Send + 'static,
        Fut: Future<Output = Result<Batch<I, V>, E>> + Send + 'static,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        let loader = move |missing| {
            let loading = async move { load(missing).await.map_err(shared_error) };
            loading.boxed()
        };
        GetManyOrLoad::new(&self.shared, space, ids.into_iter().collect(), loader)
    }

    /// Stores a value that the caller has just written to where it comes from. It takes the place of what loads that are
    /// under way will return.
    ///
    /// For a value that was read there, say when that began ([`Insert::loaded_since`]): something may have removed the key
    /// meanwhile.
    pub fn insert<V: Cacheable>(
        &self,
        key: impl Into<Key<V>>,
        value: impl Into<Loaded<V>>,
    ) -> Insert<'_, V> {
        Insert::new(&self.shared, key.into(), value.into())
    }

    /// Removes the key. Once this has returned, nobody who asks for it gets a value that began to load before: not the one
    /// that was there, not in place of one that fails to load, and not what a load returns that is under way.
    ///
    /// # Errors
    ///
    /// What the backend returns. In this process the key is removed all the same; a layer that failed is bypassed for the
    /// key until it is repaired.
    pub async fn remove<V>(&self, key: impl Into<Key<V>>) -> BackendResult<DeleteStatus> {
        let key = CacheKey::from(key.into());
        let removal = self.shared.backend.delete(&key);
        self.shared.invalidate(slice::from_ref(&key), removal).await
    }

    /// [`remove`](Self::remove) for many keys: one outcome for each, in the order given.
    pub async fn remove_many<V>(
        &self,
        keys: impl IntoIterator<Item = Key<V>>,
    ) -> Vec<BackendResult<DeleteStatus>> {
        let keys: Vec<CacheKey> = keys.into_iter().map(CacheKey::from).collect();
        let removal = self.shared.backend.delete_many(&keys);
        self.shared.invalidate(&keys, removal).await
    }

    /// Makes the value of the key stale, wherever it is: the next one who asks loads, and gets the old value only where that
    /// fails and [`stale_if_error`](crate::CacheBuilder::stale_if_error) allows it.
    ///
    /// # Errors
    ///
    /// What the backend returns.
    pub async fn expire<V>(&self, key: impl Into<Key<V>>) -> BackendResult<()> {
        let key = CacheKey::from(key.into());
        let expiry = self.shared.backend.expire(&key);
        self.shared.invalidate(slice::from_ref(&key), expiry).await
    }

    /// Removes all that has the tag, wherever it is: once this has returned, nobody who asks gets a value with it that
    /// began to load before. The values are left where they are, until they expire or are replaced.
    ///
    /// A load learns its tags when it ends. One that is under way goes on, and who asks meanwhile waits for it; if its
    /// outcome has the tag then, who asked after this has returned gets that of another load.
    ///
    /// Over a coherent composition whose store keeps tags, as Redis does, it holds in all processes within the bound. Over any other
    /// backend whose values outlive this process it is kept there, and holds after a restart; other processes do not
    /// hear of it while they run.
    ///
    /// # Errors
    ///
    /// What the backend returns; in this process it holds all the same.
    /// [`InvalidConfiguration`](hitbox_backend::BackendErrorKind::InvalidConfiguration), if it can be no tag (it is empty, or longer
    /// than 255 bytes), or the backend does not [keep metadata](hitbox_backend::Capabilities::keeps_metadata).
    pub async fn remove_tagged(&self, tag: impl AsRef<str>) -> BackendResult<()> {
        let scope = Scope::Tag(tag.as_ref());
        self.shared.invalidate_all(scope, Severity::Hard).await
    }

    /// Makes all stale that has the tag: [`expire`](Self::expire) for each such value, in the way of
    /// [`remove_tagged`](Self::remove_tagged).
    ///
    /// # Errors
    ///
    /// Those of [`remove_tagged`](Self::remove_tagged).
    pub async fn expire_tagged(&self, tag: impl AsRef<str>) -> BackendResult<()> {
        let scope = Scope::Tag(tag.as_ref());
        self.shared.invalidate_all(scope, Severity::Soft).await
    }

    /// Removes everything: once this has returned, nobody who asks gets a value that began to load before. Caches of
    /// another [name](crate::CacheBuilder::name) over the same backend are not concerned. It frees no memory: what is
    /// there is hidden at once, and goes when it expires, is evicted or replaced.
    ///
    /// # Errors
    ///
    /// What the backend returns; in this process it holds all the same.
    pub async fn clear(&self) -> BackendResult<()> {
        self.shared.invalidate_all(Scope::All, Severity::Hard).await
    }

    /// Makes everything stale: [`expire`](Self::expire) for each value, in the way of [`clear`](Self::clear).
    ///
    /// # Errors
    ///
    /// Those of [`clear`](Self::clear).
    pub async fn expire_all(&self) -> BackendResult<()> {
        self.shared.invalidate_all(Scope::All, Severity::Soft).await
    }

    /// The loads that are under way: what hangs, and since when?
    #[must_use]
    pub fn loads(&self) -> Vec<LoadUnderWay> {
        let flights = self.shared.flights.under_way();
        let flights = flights.iter();
        flights
            .map(|(flight, waiters)| LoadUnderWay::of(flight, *waiters))
            .collect()
    }

    /// What was loaded and is being stored, key by key: what hangs, and since when?
    #[must_use]
    pub fn fills(&self) -> Vec<FillUnderWay> {
        self.shared.fills.under_way()
    }

    /// What has been done since the cache was built.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        let under_way = self.shared.tasks.under_way();
        self.shared.counters.statistics(under_way)
    }

    /// Returns when the loads that are under way have ended, and what they returned is stored. New ones may have begun by then.
    pub async fn drain(&self) {
        self.shared.tasks.idle().await;
    }

    /// What values are kept in.
    #[must_use]
    pub fn backend(&self) -> &dyn Backend {
        &*self.shared.backend
    }

    /// What a call gives that does not load, and counts as.
    fn fresh<V>(
        &self,
        found: BackendResult<Option<CacheValue<Described<V>>>>,
        context: &BoxContext,
    ) -> BackendResult<Option<Arc<V>>> {
        let is_fresh = context.status() == CacheStatus::Hit;
        let fresh = found.map(|found| {
            let fresh = found.filter(|_| is_fresh)?;
            Some(fresh.map(|found| found.known))
        });
        self.shared.counters.calls.add(match &fresh {
            Ok(Some(value)) => Outcome::of_hit(value),
            Ok(None) => Outcome::Miss,
            Err(_) => Outcome::Failed,
        });
        fresh.map(|value| value?.into_inner().into_present())
    }
}

fn shared_error(error: impl Into<Box<dyn Error + Send + Sync>>) -> SharedError {
    error.into().into()
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("backend", &self.shared.backend.label())
            .finish_non_exhaustive()
    }
}
