use std::{
    future::poll_fn,
    sync::{Arc, PoisonError},
    task::Poll,
};

use async_trait::async_trait;
use bytes::Bytes;
use hitbox_core::{BackendLabel, BoxContext, CacheKey, CacheValue, Raw, Stamp, clock::Moment};
use loom::sync::{Mutex, MutexGuard};

use crate::{
    Attempt, Backend, BackendError, BackendErrorKind, BackendResult, DeleteStatus, Operation,
    ReadAttempt, ReadOutcome, Repeated, WriteAttempt, note_outcome_at,
};

/// A layer of one key.
#[derive(Clone)]
pub(super) struct Layer {
    state: Arc<Mutex<State>>,
    pace: Pace,
}

#[derive(Default)]
struct State {
    held: Option<CacheValue<Raw>>,
    /// How the next operation of this kind fails.
    failing: Option<(Operation, Failure)>,
}

/// Without effect, but for the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// And says so.
    Refused,
    /// But nobody can tell.
    Unanswered,
    /// At the first attempt, which is in doubt; a second one is made.
    Repeated,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// Asked by try_read and try_write, too.
    AtOnce,
    Immediate,
    /// Changes wait once before they begin.
    Slow,
}

impl Layer {
    pub(super) fn new() -> Self {
        Self {
            state: Arc::default(),
            pace: Pace::Immediate,
        }
    }

    pub(super) fn at(pace: Pace) -> Self {
        Self {
            pace,
            ..Self::new()
        }
    }

    pub(super) fn holding(self, value: CacheValue<Raw>) -> Self {
        self.state().held = Some(value);
        self
    }

    pub(super) fn fail_next(&self, operation: Operation, failure: Failure) {
        self.state().failing = Some((operation, failure));
    }

    /// What nobody has answered for takes effect after all.
    pub(super) fn receive_late(&self, value: CacheValue<Raw>) {
        self.state().held = Some(value);
    }

    pub(super) fn slow(mut self) -> Self {
        self.pace = Pace::Slow;
        self
    }

    /// The stamp of what it holds.
    pub(super) fn held(&self) -> Option<Stamp> {
        self.state().held.as_ref().map(CacheValue::created)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn change(
        &self,
        operation: Operation,
        change: impl FnOnce(&mut Option<CacheValue<Raw>>) + Send,
    ) -> BackendResult<()> {
        match self.pace {
            Pace::AtOnce | Pace::Immediate => {}
            Pace::Slow => yield_once().await,
        }
        self.apply(operation, change)
    }

    fn apply(
        &self,
        operation: Operation,
        change: impl FnOnce(&mut Option<CacheValue<Raw>>),
    ) -> BackendResult<()> {
        let mut state = self.state();
        let error = || BackendError::new(BackendErrorKind::Unavailable, operation, self.label());
        match state.failing.take_if(|(failing, _)| *failing == operation) {
            Some((_, Failure::Refused)) => Err(error().without_effect()),
            Some((_, Failure::Unanswered)) => Err(error()),
            Some((_, Failure::Repeated)) => {
                change(&mut state.held);
                Err(error().made_by_repeat(match operation {
                    Operation::Remove => Repeated::Remove(DeleteStatus::Missing),
                    _ => Repeated::Write,
                }))
            }
            None => {
                change(&mut state.held);
                Ok(())
            }
        }
    }
}

#[async_trait]
impl Backend for Layer {
    async fn read(&self, _: &CacheKey) -> ReadOutcome {
        Ok(self.state().held.clone())
    }

    async fn write(&self, _: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
        self.change(Operation::Write, |held| *held = Some(value))
            .await
    }

    fn try_read<'a>(
        &'a self,
        _: &'a CacheKey,
        context: &mut BoxContext,
        moment: &Moment,
    ) -> ReadAttempt<'a> {
        match self.pace {
            Pace::AtOnce => {
                let outcome = Ok(self.state().held.clone());
                note_outcome_at(context, &outcome, || self.label(), moment);
                Attempt::Ready(outcome)
            }
            Pace::Immediate | Pace::Slow => Attempt::WouldBlock(()),
        }
    }

    fn try_write<'a>(&'a self, _: &'a CacheKey, value: CacheValue<Raw>) -> WriteAttempt<'a> {
        match self.pace {
            Pace::AtOnce => {
                Attempt::Ready(self.apply(Operation::Write, |held| *held = Some(value)))
            }
            Pace::Immediate | Pace::Slow => Attempt::WouldBlock(value),
        }
    }

    fn is_non_blocking(&self) -> bool {
        match self.pace {
            Pace::AtOnce => true,
            Pace::Immediate | Pace::Slow => false,
        }
    }

    async fn remove(&self, _: &CacheKey) -> BackendResult<DeleteStatus> {
        self.change(Operation::Remove, |held| *held = None).await?;
        Ok(DeleteStatus::Missing)
    }

    fn label(&self) -> BackendLabel {
        BackendLabel::new_static("layer")
    }
}

pub(super) async fn yield_once() {
    let mut waits = true;
    poll_fn(|context| {
        if std::mem::take(&mut waits) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(())
    })
    .await;
}

/// A value that was loaded just now.
pub(super) fn value() -> CacheValue<Raw> {
    CacheValue::loaded(Raw::from(Bytes::new()), Stamp::now())
}
