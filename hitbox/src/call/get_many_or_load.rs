//! Get many, or load those that are missing: the future that applications await.

use std::{
    fmt,
    future::Future,
    hash::Hash,
    marker::PhantomData,
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use futures::{FutureExt, future::BoxFuture};
use hitbox_backend::Cacheable;

use super::{
    answer::{OfEntry, OfOptional, OfValue, Output, Reply, outcome},
    loads::{self, LoadMany},
    many::Many,
};
use crate::{
    Key, KeyParts, Keyspace, LoadError,
    call_tags::CallTags,
    flights::Nesting,
    settings::{Overrides, setters},
    shared::Shared,
};

/// A call of [`Cache::get_many_or_load`](crate::Cache::get_many_or_load). Awaited as it is, it gives a value or an error for
/// each id, in the order asked.
///
/// Options are set before it is awaited, and are in force for each key.
///
/// *Cancel safety*: it can be dropped at any time. A load whose loader has been called goes on. Of one that still waits, for a place
/// or for other loads of its keys, those keys are left for which somebody else waits.
#[must_use = "nothing is read before it is awaited"]
pub struct GetManyOrLoad<'c, I: 'static, V: 'static, L, O = OfValue> {
    shared: &'c Arc<Shared>,
    keys: Vec<Key<V>>,
    overrides: Overrides,
    tags: CallTags,
    state: State<I, V, L>,
    output: PhantomData<fn() -> O>,
}

enum State<I, V, L> {
    New(Vec<I>, L),
    Waiting(BoxFuture<'static, Vec<Result<Reply<V>, LoadError>>>),
    Done,
}

impl<'c, I: KeyParts, V, L> GetManyOrLoad<'c, I, V, L> {
    pub(crate) fn new(
        shared: &'c Arc<Shared>,
        space: &'static Keyspace<I, V>,
        ids: Vec<I>,
        loader: L,
    ) -> Self {
        Self {
            shared,
            keys: ids.iter().map(|id| space.key(id)).collect(),
            overrides: Overrides::NONE,
            tags: CallTags::NONE,
            state: State::New(ids, loader),
            output: PhantomData,
        }
    }
}

/// For this call alone.
impl<I, V, L, O> GetManyOrLoad<'_, I, V, L, O> {
    setters!(const overrides);

    /// With this tag, beside those that the loader names: see [`Loaded::tag`](crate::Loaded::tag). It is for each that is loaded;
    /// what is there is found whatever its tags.
    pub fn tag(self, tag: impl AsRef<str>) -> Self {
        self.tags([tag])
    }

    /// With these tags: [`tag`](Self::tag) for each.
    pub fn tags(mut self, tags: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        self.tags = self.tags.and(tags);
        self
    }
}

impl<'c, I, V, L> GetManyOrLoad<'c, I, V, L, OfValue> {
    /// Gives each value with what is known of it.
    pub fn entries(self) -> GetManyOrLoad<'c, I, V, L, OfEntry> {
        self.giving()
    }
}

impl<'c, I, V, L, O> GetManyOrLoad<'c, I, V, L, O> {
    /// Gives `None` where there is no such thing, which else is an [error](crate::LoadErrorKind::Absent).
    pub fn optional(self) -> GetManyOrLoad<'c, I, V, L, OfOptional<O>> {
        self.giving()
    }

    fn giving<P>(self) -> GetManyOrLoad<'c, I, V, L, P> {
        GetManyOrLoad {
            shared: self.shared,
            keys: self.keys,
            overrides: self.overrides,
            tags: self.tags,
            state: self.state,
            output: PhantomData,
        }
    }
}

// It is never pinned by what it holds: the loader is moved, the future boxed.
impl<I, V, L, O> Unpin for GetManyOrLoad<'_, I, V, L, O> {}

impl<I, V, L, O> Future for GetManyOrLoad<'_, I, V, L, O>
where
    I: Hash + Eq + Clone + Send + 'static,
    V: Cacheable,
    L: LoadMany<I, V>,
    O: Output<V>,
{
    type Output = Vec<O::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let State::New(..) = this.state
            && let State::New(ids, loader) = mem::replace(&mut this.state, State::Done)
        {
            let many = Many {
                shared: Arc::clone(this.shared),
                nesting: Nesting::here(),
            };
            let (keys, overrides) = (this.keys.clone(), this.overrides);
            let tags = mem::take(&mut this.tags);
            let loader = move |missing| loads::load_many(tags, loader, missing);
            this.state = State::Waiting(many.go(keys, ids, overrides, loader).boxed());
        }
        match &mut this.state {
            State::Waiting(way) => {
                let replies = ready!(way.poll_unpin(cx)).into_iter();
                this.state = State::Done;
                let keys = this.keys.iter().map(Key::as_cache_key);
                let counts = &this.shared.counters.calls;
                let given = keys.zip(replies).map(|(key, reply)| {
                    counts.add(outcome(&reply));
                    O::of(key, reply)
                });
                Poll::Ready(given.collect())
            }
            // It has been awaited to its end, as no `.await` does twice.
            State::New(..) | State::Done => Poll::Pending,
        }
    }
}

impl<I, V, L, O> fmt::Debug for GetManyOrLoad<'_, I, V, L, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GetManyOrLoad")
            .field("keys", &self.keys)
            .finish_non_exhaustive()
    }
}
