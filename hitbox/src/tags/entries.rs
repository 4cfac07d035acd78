//! The marks of tags in a backend whose values outlive the process.
//!
//! Each tag has an entry of its own, and so have what invalidates everything, and the newest invalidation of any tag.

use std::{error::Error, time::Duration};

use hitbox_backend::{Backend, BackendResult, CacheKey, CacheValue, KeyPart, Raw, Stamp};
use tokio::sync::{Mutex, MutexGuard};

use super::{
    marks::Marks,
    table::{Learnt, Table},
};

/// The prefix of entries: no key of a keyspace with another name is one.
const PREFIX: &str = "hitbox.tags";

/// For how long the entry of a tag is kept after it was written. What is not found counts as invalidated.
const TAG_LIVES: Duration = Duration::from_secs(10 * 86_400);

pub(super) struct Entries {
    /// Of the cache: those of others are none of its own.
    name: String,
    /// Held from the look at an entry until it is written: so none is written with less than was in it.
    turn: Mutex<()>,
}

/// Whoever has it may write entries.
pub(super) struct Writer<'e> {
    name: &'e str,
    _turn: MutexGuard<'e, ()>,
}

impl Entries {
    pub(super) fn of_cache(name: String) -> Self {
        Self {
            name,
            turn: Mutex::new(()),
        }
    }

    pub(super) async fn writer(&self) -> Writer<'_> {
        Writer {
            name: &self.name,
            _turn: self.turn.lock().await,
        }
    }
}

impl Writer<'_> {
    /// Learns what the backend says of these tags, and sees to it that it says something. An error is one of a read.
    pub(super) async fn learn<'t>(
        &self,
        table: &Table,
        backend: &dyn Backend,
        tags: impl Iterator<Item = &'t str>,
    ) -> BackendResult<Learnt<'t>> {
        let mut learnt = Learnt::new();
        let (known, tags): (Vec<_>, Vec<_>) = tags
            .map(|tag| (tag, table.known(tag)))
            .partition(|(_, known)| known.is_some());
        learnt.extend(
            known
                .into_iter()
                .filter_map(|(tag, known)| Some((tag, known?))),
        );
        let tags: Vec<&str> = tags.into_iter().map(|(tag, _)| tag).collect();
        let of_all = [self.key("all", None), self.key("any", None)];
        let keys = of_all.into_iter();
        let keys: Vec<CacheKey> = keys
            .chain(tags.iter().map(|tag| self.of_tag(tag)))
            .collect();
        let gap = table.gap();
        let outcomes = backend.read_many(&keys).await;
        let read: BackendResult<Vec<_>> = outcomes.into_iter().collect();
        let mut read = read?.into_iter();
        let mut marks = || read.next().flatten().and_then(|entry| marks_of(&entry));
        // Without an entry there was never one to be written: these do not expire.
        let (all, any) = (marks().unwrap_or_default(), marks().unwrap_or_default());
        table.learn_of_all(all, any, gap);
        let mut missing = Vec::new();
        for tag in tags {
            let stored = marks();
            let known = table.learn(tag, stored, gap);
            learnt.insert(tag, known);
            if stored.is_none() {
                missing.push((self.of_tag(tag), of_tag(known)));
            }
        }
        if missing.is_empty() {
            return Ok(learnt);
        }
        let written: BackendResult<()> = backend.write_many(missing).await.into_iter().collect();
        if let Err(error) = written {
            tracing::debug!(
                error = &error as &dyn Error,
                "tags cannot be noted in the backend: what has them is a miss after a restart"
            );
        }
        Ok(learnt)
    }

    /// Stores the marks of the tag, and the newest of any.
    pub(super) async fn store_tag(
        &self,
        table: &Table,
        backend: &dyn Backend,
        tag: &str,
        marks: Marks,
    ) -> BackendResult<()> {
        let entries = vec![
            (self.of_tag(tag), of_tag(marks)),
            (self.key("any", None), lasting(table.of_any())),
        ];
        backend.write_many(entries).await.into_iter().collect()
    }

    /// Stores the marks of what invalidates everything.
    pub(super) async fn store_all(
        &self,
        table: &Table,
        backend: &dyn Backend,
    ) -> BackendResult<()> {
        let key = self.key("all", None);
        backend.write(&key, lasting(table.of_all())).await
    }

    fn of_tag(&self, tag: &str) -> CacheKey {
        self.key("tag", Some(tag))
    }

    fn key(&self, kind: &str, tag: Option<&str>) -> CacheKey {
        let parts = [
            KeyPart::new("cache", Some(self.name)),
            KeyPart::new(kind, tag),
        ];
        CacheKey::new(PREFIX, 0, parts)
    }
}

fn lasting(marks: Marks) -> CacheValue<Raw> {
    CacheValue::loaded(Raw::from(marks.to_bytes().to_vec()), Stamp::now())
}

fn of_tag(marks: Marks) -> CacheValue<Raw> {
    lasting(marks).ttl(TAG_LIVES)
}

fn marks_of(entry: &CacheValue<Raw>) -> Option<Marks> {
    Marks::from_bytes(entry.data().payload()?)
}
