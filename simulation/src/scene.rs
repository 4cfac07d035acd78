//! The calls of a history, as its tasks make them.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chrono::{DateTime, Utc};
use hitbox_backend::{BackendResult, CacheBackend, CompositionLayer, DeleteStatus, KnownOutcome};
use hitbox_core::{BoxContext, CacheKey, CacheValue, Stamp, clock};

use super::{
    composed::{Composed, Compositions},
    data::{Data, data_of, text_of},
    place::Level,
    reference::{Reference, Violation},
    step::{Act, Draft, keys_of},
    world::{Cause, World},
};

/// Where calls are made, and who judges their answers.
pub(super) struct Scene {
    pub(super) world: Arc<World>,
    compositions: Compositions,
    reference: Mutex<Reference>,
    violation: Mutex<Option<Violation>>,
}

impl Scene {
    pub(super) fn new(world: Arc<World>, compositions: Compositions, reference: Reference) -> Self {
        Self {
            world,
            compositions,
            reference: Mutex::new(reference),
            violation: Mutex::default(),
        }
    }

    /// The composition that is checked.
    fn composed(&self) -> &dyn Composed {
        &*self.compositions.outer
    }

    /// The composition of this level, if there is one.
    pub(super) fn composition(&self, level: Level) -> Option<&dyn Composed> {
        match level {
            Level::Outer => Some(self.composed()),
            Level::Inner => self.compositions.inner.as_deref(),
        }
    }

    pub(super) fn reference(&self) -> MutexGuard<'_, Reference> {
        self.reference
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the first violation.
    pub(super) fn judge(&self, judgement: Result<(), Violation>) {
        if let Err(violation) = judgement {
            let mut first = self.lock_violation();
            first.get_or_insert(violation);
        }
    }

    pub(super) fn take_violation(&self) -> Option<Violation> {
        self.lock_violation().take()
    }

    fn lock_violation(&self) -> MutexGuard<'_, Option<Violation>> {
        self.violation
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a call, and has its answer judged.
    pub(super) async fn perform(&self, call: usize, act: Act) {
        self.reference().load_begins(call);
        match act {
            Act::Read { key } => self.read(call, key).await,
            Act::ReadMany { keys } => self.read_many(call, &self.chosen(keys)).await,
            Act::Write { key, draft } => self.write(call, key, draft).await,
            Act::WriteMany { keys, draft } => {
                self.write_many(call, &self.chosen(keys), draft).await;
            }
            Act::Remove { key } => self.remove(call, key).await,
            Act::RemoveMany { keys } => self.remove_many(call, &self.chosen(keys)).await,
        }
    }

    fn chosen(&self, keys: u8) -> Vec<usize> {
        keys_of(keys, self.world.keys.len()).collect()
    }

    fn keys(&self, numbers: &[usize]) -> Vec<CacheKey> {
        let key = |number: &usize| self.world.keys[*number].clone();
        numbers.iter().map(key).collect()
    }

    async fn read(&self, call: usize, key: usize) {
        self.reference().read_begins(key, call);
        let failed_before = self.world.failed_reads_of_l2(key);
        let mut context = BoxContext::default();
        let outcome = self
            .composed()
            .get_known(&self.world.keys[key], &mut context)
            .await;
        // The failure of one that it has joined is its own.
        let joined = self.world.failed_reads_of_l2(key) - failed_before;
        self.judge_read(call, key, &outcome, &context, joined);
    }

    async fn read_many(&self, call: usize, keys: &[usize]) {
        for key in keys {
            self.reference().read_begins(*key, call);
        }
        let mut contexts = vec![BoxContext::default(); keys.len()];
        let outcomes = self
            .composed()
            .get_many_known(&self.keys(keys), &mut contexts)
            .await;
        self.judge_count(keys, outcomes.len());
        for ((key, outcome), context) in keys.iter().zip(&outcomes).zip(&contexts) {
            // It joins nothing.
            self.judge_read(call, *key, outcome, context, 0);
        }
    }

    fn judge_read(
        &self,
        call: usize,
        key: usize,
        outcome: &KnownOutcome<String>,
        context: &BoxContext,
        failures_of_l2: u32,
    ) {
        let mut layers = self.world.answers(key, Cause::Read(call));
        layers[CompositionLayer::L2 as usize].failed += failures_of_l2;
        let mut reference = self.reference();
        self.judge(reference.read_returns(key, call, outcome, context, layers));
        drop(reference);
        self.tell_answer(call, key, outcome.is_err(), || match outcome {
            Ok(Some(value)) => format!("{} from {}", text_of(value.data()), context.source()),
            Ok(None) => String::from("a miss"),
            Err(error) => error.to_string(),
        });
    }

    async fn write(&self, call: usize, key: usize, draft: Draft) {
        let value = self.draft(call, key, draft);
        let stamp = value.created();
        let outcome = self
            .composed()
            .set_known(&self.world.keys[key], value)
            .await;
        self.judge_write(call, key, stamp, &outcome);
    }

    async fn write_many(&self, call: usize, keys: &[usize], draft: Draft) {
        let values: Vec<_> = keys
            .iter()
            .map(|key| self.draft(call, *key, draft))
            .collect();
        let stamps: Vec<_> = values.iter().map(CacheValue::created).collect();
        let entries = self.keys(keys).into_iter().zip(values).collect();
        let outcomes = self.composed().set_many_known(entries).await;
        self.judge_count(keys, outcomes.len());
        for ((key, stamp), outcome) in keys.iter().zip(stamps).zip(&outcomes) {
            self.judge_write(call, *key, stamp, outcome);
        }
    }

    fn draft(&self, call: usize, key: usize, draft: Draft) -> CacheValue<Data> {
        let from_now = |millis: Option<u64>| Some(clock::now() + Duration::from_millis(millis?));
        let new = CacheValue::from_parts(
            data_of(call, key),
            from_now(draft.expire),
            from_now(draft.stale),
            Stamp::now(),
        );
        let (value, age) = self.reference().write_begins(key, new, draft.age);
        self.world.tell(5, || {
            let name = text_of(value.data());
            let from_now = |at: Option<DateTime<Utc>>| match at {
                Some(at) => format!("in {} ms", (at - clock::now()).num_milliseconds()),
                None => String::from("never"),
            };
            let (expire, stale) = (from_now(value.expire()), from_now(value.stale()));
            format!("      call {call} writes {name}, {age}, expires {expire}, stale {stale}")
        });
        value
    }

    fn judge_write(&self, call: usize, key: usize, stamp: Stamp, outcome: &BackendResult<()>) {
        let layers = self.world.answers(key, Cause::Write(stamp));
        let mut reference = self.reference();
        self.judge(reference.write_returns(key, stamp, outcome, layers));
        drop(reference);
        self.tell_answer(call, key, outcome.is_err(), || match outcome {
            Ok(()) => String::from("written"),
            Err(error) => error.to_string(),
        });
    }

    async fn remove(&self, call: usize, key: usize) {
        let began = Stamp::now();
        let outcome = self.composed().remove(&self.world.keys[key]).await;
        self.judge_remove(call, key, began, &outcome);
    }

    async fn remove_many(&self, call: usize, keys: &[usize]) {
        let began = Stamp::now();
        let outcomes = self.composed().remove_many(&self.keys(keys)).await;
        self.judge_count(keys, outcomes.len());
        for (key, outcome) in keys.iter().zip(&outcomes) {
            self.judge_remove(call, *key, began, outcome);
        }
    }

    fn judge_remove(
        &self,
        call: usize,
        key: usize,
        began: Stamp,
        outcome: &BackendResult<DeleteStatus>,
    ) {
        let layers = self.world.answers(key, Cause::Remove(call));
        let mut reference = self.reference();
        self.judge(reference.remove_returns(key, began, outcome, layers));
        drop(reference);
        self.tell_answer(call, key, outcome.is_err(), || match outcome {
            Ok(status) => format!("{status:?}"),
            Err(error) => error.to_string(),
        });
    }

    /// A bulk operation has one outcome for each key.
    fn judge_count(&self, keys: &[usize], outcomes: usize) {
        if keys.len() != outcomes {
            self.judge(Err(format!("{outcomes} outcomes for keys {keys:?}")));
        }
    }

    fn tell_answer(&self, call: usize, key: usize, failed: bool, answer: impl FnOnce() -> String) {
        let distinct = (call as u64) << 8 | (key as u64) << 1 | u64::from(failed);
        self.world.tell(distinct, || {
            format!("    call {call} on k{key}: {}", answer())
        });
    }
}
