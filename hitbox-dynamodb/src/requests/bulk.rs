//! The bulk forms: what was asked, key by key, in terms of batches that may not hold a key twice.

use std::collections::{HashMap, HashSet};

use aws_sdk_dynamodb::types::WriteRequest;
use futures::{StreamExt, stream};
use hitbox_backend::{BackendResult, DeleteStatus, Operation, ReadOutcome, byte_store::Prepared};
use hitbox_core::{CacheKey, CacheValue, Raw};

use crate::{
    error::failure::Failure,
    inner::Inner,
    requests::{Requests, attempts::Attempts, batch, item, stored_key::StoredKey},
};

/// How many removals of one bulk operation are under way at a time.
const CONCURRENT_REMOVALS: usize = 16;

impl Inner {
    pub(crate) async fn read_many(&self, keys: &[CacheKey]) -> Vec<ReadOutcome> {
        let stored_keys = self.stored_keys(keys);
        let partitions = distinct(&stored_keys)
            .map(|key| key.partition().to_owned())
            .collect();
        let mut read = batch::read(&self.requests, partitions, || self.attempts()).await;
        // Each item is decoded once; equal keys share the value.
        let mut accepted = HashMap::with_capacity(read.items.len());
        keys.iter()
            .zip(&stored_keys)
            .map(|(key, stored_key)| {
                let partition = stored_key.partition();
                read.outcome_of(partition)
                    .map_err(|failure| self.error(failure, Operation::Read))?;
                let value = accepted.entry(partition).or_insert_with(|| {
                    let item = read.items.remove(partition);
                    item.and_then(|item| self.accept(key, stored_key, item))
                });
                Ok(value.clone())
            })
            .collect()
    }

    pub(crate) async fn write_many(
        &self,
        entries: Vec<(CacheKey, CacheValue<Raw>)>,
    ) -> Vec<BackendResult<()>> {
        // Of two entries with one key the later is written, and both report how that went.
        let mut writes = HashMap::with_capacity(entries.len());
        let mut planned = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            let key = self.stored_key(&key);
            let prepared = self.prepare(&key, value).await;
            let plan = self.plan(&key, prepared).map(|(write, outcome)| {
                writes.insert(key.partition().to_owned(), write);
                outcome
            });
            planned.push((key, plan));
        }
        let writes = writes.into_values().collect();
        let written = batch::write(&self.requests, writes, || self.attempts()).await;
        planned
            .into_iter()
            .map(|(key, plan)| {
                let failed = |failure| self.error(failure, Operation::Write);
                let outcome = plan.map_err(failed)?;
                let written = written.outcome_of(key.partition());
                written.map_err(failed).and(outcome)
            })
            .collect()
    }

    /// The batched form of a write, and the outcome once it is done.
    fn plan(
        &self,
        key: &StoredKey,
        prepared: Prepared,
    ) -> Result<(WriteRequest, BackendResult<()>), Failure> {
        match prepared {
            Prepared::Put { stored, expire } => {
                let item = item::of(key, &stored, expire, &self.requests.attributes);
                Ok((Requests::batched_put(item)?, Ok(())))
            }
            Prepared::Clear { outcome } => Ok((self.requests.batched_delete(key)?, outcome)),
        }
    }

    pub(crate) async fn remove_many(&self, keys: &[CacheKey]) -> Vec<BackendResult<DeleteStatus>> {
        let stored_keys = self.stored_keys(keys);
        // Made before the first removal begins: all have the same deadline.
        let removals: Vec<_> = distinct(&stored_keys)
            .map(|key| self.remove_one_of_many(key, self.attempts()))
            .collect();
        let mut statuses: HashMap<_, _> = stream::iter(removals)
            .buffer_unordered(CONCURRENT_REMOVALS)
            .collect()
            .await;
        stored_keys
            .iter()
            .map(|key| {
                // Whoever asks for the same key again finds it gone.
                let again = Ok(DeleteStatus::Missing);
                let status = match statuses.get_mut(key.partition()) {
                    Some(Err(failure)) => Err(failure.clone()),
                    Some(status) => std::mem::replace(status, again),
                    None => again,
                };
                status.map_err(|failure| self.error(failure, Operation::Remove))
            })
            .collect()
    }

    async fn remove_one_of_many<'k>(
        &self,
        key: &'k StoredKey,
        attempts: Attempts<'_>,
    ) -> (&'k str, Result<DeleteStatus, Failure>) {
        (key.partition(), self.remove_stored(key, attempts).await)
    }

    fn stored_keys(&self, keys: &[CacheKey]) -> Vec<StoredKey> {
        keys.iter().map(|key| self.stored_key(key)).collect()
    }
}

/// The keys without repetitions, in the order of their first appearance.
fn distinct(keys: &[StoredKey]) -> impl Iterator<Item = &StoredKey> {
    let mut seen = HashSet::with_capacity(keys.len());
    keys.iter().filter(move |key| seen.insert(key.partition()))
}
