//! Where a backend announces what it changes, and as whom.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use hitbox_backend::{
    CacheKeyFormat,
    coherence::{Origin, PlaneId, news_form},
};
use hitbox_core::{CacheKey, Stamp};
use redis::Cmd;

use crate::commands::request::{Change, Expected};

/// The field of an entry that has the news.
pub(crate) const FIELD: &str = "n";

/// For how long others are told that there is somebody who announces, and how often that is renewed.
const KNOWN_FOR: Duration = Duration::from_secs(60);
const RENEWED_AFTER: Duration = Duration::from_secs(20);

/// A log of news in a server.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    pub(crate) key: Arc<str>,
    pub(crate) max_entries: usize,
}

impl Log {
    pub(crate) fn new(namespace: &str, max_entries: usize) -> Self {
        let format = CacheKeyFormat::namespaced(namespace);
        Self {
            key: name(&format, "news").into(),
            max_entries,
        }
    }

    pub(crate) fn id(&self) -> PlaneId {
        PlaneId::new(&self.key)
    }

    pub(crate) fn add(&self, entry: &[u8]) -> Cmd {
        let mut command = redis::cmd("XADD");
        command
            .arg(&*self.key)
            .arg("MAXLEN")
            .arg("~")
            .arg(self.max_entries)
            .arg("*")
            .arg(FIELD)
            .arg(entry);
        command
    }

    /// Takes all entries out: whoever listens has a gap.
    pub(crate) fn clear(&self) -> Cmd {
        let mut command = redis::cmd("XTRIM");
        command.arg(&*self.key).arg("MAXLEN").arg(0);
        command
    }

    /// The same, whatever is under its key.
    pub(crate) fn remove(&self) -> Cmd {
        let mut command = redis::cmd("UNLINK");
        command.arg(&*self.key);
        command
    }
}

/// The key of what is not data, in braces so that a cluster has all of a namespace in one place.
fn name(format: &CacheKeyFormat, what: &str) -> String {
    let namespace = format.namespace().trim_end_matches(':');
    format!("hitbox:{{{namespace}}}:{what}")
}

/// The key that says that somebody announces what he changes in this namespace.
pub(crate) fn known_by(format: &CacheKeyFormat) -> String {
    name(format, "coherent")
}

/// Announces what one backend changes.
pub(crate) struct Announcer {
    pub(crate) log: Log,
    pub(crate) origin: Origin,
    /// Before the names of what is not data.
    prefix: String,
    known_by: String,
    began: Instant,
    /// In milliseconds since then, when others are to be told again that there is somebody who announces.
    due: AtomicU64,
}

impl Announcer {
    pub(crate) fn new(log: Log, format: &CacheKeyFormat) -> Self {
        Self {
            log,
            origin: Origin::random(),
            prefix: name(format, ""),
            known_by: known_by(format),
            began: Instant::now(),
            due: AtomicU64::new(0),
        }
    }

    /// The key of what is not data.
    pub(crate) fn name(&self, what: &str) -> String {
        [&*self.prefix, what].concat()
    }

    /// What announces that these have been changed.
    pub(crate) fn news<'k>(
        &self,
        changed: impl IntoIterator<Item = (&'k CacheKey, Stamp)>,
    ) -> Vec<Cmd> {
        let entries = news_form::encode(self.origin, changed);
        entries.iter().map(|entry| self.log.add(entry)).collect()
    }

    /// What tells others that there is somebody who announces, if that is due.
    pub(crate) fn sign(&self) -> Option<Change> {
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let due = self.due.load(Ordering::Relaxed);
        if now < due {
            return None;
        }
        let next = now.saturating_add(RENEWED_AFTER.as_millis() as u64);
        self.due
            .compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed)
            .ok()?;
        let mut command = redis::cmd("SET");
        command
            .arg(&self.known_by)
            .arg(1)
            .arg("PX")
            .arg(KNOWN_FOR.as_millis() as u64);
        Some(Change {
            command,
            longest: self.known_by.len(),
            expected: Expected::Done,
        })
    }
}
