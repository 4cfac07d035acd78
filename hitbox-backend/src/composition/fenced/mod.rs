//! Fences around a single backend.
//!
//! A composition of the backend in front of a layer that never holds anything: what keeps older values out of two
//! layers keeps them out of one.

mod backend;
mod nothing;
mod policy;

use std::{fmt, num::NonZeroUsize, sync::Arc};

use hitbox_core::DisabledOffload;

use super::{CompositionBackend, CompositionPolicy, RefillPolicy, RepairPolicy, StrictWritePolicy};
use crate::Backend;
use nothing::Nothing;
use policy::FirstAlone;

/// A backend that keeps older values out: what was loaded before the key was removed, or before a newer value was
/// written, is not stored. Made by [`BackendExt::fenced`](crate::BackendExt::fenced).
///
/// A store by itself keeps what it was given last. With this around it, it gives what a composition gives: the
/// guarantees about the order of writes and removes, [leases](crate::load) for loads, and
/// [`expire`](Backend::expire). It is in every respect but that the backend within, its label included. A hit costs
/// one atomic load more, as long as no key is [expired](Backend::expire) or has a change that failed.
///
/// A change that fails, or that may take effect later, leaves the key *in doubt*: what the backend holds of it is a
/// miss until a newer change, or a removal that a read of the key makes, has succeeded.
///
/// Clones share what is known. So make one of each store, and clone that: two of them over the same store do not
/// know of each other, nor of what is done to the store directly.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// use std::sync::Arc;
/// use hitbox_backend::{
///     Backend, BackendExt, CacheBackend, CacheKey, CacheValue, Stamp, conformance::MemoryBackend,
/// };
///
/// let cache = MemoryBackend::new().fenced();
/// assert_eq!(cache.label().as_str(), "memory");
///
/// let key = CacheKey::from_pair("user", "42");
/// let began = Stamp::now();
/// let loaded = Arc::new(String::from("Ada"));
/// // The data changes while it is loaded, and is removed.
/// cache.clone().delete(&key).await?;
/// cache.set(&key, CacheValue::loaded(loaded, began)).await?;
/// assert!(cache.get::<String>(&key).await?.is_none());
/// # Ok::<(), hitbox_backend::BackendError>(())
/// # }).unwrap();
/// ```
pub struct Fenced<B> {
    cache: CompositionBackend<Arc<B>, Nothing<B>, DisabledOffload, FirstAlone, StrictWritePolicy>,
}

impl<B: Backend + 'static> Fenced<B> {
    /// `backend` with fences around it.
    pub fn new(backend: B) -> Self {
        Self::with_policy(backend, CompositionPolicy::new())
    }

    /// The same, with room for so many keys whose last change is remembered, and as many that are in doubt. See
    /// [`CompositionPolicy::record_capacity`]. Default: 16,384.
    pub fn with_record_capacity(backend: B, keys: NonZeroUsize) -> Self {
        Self::with_policy(backend, CompositionPolicy::new().record_capacity(keys))
    }

    fn with_policy(backend: B, policy: CompositionPolicy) -> Self {
        let policy = policy
            .read(FirstAlone)
            .write(StrictWritePolicy::new())
            .refill(RefillPolicy::Never)
            .repair(RepairPolicy::OnNextOperation);
        let label = backend.label();
        let backend = Arc::new(backend);
        let nothing = Nothing::beside(Arc::clone(&backend));
        let cache = CompositionBackend::new(backend, nothing, DisabledOffload, policy);
        Self {
            cache: cache.in_the_place_of(label),
        }
    }
}

impl<B> Fenced<B> {
    /// The backend within. What is done to it directly is not known here.
    pub fn get_ref(&self) -> &B {
        self.cache.l1()
    }
}

impl<B> Clone for Fenced<B> {
    fn clone(&self) -> Self {
        Self {
            cache: self.cache.clone(),
        }
    }
}

impl<B: fmt::Debug> fmt::Debug for Fenced<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Fenced").field(self.get_ref()).finish()
    }
}
