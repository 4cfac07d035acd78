//! Batches: split to DynamoDB's limits, several at a time, asked again for what DynamoDB leaves
//! unprocessed, and taken apart where one entry is refused.

use std::{
    collections::{HashMap, HashSet},
    future::ready,
};

use aws_sdk_dynamodb::types::WriteRequest;
use futures::{
    StreamExt,
    future::{self, BoxFuture},
    stream,
};
use hitbox_backend::{BackendErrorKind, Repeated};

use crate::{
    error::failure::{Failure, Remedy},
    requests::{BATCH_GET_KEYS, BATCH_WRITE_ITEMS, Requests, attempts::Attempts, item::Item},
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
    fn failed(mut self, partitions: impl IntoIterator<Item = String>, failure: &Failure) -> Self {
        let failed = partitions
            .into_iter()
            .map(|partition| (partition, failure.clone()));
        self.failures.extend(failed);
        self
    }

    async fn join_both(
        self,
        one: impl Future<Output = Self>,
        other: impl Future<Output = Self>,
    ) -> Self {
        let (one, other) = future::join(one, other).await;
        self.join(one).join(other)
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
pub(crate) async fn read<'r>(
    requests: &'r Requests,
    mut partitions: Vec<String>,
    attempts: impl Fn() -> Attempts<'r>,
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
pub(crate) async fn write<'r>(
    requests: &'r Requests,
    mut writes: Vec<WriteRequest>,
    attempts: impl Fn() -> Attempts<'r>,
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

fn read_chunk<'r>(
    requests: &'r Requests,
    mut wanted: Vec<String>,
    mut attempts: Attempts<'r>,
) -> BoxFuture<'r, BatchOutcome> {
    Box::pin(async move {
        let mut outcome = BatchOutcome::default();
        loop {
            let reply = match attempts.request(|| requests.batch_get(&wanted)).await {
                Ok(reply) => reply,
                Err(failure) => {
                    let half = |keys| read_chunk(requests, keys, attempts.clone());
                    return match halves(&failure, wanted) {
                        Ok((one, other)) => outcome.join_both(half(one), half(other)).await,
                        Err(wanted) => outcome.failed(wanted, &failure),
                    };
                }
            };
            // A reply holds 16 MB at most: what does not fit comes back unprocessed, and is there
            // for the asking. A reply that brings nothing is how throttling looks here.
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
                return outcome.failed(wanted, &attempts.verdict(left_unprocessed()));
            }
        }
    })
}

fn write_chunk<'r>(
    requests: &'r Requests,
    mut writes: Vec<WriteRequest>,
    mut attempts: Attempts<'r>,
) -> BoxFuture<'r, BatchOutcome> {
    Box::pin(async move {
        let mut outcome = BatchOutcome::default();
        loop {
            let reply = match attempts.request(|| requests.batch_write(&writes)).await {
                Ok(reply) => reply,
                Err(failure) => {
                    let half = |writes| write_chunk(requests, writes, attempts.clone());
                    return match halves(&failure, writes) {
                        Ok((one, other)) => outcome.join_both(half(one), half(other)).await,
                        Err(writes) => outcome.failed(requests.partitions_of(&writes), &failure),
                    };
                }
            };
            let left = reply.unprocessed;
            // The attempt that is in doubt was of these writes too, or of more.
            if let Some(doubt) = attempts.doubt(Repeated::Write) {
                let left: HashSet<_> = requests.partitions_of(&left).collect();
                let made = requests.partitions_of(&writes);
                outcome = outcome.failed(made.filter(|one| !left.contains(one)), &doubt);
            }
            if left.is_empty() {
                return outcome;
            }
            if left.len() < writes.len() {
                attempts.progressed();
            }
            writes = left;
            if !attempts.pause().await {
                let failure = attempts.verdict(left_unprocessed());
                return outcome.failed(requests.partitions_of(&writes), &failure);
            }
        }
    })
}

/// The halves of a batch that was refused for one of its entries, perhaps; `Err` if it stays whole.
/// So the entries that nothing is wrong with are done, and the others have their own failures.
fn halves<T>(failure: &Failure, mut batch: Vec<T>) -> Result<(Vec<T>, Vec<T>), Vec<T>> {
    match failure.remedy() {
        Remedy::Apart if batch.len() > 1 => {
            let rest = batch.split_off(batch.len() / 2);
            Ok((batch, rest))
        }
        Remedy::Apart
        | Remedy::None
        | Remedy::Again
        | Remedy::FreshConnection
        | Remedy::FreshCredentials
        | Remedy::DoWithout => Err(batch),
    }
}

fn left_unprocessed() -> Failure {
    Failure::new(
        BackendErrorKind::Throttled,
        "left unprocessed until the deadline",
    )
}
