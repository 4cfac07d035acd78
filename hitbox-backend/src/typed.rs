mod known;
mod wanting;

use std::{future::Future, sync::Arc};

use hitbox_core::{BoxContext, CacheKey, CacheStatus, CacheValue, Meta, Raw, Stamp, clock::Moment};

use crate::{
    Attempt, Backend, BackendError, BackendErrorKind, BackendResult, Cacheable, Condition,
    Conditional, DeleteStatus, ReadOutcome,
    backend::{end_read, write_through},
    object::{with_bytes, with_bytes_each},
    outcome::as_made,
};
use known::{described_outcome, known_outcome, present_outcome, to_raw};
use wanting::Wanting;

pub use known::{
    Described, DescribedOutcome, GetOutcome, Known, KnownAttempt, KnownOutcome, Storable,
};

/// Typed access to any [`Backend`], composed or not, static or `dyn`.
///
/// Objects go in and come out behind an [`Arc`]: a backend that keeps values in process hands out
/// the object that was put in, without encoding or decoding anything on a hit.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// use std::{sync::Arc, time::Duration};
/// use hitbox_backend::{CacheBackend, conformance::MemoryBackend};
/// use hitbox_core::{CacheContext, CacheKey, CacheStatus, CacheValue, Stamp};
///
/// let cache = MemoryBackend::new();
/// let key = CacheKey::from_pair("user", "42");
/// let began = Stamp::now(); // before the load
/// let name = Arc::new(String::from("Ada"));
/// cache.set(&key, CacheValue::loaded(name, began).ttl(Duration::from_secs(300))).await?;
///
/// let cached = cache.get::<String>(&key).await?;
/// assert_eq!(cached.unwrap().data().as_str(), "Ada");
///
/// // The same, and where it came from.
/// let mut context = CacheContext::default().boxed();
/// cache.get_with::<String>(&key, &mut context).await?;
/// assert_eq!(context.status(), CacheStatus::Hit);
/// # Ok::<(), hitbox_backend::BackendError>(())
/// # }).unwrap();
/// ```
///
/// An operation that is done in place, such as a hit in process, uses up some of the budget that tokio gives
/// to a task: now and then a loop of them lets others run. Outside of tokio there is no budget.
pub trait CacheBackend: Backend {
    /// The live value under `key`, or `None`.
    ///
    /// What is stored under the key but cannot be read as a `T` is a miss, in a composition one of the layer that
    /// holds it: the other layer may have a value that can. An object of another type is such a miss; only where
    /// no other layer has the key, it is encoded and decoded as a `T`.
    ///
    /// A layer that keeps objects in process answers with the object that was set; one that keeps bytes,
    /// with what `T`'s `Deserialize` makes of them. Where the two differ, the answers of a composition do:
    /// a field with serde's `skip` is there on a hit of the first layer, and has its default on one of the
    /// second, and after that layer has been filled anew from it.
    ///
    /// # Errors
    ///
    /// What [`Backend::read`] returns.
    fn get<T: Cacheable>(&self, key: &CacheKey) -> impl Future<Output = GetOutcome<T>> + Send {
        async move {
            let mut context = BoxContext::default();
            self.get_with(key, &mut context).await
        }
    }

    /// [`get`](Self::get). `context` tells afterwards whether it was a hit, and whose. One that is
    /// [`fresh_only`](BoxContext::fresh_only) has a composition look further where a layer's value is stale.
    ///
    /// That the reader wants a `T` is said in the context for the time of the read, which is how layers know. A value
    /// that says that there [is no such thing](Known::Absent) is a miss.
    ///
    /// # Errors
    ///
    /// What [`Backend::read`] returns.
    fn get_with<T: Cacheable>(
        &self,
        key: &CacheKey,
        context: &mut BoxContext,
    ) -> impl Future<Output = GetOutcome<T>> + Send {
        read_as::<_, T, _>(self, key, context, present_outcome)
    }

    /// [`get_with`](Self::get_with), but that it tells what is known to be [absent](Known::Absent) from what is not
    /// known, which is a miss.
    ///
    /// What is absent is so whatever the type that is asked for. `context` says of it what it says of an object: a
    /// hit, or a stale one, and whose.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// use std::time::Duration;
    /// use hitbox_backend::{CacheBackend, Known, conformance::MemoryBackend};
    /// use hitbox_core::{BoxContext, CacheKey, CacheStatus, CacheValue, Stamp};
    ///
    /// let cache = MemoryBackend::new();
    /// let key = CacheKey::from_pair("user", "43");
    /// let began = Stamp::now(); // before the load, which finds nothing
    /// let nobody = CacheValue::loaded(Known::<String>::Absent, began);
    /// cache.set_known(&key, nobody.ttl(Duration::from_secs(10))).await?;
    ///
    /// let mut context = BoxContext::default();
    /// let known = cache.get_known::<String>(&key, &mut context).await?;
    /// assert_eq!(known.unwrap().into_inner(), Known::Absent);
    /// assert_eq!(context.status(), CacheStatus::Hit);
    /// assert!(cache.get::<String>(&key).await?.is_none());
    /// # Ok::<(), hitbox_backend::BackendError>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// What [`Backend::read`] returns.
    fn get_known<T: Cacheable>(
        &self,
        key: &CacheKey,
        context: &mut BoxContext,
    ) -> impl Future<Output = KnownOutcome<T>> + Send {
        read_as::<_, T, _>(self, key, context, known_outcome)
    }

    /// [`get_known`](Self::get_known) as far as it goes without waiting, as [`Backend::try_read`] does.
    ///
    /// A hit of a backend in process is [`Ready`](Attempt::Ready), and allocates nothing. A read that is
    /// [`Pending`](Attempt::Pending) has begun: its future has a copy of `context`, and gives it back with the
    /// outcome; dropping it is safe. Where it [would block](Attempt::WouldBlock), nothing has been done, and
    /// [`get_known`](Self::get_known) does all of it.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// use std::sync::Arc;
    /// use hitbox_backend::{Attempt, CacheBackend, conformance::MemoryBackend};
    /// use hitbox_core::{BoxContext, CacheKey, CacheValue, Stamp};
    ///
    /// let (cache, key) = (MemoryBackend::new(), CacheKey::from_pair("user", "42"));
    /// cache.set(&key, CacheValue::loaded(Arc::new(7_u32), Stamp::now())).await?;
    /// let mut context = BoxContext::default();
    /// let Attempt::Ready(known) = cache.try_get_known::<u32>(&key, &mut context) else {
    ///     panic!("a map in process waits for nobody");
    /// };
    /// assert_eq!(known?.unwrap().into_inner().into_present().as_deref(), Some(&7));
    /// # Ok::<(), hitbox_backend::BackendError>(())
    /// # }).unwrap();
    /// ```
    #[inline]
    fn try_get_known<'a, T: Cacheable>(
        &'a self,
        key: &'a CacheKey,
        context: &mut BoxContext,
    ) -> KnownAttempt<'a, T> {
        context.clear_failures();
        let wanting = Wanting::an_object_of::<T>(context);
        match self.try_read(key, wanting.0, &Moment::default()) {
            Attempt::Ready(outcome) => Attempt::Ready(known_outcome(self, key, wanting.0, outcome)),
            Attempt::Pending(rest) => Attempt::Pending(Box::pin(async move {
                let (outcome, mut noted) = rest.await;
                noted.set_wanted_type(None);
                let outcome = known_outcome(self, key, &mut noted, outcome);
                (outcome, noted)
            })),
            Attempt::WouldBlock(()) => Attempt::WouldBlock(()),
        }
    }

    /// [`get_known`](Self::get_known), with the metadata of what is found: its tags.
    ///
    /// # Errors
    ///
    /// What [`Backend::read`] returns.
    fn get_described<T: Cacheable>(
        &self,
        key: &CacheKey,
        context: &mut BoxContext,
    ) -> impl Future<Output = DescribedOutcome<T>> + Send {
        read_as::<_, T, _>(self, key, context, described_outcome)
    }

    /// [`get_described`](Self::get_described) if that can be done without waiting. Where it cannot, nothing has been done
    /// that is noticed, and [`get_described`](Self::get_described) does all of it.
    #[inline]
    fn try_get_described<T: Cacheable>(
        &self,
        key: &CacheKey,
        context: &mut BoxContext,
    ) -> Option<DescribedOutcome<T>> {
        context.clear_failures();
        let wanting = Wanting::an_object_of::<T>(context);
        match self.try_read(key, wanting.0, &Moment::default()) {
            Attempt::Ready(outcome) => Some(described_outcome(self, key, wanting.0, outcome)),
            // A read that has begun is dropped.
            Attempt::Pending(_) | Attempt::WouldBlock(()) => None,
        }
    }

    /// [`get_known`](Self::get_known) if that can be done without waiting, and if this holds of a value that is found: of its
    /// status, its stamp and its metadata, which are looked at where they are. Whatever else was found without waiting is in
    /// `otherwise`.
    #[inline]
    fn try_get_known_if<T: Cacheable>(
        &self,
        key: &CacheKey,
        context: &mut BoxContext,
        holds: impl FnOnce(CacheStatus, Stamp, Option<&Meta>) -> bool,
        otherwise: &mut Option<DescribedOutcome<T>>,
    ) -> Option<CacheValue<Known<T>>> {
        context.clear_failures();
        let wanting = Wanting::an_object_of::<T>(context);
        let Attempt::Ready(outcome) = self.try_read(key, wanting.0, &Moment::default()) else {
            return None;
        };
        let is_wanted = |value: &CacheValue<Raw>| {
            let meta = value.data().meta().map(AsRef::as_ref);
            holds(wanting.0.status(), value.created(), meta)
        };
        if !matches!(&outcome, Ok(Some(value)) if is_wanted(value)) {
            *otherwise = Some(described_outcome(self, key, wanting.0, outcome));
            return None;
        }
        if let Ok(Some(found)) = known_outcome(self, key, wanting.0, outcome) {
            return Some(found);
        }
        // It was no object of this type.
        *otherwise = Some(Ok(None));
        None
    }

    /// [`get_described`](Self::get_described) for many keys: one outcome per key, in the order asked. `contexts` holds
    /// one per key; keys beyond its end are read without one.
    fn get_many_described<T: Cacheable>(
        &self,
        keys: &[CacheKey],
        contexts: &mut [BoxContext],
    ) -> impl Future<Output = Vec<DescribedOutcome<T>>> + Send {
        async move {
            let_others_run(keys.len()).await;
            read_many_as::<_, T, _>(self, keys, contexts, described_outcome).await
        }
    }

    /// Stores `value` under `key`, in place of what was there.
    ///
    /// What `T`'s `Serialize` leaves out, such as a field with serde's `skip`, is not in what a byte store
    /// keeps, though [`get`](Self::get) may answer with it for as long as a layer has the object itself.
    ///
    /// A layer in process keeps the object alone. A repair may encode it later for another layer, so what
    /// `Serialize` sees of it must not change after `set`.
    ///
    /// In a composition a value that was created before the key was last removed, or before a newer
    /// one was written, is not stored, and that is `Ok`: it is as if it had been replaced at once.
    ///
    /// # Odd values
    ///
    /// These are `Ok`, too, on every backend, composed or not, and in bulk:
    ///
    /// - A value whose life is over, of a `ttl` of zero or with an expiry that has passed, is not stored, and
    ///   what was under the key is gone: it is as if it had expired at once.
    /// - A stale time at or after the expiry has no effect. With one that has passed, the value is
    ///   [stale](hitbox_core::CacheStatus::Stale) at once.
    /// - A `created` stamp that is zero, or more than [15 minutes](hitbox_core::Stamp::MAX_DRIFT_MICROS)
    ///   ahead of this process's clock, is replaced by one of now: nothing could ever overtake the value.
    ///
    /// # Errors
    ///
    /// What [`Backend::write`] returns. Where a layer [keeps bytes](crate::Capabilities::keeps_bytes), the object is
    /// encoded before any is written, once, in the backend's [`value_format`](Backend::value_format). So there is
    /// [`BackendErrorKind::NotStorable`] for a type or a value that the format cannot read back, and no layer has
    /// been touched then. Where none keeps bytes, every type can be cached.
    ///
    /// [`BackendErrorKind::TooLarge`] for a value over the backend's limit, also if it is over
    /// [`Capabilities::largest_decoded`](crate::Capabilities::largest_decoded) and a layer keeps bytes, so that no
    /// reader would decode it. The key is left absent then: an older value must not pose as the one that was refused.
    /// Where it cannot be removed, the error is that of the removal.
    fn set<T: Cacheable>(
        &self,
        key: &CacheKey,
        value: CacheValue<Arc<T>>,
    ) -> impl Future<Output = BackendResult<()>> + Send {
        async move { self.set_known(key, value.map(Known::Present)).await }
    }

    /// [`set`](Self::set) of an object, or of the answer that there is none. The one takes the other's place. With
    /// metadata, such as tags, it is a [`Described`] one.
    ///
    /// What is absent has life times and a stamp like an object, and the same becomes of odd ones.
    ///
    /// # Errors
    ///
    /// Those of [`set`](Self::set). [`BackendErrorKind::InvalidConfiguration`] for what is absent, or has metadata, where the backend
    /// does not [keep metadata](crate::Capabilities::keeps_metadata), as one layer that does not is enough for. Nothing
    /// has been touched then.
    fn set_known<S: Storable>(
        &self,
        key: &CacheKey,
        value: CacheValue<S>,
    ) -> impl Future<Output = BackendResult<()>> + Send {
        async move {
            tokio::task::consume_budget().await;
            match with_bytes(&self, to_raw(value)) {
                Ok(raw) => as_made(write_through(self, key, raw).await),
                Err(error) => refused_by_type(self, key, error).await,
            }
        }
    }

    /// [`set_known`](Self::set_known), if the condition holds: stores what a load has come to, and says if something
    /// newer has kept it out. See [`load`](crate::load), and [`Backend::write_if`].
    ///
    /// # Errors
    ///
    /// What [`set_known`](Self::set_known) returns.
    fn set_if<S: Storable>(
        &self,
        key: &CacheKey,
        value: CacheValue<S>,
        condition: Condition,
    ) -> impl Future<Output = BackendResult<Conditional>> + Send {
        async move {
            tokio::task::consume_budget().await;
            match with_bytes(&self, to_raw(value)) {
                Ok(raw) => as_made(self.write_if(key, raw, condition).await),
                Err(error) => refused_by_type(self, key, error).await,
            }
        }
    }

    /// Removes what is stored under `key`.
    ///
    /// # Errors
    ///
    /// What [`Backend::remove`] returns.
    fn delete(&self, key: &CacheKey) -> impl Future<Output = BackendResult<DeleteStatus>> + Send {
        async move {
            tokio::task::consume_budget().await;
            as_made(self.remove(key).await)
        }
    }

    /// [`get`](Self::get) for many keys: one outcome per key, in the order asked.
    fn get_many<T: Cacheable>(
        &self,
        keys: &[CacheKey],
    ) -> impl Future<Output = Vec<GetOutcome<T>>> + Send {
        async move { self.get_many_with(keys, &mut []).await }
    }

    /// [`get_with`](Self::get_with) for many keys: one outcome per key, in the order asked.
    /// `contexts` holds one per key; keys beyond its end are read without one.
    fn get_many_with<T: Cacheable>(
        &self,
        keys: &[CacheKey],
        contexts: &mut [BoxContext],
    ) -> impl Future<Output = Vec<GetOutcome<T>>> + Send {
        async move {
            let_others_run(keys.len()).await;
            read_many_as::<_, T, _>(self, keys, contexts, present_outcome).await
        }
    }

    /// [`get_known`](Self::get_known) for many keys: one outcome per key, in the order asked. `contexts` holds one
    /// per key; keys beyond its end are read without one.
    fn get_many_known<T: Cacheable>(
        &self,
        keys: &[CacheKey],
        contexts: &mut [BoxContext],
    ) -> impl Future<Output = Vec<KnownOutcome<T>>> + Send {
        async move {
            let_others_run(keys.len()).await;
            read_many_as::<_, T, _>(self, keys, contexts, known_outcome).await
        }
    }

    /// [`set`](Self::set) for many entries: one outcome per entry, in the order given.
    fn set_many<T: Cacheable>(
        &self,
        entries: Vec<(CacheKey, CacheValue<Arc<T>>)>,
    ) -> impl Future<Output = Vec<BackendResult<()>>> + Send {
        async move {
            let entries = entries.into_iter();
            let known = entries.map(|(key, value)| (key, value.map(Known::Present)));
            self.set_many_known(known.collect()).await
        }
    }

    /// [`set_known`](Self::set_known) for many entries: one outcome per entry, in the order given.
    fn set_many_known<S: Storable>(
        &self,
        entries: Vec<(CacheKey, CacheValue<S>)>,
    ) -> impl Future<Output = Vec<BackendResult<()>>> + Send {
        async move {
            let_others_run(entries.len()).await;
            let entries = entries.into_iter();
            let entries = entries.map(|(key, value)| (key, to_raw(value)));
            let (entries, refused) = with_bytes_each(&self, entries);
            let written = self.write_many(entries).await.into_iter();
            let outcomes = written.map(as_made).collect();
            refused.settle(self, outcomes).await
        }
    }

    /// [`set_if`](Self::set_if) for many entries: one outcome per entry, in the order given.
    fn set_many_if<S: Storable>(
        &self,
        entries: Vec<(CacheKey, CacheValue<S>, Condition)>,
    ) -> impl Future<Output = Vec<BackendResult<Conditional>>> + Send {
        async move {
            let_others_run(entries.len()).await;
            let mut conditions = Vec::with_capacity(entries.len());
            let entries = entries.into_iter().map(|(key, value, condition)| {
                conditions.push(condition);
                (key, to_raw(value))
            });
            let (entries, refused) = with_bytes_each(&self, entries);
            let conditions = refused.leave_out(conditions);
            let entries = entries.into_iter().zip(conditions);
            let entries = entries.map(|((key, value), condition)| (key, value, condition));
            let written = self.write_many_if(entries.collect()).await.into_iter();
            refused.settle(self, written.map(as_made).collect()).await
        }
    }

    /// [`delete`](Self::delete) for many keys: one outcome per key, in the order given.
    fn delete_many(
        &self,
        keys: &[CacheKey],
    ) -> impl Future<Output = Vec<BackendResult<DeleteStatus>>> + Send {
        async move {
            let_others_run(keys.len()).await;
            let removed = self.remove_many(keys).await.into_iter();
            removed.map(as_made).collect()
        }
    }
}

impl<B: Backend + ?Sized> CacheBackend for B {}

/// Keys of a bulk operation that cost about as much as one operation of its own.
const KEYS_OF_AN_OPERATION: usize = 16;

/// Uses up what an operation on so many keys costs of the budget that tokio gives to a task, and lets others
/// run when it is gone, as one operation does by itself. An operation that is done in place would else never do so, and a loop of them would
/// have the thread to itself: no limit of time around it would take effect.
///
/// Before the operation: a value must be handed over in the moment in which it was found to be live. Outside
/// of a task this does nothing.
async fn let_others_run(keys: usize) {
    for _ in 0..keys.div_ceil(KEYS_OF_AN_OPERATION) {
        tokio::task::consume_budget().await;
    }
}

/// Ends the write of a value that was not handed to the backend: one that is too large leaves the key absent.
async fn refused_by_type<B: Backend + ?Sized, T>(
    backend: &B,
    key: &CacheKey,
    error: BackendError,
) -> BackendResult<T> {
    if error.kind() == BackendErrorKind::TooLarge {
        as_made(backend.remove(key).await)?;
    }
    Err(error)
}

/// Reads as a typed read does. `answer` makes what it answers of what the backend has.
///
/// In place as far as that goes: a future around a hit costs about a thirtieth of it.
#[inline]
async fn read_as<B: Backend + ?Sized, T: Cacheable, V>(
    backend: &B,
    key: &CacheKey,
    context: &mut BoxContext,
    answer: impl Fn(&B, &CacheKey, &mut BoxContext, ReadOutcome) -> V,
) -> V {
    tokio::task::consume_budget().await;
    context.clear_failures();
    let wanting = Wanting::an_object_of::<T>(context);
    let outcome = match backend.try_read(key, wanting.0, &Moment::default()) {
        Attempt::Ready(outcome) => outcome,
        begun @ (Attempt::Pending(_) | Attempt::WouldBlock(())) => {
            end_read(backend, key, wanting.0, begun).await
        }
    };
    answer(backend, key, wanting.0, outcome)
}

/// [`read_as`] for many keys. `contexts` holds one for each; keys beyond its end are read without one.
async fn read_many_as<B: Backend + ?Sized, T: Cacheable, V>(
    backend: &B,
    keys: &[CacheKey],
    contexts: &mut [BoxContext],
    answer: impl Fn(&B, &CacheKey, &mut BoxContext, ReadOutcome) -> V,
) -> Vec<V> {
    // What is wanted of the keys beyond their end has to be said, too.
    let mut all = contexts.to_vec();
    all.resize_with(keys.len(), BoxContext::default);
    all.iter_mut().for_each(BoxContext::clear_failures);
    let wanting = Wanting::an_object_of::<T>(&mut *all);
    let outcomes = backend.read_many_with(keys, wanting.0).await;
    let of_keys = keys.iter().zip(&mut *wanting.0).zip(outcomes);
    let answers = of_keys
        .map(|((key, context), outcome)| answer(backend, key, context, outcome))
        .collect();
    drop(wanting);
    for (context, noted) in contexts.iter_mut().zip(all) {
        *context = noted;
    }
    answers
}
