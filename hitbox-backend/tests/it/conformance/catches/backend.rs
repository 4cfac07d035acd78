//! The store as a backend.

use std::{collections::HashSet, sync::atomic::Ordering, time::Duration};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use hitbox_backend::{
    Attempt, Backend, BackendErrorKind, BackendResult, Capabilities, DeleteStatus, Operation,
    ReadAttempt, ReadOutcome, Rejection, WriteAttempt, trace_rejection,
};
use hitbox_core::{
    BackendLabel, BoxContext, CacheKey, CacheStatus, CacheValue, Raw, ResponseSource, Stamp,
    clock::{self, Moment},
};
use tokio::task::yield_now;

use crate::conformance::catches::{
    byte_store::{ByteStore, Entry, LIMIT, error},
    defect::Defect,
};

/// Long enough for another thread to get in between.
const GAP: Duration = Duration::from_micros(50);

impl ByteStore {
    /// The damage under `key`, noted; a miss but for a defect.
    fn damaged(&self, key: &CacheKey, rejection: Rejection) -> ReadOutcome {
        self.reject(key, rejection);
        match (self.defect, rejection) {
            (Some(Defect::FailsOnForeignBytes), Rejection::Foreign) => {
                Err(error(BackendErrorKind::Internal, Operation::Read))
            }
            (Some(Defect::SetsDamageAside), _) => {
                self.mark(key);
                Ok(None)
            }
            _ => Ok(None),
        }
    }

    fn read_entry(&self, key: &CacheKey, entry: Option<Entry>) -> ReadOutcome {
        let Some(entry) = entry else {
            let answer = CacheValue::loaded(Raw::from(Vec::new()), Stamp::now());
            return Ok(Some(answer).filter(|_| self.has(Defect::AnswersForAbsentKeys)));
        };
        match self.decode(&entry.bytes) {
            Ok(value) => {
                Ok(Some(value.map(Raw::from)).filter(|value| self.is_live(value.expire())))
            }
            Err(rejection) => self.damaged(key, rejection),
        }
    }

    /// Stores `value` in one step, or in the steps of a defect.
    async fn store(&self, key: &CacheKey, value: CacheValue<Raw>) {
        let old = self.entry(key);
        let mut entry = self.to_entry(&value, old.as_ref());
        let half = || {
            let torn = CacheValue::loaded(value.data().clone(), Stamp::now());
            self.insert(key, self.to_entry(&torn, None));
        };
        match self.defect {
            Some(Defect::WritesInTwoSteps) => {
                half();
                std::thread::sleep(GAP);
            }
            Some(Defect::TearsDroppedWrites) if old.is_some() => {
                half();
                yield_now().await;
            }
            Some(Defect::TearsDroppedFirstWrites) if old.is_none() => {
                half();
                yield_now().await;
            }
            Some(Defect::RemovesBeforeItWrites) => {
                self.take(key);
                yield_now().await;
            }
            Some(Defect::SharesAScratchBuffer) => {
                *self.scratch.lock().unwrap() = entry.bytes;
                std::thread::sleep(GAP);
                entry.bytes = self.scratch.lock().unwrap().clone();
            }
            Some(Defect::RewritesTheWholeMap) => {
                let mut copy = self.map().clone();
                std::thread::sleep(GAP);
                copy.insert(self.stored_key(key), entry.clone());
                *self.map() = copy;
            }
            Some(Defect::RevivesExpired)
                if value
                    .remaining()
                    .is_some_and(|ttl| ttl < Duration::from_secs(1)) =>
            {
                let immortal = CacheValue::loaded(value.data().clone(), Stamp::now());
                self.bury(key, self.to_entry(&immortal, None));
            }
            _ => {}
        }
        self.insert(key, entry);
    }

    fn status_of(&self, key: &CacheKey, removed: &Option<Entry>) -> BackendResult<DeleteStatus> {
        let marked = self.is_marked(key);
        self.mark(key);
        match (self.defect, removed) {
            (Some(Defect::SaysMissing), _) => Ok(DeleteStatus::Missing),
            (Some(Defect::SaysDeleted), _) => Ok(DeleteStatus::Deleted(1)),
            (Some(Defect::SaysDeletedTwice), None) if marked => Ok(DeleteStatus::Deleted(1)),
            (Some(Defect::FailsToRemoveAbsent), None) => {
                Err(error(BackendErrorKind::Internal, Operation::Remove))
            }
            _ => Ok(DeleteStatus::from(removed)),
        }
    }
}

#[async_trait]
impl Backend for ByteStore {
    async fn read(&self, key: &CacheKey) -> ReadOutcome {
        let entry = if self.has(Defect::TakesOutWhileItReads) {
            let taken = self.take(key);
            yield_now().await;
            if let Some(entry) = &taken {
                self.insert(key, entry.clone());
            }
            taken
        } else {
            self.entry(key)
        };
        self.read_entry(key, entry)
    }

    async fn write(&self, key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
        if let Err(refusal) = self.admit(key, &value) {
            if !self.has(Defect::KeepsOldOnRefusal) {
                self.take(key);
            }
            self.mark(key);
            return Err(refusal);
        }
        let far = DateTime::<Utc>::UNIX_EPOCH + TimeDelta::days(366 * 1_000);
        match self.defect {
            Some(Defect::PanicsOnFarExpiry) if value.expire() > Some(far) => panic!("overflow"),
            Some(Defect::IgnoresExpiredWrites) if value.is_expired() => {}
            Some(Defect::ForgetsObjectsWithoutBytes) if value.data().encoded().is_none() => {}
            Some(Defect::KeepsNoBytesAlone) if value.data().object_type().is_none() => {}
            Some(
                Defect::LeavesTombstone | Defect::PoisonsRefusedKeys | Defect::SetsDamageAside,
            ) if self.is_marked(key) => {}
            Some(Defect::StaysBusyWhenDropped) => {
                if self.busy.swap(true, Ordering::AcqRel) {
                    return Err(error(BackendErrorKind::Unavailable, Operation::Write));
                }
                yield_now().await;
                self.store(key, value).await;
                self.busy.store(false, Ordering::Release);
            }
            _ => self.store(key, value).await,
        }
        Ok(())
    }

    async fn remove(&self, key: &CacheKey) -> BackendResult<DeleteStatus> {
        let removed = self.entry(key);
        match (self.defect, &removed) {
            (Some(Defect::RemovesNothing), _) => {}
            (Some(Defect::RemovesByPrefix), _) => {
                let prefix = self.stored_key(key);
                self.map().retain(|stored, _| !stored.starts_with(&prefix));
            }
            (Some(Defect::EmptiesBeforeItRemoves), Some(_)) => {
                let empty = CacheValue::loaded(Raw::from(Vec::new()), Stamp::now());
                self.insert(key, self.to_entry(&empty, None));
                yield_now().await;
                self.take(key);
            }
            (Some(Defect::RevivesRemoved), Some(entry)) => {
                self.bury(key, entry.clone());
                self.take(key);
            }
            _ => drop(self.take(key)),
        }
        self.status_of(key, &removed)
    }

    async fn read_with(&self, key: &CacheKey, context: &mut BoxContext) -> ReadOutcome {
        let outcome = self.read(key).await;
        let Ok(found) = &outcome else {
            return outcome;
        };
        let (status, label) = match (self.defect, found) {
            (Some(Defect::NotesNothing), _) | (Some(Defect::NotesOnlyHits), None) => {
                return outcome;
            }
            (_, None) => (CacheStatus::Miss, None),
            (Some(Defect::NotesForeignLabel), Some(_)) => (CacheStatus::Hit, Some("elsewhere")),
            (Some(Defect::TakesStaleForHit), Some(_)) => (CacheStatus::Hit, Some("bytes")),
            (_, Some(value)) if value.is_stale() => (CacheStatus::Stale, Some("bytes")),
            (_, Some(_)) => (CacheStatus::Hit, Some("bytes")),
        };
        context.set_status(status);
        if let Some(label) = label {
            context.set_source(ResponseSource::Backend(label.into()));
        }
        outcome
    }

    async fn read_many(&self, keys: &[CacheKey]) -> Vec<ReadOutcome> {
        let mut keys = keys.to_vec();
        match self.defect {
            Some(Defect::AnswersEmptyBulk) if keys.is_empty() => return vec![Ok(None)],
            Some(Defect::SortsBulk) => keys.sort_by_key(|key| self.stored_key(key)),
            _ => {}
        }
        let (mut outcomes, mut seen) = (Vec::new(), HashSet::new());
        for key in &keys {
            let entry = self.map().get(&self.stored_key(key)).cloned();
            let outcome = match (self.defect, &entry) {
                (Some(Defect::ServesExpiredInBulk), Some(entry)) => Ok(self
                    .decode(&entry.bytes)
                    .ok()
                    .map(|value| value.map(Raw::from))),
                (Some(Defect::FailsBulkOnDamage), Some(entry))
                    if self.decode(&entry.bytes).is_err() =>
                {
                    Err(error(BackendErrorKind::Internal, Operation::Read))
                }
                _ => self.read(key).await,
            };
            match (self.defect, &outcome) {
                (Some(Defect::DropsBulkMisses), Ok(None)) => {}
                (Some(Defect::AnswersDuplicatesOnce), _) if !seen.insert(key) => {
                    outcomes.push(Ok(None));
                }
                _ => outcomes.push(outcome),
            }
        }
        outcomes
    }

    fn try_read<'a>(
        &'a self,
        _key: &'a CacheKey,
        _context: &mut BoxContext,
        _moment: &Moment,
    ) -> ReadAttempt<'a> {
        if self.has(Defect::MissesAtOnce) {
            return Attempt::Ready(Ok(None));
        }
        Attempt::WouldBlock(())
    }

    fn try_write<'a>(&'a self, key: &'a CacheKey, value: CacheValue<Raw>) -> WriteAttempt<'a> {
        match self.defect {
            Some(Defect::WritesNothingAtOnce | Defect::KeepsOldForExpiredAtOnce) => {
                Attempt::Ready(Ok(()))
            }
            Some(Defect::KeepsOldOnRefusalAtOnce) => {
                let refusal = error(BackendErrorKind::TooLarge, Operation::Write);
                Attempt::Ready(Err(refusal))
            }
            Some(Defect::StoresWhatItDoesNotBegin) => {
                self.insert(key, self.to_entry(&value, None));
                Attempt::WouldBlock(value)
            }
            _ => Attempt::WouldBlock(value),
        }
    }

    fn try_refill<'a>(&'a self, key: &'a CacheKey, value: CacheValue<Raw>) -> WriteAttempt<'a> {
        if self.has(Defect::RefillsNothingAtOnce) {
            return Attempt::Ready(Ok(()));
        }
        self.try_write(key, value)
    }

    async fn read_many_with(
        &self,
        keys: &[CacheKey],
        contexts: &mut [BoxContext],
    ) -> Vec<ReadOutcome> {
        let noted = match self.defect {
            Some(Defect::NotesFirstOfBulk) => contexts.len().min(1),
            _ => contexts.len(),
        };
        let answered = match self.defect {
            Some(Defect::NeedsAllContexts) => contexts.len().min(keys.len()),
            _ => keys.len(),
        };
        let mut outcomes = Vec::new();
        for (index, key) in keys[..answered].iter().enumerate() {
            let mut scratch = BoxContext::default();
            let context = contexts[..noted].get_mut(index);
            outcomes.push(self.read_with(key, context.unwrap_or(&mut scratch)).await);
        }
        if self.has(Defect::ReversesBulkWithContexts) {
            outcomes.reverse();
        }
        outcomes
    }

    async fn write_many(
        &self,
        entries: Vec<(CacheKey, CacheValue<Raw>)>,
    ) -> Vec<BackendResult<()>> {
        let refused = |(key, value): &(CacheKey, CacheValue<Raw>)| self.admit(key, value).is_err();
        if self.has(Defect::FailsWholeBulk) && entries.iter().any(refused) {
            let refusal = || Err(error(BackendErrorKind::TooLarge, Operation::Write));
            return entries.iter().map(|_| refusal()).collect();
        }
        if self.has(Defect::RemovesBulkBeforeItWrites) {
            for (key, _) in &entries {
                self.take(key);
            }
            yield_now().await;
        }
        let (mut outcomes, mut seen) = (Vec::new(), HashSet::new());
        for (index, (key, mut value)) in entries.into_iter().enumerate() {
            let first = seen.insert(key.clone());
            let skipped = match self.defect {
                Some(Defect::FirstDuplicateWins) => !first,
                Some(Defect::DropsSecondBatch) => index >= 100,
                Some(Defect::IgnoresExpiredInBulk) => value.expire() < Some(clock::now()),
                _ => false,
            };
            if self.has(Defect::LosesExpiryInBulk) {
                value = CacheValue::loaded(value.data().clone(), Stamp::now());
            }
            if self.has(Defect::LosesMetadataInBulk) {
                let without = |raw: Raw| match raw.encoded().cloned() {
                    Some(encoded) => Raw::from(encoded.with_meta(None)),
                    None => raw,
                };
                value = value.map(without);
            }
            outcomes.push(if skipped {
                Ok(())
            } else {
                self.write(&key, value).await
            });
        }
        outcomes
    }

    async fn remove_many(&self, keys: &[CacheKey]) -> Vec<BackendResult<DeleteStatus>> {
        let mut outcomes = Vec::new();
        for key in keys {
            let removed = self.remove(key).await;
            outcomes.push(match self.defect {
                Some(Defect::SaysMissingInBulk) => Ok(DeleteStatus::Missing),
                _ => removed,
            });
        }
        if self.has(Defect::ReversesRemoved) {
            outcomes.reverse();
        }
        outcomes
    }

    fn label(&self) -> BackendLabel {
        BackendLabel::new_static("bytes")
    }

    fn reject(&self, key: &CacheKey, rejection: Rejection) {
        assert!(!self.has(Defect::PanicsOnReject), "rejected");
        trace_rejection(&self.label(), key, rejection);
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.largest_value = Some(LIMIT);
        capabilities.persistent = true;
        capabilities.keeps_bytes = !self.has(Defect::HandsOutCopies);
        capabilities.keeps_metadata = true;
        capabilities
    }
}
