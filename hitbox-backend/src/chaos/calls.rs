//! What a call does, with the fault that it has met.

use std::future::Future;

use hitbox_core::{BoxContext, CacheKey, CacheValue, Encoded, Raw};

use super::{
    ChaosBackend, Late,
    course::Course,
    damage::{Damage, distorted},
    entries::written,
    late::{Effect, Put},
    state::{Drawn, Plan},
};
use crate::{
    Backend, BackendError, BackendErrorKind, BackendResult, Conditional, DeleteStatus, Operation,
    ReadOutcome, encoded, note_outcome, outcome::is_made, repeated::Answer,
};

impl<B: Backend> ChaosBackend<B> {
    pub(super) async fn carry_out_due(&self) {
        loop {
            // A statement of its own: the lock must not be held while the effect is awaited.
            let due = self.shared.state().late.take_due();
            let Some((key, effect)) = due else {
                return;
            };
            // Lost: its caller has had an answer.
            let _outcome = match effect {
                Effect::Put(put, value) => self.store(&key, put, value, None).await.map(drop),
                Effect::Remove => self.clear(&key).await.map(|_status| ()),
            };
        }
    }

    /// What every call ends with, however it went.
    pub(super) async fn end_call(&self, key: &CacheKey) {
        self.shared.state().late.note_call(key);
        self.carry_out_due().await;
    }

    async fn run<T>(
        &self,
        course: Course,
        operation: Operation,
        effect: impl Future<Output = BackendResult<T>> + Send,
    ) -> BackendResult<T> {
        let error = |kind| self.error(kind, operation);
        course.run(&self.shared.gate, effect, error).await
    }

    pub(super) fn error(&self, kind: BackendErrorKind, operation: Operation) -> BackendError {
        BackendError::new(kind, operation, self.label()).with_detail("injected by chaos")
    }

    /// Reads what is stored, in the state that its bytes are in.
    async fn fetch(&self, key: &CacheKey, context: &mut BoxContext) -> ReadOutcome {
        let outcome = self.inner.read_with(key, context).await;
        self.as_stored(key, context, outcome)
    }

    /// Stores a value, its bytes whole or damaged.
    async fn store(
        &self,
        key: &CacheKey,
        put: Put,
        value: CacheValue<Raw>,
        damage: Option<Damage>,
    ) -> BackendResult<Conditional> {
        let outcome = match put {
            Put::Write => self.inner.write(key, value).await.map(written),
            Put::Refill => self.inner.refill(key, value).await.map(written),
            Put::If(condition) => self.inner.write_if(key, value, condition).await,
        };
        let is_refused = matches!(outcome, Ok(Conditional::Refused));
        if is_made(&outcome) && !is_refused {
            self.shared.note_stored(key, damage);
        }
        outcome
    }

    async fn clear(&self, key: &CacheKey) -> BackendResult<DeleteStatus> {
        let outcome = self.inner.remove(key).await;
        if is_made(&outcome) {
            self.shared.note_stored(key, None);
        }
        outcome
    }

    /// What a read makes of `outcome`, given the damage to what is stored.
    pub(super) fn as_stored(
        &self,
        key: &CacheKey,
        context: &mut BoxContext,
        outcome: ReadOutcome,
    ) -> ReadOutcome {
        match self.shared.damage(key) {
            Some(damage) => self.as_damaged(key, context, outcome, damage),
            None => outcome,
        }
    }

    /// What an adapter does with bytes that are damaged: it reports them, and misses.
    fn as_damaged(
        &self,
        key: &CacheKey,
        context: &mut BoxContext,
        outcome: ReadOutcome,
        damage: Damage,
    ) -> ReadOutcome {
        let Some(value) = outcome? else {
            return Ok(None);
        };
        match damage.decode(&self.in_bytes(&value)?) {
            Ok(value) => Ok(Some(value.map(Raw::from))),
            Err(rejection) => {
                self.reject(key, rejection);
                let missed = Ok(None);
                note_outcome(context, &missed, || self.label());
                missed
            }
        }
    }

    /// What can be damaged: of an object, the bytes that it would be stored as.
    fn in_bytes(&self, value: &CacheValue<Raw>) -> BackendResult<CacheValue<Encoded>> {
        let limit = self.capabilities().largest_decoded;
        encoded(value, self.value_format(), limit, &self.label())
    }

    fn distorted(&self, value: &CacheValue<Raw>, dice: u64) -> BackendResult<CacheValue<Raw>> {
        let value = self.in_bytes(value)?;
        Ok(distorted(value, dice).map(Raw::from))
    }

    pub(super) async fn read_drawn(
        &self,
        key: &CacheKey,
        context: &mut BoxContext,
        drawn: Option<Drawn>,
    ) -> ReadOutcome {
        self.carry_out_due().await;
        // A copy, since an answer that gets lost must leave no trace in the caller's.
        let mut noted = context.clone();
        let outcome = match drawn.map(Drawn::plan) {
            None => self.fetch(key, &mut noted).await,
            Some(Plan::Run(course)) => {
                let effect = self.fetch(key, &mut noted);
                self.run(course, Operation::Read, effect).await
            }
            Some(Plan::Damage(damage)) => {
                let outcome = self.fetch(key, &mut noted).await;
                self.as_damaged(key, &mut noted, outcome, damage)
            }
            Some(Plan::Distort(dice)) => {
                let outcome = self.fetch(key, &mut noted).await;
                match outcome? {
                    Some(value) => Ok(Some(self.distorted(&value, dice)?)),
                    None => Ok(None),
                }
            }
            // Refused for reads when the chaos is built.
            Some(Plan::Later(_) | Plan::Again(_)) => {
                Err(self.error(BackendErrorKind::Timeout, Operation::Read))
            }
        };
        match &outcome {
            Ok(_) => *context = noted,
            Err(_) => note_outcome(context, &outcome, || self.label()),
        }
        self.end_call(key).await;
        outcome
    }

    pub(super) async fn put_drawn(
        &self,
        key: &CacheKey,
        put: Put,
        value: CacheValue<Raw>,
        drawn: Option<Drawn>,
    ) -> BackendResult<Conditional> {
        self.carry_out_due().await;
        let outcome = match drawn.map(Drawn::plan) {
            None => self.store(key, put, value, None).await,
            Some(Plan::Run(course)) => {
                let effect = self.store(key, put, value, None);
                self.run(course, Operation::Write, effect).await
            }
            Some(Plan::Damage(damage)) => self.store(key, put, value, Some(damage)).await,
            Some(Plan::Distort(dice)) => match self.distorted(&value, dice) {
                Ok(value) => self.store(key, put, value, None).await,
                Err(error) => Err(error),
            },
            Some(Plan::Later(late)) => {
                return self.put_off(key, Effect::Put(put, value), late).await;
            }
            Some(Plan::Again(late)) => {
                let first = self.store(key, put.clone(), value.clone(), None);
                let outcome = first.await;
                return self
                    .again(key, Effect::Put(put, value), late, outcome)
                    .await;
            }
        };
        self.end_call(key).await;
        outcome
    }

    pub(super) async fn remove_drawn(
        &self,
        key: &CacheKey,
        drawn: Option<Drawn>,
    ) -> BackendResult<DeleteStatus> {
        self.carry_out_due().await;
        let outcome = match drawn.map(Drawn::plan) {
            // Damage is refused for removes when the chaos is built.
            None | Some(Plan::Damage(_) | Plan::Distort(_)) => self.clear(key).await,
            Some(Plan::Run(course)) => self.run(course, Operation::Remove, self.clear(key)).await,
            Some(Plan::Later(late)) => return self.put_off(key, Effect::Remove, late).await,
            Some(Plan::Again(late)) => {
                let outcome = self.clear(key).await;
                return self.again(key, Effect::Remove, late, outcome).await;
            }
        };
        self.end_call(key).await;
        outcome
    }

    /// What a call answers whose second attempt had this outcome, while the first comes late.
    async fn again<T: Answer>(
        &self,
        key: &CacheKey,
        effect: Effect,
        late: Late,
        outcome: BackendResult<T>,
    ) -> BackendResult<T> {
        let change = outcome.as_ref().ok().and_then(Answer::change);
        match change {
            Some(change) => {
                let first: BackendResult<T> = self.put_off(key, effect, late).await;
                first.map_err(|error| error.made_by_repeat(change))
            }
            None => {
                self.end_call(key).await;
                outcome
            }
        }
    }

    async fn put_off<T>(&self, key: &CacheKey, effect: Effect, late: Late) -> BackendResult<T> {
        let operation = match effect {
            Effect::Put(..) => Operation::Write,
            Effect::Remove => Operation::Remove,
        };
        // Ended first: this call is not one of those that the effect comes after.
        self.end_call(key).await;
        self.shared.state().late.add(key.clone(), effect, late);
        Err(self.error(BackendErrorKind::Timeout, operation))
    }
}
