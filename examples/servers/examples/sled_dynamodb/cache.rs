//! What the cache is made of.

use std::time::Duration;

use hitbox_backend::{
    BackendError, BackendResult, Compose, CompositionBackend, CompositionPolicy, OffloadManager,
    RaceReadPolicy, RefillPolicy,
};
use hitbox_dynamodb::DynamoDbBackend;
use hitbox_sled::SledBackend;
use tokio::time::sleep;

use crate::arguments::Table;

pub(crate) type Cache =
    CompositionBackend<SledBackend, DynamoDbBackend, OffloadManager, RaceReadPolicy>;

pub(crate) fn compose(
    sled: SledBackend,
    dynamodb: DynamoDbBackend,
    offload: OffloadManager,
) -> Cache {
    let policy = CompositionPolicy::new()
        // Sled's answer is there first. The table's comes in the background and shows what the
        // table lacks, from a time when it could not be reached: that is copied over.
        .read(RaceReadPolicy::new())
        .refill(RefillPolicy::Repair);
    sled.compose_with(dynamodb, offload, policy)
}

/// The table as a backend. Does no I/O.
pub(crate) fn table(table: Table) -> BackendResult<DynamoDbBackend> {
    let builder = DynamoDbBackend::builder()
        .table(table.name)
        .region(table.region)
        .credentials(table.access_key_id, table.secret_access_key)
        // Nobody sits waiting for a worker: what is slow may still spare the work.
        .attempt_timeout(Duration::from_secs(1))
        .deadline(Duration::from_secs(2));
    match table.endpoint {
        Some(endpoint) => builder.endpoint(endpoint).build(),
        None => builder.build(),
    }
}

/// Makes the table if it is not there. If it cannot be reached, that is said, and tried again in the
/// background. An error means that it never will be of use: it has another key schema, or the
/// credentials are refused.
pub(crate) async fn prepare(table: &DynamoDbBackend) -> BackendResult<()> {
    match table.create_table_if_missing().await {
        Ok(()) => Ok(()),
        Err(error) if error.is_retryable() => {
            println!("going on without the table: {error}");
            tokio::spawn(prepare_later(table.clone()));
            Ok(())
        }
        Err(error) => Err(error),
    }
}

async fn prepare_later(table: DynamoDbBackend) {
    const PAUSE: Duration = Duration::from_secs(1);
    loop {
        sleep(PAUSE).await;
        let outcome = table.create_table_if_missing().await;
        if outcome.as_ref().is_err_and(BackendError::is_retryable) {
            continue;
        }
        match outcome {
            Ok(()) => println!("the table is back"),
            Err(error) => println!("the table is of no use: {error}"),
        }
        return;
    }
}
