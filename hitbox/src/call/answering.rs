//! A call that was not answered in place: on with what was read, by a load, or by what there is to fall back on.

use std::{pin::pin, time::Duration};

use hitbox_backend::{
    BoxContext, CacheValue, Cacheable, Invalidations, Known, KnownOutcome, ResponseSource,
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
    status::{Status, Why},
};

/// What the first poll of a call has read.
pub(super) struct FirstRead<V> {
    /// How many flights had ended before.
    pub(super) ends: u64,
    /// `None`: it has to be waited for.
    pub(super) read: Option<(KnownOutcome<V>, BoxContext)>,
}

/// A value that a caller has read.
pub(super) struct Read<V> {
    pub(super) value: CacheValue<Known<V>>,
    pub(super) source: ResponseSource,
}

impl<V> Read<V> {
    fn answered(self, answer: Answer) -> Reply<V> {
        Reply {
            value: self.value,
            source: self.source,
            answer,
        }
    }
}

/// What a call does with what it has read.
pub(super) enum Plan<V> {
    Answer(Reply<V>),
    /// And have it loaded for others.
    AnswerAndLoad(Reply<V>, Look),
    /// Wait for a load. What was read may be what there is to fall back on.
    Load(Look, Option<Read<V>>),
}

impl Way {
    pub(super) async fn go<V: Cacheable>(
        self,
        first: FirstRead<V>,
        loader: BoxLoader<V>,
    ) -> Result<Reply<V>, LoadError> {
        let began = Instant::now();
        let plan = match self.terms {
            Terms::Valid => {
                if first.read.is_none() {
                    let handed = self.in_time(began, self.join_for_a_miss()).await;
                    if let Some(handed) = handed.ok_or_else(|| self.timed_out())? {
                        return self.take(began, handed, None).await;
                    }
                }
                let read = self.in_time(began, self.read(first.read)).await;
                let read = read.ok_or_else(|| self.timed_out())?;
                self.plan(read, first.ends, began)
            }
            Terms::BegunLater => Plan::Load(Look::Never, None),
        };
        match plan {
            Plan::Answer(reply) => Ok(reply),
            Plan::AnswerAndLoad(reply, look) => match self.load_in_background(look, loader) {
                Refreshed::Soon => Ok(reply),
                Refreshed::Not => Ok(reply.not_refreshed()),
            },
            Plan::Load(look, fallback) => {
                let load = self.load(look, loader);
                self.wait(began, load, fallback).await
            }
        }
    }

    /// What `read` reads, within the time that the caller has; `None`: it is over.
    pub(super) async fn in_time<T>(
        &self,
        began: Instant,
        read: impl Future<Output = T>,
    ) -> Option<T> {
        self.within(began, self.settings.hard_timeout, read).await
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
    pub(super) fn plan<V: Cacheable>(
        &self,
        read: Option<Read<V>>,
        ended: u64,
        now: Instant,
    ) -> Plan<V> {
        let Some(read) = read else {
            return Plan::Load(Look::IfStoredSince(ended), None);
        };
        let invalidations = self.shared.invalidations(&self.key);
        let throttle = &self.shared.throttle;
        let failure = throttle.error(&self.key, &invalidations, now.into_std());
        let throttled = match failure {
            Some(_) => Throttled::Yes,
            None => Throttled::No,
        };
        let look = Look::ForNewer(read.value.created());
        match decide(self.judge(&read.value, &invalidations), throttled) {
            Decision::Answer(status, background) => {
                let reply = read.answered(answer_of(status, failure));
                match background {
                    Background::Load => Plan::AnswerAndLoad(reply, look),
                    Background::Nothing => Plan::Answer(reply),
                }
            }
            Decision::Absent => Plan::Answer(read.answered(Answer::Hit)),
            Decision::LoadOrFallBack => Plan::Load(look, Some(read)),
            Decision::Load => Plan::Load(look, None),
        }
    }

    /// What the first poll has read, or what is read now.
    async fn read<V: Cacheable>(
        &self,
        first: Option<(KnownOutcome<V>, BoxContext)>,
    ) -> Option<Read<V>> {
        let (found, context) = match first {
            Some((outcome, context)) => (self.shared.found(outcome), context),
            None => {
                let mut context = BoxContext::default();
                let found = self.shared.read(&self.key, &mut context).await;
                (found, context)
            }
        };
        found.map(|value| Read {
            value,
            source: context.source().clone(),
        })
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
    pub(super) async fn wait<V: Cacheable>(
        &self,
        began: Instant,
        load: impl Future<Output = Handed<V>>,
        mut fallback: Option<Read<V>>,
    ) -> Result<Reply<V>, LoadError> {
        let (soft, hard) = (self.settings.soft_timeout, self.settings.hard_timeout);
        let mut limit = match (&fallback, soft) {
            (Some(_), Some(soft)) => Some(hard.map_or(soft, |hard| hard.min(soft))),
            (Some(_), None) | (None, _) => hard,
        };
        let mut load = pin!(load);
        loop {
            if let Some(handed) = self.within(began, limit, load.as_mut()).await {
                return self.take(began, handed, fallback).await;
            }
            if let Some(read) = fallback.take_if(|read| self.may_fall_back(read)) {
                return Ok(read.answered(Answer::LoadSlow));
            }
            if limit == hard {
                return Err(self.timed_out());
            }
            (limit, fallback) = (hard, None);
        }
    }

    /// What a flight has handed over, as the call's answer.
    async fn take<V: Cacheable>(
        &self,
        began: Instant,
        handed: Handed<V>,
        fallback: Option<Read<V>>,
    ) -> Result<Reply<V>, LoadError> {
        let error = match handed {
            Handed::Value(value, answer) => {
                let source = ResponseSource::Upstream;
                return Ok(Reply {
                    value,
                    source,
                    answer,
                });
            }
            Handed::Error(error) => error,
        };
        let Some(read) = fallback else {
            return Err(error);
        };
        if self.may_fall_back(&read) {
            return Ok(read.answered(Answer::LoadFailed(error)));
        }
        // What took the place of the value may be a newer one.
        let newer = self.in_time(began, self.shared.find_fresh(&self.key)).await;
        newer
            .flatten()
            .map(|(value, source)| Read { value, source }.answered(Answer::Hit))
            .ok_or(error)
    }

    fn may_fall_back<V>(&self, read: &Read<V>) -> bool {
        let window = self.settings.stale_if_error;
        may_fall_back(
            &read.value,
            &self.shared.invalidations(&self.key),
            window,
            &Moment::default(),
        )
    }
}

impl Way {
    /// The output of `future`, if it is there within `limit` from `began` on.
    pub(super) async fn within<T>(
        &self,
        began: Instant,
        limit: Option<Duration>,
        future: impl Future<Output = T>,
    ) -> Option<T> {
        // A limit beyond the clock is none.
        match limit.and_then(|limit| began.checked_add(limit)) {
            Some(end) => self.shared.tasks.until(end, future).await,
            None => Some(future.await),
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
