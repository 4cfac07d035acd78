//! Batches: split to DynamoDB's limits, several at a time, and asked again for what
//! DynamoDB leaves unprocessed.

use std::{collections::HashMap, future::ready};

use aws_sdk_dynamodb::types::WriteRequest;
use futures::{StreamExt, stream};
use hitbox_backend::BackendErrorKind;

use crate::{
    attempts::Attempts,
    error::Failure,
    item::Item,
    requests::{BATCH_GET_KEYS, BATCH_WRITE_ITEMS, Requests},
};

/// How many requests of one bulk operation are under way at a time.
const CONCURRENT_REQUESTS: usize = 4;

/// What came of batches, by partition key. A key is in neither map if there was nothing
/// to read and nothing failed.
#[derive(Default)]
pub(crate) struct BatchOutcome {
    pub(crate) items: HashMap<String, Item>,
    failures: HashMap<String, Failure>,
}

impl BatchOutcome {
    fn fail(&mut self, partitions: impl IntoIterator<Item = String>, failure: &Failure) {
        let failed = partitions
            .into_iter()
            .map(|partition| (partition, failure.clone()));
        self.failures.extend(failed);
    }

    /// The failure of this key, if it has one.
    pub(crate) fn outcome_of(&self, partition: &str) -> Result<(), Failure> {
        match self.failures.get(partition) {
            Some(failure) => Err(failure.clone()),
            None => Ok(()),
        }
    }

    fn join(mut self, other: Self) -> Self {
        // What is moved from one map to another is hashed again: most bulk operations are one batch.
        if self.items.is_empty() && self.failures.is_empty() {
            return other;
        }
        self.items.extend(other.items);
        self.failures.extend(other.failures);
        self
    }
}

/// Reads these partition keys, which must differ. `attempts` makes the attempts of one request,
/// all with the same deadline.
pub(crate) async fn read<'c>(
    requests: &Requests,
    mut partitions: Vec<String>,
    attempts: impl Fn() -> Attempts<'c>,
) -> BatchOutcome {
    let mut chunks = Vec::with_capacity(partitions.len().div_ceil(BATCH_GET_KEYS));
    while !partitions.is_empty() {
        let rest = partitions.split_off(partitions.len().min(BATCH_GET_KEYS));
        chunks.push(read_chunk(requests, partitions, attempts()));
        partitions = rest;
    }
    gather(chunks).await
}

/// Performs these writes, which must be of different keys.
pub(crate) async fn write<'c>(
    requests: &Requests,
    mut writes: Vec<WriteRequest>,
    attempts: impl Fn() -> Attempts<'c>,
) -> BatchOutcome {
    let mut chunks = Vec::with_capacity(writes.len().div_ceil(BATCH_WRITE_ITEMS));
    while !writes.is_empty() {
        let rest = writes.split_off(writes.len().min(BATCH_WRITE_ITEMS));
        chunks.push(write_chunk(requests, writes, attempts()));
        writes = rest;
    }
    gather(chunks).await
}

async fn gather(chunks: Vec<impl Future<Output = BatchOutcome>>) -> BatchOutcome {
    stream::iter(chunks)
        .buffer_unordered(CONCURRENT_REQUESTS)
        .fold(BatchOutcome::default(), |all, one| ready(all.join(one)))
        .await
}

async fn read_chunk(
    requests: &Requests,
    mut wanted: Vec<String>,
    mut attempts: Attempts<'_>,
) -> BatchOutcome {
    let mut outcome = BatchOutcome::default();
    loop {
        let reply = match attempts.request(|| requests.batch_get(&wanted)).await {
            Ok(reply) => reply,
            Err(failure) => {
                outcome.fail(wanted, &failure);
                return outcome;
            }
        };
        // A reply holds 16 MB at most: what does not fit comes back unprocessed, and is there for
        // the asking. A reply that brings nothing is how throttling looks here.
        if !reply.done.is_empty() {
            attempts.progressed();
        }
        outcome.items.reserve(reply.done.len());
        for mut item in reply.done {
            if let Some(partition) = requests.take_partition(&mut item) {
                outcome.items.insert(partition, item);
            }
        }
        wanted = reply.unprocessed;
        if wanted.is_empty() {
            return outcome;
        }
        if !attempts.pause().await {
            outcome.fail(wanted, &attempts.verdict(left_unprocessed()));
            return outcome;
        }
    }
}

async fn write_chunk(
    requests: &Requests,
    mut writes: Vec<WriteRequest>,
    mut attempts: Attempts<'_>,
) -> BatchOutcome {
    let mut outcome = BatchOutcome::default();
    loop {
        let failure = match attempts.request(|| requests.batch_write(&writes)).await {
            Ok(reply) if reply.unprocessed.is_empty() => return outcome,
            Ok(reply) => {
                if reply.unprocessed.len() < writes.len() {
                    attempts.progressed();
                }
                writes = reply.unprocessed;
                if attempts.pause().await {
                    continue;
                }
                attempts.verdict(left_unprocessed())
            }
            Err(failure) => failure,
        };
        let partitions = writes
            .iter()
            .filter_map(|write| requests.partition_of(write));
        outcome.fail(partitions.map(str::to_owned), &failure);
        return outcome;
    }
}

fn left_unprocessed() -> Failure {
    Failure::new(
        BackendErrorKind::Throttled,
        "left unprocessed until the deadline",
    )
}
