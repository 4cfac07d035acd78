use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use hitbox_core::{CacheKey, CacheValue, CompressorId, KeyPart, Raw, clock};

use super::{
    Subject,
    verdict::{CheckResult, Stop, violation},
};
use crate::{Backend, BackendResult, DeleteStatus};

/// Limits above this are not tried out: the values would not fit into a test machine's memory.
const LARGEST_TRIED: usize = 64 << 20;

/// One check at work: the backend, keys of the check's own, and assertions.
///
/// The operations turn an error into a violation; checks that expect one use
/// [`backend`](Self::backend).
pub(super) struct Trial {
    subject: Subject,
    prefix: String,
    keys: Mutex<Vec<CacheKey>>,
}

impl Trial {
    pub(super) fn new(subject: &Subject, run: u64, check: &str) -> Self {
        Self {
            subject: subject.clone(),
            prefix: format!("conformance-{run:016x}-{check}"),
            keys: Mutex::default(),
        }
    }

    pub(super) fn backend(&self) -> &Arc<dyn Backend> {
        self.subject.backend()
    }

    /// What the keys of this check begin with; no other check or run has it.
    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// A key of this check.
    pub(super) fn key(&self, name: impl AsRef<str>) -> CacheKey {
        let part = KeyPart::new("name", Some(name));
        self.own(CacheKey::new(&self.prefix, 1, [part]))
    }

    /// Takes note that `key` is to be removed in the end.
    pub(super) fn own(&self, key: CacheKey) -> CacheKey {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        keys.push(key.clone());
        key
    }

    pub(super) async fn clean_up(&self) {
        let keys = std::mem::take(&mut *self.keys.lock().unwrap_or_else(PoisonError::into_inner));
        let _outcomes = self.backend().remove_many(&keys).await;
    }

    pub(super) async fn read(&self, key: &CacheKey) -> Result<Option<CacheValue<Raw>>, Stop> {
        self.backend().read(key).await.or_violation("read")
    }

    pub(super) async fn write(&self, key: &CacheKey, value: &CacheValue<Raw>) -> CheckResult {
        let written = self.backend().write(key, value.clone()).await;
        written.or_violation("write")
    }

    pub(super) async fn remove(&self, key: &CacheKey) -> Result<DeleteStatus, Stop> {
        self.backend().remove(key).await.or_violation("remove")
    }

    pub(super) async fn read_many(
        &self,
        keys: &[CacheKey],
    ) -> Result<Vec<Option<CacheValue<Raw>>>, Stop> {
        let outcomes = self.backend().read_many(keys).await;
        one_outcome_each("read_many", keys.len(), outcomes.len())?;
        outcomes
            .into_iter()
            .map(|outcome| outcome.or_violation("read_many"))
            .collect()
    }

    pub(super) async fn write_many(
        &self,
        entries: Vec<(CacheKey, CacheValue<Raw>)>,
    ) -> CheckResult {
        let asked = entries.len();
        let outcomes = self.backend().write_many(entries).await;
        one_outcome_each("write_many", asked, outcomes.len())?;
        outcomes
            .into_iter()
            .try_for_each(|outcome| outcome.or_violation("write_many"))
    }

    pub(super) async fn remove_many(&self, keys: &[CacheKey]) -> Result<Vec<DeleteStatus>, Stop> {
        let outcomes = self.backend().remove_many(keys).await;
        one_outcome_each("remove_many", keys.len(), outcomes.len())?;
        outcomes
            .into_iter()
            .map(|outcome| outcome.or_violation("remove_many"))
            .collect()
    }

    /// Holds if `key` reads as `expected`. `when` ends the sentence of the violation.
    pub(super) async fn expect(
        &self,
        key: &CacheKey,
        expected: &CacheValue<Raw>,
        when: &str,
    ) -> CheckResult {
        let found = self.read(key).await?;
        self.same(expected, found.as_ref(), when)
    }

    /// Holds if nothing is read under `key`.
    pub(super) async fn expect_absent(&self, key: &CacheKey, when: &str) -> CheckResult {
        match self.read(key).await? {
            None => Ok(()),
            Some(value) => Err(violation!("a value was returned {when}: {value:?}")),
        }
    }

    /// Holds if `found` is `expected` in every respect.
    pub(super) fn same(
        &self,
        expected: &CacheValue<Raw>,
        found: Option<&CacheValue<Raw>>,
        when: &str,
    ) -> CheckResult {
        match found {
            None => Err(violation!("the value was missing {when}")),
            Some(found) => match self.difference(expected, found) {
                None => Ok(()),
                Some(difference) => Err(violation!("{difference} {when}")),
            },
        }
    }

    /// Whether `found` is `expected` in every respect.
    pub(super) fn is_same(&self, expected: &CacheValue<Raw>, found: &CacheValue<Raw>) -> bool {
        self.difference(expected, found).is_none()
    }

    fn difference(&self, expected: &CacheValue<Raw>, found: &CacheValue<Raw>) -> Option<String> {
        let changed = |what: &str, from: &dyn std::fmt::Debug, to: &dyn std::fmt::Debug| {
            Some(format!("{what} changed from {from:?} to {to:?}"))
        };
        if expected.expire() != found.expire() {
            return changed("expire", &expected.expire(), &found.expire());
        }
        if expected.stale() != found.stale() {
            return changed("stale", &expected.stale(), &found.stale());
        }
        if expected.created() != found.created() {
            return changed("created", &expected.created(), &found.created());
        }
        let meta = (expected.data().meta(), found.data().meta());
        if meta.0 != meta.1 {
            return changed("metadata", &meta.0, &meta.1);
        }
        // Compression that the backend added as it stored the value is its own affair.
        let in_bytes = (expected.data().encoded(), found.data().encoded());
        let (Some(expected), Some(in_bytes)) = in_bytes else {
            return Some(String::from("the bytes became an object"));
        };
        let (written, mut encoding) = (expected.encoding(), in_bytes.encoding());
        let payload = if written.compressor == CompressorId::NONE {
            encoding.compressor = CompressorId::NONE;
            self.payload(found)
        } else {
            Some(in_bytes.payload().clone())
        };
        if written != encoding {
            return changed("encoding", &written, &encoding);
        }
        let Some(payload) = payload else {
            return Some(String::from("the payload could not be decompressed"));
        };
        if *expected.payload() != payload {
            let (written, read) = (expected.payload().len(), payload.len());
            return Some(format!(
                "the payload changed ({written} bytes written, {read} read)"
            ));
        }
        None
    }

    /// The payload of a value that was written uncompressed, as bytes; `None` if it has become an object, or the
    /// backend compressed it and it cannot be decompressed.
    pub(super) fn payload(&self, found: &CacheValue<Raw>) -> Option<Bytes> {
        let found = found.data().encoded()?;
        let compressor = found.encoding().compressor;
        if compressor == CompressorId::NONE {
            return Some(found.payload().clone());
        }
        let compressor = self.backend().find_compressor(compressor)?;
        let payload = compressor.decompress(found.payload(), LARGEST_TRIED);
        payload.ok().map(Bytes::from)
    }

    /// The largest payload that the backend takes; stops the check if it has no limit to test.
    pub(super) fn largest_value(&self) -> Result<usize, Stop> {
        match self.backend().capabilities().largest_value {
            None => Err(Stop::NotCalledFor("the backend has no largest value")),
            Some(limit) if limit > LARGEST_TRIED => Err(Stop::NotCalledFor(
                "the largest value is over 64 MiB; configure a lower one for the test",
            )),
            Some(limit) => Ok(limit),
        }
    }

    /// `length`, or as much of it as the backend takes.
    pub(super) fn at_most_largest(&self, length: usize) -> usize {
        let limit = self.backend().capabilities().largest_value;
        limit.map_or(length, |limit| limit.min(length))
    }

    /// Puts `bytes` into the store; stops the check if the subject has no way to.
    pub(super) async fn corrupt(&self, key: &CacheKey, bytes: Vec<u8>) -> CheckResult {
        let corrupt = self.subject.corrupt();
        let corrupt = corrupt.ok_or(Stop::NotCalledFor("the subject has no `corrupt_with`"))?;
        corrupt(key.clone(), bytes).await;
        Ok(())
    }

    /// Opens the backend as after a restart; stops the check if the subject has no way to.
    pub(super) async fn reopen(&self) -> Result<Arc<dyn Backend>, Stop> {
        let reopen = self.subject.reopen();
        let reopen = reopen.ok_or(Stop::NotCalledFor("the subject has no `reopen_with`"))?;
        Ok(reopen().await)
    }

    /// How long after its expiry a value may still be returned; stops the check if that is too
    /// long to wait for.
    pub(super) fn expiry_granularity(&self) -> Result<TimeDelta, Stop> {
        let granularity = self.backend().capabilities().expiry_granularity;
        if granularity > Duration::from_secs(5) {
            return Err(Stop::NotCalledFor("the expiry granularity is over 5 s"));
        }
        TimeDelta::from_std(granularity).map_err(|error| violation!("expiry granularity: {error}"))
    }

    /// Waits until the clock that expiry is measured against shows `at`.
    pub(super) async fn wait_until(&self, at: DateTime<Utc>) -> CheckResult {
        let patience = (at - clock::now()).to_std().unwrap_or_default() + Duration::from_secs(30);
        let began = Instant::now();
        while let Ok(remaining) = (at - clock::now()).to_std() {
            if remaining.is_zero() {
                break;
            }
            if began.elapsed() > patience {
                return Err(violation!(
                    "the clock stands still; the suite needs real time"
                ));
            }
            tokio::time::sleep(remaining.min(Duration::from_millis(20))).await;
        }
        Ok(())
    }
}

fn one_outcome_each(operation: &str, asked: usize, answered: usize) -> CheckResult {
    if asked == answered {
        return Ok(());
    }
    Err(violation!(
        "{operation} of {asked} keys returned {answered} outcomes"
    ))
}

/// Turns the error of an operation that must succeed into a violation.
pub(super) trait OrViolation<T> {
    fn or_violation(self, operation: &str) -> Result<T, Stop>;
}

impl<T> OrViolation<T> for BackendResult<T> {
    fn or_violation(self, operation: &str) -> Result<T, Stop> {
        self.map_err(|error| violation!("{operation} failed: {error}"))
    }
}
