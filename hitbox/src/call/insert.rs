//! Storing a value that was not loaded by the cache.

use std::{
    fmt,
    future::Future,
    mem,
    pin::Pin,
    slice,
    sync::Arc,
    task::{Context, Poll, ready},
};

use futures::{FutureExt, future::BoxFuture};
use hitbox_backend::{Backend, BackendError, BackendResult, CacheBackend, Cacheable, Stamp};

use crate::{
    Kept, Key, Loaded,
    settings::{Overrides, setters},
    shared::Shared,
};

/// A call of [`Cache::insert`](crate::Cache::insert). Options are set before it is awaited.
///
/// *Cancel safety*: dropped, it leaves the old value or the new one.
#[must_use = "nothing is stored before it is awaited"]
pub struct Insert<'c, V> {
    shared: &'c Arc<Shared>,
    key: Key<V>,
    overrides: Overrides,
    state: State<'c, V>,
}

enum State<'c, V> {
    New(Loaded<V>, Option<Stamp>),
    Storing(BoxFuture<'c, BackendResult<()>>),
    Done,
}

impl<'c, V> Insert<'c, V> {
    pub(crate) const fn new(shared: &'c Arc<Shared>, key: Key<V>, value: Loaded<V>) -> Self {
        Self {
            shared,
            key,
            overrides: Overrides::NONE,
            state: State::New(value, None),
        }
    }

    /// The value was read from where it comes from, by a load that began then ([`Stamp::now`] before it): if the key has been
    /// removed since, it is not stored, and that is `Ok`.
    pub fn loaded_since(mut self, began: Stamp) -> Self {
        if let State::New(_, since) = &mut self.state {
            *since = Some(began);
        }
        self
    }

    /// With this tag, beside those that the value has: see [`Loaded::tag`].
    pub fn tag(self, tag: impl AsRef<str>) -> Self {
        self.tags([tag])
    }

    /// With these tags, beside those that the value has: see [`Loaded::tag`].
    pub fn tags(mut self, tags: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        self.state = match self.state {
            State::New(value, since) => State::New(value.tags(tags), since),
            begun @ (State::Storing(_) | State::Done) => begun,
        };
        self
    }

    setters!(const overrides);
}

impl<V: Cacheable> Future for Insert<'_, V> {
    type Output = BackendResult<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let State::New(..) = this.state
            && let State::New(value, since) = mem::replace(&mut this.state, State::Done)
        {
            let store = store(this.shared, this.key.clone(), this.overrides, value, since);
            this.state = State::Storing(store.boxed());
        }
        match &mut this.state {
            State::Storing(store) => {
                let outcome = ready!(store.poll_unpin(cx));
                this.state = State::Done;
                Poll::Ready(outcome)
            }
            // It has been awaited to its end, as no `.await` does twice.
            State::New(..) | State::Done => Poll::Pending,
        }
    }
}

async fn store<V: Cacheable>(
    shared: &Shared,
    key: Key<V>,
    overrides: Overrides,
    value: Loaded<V>,
    since: Option<Stamp>,
) -> BackendResult<()> {
    let settings = shared
        .settings_of(&key, &overrides)
        .map_err(|cause| shared.invalid(&key, cause))?;
    let key = key.as_cache_key();
    let tags = &shared.tags;
    let (heard, began) = match since {
        Some(since) => (tags.heard_at(since), since),
        None => (tags.heard(), Stamp::now()),
    };
    let (value, kept) = value
        .into_value(began, heard, &settings)
        .map_err(|invalid| {
            BackendError::invalid_configuration(shared.backend.label(), invalid.to_string())
        })?;
    let is_present = value.data().known.present().is_some();
    if kept == Kept::Uncached && is_present && !value.is_expired() {
        // It is for nobody: what was there is over, and what is being loaded.
        let removal = shared.backend.delete(key);
        return shared
            .invalidate(slice::from_ref(key), removal)
            .await
            .map(drop);
    }
    let metas = [value.data().meta.as_deref()];
    shared.prepare_tags(metas.into_iter()).await;
    let storing = shared.backend.set_known(key, value);
    let outcome = shared.invalidate(slice::from_ref(key), storing).await;
    shared.flights.note_insert(key);
    outcome
}

impl<V> fmt::Debug for Insert<'_, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Insert")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}
