use std::{future::Future, sync::Arc};

use hitbox_core::{
    BoxContext, CacheKey, CacheStatus, CacheValue, ObjectType, Raw, ResponseSource, clock::Moment,
};

use crate::{
    Attempt, Backend, BackendError, BackendErrorKind, BackendResult, Cacheable, Condition,
    Conditional, DeleteStatus, ReadOutcome,
    backend::{end_read, write_through},
    object::{object_of, type_of, with_bytes, with_bytes_each},
    outcome::as_made,
    skew::restamp_if_skewed,
};

/// The answer to a typed read: a live value, or `None` for a miss.
pub type GetOutcome<T> = BackendResult<Option<CacheValue<Arc<T>>>>;

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
    /// That the reader wants a `T` is said in the context for the time of the read, which is how layers know.
    ///
    /// # Errors
    ///
    /// What [`Backend::read`] returns.
    fn get_with<T: Cacheable>(
        &self,
        key: &CacheKey,
        context: &mut BoxContext,
    ) -> impl Future<Output = GetOutcome<T>> + Send {
        async move {
            tokio::task::consume_budget().await;
            context.clear_failures();
            let wanting = Wanting::an_object_of::<T>(context);
            // In place: a future around a hit costs about a thirtieth of it.
            let outcome = match self.try_read(key, wanting.0, &Moment::default()) {
                Attempt::Ready(outcome) => outcome,
                begun @ (Attempt::Pending(_) | Attempt::WouldBlock(())) => {
                    end_read(self, key, wanting.0, begun).await
                }
            };
            typed_outcome(self, key, wanting.0, outcome)
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
    ///   [stale](CacheStatus::Stale) at once.
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
        async move {
            tokio::task::consume_budget().await;
            match with_bytes(&self, as_raw(value)) {
                Ok(raw) => as_made(write_through(self, key, raw).await),
                Err(error) => refused_by_type(self, key, error).await,
            }
        }
    }

    /// [`set`](Self::set), if the condition holds: stores what a load has returned, and says if something newer has
    /// kept it out. See [`load`](crate::load), and [`Backend::write_if`].
    ///
    /// # Errors
    ///
    /// What [`set`](Self::set) returns.
    fn set_if<T: Cacheable>(
        &self,
        key: &CacheKey,
        value: CacheValue<Arc<T>>,
        condition: Condition,
    ) -> impl Future<Output = BackendResult<Conditional>> + Send {
        async move {
            tokio::task::consume_budget().await;
            match with_bytes(&self, as_raw(value)) {
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
            if let Some(contexts) = contexts.get_mut(..keys.len()) {
                return typed_outcomes(self, keys, contexts).await;
            }
            // What is wanted of the keys beyond their end has to be said, too.
            let mut all = contexts.to_vec();
            all.resize_with(keys.len(), BoxContext::default);
            let outcomes = typed_outcomes(self, keys, &mut all).await;
            for (context, noted) in contexts.iter_mut().zip(all) {
                *context = noted;
            }
            outcomes
        }
    }

    /// [`set`](Self::set) for many entries: one outcome per entry, in the order given.
    fn set_many<T: Cacheable>(
        &self,
        entries: Vec<(CacheKey, CacheValue<Arc<T>>)>,
    ) -> impl Future<Output = Vec<BackendResult<()>>> + Send {
        async move {
            let_others_run(entries.len()).await;
            let entries = entries.into_iter();
            let entries = entries.map(|(key, value)| (key, as_raw(value)));
            let (entries, refused) = with_bytes_each(&self, entries);
            let written = self.write_many(entries).await.into_iter();
            let outcomes = written.map(as_made).collect();
            refused.settle(self, outcomes).await
        }
    }

    /// [`set_if`](Self::set_if) for many entries: one outcome per entry, in the order given.
    fn set_many_if<T: Cacheable>(
        &self,
        entries: Vec<(CacheKey, CacheValue<Arc<T>>, Condition)>,
    ) -> impl Future<Output = Vec<BackendResult<Conditional>>> + Send {
        async move {
            let_others_run(entries.len()).await;
            let mut conditions = Vec::with_capacity(entries.len());
            let entries = entries.into_iter().map(|(key, value, condition)| {
                conditions.push(condition);
                (key, as_raw(value))
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

/// The value as backends are given it, without bytes.
fn as_raw<T: Cacheable>(value: CacheValue<Arc<T>>) -> CacheValue<Raw> {
    restamp_if_skewed(value).map(|object| Raw::of_object(object, type_of::<T>()))
}

/// Reads many keys, with a context for each.
async fn typed_outcomes<B: Backend + ?Sized, T: Cacheable>(
    backend: &B,
    keys: &[CacheKey],
    contexts: &mut [BoxContext],
) -> Vec<GetOutcome<T>> {
    contexts.iter_mut().for_each(BoxContext::clear_failures);
    let wanting = Wanting::an_object_of::<T>(contexts);
    let outcomes = backend.read_many_with(keys, wanting.0).await;
    let of_keys = keys.iter().zip(&mut *wanting.0).zip(outcomes);
    of_keys
        .map(|((key, context), outcome)| typed_outcome(backend, key, context, outcome))
        .collect()
}

/// The context of one read, or those of many.
trait Contexts {
    fn want(&mut self, wanted: Option<&'static ObjectType>);
}

impl Contexts for BoxContext {
    fn want(&mut self, wanted: Option<&'static ObjectType>) {
        self.set_wanted_type(wanted);
    }
}

impl Contexts for [BoxContext] {
    fn want(&mut self, wanted: Option<&'static ObjectType>) {
        self.iter_mut().for_each(|context| context.want(wanted));
    }
}

/// Contexts that say which type a read wants, for as long as it lasts.
struct Wanting<'c, C: Contexts + ?Sized>(&'c mut C);

impl<'c, C: Contexts + ?Sized> Wanting<'c, C> {
    fn an_object_of<T: Cacheable>(contexts: &'c mut C) -> Self {
        contexts.want(Some(type_of::<T>().erased()));
        Self(contexts)
    }
}

/// Also when the read is dropped: a context may be used again, for another type or for bytes.
impl<C: Contexts + ?Sized> Drop for Wanting<'_, C> {
    fn drop(&mut self) {
        self.0.want(None);
    }
}

/// The typed form of what a backend answered; a miss, noted in the context, if it cannot be read
/// as a `T`. A composition has decoded what it answers with already.
#[inline]
fn typed_outcome<B: Backend + ?Sized, T: Cacheable>(
    backend: &B,
    key: &CacheKey,
    context: &mut BoxContext,
    outcome: ReadOutcome,
) -> GetOutcome<T> {
    let Some(value) = outcome? else {
        return Ok(None);
    };
    match value.try_map(|raw| object_of(&backend, raw)) {
        Ok(value) => Ok(Some(value)),
        Err(rejection) => {
            backend.reject(key, rejection);
            context.set_status(CacheStatus::Miss);
            context.set_source(ResponseSource::Upstream);
            Ok(None)
        }
    }
}
