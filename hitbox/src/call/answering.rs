//! A call that was not answered in place: on with what was read, by a load, or by what there is to fall back on.
//!
//! What waits is to be small: there may be many. So what comes before the wait is in a future of its own, which is gone then,
//! and what comes after it, or takes a timer, is put into one when its time has come. A function returns an `async` block, where
//! an `async fn` would keep what it is given twice: as an argument and as a variable.

use std::{
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};

use futures::{FutureExt, future::BoxFuture};
use hitbox_backend::{
    BoxContext, CacheValue, Cacheable, Described, Invalidations, Known, Meta, ResponseSource,
    flights::Terms,
};
use hitbox_core::clock::Moment;
use tokio::time::Instant;

use super::{
    answer::Reply,
    loading::{Handed, Refreshed},
    way::Way,
};
use crate::{
    LoadError,
    entry::Answer,
    error::{Cause, TimedOut},
    freshness::{Background, Decision, Found, Throttled, decide, may_fall_back},
    load::{BoxLoader, Look},
    reading::InPlace,
    status::{Status, Why},
};

/// How far a call has come.
pub(super) enum Step<'c, V> {
    Answered(Result<Reply<V>, LoadError>),
    /// It waits for this, and is as far as that says then.
    Waits(BoxFuture<'c, Step<'c, V>>),
}

/// What the first poll of a call has read.
pub(super) struct FirstRead<V> {
    /// How many flights had ended before.
    pub(super) ends: u64,
    pub(super) read: InPlace<V>,
    pub(super) context: BoxContext,
}

/// A value that a caller has read.
pub(super) struct Read<V> {
    pub(super) value: CacheValue<Known<V>>,
    pub(super) source: ResponseSource,
    pub(super) meta: Option<Arc<Meta>>,
}

impl<V> Read<V> {
    /// What a read has found, there.
    pub(super) fn of(value: CacheValue<Described<V>>, source: ResponseSource) -> Self {
        let meta = value.data().meta.clone();
        Self {
            value: value.map(|found| found.known),
            source,
            meta,
        }
    }

    fn answered(self, answer: Answer) -> Reply<V> {
        Reply {
            value: self.value,
            source: self.source,
            answer,
        }
    }
}

/// A word of those who wait and may not fall back on anything.
pub(super) type Fallback<V> = Option<Box<Read<V>>>;

/// What a call does with what it has read.
pub(super) enum Plan<V> {
    Answer(Reply<V>),
    /// And have it loaded for others.
    AnswerAndLoad(Reply<V>, Look),
    /// Wait for a load.
    Load(Look, Fallback<V>),
}

/// What a call does first that was not answered in place.
pub(super) enum Start<V> {
    /// It joins a load or reads: so many flights had ended before.
    JoinOrRead(u64),
    /// It asks the store about what it has read.
    Judge(Box<Doubtful<V>>),
    Go(Plan<V>),
}

/// A value whose tags may have been invalidated.
pub(super) struct Doubtful<V> {
    value: CacheValue<Described<V>>,
    context: BoxContext,
    /// How many flights had ended before it was read.
    ends: u64,
}

impl<'c> Way<'c> {
    /// On with what the first poll has read.
    pub(super) fn start<V: Cacheable>(&self, first: FirstRead<V>) -> Start<V> {
        let FirstRead {
            ends,
            read,
            context,
        } = first;
        match (self.terms, read) {
            (Terms::BegunLater, _) => Start::Go(Plan::Load(Look::Never, None)),
            (Terms::Valid, InPlace::Waits) => Start::JoinOrRead(ends),
            (Terms::Valid, InPlace::Doubtful(value)) => Start::Judge(Box::new(Doubtful {
                value,
                context,
                ends,
            })),
            (Terms::Valid, InPlace::Found(outcome)) => {
                let read = self.shared.found(outcome);
                let read = read.map(|value| Read::of(value, context.source().clone()));
                Start::Go(self.plan(read, ends))
            }
        }
    }

    pub(super) fn set_out<V: Cacheable>(
        self,
        start: Start<V>,
        loader: BoxLoader<V>,
    ) -> Step<'c, V> {
        let began = Instant::now();
        match start {
            Start::JoinOrRead(ended) => Step::Waits(self.join_or_read(began, ended, loader)),
            Start::Judge(doubtful) => {
                Step::Waits(self.judge_what_was_read(began, doubtful, loader))
            }
            Start::Go(plan) => self.go(began, plan, loader),
        }
    }

    fn go<V: Cacheable>(self, began: Instant, plan: Plan<V>, loader: BoxLoader<V>) -> Step<'c, V> {
        match plan {
            Plan::Answer(reply) => Step::Answered(Ok(reply)),
            Plan::AnswerAndLoad(reply, look) => {
                Step::Answered(Ok(match self.load_in_background(look, loader) {
                    Refreshed::Soon => reply,
                    Refreshed::Not => reply.not_refreshed(),
                }))
            }
            Plan::Load(look, fallback) => {
                Step::Waits(self.load_or_fall_back(began, look, fallback, loader))
            }
        }
    }

    /// Waits for the load of another call that has found nothing, or for what the backend has.
    fn join_or_read<V: Cacheable>(
        self,
        began: Instant,
        ended: u64,
        loader: BoxLoader<V>,
    ) -> BoxFuture<'c, Step<'c, V>> {
        let step = async move {
            match self.in_time(began, pin!(self.join_for_a_miss())).await {
                Some(Some(handed)) => return Step::Answered(handed.into_reply()),
                Some(None) => {}
                None => return Step::Answered(Err(self.timed_out())),
            }
            let read = self.in_time(began, Box::pin(self.read()).as_mut()).await;
            self.go_on(began, read, ended, loader)
        };
        step.boxed()
    }

    /// Asks the store about what was read.
    fn judge_what_was_read<V: Cacheable>(
        self,
        began: Instant,
        doubtful: Box<Doubtful<V>>,
        loader: BoxLoader<V>,
    ) -> BoxFuture<'c, Step<'c, V>> {
        let step = async move {
            let Doubtful {
                value,
                mut context,
                ends,
            } = *doubtful;
            let judged = {
                let mut judging = Box::pin(self.shared.judged(value, &mut context));
                self.in_time(began, judging.as_mut()).await
            };
            let read =
                judged.map(|value| value.map(|value| Read::of(value, context.source().clone())));
            self.go_on(began, read, ends, loader)
        };
        step.boxed()
    }

    /// On with what was read; `None`: the caller's time was over before.
    fn go_on<V: Cacheable>(
        self,
        began: Instant,
        read: Option<Option<Read<V>>>,
        ended: u64,
        loader: BoxLoader<V>,
    ) -> Step<'c, V> {
        match read {
            Some(read) => {
                let plan = self.plan(read, ended);
                self.go(began, plan, loader)
            }
            None => Step::Answered(Err(self.timed_out())),
        }
    }

    /// Waits for a load.
    fn load_or_fall_back<V: Cacheable>(
        self,
        began: Instant,
        look: Look,
        fallback: Fallback<V>,
        loader: BoxLoader<V>,
    ) -> BoxFuture<'c, Step<'c, V>> {
        let mut order = Some((look, loader));
        let step = async move {
            let load = pin!(self.load(&mut order));
            Step::Answered(self.wait(began, load, fallback).await)
        };
        step.boxed()
    }

    /// What `read` reads, within the time that the caller has; `None`: it is over.
    pub(super) fn in_time<'f, T>(
        &'f self,
        began: Instant,
        read: Pin<&'f mut (impl Future<Output = T> + Send)>,
    ) -> impl Future<Output = Option<T>> + Send {
        self.within(began, self.settings.hard_timeout, read)
    }

    /// The caller's time is over.
    pub(super) fn timed_out(&self) -> LoadError {
        let limit = self.settings.hard_timeout.unwrap_or_default();
        if self.shared.flights.is_about_to_begin(&self.key) {
            self.error(Cause::Overloaded)
        } else {
            self.error(Cause::Timeout(TimedOut::Caller(limit)))
        }
    }

    /// What to do with what was read. So many flights had `ended` before.
    pub(super) fn plan<V: Cacheable>(&self, read: Option<Read<V>>, ended: u64) -> Plan<V> {
        let Some(read) = read else {
            return Plan::Load(Look::IfStoredSince(ended), None);
        };
        let invalidations = self.invalidations_of(&read);
        let now = || Instant::now().into_std();
        let failure = self.shared.throttle.error(&self.key, &invalidations, now);
        let throttled = match failure {
            Some(_) => Throttled::Yes,
            None => Throttled::No,
        };
        let look = Look::ForNewer(read.value.created());
        match decide(self.judge(&read.value, &invalidations), throttled) {
            Decision::Answer(status, background) => {
                let reply = read.answered(answer_of(status, failure));
                match background {
                    // Most of those who come for a stale value do while it is refreshed.
                    Background::Load if !self.is_led() => Plan::AnswerAndLoad(reply, look),
                    Background::Load | Background::Nothing => Plan::Answer(reply),
                }
            }
            Decision::Absent => Plan::Answer(read.answered(Answer::Hit)),
            Decision::LoadOrFallBack => Plan::Load(look, Some(Box::new(read))),
            Decision::Load => Plan::Load(look, None),
        }
    }

    /// What is read now.
    async fn read<V: Cacheable>(&self) -> Option<Read<V>> {
        let mut context = BoxContext::default();
        let found = self.shared.get(&self.key, &mut context).await;
        let value = self.shared.found(found)?;
        Some(Read::of(value, context.source().clone()))
    }

    fn invalidations_of<V>(&self, read: &Read<V>) -> Invalidations {
        let (created, meta) = (read.value.created(), read.meta.as_deref());
        self.shared.invalidations_of(&self.key, created, meta)
    }

    fn judge<V>(&self, value: &CacheValue<Known<V>>, invalidations: &Invalidations) -> Found {
        match value.data() {
            Known::Present(_) => {
                Found::value(value, invalidations, &self.settings, &Moment::default())
            }
            Known::Absent => Found::absence(value.created(), invalidations),
        }
    }

    /// Waits for the outcome of a load, no longer than the caller wants to, and falls back on what he has read where he
    /// may.
    pub(super) fn wait<'f, V: Cacheable>(
        &'f self,
        began: Instant,
        load: Pin<&'f mut (impl Future<Output = Handed<V>> + Send)>,
        fallback: Fallback<V>,
    ) -> impl Future<Output = Result<Reply<V>, LoadError>> + Send {
        match fallback {
            Some(read) => Box::pin(self.wait_or_fall_back(began, load, *read)).left_future(),
            None => {
                let handed = self.in_time(began, load);
                let reply =
                    handed.map(|handed| handed.ok_or_else(|| self.timed_out())?.into_reply());
                reply.right_future()
            }
        }
    }

    async fn wait_or_fall_back<V: Cacheable>(
        &self,
        began: Instant,
        mut load: Pin<&mut (impl Future<Output = Handed<V>> + Send)>,
        read: Read<V>,
    ) -> Result<Reply<V>, LoadError> {
        let (soft, hard) = (self.settings.soft_timeout, self.settings.hard_timeout);
        let limit = match (soft, hard) {
            (Some(soft), Some(hard)) => Some(hard.min(soft)),
            (soft, hard) => soft.or(hard),
        };
        match self.within(began, limit, load.as_mut()).await {
            Some(Handed::Error(error)) => self.fall_back(began, error, read).await,
            Some(handed) => handed.into_reply(),
            None if self.may_fall_back(&read) => Ok(read.answered(Answer::LoadSlow)),
            None if limit == hard => Err(self.timed_out()),
            None => Box::pin(self.wait(began, load, None)).await,
        }
    }

    /// The load has failed.
    async fn fall_back<V: Cacheable>(
        &self,
        began: Instant,
        error: LoadError,
        read: Read<V>,
    ) -> Result<Reply<V>, LoadError> {
        if self.may_fall_back(&read) {
            return Ok(read.answered(Answer::LoadFailed(error)));
        }
        // What took the place of the value may be a newer one.
        let newer = pin!(self.shared.find_fresh(&self.key));
        let newer = self.in_time(began, newer).await;
        newer
            .flatten()
            .map(|(value, source)| Read::of(value, source).answered(Answer::Hit))
            .ok_or(error)
    }

    fn may_fall_back<V>(&self, read: &Read<V>) -> bool {
        let window = self.settings.stale_if_error;
        may_fall_back(
            &read.value,
            &self.invalidations_of(read),
            window,
            &Moment::default(),
        )
    }
}

impl Way<'_> {
    /// The output of `future`, if it is there within `limit` from `began` on.
    pub(super) fn within<'f, T>(
        &'f self,
        began: Instant,
        limit: Option<Duration>,
        future: Pin<&'f mut (impl Future<Output = T> + Send)>,
    ) -> impl Future<Output = Option<T>> + Send {
        // A limit beyond the clock is none.
        match limit.and_then(|limit| began.checked_add(limit)) {
            Some(end) => Box::pin(self.shared.tasks.until(end, future)).left_future(),
            None => future.map(Some).right_future(),
        }
    }
}

fn answer_of(status: Status, failure: Option<LoadError>) -> Answer {
    match (status, failure) {
        (Status::Stale(Why::Throttled), Some(error)) => Answer::Throttled(error),
        (Status::Stale(_), _) => Answer::Refreshing,
        (Status::Hit | Status::Loaded | Status::Joined, _) => Answer::Hit,
    }
}
