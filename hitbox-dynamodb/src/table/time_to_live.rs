//! Whether DynamoDB deletes the expired items of the table, and having it do so.
//!
//! A table on which it does not can be used, and grows.

use aws_sdk_dynamodb::types::{TimeToLiveDescription, TimeToLiveSpecification, TimeToLiveStatus};
use hitbox_backend::BackendErrorKind;
use hitbox_core::BackendLabel;

use crate::{
    error::failure::{Failure, Remedy},
    requests::{Requests, attempts::Attempts},
};

/// Which attribute expired items are deleted by.
enum TimeToLive {
    AsExpected,
    Other(String),
    Off,
}

/// Warns if expired items stay, or if it cannot be told.
pub(crate) async fn verify(requests: &Requests, label: &BackendLabel, attempts: &mut Attempts<'_>) {
    let table = &requests.table;
    match attempts.request(|| describe(requests)).await {
        Ok(TimeToLive::AsExpected) => {}
        Ok(TimeToLive::Off) => tracing::warn!(
            backend = %label,
            table,
            "DynamoDB does not delete expired items of this table: it will grow"
        ),
        Ok(TimeToLive::Other(found)) => tracing::warn!(
            backend = %label,
            table,
            found,
            expected = requests.attributes.time_to_live,
            "DynamoDB deletes the items of this table by another attribute, so expired ones stay: it \
             will grow"
        ),
        Err(failure) => warn_unknown(requests, label, &failure),
    }
}

/// Has expired items deleted, if the server can do that.
pub(crate) async fn turn_on(
    requests: &Requests,
    label: &BackendLabel,
    attempts: &mut Attempts<'_>,
) -> Result<(), Failure> {
    // Asks first: turning it on where it is on is an error.
    match attempts.request(|| describe(requests)).await {
        Ok(TimeToLive::AsExpected) => return Ok(()),
        Ok(TimeToLive::Other(found)) => return Err(by_another(requests, &found)),
        Ok(TimeToLive::Off) => {}
        Err(failure) if cannot_tell(&failure) => {
            return turn_on_unseen(requests, label, attempts).await;
        }
        Err(failure) => return Err(failure),
    }
    let Err(failure) = attempts.request(|| enable(requests)).await else {
        return Ok(());
    };
    // Another process may have been faster, and then this is an error too.
    match attempts.request(|| describe(requests)).await {
        Ok(TimeToLive::AsExpected) => Ok(()),
        Ok(TimeToLive::Other(found)) => Err(by_another(requests, &found)),
        _ if failure.remedy() == Remedy::DoWithout => {
            warn_unknown(requests, label, &failure);
            Ok(())
        }
        Ok(TimeToLive::Off) | Err(_) => Err(failure),
    }
}

/// Without knowing whether it is on: an error may mean that it is.
async fn turn_on_unseen(
    requests: &Requests,
    label: &BackendLabel,
    attempts: &mut Attempts<'_>,
) -> Result<(), Failure> {
    if let Err(failure) = attempts.request(|| enable(requests)).await {
        warn_unknown(requests, label, &failure);
    }
    Ok(())
}

/// Whether the server does not know the operation, or does not permit it.
fn cannot_tell(failure: &Failure) -> bool {
    failure.remedy() == Remedy::DoWithout || failure.kind() == BackendErrorKind::Denied
}

fn warn_unknown(requests: &Requests, label: &BackendLabel, failure: &Failure) {
    tracing::warn!(
        backend = %label,
        table = requests.table,
        reason = failure.detail(),
        "whether DynamoDB deletes expired items of this table is not known: if not, it will grow"
    );
}

fn by_another(requests: &Requests, found: &str) -> Failure {
    let (table, expected) = (&requests.table, &requests.attributes.time_to_live);
    Failure::invalid_configuration(format!(
        "`table` {table} has `{found}` as its TTL attribute, and `{expected}` was expected: give its \
         name with `AttributeNames::time_to_live`, or use another table"
    ))
}

async fn describe(requests: &Requests) -> Result<TimeToLive, Failure> {
    let request = requests.full_timeout.describe_time_to_live();
    let reply = request.table_name(&requests.table).send().await?;
    let Some(TimeToLiveDescription {
        time_to_live_status: Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling),
        attribute_name,
        ..
    }) = reply.time_to_live_description
    else {
        return Ok(TimeToLive::Off);
    };
    Ok(match attribute_name {
        Some(name) if name != requests.attributes.time_to_live => TimeToLive::Other(name),
        Some(_) | None => TimeToLive::AsExpected,
    })
}

async fn enable(requests: &Requests) -> Result<(), Failure> {
    let specification = TimeToLiveSpecification::builder()
        .enabled(true)
        .attribute_name(&requests.attributes.time_to_live)
        .build()
        .map_err(|_| Failure::invalid_configuration("the TTL specification is incomplete"))?;
    let request = requests
        .full_timeout
        .update_time_to_live()
        .table_name(&requests.table)
        .time_to_live_specification(specification);
    request.send().await?;
    Ok(())
}
