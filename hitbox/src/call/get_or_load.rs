//! Get, or load: the future that applications await.

use std::{
    fmt,
    future::Future,
    marker::PhantomData,
    mem,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
};

use futures::{FutureExt, future::BoxFuture};
use hitbox_backend::{BoxContext, Cacheable, flights::Terms};

use super::{
    answer::{OfEntry, OfOptional, OfValue, Output, Reply, outcome},
    answering::{FirstRead, Plan, Start, Step},
    loads::{self, Load},
    way::Way,
};
use tokio::task::consume_budget;

use crate::{
    Key, LoadError, Refresh,
    call_tags::CallTags,
    error::Cause,
    flights::Nesting,
    reading::InPlace,
    settings::{BoxOverrides, setters},
    shared::Shared,
    statistics::Outcome,
};

/// A call of [`Cache::get_or_load`](crate::Cache::get_or_load) or
/// [`get_or_try_load`](crate::Cache::get_or_try_load). Awaited as it is, it gives the value.
///
/// Options are set before it is awaited. A hit is answered in the first poll, unless a [`refresh`](Self::refresh) ahead of its
/// end is set, and without an allocation, unless an option is set.
///
/// *Cancel safety*: it can be dropped at any time. A load whose loader has been called goes on, for those who wait for it, and
/// to be stored. One that still waits for a place ([`max_loads`](crate::CacheBuilder::max_loads)), or for two others of the key
/// to end, is dropped with the last who waits for it.
#[must_use = "nothing is read before it is awaited"]
pub struct GetOrLoad<'c, V, L, O = OfValue> {
    shared: &'c Arc<Shared>,
    key: Key<V>,
    overrides: BoxOverrides,
    tags: CallTags,
    terms: Terms,
    state: State<'c, V, L>,
    output: PhantomData<fn() -> O>,
}

enum State<'c, V, L> {
    /// It has not been polled.
    New(L),
    Waiting(BoxFuture<'c, Step<'c, V>>),
    Done,
}

impl<'c, V, L> GetOrLoad<'c, V, L> {
    pub(crate) const fn new(shared: &'c Arc<Shared>, key: Key<V>, loader: L) -> Self {
        Self {
            shared,
            key,
            overrides: BoxOverrides::NONE,
            tags: CallTags::NONE,
            terms: Terms::Valid,
            state: State::New(loader),
            output: PhantomData,
        }
    }
}

/// For this call alone.
impl<V, L, O> GetOrLoad<'_, V, L, O> {
    setters!(overrides);

    /// With this tag, beside those that the loader names: see [`Loaded::tag`](crate::Loaded::tag). It is for what is loaded; what is
    /// there is found whatever its tags.
    pub fn tag(self, tag: impl AsRef<str>) -> Self {
        self.tags([tag])
    }

    /// With these tags: [`tag`](Self::tag) for each.
    pub fn tags(mut self, tags: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        self.tags = self.tags.and(tags);
        self
    }
}

impl<'c, V, L> GetOrLoad<'c, V, L, OfValue> {
    /// Gives the value with what is known of it.
    pub fn entry(self) -> GetOrLoad<'c, V, L, OfEntry> {
        self.giving()
    }
}

impl<'c, V, L, O> GetOrLoad<'c, V, L, O> {
    /// Gives `None` where there is no such thing, which else is an [error](crate::LoadErrorKind::Absent).
    pub fn optional(self) -> GetOrLoad<'c, V, L, OfOptional<O>> {
        self.giving()
    }

    /// Whatever is there: by a load that begins from now on.
    pub(crate) const fn anew(mut self) -> Self {
        self.terms = Terms::BegunLater;
        self
    }

    fn giving<P>(self) -> GetOrLoad<'c, V, L, P> {
        GetOrLoad {
            shared: self.shared,
            key: self.key,
            overrides: self.overrides,
            tags: self.tags,
            terms: self.terms,
            state: self.state,
            output: PhantomData,
        }
    }
}

// It is never pinned by what it holds: the loader is moved, the future boxed.
impl<V, L, O> Unpin for GetOrLoad<'_, V, L, O> {}

impl<V: Cacheable, L: Load<V>, O: Output<V>> Future for GetOrLoad<'_, V, L, O> {
    type Output = O::Output;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let State::New(_) = this.state {
            // As every operation that is done in place: now and then a loop of them lets others run.
            ready!(pin!(consume_budget()).poll(cx));
            return match this.look() {
                Look::Answered(output) => {
                    this.state = State::Done;
                    Poll::Ready(output)
                }
                Look::Unanswered(first) => this.set_out(first, cx),
            };
        }
        this.poll_waiting(cx)
    }
}

/// What the first poll has come to.
enum Look<V, T> {
    Answered(T),
    Unanswered(FirstRead<V>),
}

impl<'c, V: Cacheable, L: Load<V>, O: Output<V>> GetOrLoad<'c, V, L, O> {
    /// Answers in place, if what is there is fresh and not due for a refresh.
    #[inline]
    fn look(&self) -> Look<V, O::Output> {
        let key = self.key.as_cache_key();
        let settings = match self.shared.spaces.settings_of(&self.key) {
            Ok(settings) => settings,
            Err(unserved) => return self.refused(self.shared.refusal(*unserved)),
        };
        // On a hit as on a miss: a mistake is to be seen in a test.
        if self.overrides.is_any_set()
            && let Err(cause) = self.shared.settings_of(&self.key, &self.overrides)
        {
            return self.refused(cause);
        }
        // Before the read: what ends meanwhile counts as not seen.
        let ends = self.shared.flights.ends();
        let mut context = BoxContext::default();
        let unanswered = |read, context| {
            Look::Unanswered(FirstRead {
                ends,
                read,
                context,
            })
        };
        if self.terms == Terms::BegunLater {
            return unanswered(InPlace::Waits, context);
        }
        if self.overrides.refresh().unwrap_or(settings.refresh) != Refresh::Never {
            // A hit may be due for one.
            let read = self.shared.get_in_place::<V>(key, &mut context);
            return unanswered(read, context);
        }
        let mut otherwise = None;
        let hit = self
            .shared
            .find_hit_in_place::<V>(key, &mut context, &mut otherwise);
        if let Some(value) = hit {
            self.shared.counters.calls.add(Outcome::of_hit(&value));
            return Look::Answered(O::of_hit(key, value, context));
        }
        // A future that borrows from this call cannot be kept in it. Nothing has been asked for yet that takes long.
        let read = self.shared.judge_in_place(otherwise, &mut context);
        unanswered(read, context)
    }

    #[cold]
    fn refused(&self, cause: Cause) -> Look<V, O::Output> {
        let key = self.key.as_cache_key();
        Look::Answered(self.given(Err(LoadError::new(key.clone(), cause))))
    }

    /// Answers, or comes to what it has to wait for.
    // Cold beside a hit, which else would make room for what this returns.
    #[cold]
    #[inline(never)]
    fn set_out(&mut self, first: FirstRead<V>, cx: &mut Context<'_>) -> Poll<O::Output> {
        let State::New(loader) = mem::replace(&mut self.state, State::Done) else {
            return Poll::Pending;
        };
        let key = self.key.as_cache_key().clone();
        let settings = match self.shared.settings_of(&self.key, &self.overrides) {
            Ok(settings) => settings,
            Err(cause) => return Poll::Ready(self.given(Err(LoadError::new(key, cause)))),
        };
        let way = Way {
            shared: self.shared,
            key,
            settings,
            nesting: Nesting::here(),
            terms: self.terms,
        };
        let step = match way.start(first) {
            Start::Go(Plan::Answer(reply)) => Step::Answered(Ok(reply)),
            start @ (Start::JoinOrRead(_) | Start::Judge(_) | Start::Go(_)) => {
                let tags = mem::take(&mut self.tags);
                way.set_out(start, loads::boxed(tags, loader))
            }
        };
        match self.come_to(step) {
            Some(output) => Poll::Ready(output),
            None => self.poll_waiting(cx),
        }
    }

    #[inline(never)]
    fn poll_waiting(&mut self, cx: &mut Context<'_>) -> Poll<O::Output> {
        // It has been awaited to its end, as no `.await` does twice, if there is nothing that it waits for.
        while let State::Waiting(step) = &mut self.state {
            let step = ready!(step.poll_unpin(cx));
            if let Some(output) = self.come_to(step) {
                return Poll::Ready(output);
            }
        }
        Poll::Pending
    }

    fn come_to(&mut self, step: Step<'c, V>) -> Option<O::Output> {
        let (state, reply) = match step {
            Step::Answered(reply) => (State::Done, Some(reply)),
            Step::Waits(future) => (State::Waiting(future), None),
        };
        self.state = state;
        reply.map(|reply| self.given(reply))
    }

    /// The answer, counted.
    fn given(&self, reply: Result<Reply<V>, LoadError>) -> O::Output {
        self.shared.counters.calls.add(outcome(&reply));
        O::of(self.key.as_cache_key(), reply)
    }
}

impl<V, L, O> fmt::Debug for GetOrLoad<'_, V, L, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GetOrLoad")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}
