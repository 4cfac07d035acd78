use std::{fmt, future::Future, sync::Arc};

use futures::{FutureExt, future::BoxFuture};
use hitbox_core::CacheKey;

use crate::Backend;

pub(super) type Corrupt = dyn Fn(CacheKey, Vec<u8>) -> BoxFuture<'static, ()> + Send + Sync;
pub(super) type Reopen = dyn Fn() -> BoxFuture<'static, Arc<dyn Backend>> + Send + Sync;

/// A backend to be checked, and what its tests can do to it beyond the trait.
///
/// See the [module](super) for what it needs and for complete examples.
#[derive(Clone)]
pub struct Subject {
    backend: Arc<dyn Backend>,
    corrupt: Option<Arc<Corrupt>>,
    reopen: Option<Arc<Reopen>>,
    only: Option<String>,
}

impl Subject {
    /// A subject without hooks: the checks of corruption and persistence are not called for.
    #[must_use]
    pub fn new(backend: Arc<dyn Backend>) -> Self {
        Self {
            backend,
            corrupt: None,
            reopen: None,
            only: None,
        }
    }

    /// Tells the suite how to put bytes into the store behind the backend's back.
    ///
    /// `corrupt` gets a key and bytes, and puts the bytes where the backend would put the
    /// [stored form](crate::stored_form) of a value of this key. Whatever the backend keeps beside
    /// the stored form (an expiry column, a copy of the key) it fills in as for a value that never
    /// expires. Where that takes no waiting, end the closure with `async {}`.
    #[must_use]
    pub fn corrupt_with<C, F>(mut self, corrupt: C) -> Self
    where
        C: Fn(CacheKey, Vec<u8>) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        self.corrupt = Some(Arc::new(move |key, bytes| corrupt(key, bytes).boxed()));
        self
    }

    /// Tells the suite how to open the backend as after a restart of the process.
    ///
    /// `reopen` opens one and the same place whenever it is called. The suite drops one opened
    /// backend before it opens the next. The place must be another than that of the subject itself
    /// if only one backend can have it open.
    #[must_use]
    pub fn reopen_with<R, F>(mut self, reopen: R) -> Self
    where
        R: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = Arc<dyn Backend>> + Send + 'static,
    {
        self.reopen = Some(Arc::new(move || reopen().boxed()));
        self
    }

    /// Leaves out the checks whose name does not contain `part`: a group (`expiry::`) or a check.
    #[must_use]
    pub fn only(mut self, part: impl Into<String>) -> Self {
        self.only = Some(part.into());
        self
    }

    pub(super) fn backend(&self) -> &Arc<dyn Backend> {
        &self.backend
    }

    pub(super) fn wants(&self, check: &str) -> bool {
        self.only.as_deref().is_none_or(|part| check.contains(part))
    }

    pub(super) fn corrupt(&self) -> Option<&Corrupt> {
        self.corrupt.as_deref()
    }

    pub(super) fn reopen(&self) -> Option<&Reopen> {
        self.reopen.as_deref()
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject")
            .field("backend", &self.backend.label())
            .field("corrupt", &self.corrupt.is_some())
            .field("reopen", &self.reopen.is_some())
            .finish()
    }
}
