use std::{
    future::Future,
    mem,
    ops::RangeInclusive,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use chrono::TimeDelta;
use hitbox_backend::{Backend, BackendError, BackendErrorKind, ReadOutcome};
use hitbox_core::{CacheKey, CacheValue, Raw, Stamp, clock};
use tokio::time::timeout;

use super::{record::Record, stage::LIMIT};

/// A call that takes longer than this is taken for one that never returns.
const HOPELESS: Duration = Duration::from_secs(10);

/// How long payloads are, at least: such that every byte of a reply can be tried.
const LENGTH: usize = 100;

/// How long those are whose names begin with [`LARGE`]: sled takes them off the async threads.
const LARGE_LENGTH: usize = 20_000;

/// Begins the names of large values.
pub(super) const LARGE: &str = "large";

/// Someone who uses a backend and checks every answer. Clones keep one record.
#[derive(Clone)]
pub(super) struct Caller {
    backend: Arc<dyn Backend>,
    limit: Duration,
    record: Arc<Mutex<Record>>,
}

/// What a read found.
#[derive(Debug)]
pub(super) enum Found {
    /// A value that was written there.
    Value,
    Nothing,
    Failed,
}

/// What became of a write or remove.
#[derive(Debug)]
pub(super) enum Done {
    Confirmed,
    Failed(Option<BackendError>),
}

impl Caller {
    pub(super) fn new(backend: Arc<dyn Backend>) -> Self {
        Self {
            backend,
            limit: LIMIT,
            record: Arc::default(),
        }
    }

    /// The same, who puts up with calls that take this long.
    pub(super) fn patient(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Someone else who uses the same backend, with a record of their own.
    pub(super) fn another(&self) -> Self {
        Self {
            record: Arc::default(),
            ..self.clone()
        }
    }

    pub(super) fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was seen until now.
    pub(super) fn into_record(self) -> Record {
        mem::take(&mut *self.record())
    }

    /// Reads a name. Whatever is found must have been written there, as one of these versions.
    pub(super) async fn read(&self, name: &str, allowed: RangeInclusive<u64>) -> Found {
        let key = key(name);
        let read = self.timed("read", self.backend.read(&key)).await;
        read.map_or(Found::Failed, |outcome| self.found(name, outcome, allowed))
    }

    /// Reads names in one call. The same holds for each of them.
    pub(super) async fn read_many(&self, names: &[&str], allowed: RangeInclusive<u64>) {
        let keys: Vec<_> = names.iter().copied().map(key).collect();
        let read = self.timed("bulk read", self.backend.read_many(&keys)).await;
        let outcomes = read.unwrap_or_default();
        if outcomes.len() != names.len() {
            let outcomes = outcomes.len();
            self.record()
                .violation(format!("{outcomes} outcomes for {names:?}"));
        }
        for (name, outcome) in names.iter().zip(outcomes) {
            self.found(name, outcome, allowed.clone());
        }
    }

    fn found(&self, name: &str, outcome: ReadOutcome, allowed: RangeInclusive<u64>) -> Found {
        let value = match outcome {
            Ok(Some(value)) => value,
            Ok(None) => {
                self.record().saw("miss");
                return Found::Nothing;
            }
            Err(error) => {
                self.record().saw(kind(&error));
                return Found::Failed;
            }
        };
        let mut record = self.record();
        record.saw("hit");
        let Some(version) = version_in(name, &value) else {
            record.violation(format!("{name}: a value that was never written there"));
            return Found::Failed;
        };
        if !allowed.contains(&version) {
            record.violation(format!(
                "{name}: version {version}, where only {} to {} may be found",
                allowed.start(),
                allowed.end()
            ));
        }
        Found::Value
    }

    pub(super) async fn write(&self, name: &str, version: u64) -> Done {
        self.write_value(name, value(name, version)).await
    }

    pub(super) async fn write_value(&self, name: &str, value: CacheValue<Raw>) -> Done {
        let key = key(name);
        let written = self.timed("write", self.backend.write(&key, value)).await;
        self.done(written)
    }

    pub(super) async fn remove(&self, name: &str) -> Done {
        let key = key(name);
        let removed = self.timed("remove", self.backend.remove(&key)).await;
        self.done(removed)
    }

    fn done<T>(&self, outcome: Option<Result<T, BackendError>>) -> Done {
        match outcome {
            Some(Ok(_)) => {
                self.record().saw("ok");
                Done::Confirmed
            }
            Some(Err(error)) => {
                self.record().saw(kind(&error));
                Done::Failed(Some(error))
            }
            None => Done::Failed(None),
        }
    }

    /// Reads until this version is found, which must be before long.
    pub(super) async fn finds(&self, name: &str, version: u64) {
        const BEFORE_LONG: Duration = Duration::from_secs(3);
        let began = Instant::now();
        loop {
            if matches!(self.read(name, version..=version).await, Found::Value) {
                return;
            }
            if began.elapsed() > BEFORE_LONG {
                self.record().violation(format!(
                    "{name}: version {version} is not found within {BEFORE_LONG:?}"
                ));
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// What a call comes to, which is to be within the limit; `None` if that is never.
    pub(super) async fn timed<T>(&self, what: &str, call: impl Future<Output = T>) -> Option<T> {
        let began = Instant::now();
        let mut call = pin!(call);
        // By the runtime's own timers, and the call is looked at first: on a machine so busy that
        // both this limit and the backend's deadline are noticed late, the call is not blamed.
        let in_time = timeout(self.limit, &mut call).await;
        let late = in_time.is_err();
        let outcome = match in_time {
            Ok(outcome) => Ok(outcome),
            Err(_) => timeout(HOPELESS, call).await,
        };
        let took = began.elapsed();
        let mut record = self.record();
        record.took(took);
        if outcome.is_err() {
            record.saw("no answer");
            record.violation(format!("a {what} did not return within {HOPELESS:?}"));
        } else if late {
            record.violation(format!(
                "a {what} took {took:?}, promised: {:?}",
                self.limit
            ));
        }
        outcome.ok()
    }
}

pub(super) fn key(name: &str) -> CacheKey {
    CacheKey::from_pair("name", name)
}

/// A value that tells where it belongs. It expires in an hour.
pub(super) fn value(name: &str, version: u64) -> CacheValue<Raw> {
    value_living(name, version, TimeDelta::hours(1))
}

/// The same with this much time to live.
pub(super) fn value_living(name: &str, version: u64, life: TimeDelta) -> CacheValue<Raw> {
    let expire = clock::now() + life;
    CacheValue::loaded(Raw::from(payload(name, version)), Stamp::now()).expires_at(expire)
}

/// Name and version over and over: what is torn, or belongs elsewhere, shows.
pub(super) fn payload(name: &str, version: u64) -> Vec<u8> {
    let unit = format!("{version}#{name};");
    let length = if name.starts_with(LARGE) {
        LARGE_LENGTH
    } else {
        LENGTH
    };
    unit.repeat(length.div_ceil(unit.len())).into_bytes()
}

/// [`version_of`] what a layer has answered with.
pub(super) fn version_in(name: &str, found: &CacheValue<Raw>) -> Option<u64> {
    version_of(name, found.data().payload()?)
}

/// The version, if these bytes are what was written under the name.
fn version_of(name: &str, stored: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(stored).ok()?;
    let version = text.split_once('#')?.0.parse().ok()?;
    (payload(name, version) == stored).then_some(version)
}

/// The kind of an error in a word or two.
pub(super) fn kind(error: &BackendError) -> &'static str {
    match error.kind() {
        BackendErrorKind::Unavailable => "unavailable",
        BackendErrorKind::Timeout => "timeout",
        BackendErrorKind::Throttled => "throttled",
        BackendErrorKind::TooLarge => "too large",
        BackendErrorKind::InvalidConfiguration => "invalid configuration",
        BackendErrorKind::NotStorable => "not storable",
        BackendErrorKind::Full => "full",
        BackendErrorKind::Denied => "denied",
        BackendErrorKind::Unsupported => "unsupported",
        BackendErrorKind::Internal => "internal error",
        _ => "another error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_tell_where_they_belong() {
        let payload = payload("a", 17);
        assert!(payload.len() >= LENGTH);
        assert_eq!(version_of("a", &payload), Some(17));
        assert_eq!(version_of("b", &payload), None);
        assert_eq!(version_of("a", &payload[..payload.len() - 1]), None);
        assert_eq!(version_of("a", b""), None);
        let large = super::payload("large a", 17);
        assert!(large.len() >= LARGE_LENGTH);
        assert_eq!(version_of("large a", &large), Some(17));
    }
}
