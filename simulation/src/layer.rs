//! A layer whose every operation waits to be let on, and fails as the history says.

use std::sync::Arc;

use async_trait::async_trait;
use hitbox_backend::{
    Attempt, Backend, BackendError, BackendErrorKind, BackendResult, Capabilities, DeleteStatus,
    Operation, ReadAttempt, ReadOutcome, Repeated, WriteAttempt, note_outcome_at,
};
use hitbox_core::{BackendLabel, BoxContext, CacheKey, CacheValue, Raw, clock::Moment};

use super::{
    data::name_of,
    place::{Place, label_of},
    setting::Answers,
    step::Fault,
    store::Store,
    world::{Cause, Phase, Site, World},
};

/// What a layer is asked to do with one key.
#[derive(Clone)]
pub(super) struct Request {
    pub(super) key: CacheKey,
    pub(super) change: Change,
}

#[derive(Clone)]
pub(super) enum Change {
    /// None: to read.
    Read,
    Write(CacheValue<Raw>),
    /// A copy of what another layer has.
    Refill(CacheValue<Raw>),
    Remove,
}

/// What a layer says to it.
pub(super) struct Answer {
    found: Option<CacheValue<Raw>>,
    removed: DeleteStatus,
}

impl Answer {
    const NOTHING: Self = Self {
        found: None,
        removed: DeleteStatus::Missing,
    };
}

impl Request {
    pub(super) fn changes(&self) -> bool {
        !matches!(self.change, Change::Read)
    }

    fn operation(&self) -> Operation {
        match self.change {
            Change::Read => Operation::Read,
            Change::Write(_) | Change::Refill(_) => Operation::Write,
            Change::Remove => Operation::Remove,
        }
    }

    /// Refills are not counted: they are nobody's answer.
    fn cause(&self, call: usize) -> Option<Cause> {
        match &self.change {
            Change::Read => Some(Cause::Read(call)),
            Change::Remove => Some(Cause::Remove(call)),
            Change::Write(value) => Some(Cause::Write(value.created())),
            Change::Refill(_) => None,
        }
    }

    pub(super) fn apply(&self, store: &Store) -> BackendResult<Answer> {
        match &self.change {
            Change::Read => store.read(&self.key).map(|found| Answer {
                found,
                ..Answer::NOTHING
            }),
            Change::Write(value) | Change::Refill(value) => store
                .write(&self.key, value.clone())
                .map(|()| Answer::NOTHING),
            Change::Remove => store.remove(&self.key).map(|removed| Answer {
                removed,
                ..Answer::NOTHING
            }),
        }
    }
}

impl World {
    pub(super) fn name_of(&self, request: &Request) -> String {
        let key = self.number_of(&request.key);
        match &request.change {
            Change::Read => format!("read k{key}"),
            Change::Write(value) => format!("write k{key} {}", name_of(value)),
            Change::Refill(value) => format!("refill k{key} {}", name_of(value)),
            Change::Remove => format!("remove k{key}"),
        }
    }
}

pub(super) struct ModelLayer {
    site: usize,
    world: Arc<World>,
}

impl ModelLayer {
    pub(super) fn new(site: usize, world: &Arc<World>) -> Self {
        Self {
            site,
            world: Arc::clone(world),
        }
    }

    fn place(&self) -> Place {
        self.world.sites[self.site].place
    }

    fn store(&self) -> &Store {
        &self.world.sites[self.site].store
    }

    async fn ask(&self, requests: &[Request]) -> Vec<BackendResult<Answer>> {
        let (world, site) = (&*self.world, self.site);
        let call = world.current_call();
        let fault = world.pass(site, Phase::BeforeEffect, requests).await;
        let mut answers: Vec<_> = requests
            .iter()
            .enumerate()
            .map(|(at, request)| {
                let strikes = fault.filter(|fault| fault.strikes(at, requests.len()));
                match strikes {
                    Some(struck) => self.fail(request, struck.fault),
                    None => request.apply(self.store()),
                }
            })
            .collect();
        let lost = world.pass(site, Phase::BeforeAnswer, requests).await;
        for (at, (request, answer)) in requests.iter().zip(&mut answers).enumerate() {
            if lost.is_some_and(|lost| lost.strikes(at, requests.len())) {
                *answer = Err(self.failure(request, BackendErrorKind::Unavailable));
            }
            self.note(request, call, answer);
        }
        answers
    }

    /// Fails before the effect, or at the first attempt.
    fn fail(&self, request: &Request, fault: Fault) -> BackendResult<Answer> {
        let kind = match (fault, &request.change) {
            (Fault::Repeated, _) => return self.repeat(request),
            (Fault::Refused, _) => BackendErrorKind::Throttled,
            (Fault::TooLarge, Change::Write(_) | Change::Refill(_)) => {
                self.store().remove(&request.key)?;
                BackendErrorKind::TooLarge
            }
            (Fault::Late, Change::Write(_) | Change::Refill(_) | Change::Remove) => {
                self.world.delay(self.site, request.clone());
                BackendErrorKind::Unavailable
            }
            (Fault::Unavailable, _)
            | (Fault::TooLarge, Change::Read | Change::Remove)
            | (Fault::Late, Change::Read) => BackendErrorKind::Unavailable,
        };
        Err(self.failure(request, kind))
    }

    /// Makes a change by a second attempt, while the first is on its way.
    fn repeat(&self, request: &Request) -> BackendResult<Answer> {
        let answer = request.apply(self.store())?;
        let made = match &request.change {
            Change::Read => return Ok(answer),
            Change::Write(_) | Change::Refill(_) => Repeated::Write,
            Change::Remove => Repeated::Remove(answer.removed),
        };
        self.world.repeat(self.site, request.clone());
        let first = self.failure(request, BackendErrorKind::Unavailable);
        Err(first.made_by_repeat(made))
    }

    fn failure(&self, request: &Request, kind: BackendErrorKind) -> BackendError {
        BackendError::new(kind, request.operation(), self.label())
    }

    fn note(&self, request: &Request, call: usize, answer: &BackendResult<Answer>) {
        let (world, place) = (&*self.world, self.place());
        let key = world.number_of(&request.key);
        // In a nested composition, what counts is how that one answers.
        if let (Some(cause), None) = (request.cause(call), place.inner) {
            let failed = matches!(answer, Err(error) if error.repeated().is_none());
            world.count(key, cause, place.outer, failed);
        }
        let outcome = match answer {
            Ok(Answer { found: Some(_), .. }) => 1,
            Ok(Answer {
                removed: DeleteStatus::Deleted(_),
                ..
            }) => 2,
            Ok(Answer { .. }) => 3,
            Err(error) if error.repeated().is_some() => 5,
            Err(_) => 4,
        };
        world.tell(outcome << 8 | (key as u64) << 2 | self.site as u64, || {
            let request = world.name_of(request);
            let outcome = match answer {
                Ok(Answer {
                    found: Some(value), ..
                }) => name_of(value),
                Ok(Answer { .. }) => String::from("ok"),
                Err(error) if error.repeated().is_some() => String::from("ok, by a second attempt"),
                Err(error) => error.to_string(),
            };
            format!("      {place} {request}: {outcome}")
        });
    }

    async fn ask_one(&self, key: &CacheKey, change: Change) -> BackendResult<Answer> {
        let request = Request {
            key: key.clone(),
            change,
        };
        let answers = self.ask(&[request]).await;
        answers.into_iter().next().unwrap_or(Ok(Answer::NOTHING))
    }

    /// Writes without waiting. What goes wrong then is only what always does.
    fn write_at_once(
        &self,
        key: &CacheKey,
        value: CacheValue<Raw>,
        change: fn(CacheValue<Raw>) -> Change,
    ) -> WriteAttempt<'static> {
        if !self.is_non_blocking() || self.world.hesitates() {
            return Attempt::WouldBlock(value);
        }
        let request = Request {
            key: key.clone(),
            change: change(value),
        };
        let answer = match self.world.broken(self.site) {
            Some(fault) => self.fail(&request, fault),
            None => request.apply(self.store()),
        };
        self.note(&request, self.world.current_call(), &answer);
        Attempt::Ready(answer.map(drop))
    }

    async fn ask_many(
        &self,
        changes: impl IntoIterator<Item = (CacheKey, Change)>,
    ) -> Vec<BackendResult<Answer>> {
        let requests = changes
            .into_iter()
            .map(|(key, change)| Request { key, change });
        let requests: Vec<_> = requests.collect();
        self.ask(&requests).await
    }
}

fn found(answer: Answer) -> Option<CacheValue<Raw>> {
    answer.found
}

#[async_trait]
impl Backend for ModelLayer {
    async fn read(&self, key: &CacheKey) -> ReadOutcome {
        self.ask_one(key, Change::Read).await.map(found)
    }

    async fn write(&self, key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
        self.ask_one(key, Change::Write(value)).await.map(drop)
    }

    async fn refill(&self, key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
        self.ask_one(key, Change::Refill(value)).await.map(drop)
    }

    async fn remove(&self, key: &CacheKey) -> BackendResult<DeleteStatus> {
        let answer = self.ask_one(key, Change::Remove).await;
        answer.map(|answer| answer.removed)
    }

    fn try_read<'a>(
        &'a self,
        key: &'a CacheKey,
        context: &mut BoxContext,
        moment: &Moment,
    ) -> ReadAttempt<'a> {
        let Site { answers, store, .. } = &self.world.sites[self.site];
        match answers {
            Answers::Awaited => Attempt::WouldBlock(()),
            Answers::ReadsAtOnce | Answers::AtOnce => {
                let request = Request {
                    key: key.clone(),
                    change: Change::Read,
                };
                let answer = request.apply(store);
                self.note(&request, self.world.current_call(), &answer);
                let outcome = answer.map(found);
                note_outcome_at(context, &outcome, || self.label(), moment);
                Attempt::Ready(outcome)
            }
        }
    }

    fn try_write<'a>(&'a self, key: &'a CacheKey, value: CacheValue<Raw>) -> WriteAttempt<'a> {
        self.write_at_once(key, value, Change::Write)
    }

    fn try_refill<'a>(&'a self, key: &'a CacheKey, value: CacheValue<Raw>) -> WriteAttempt<'a> {
        self.write_at_once(key, value, Change::Refill)
    }

    fn is_non_blocking(&self) -> bool {
        match self.world.sites[self.site].answers {
            Answers::Awaited | Answers::ReadsAtOnce => false,
            Answers::AtOnce => true,
        }
    }

    async fn read_many(&self, keys: &[CacheKey]) -> Vec<ReadOutcome> {
        let reads = keys.iter().map(|key| (key.clone(), Change::Read));
        let answers = self.ask_many(reads.collect::<Vec<_>>()).await;
        answers
            .into_iter()
            .map(|answer| answer.map(found))
            .collect()
    }

    async fn write_many(
        &self,
        entries: Vec<(CacheKey, CacheValue<Raw>)>,
    ) -> Vec<BackendResult<()>> {
        let writes = entries
            .into_iter()
            .map(|(key, value)| (key, Change::Write(value)));
        let answers = self.ask_many(writes).await;
        answers.into_iter().map(|answer| answer.map(drop)).collect()
    }

    async fn refill_many(
        &self,
        entries: Vec<(CacheKey, CacheValue<Raw>)>,
    ) -> Vec<BackendResult<()>> {
        let refills = entries
            .into_iter()
            .map(|(key, value)| (key, Change::Refill(value)));
        let answers = self.ask_many(refills).await;
        answers.into_iter().map(|answer| answer.map(drop)).collect()
    }

    async fn remove_many(&self, keys: &[CacheKey]) -> Vec<BackendResult<DeleteStatus>> {
        let removes = keys.iter().map(|key| (key.clone(), Change::Remove));
        let answers = self.ask_many(removes.collect::<Vec<_>>()).await;
        let removed = |answer: Answer| answer.removed;
        answers
            .into_iter()
            .map(|answer| answer.map(removed))
            .collect()
    }

    fn capabilities(&self) -> Capabilities {
        self.store().capabilities()
    }

    fn label(&self) -> BackendLabel {
        let Place { outer, inner } = self.place();
        BackendLabel::new_static(label_of(inner.unwrap_or(outer)))
    }
}
