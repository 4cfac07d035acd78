//! The table itself: whether it fits, and making one that does.

use aws_sdk_dynamodb::{
    operation::{create_table::CreateTableError, describe_table::DescribeTableError},
    types::{
        AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
        TableDescription, TableStatus, TimeToLiveDescription, TimeToLiveSpecification,
        TimeToLiveStatus,
    },
};
use hitbox_backend::BackendErrorKind;
use hitbox_core::BackendLabel;

use crate::{attempts::Attempts, error::Failure, requests::Requests};

pub(crate) async fn verify(
    requests: &Requests,
    label: &BackendLabel,
    mut attempts: Attempts<'_>,
) -> Result<(), Failure> {
    let table = &requests.table;
    let Some(description) = attempts.request(|| describe(requests)).await? else {
        return Err(Failure::invalid_configuration(format!(
            "`table` {table} does not exist: check name and region, or call \
             `create_table_if_missing`"
        )));
    };
    verify_key_schema(requests, &description)?;
    if !is_usable(&description) {
        return Err(not_active(table));
    }
    // The permission to ask may be missing; that is no defect of the table.
    let time_to_live = attempts.request(|| describe_time_to_live(requests)).await;
    if let Ok(TimeToLive::Off | TimeToLive::On(None)) = time_to_live {
        tracing::warn!(
            backend = %label,
            table,
            "DynamoDB does not delete expired items of this table: it will grow"
        );
    }
    Ok(())
}

pub(crate) async fn create_if_missing(
    requests: &Requests,
    mut attempts: Attempts<'_>,
) -> Result<(), Failure> {
    let mut created = false;
    loop {
        match attempts.request(|| describe(requests)).await? {
            Some(description) => {
                verify_key_schema(requests, &description)?;
                if is_usable(&description) {
                    break;
                }
            }
            // A table that has just been created may not be visible yet.
            None if created => {}
            None => {
                attempts.request(|| create(requests)).await?;
                created = true;
                continue;
            }
        }
        if !attempts.pause().await {
            return Err(not_active(&requests.table));
        }
    }
    turn_on_time_to_live(requests, &mut attempts).await
}

fn not_active(table: &str) -> Failure {
    Failure::new(
        BackendErrorKind::Unavailable,
        format!("`table` {table} is being created or deleted: try again when it is active"),
    )
}

async fn describe(requests: &Requests) -> Result<Option<TableDescription>, Failure> {
    let request = requests
        .patient
        .describe_table()
        .table_name(&requests.table);
    match request.send().await {
        Ok(reply) => Ok(reply.table),
        Err(error) => match error.as_service_error() {
            Some(DescribeTableError::ResourceNotFoundException(_)) => Ok(None),
            Some(_) | None => Err(error.into()),
        },
    }
}

async fn create(requests: &Requests) -> Result<(), Failure> {
    let name = &requests.attributes.partition_key;
    let incomplete = |_| Failure::invalid_configuration("the key schema is incomplete");
    let key = KeySchemaElement::builder()
        .attribute_name(name)
        .key_type(KeyType::Hash)
        .build()
        .map_err(incomplete)?;
    let definition = AttributeDefinition::builder()
        .attribute_name(name)
        .attribute_type(ScalarAttributeType::S)
        .build()
        .map_err(incomplete)?;
    let request = requests
        .patient
        .create_table()
        .table_name(&requests.table)
        .key_schema(key)
        .attribute_definitions(definition)
        .billing_mode(BillingMode::PayPerRequest);
    let Err(error) = request.send().await else {
        return Ok(());
    };
    match error.as_service_error() {
        // Another process was faster, or an attempt whose reply was lost.
        Some(CreateTableError::ResourceInUseException(_)) => Ok(()),
        Some(_) | None => Err(error.into()),
    }
}

fn is_usable(table: &TableDescription) -> bool {
    matches!(
        table.table_status,
        Some(TableStatus::Active | TableStatus::Updating)
    )
}

fn verify_key_schema(requests: &Requests, found: &TableDescription) -> Result<(), Failure> {
    match key_schema_defect(&requests.attributes.partition_key, found) {
        None => Ok(()),
        Some(defect) => Err(Failure::invalid_configuration(format!(
            "`table` {} {defect}",
            requests.table
        ))),
    }
}

/// What is wrong with the key schema, for a sentence that begins with the table.
fn key_schema_defect(expected: &str, found: &TableDescription) -> Option<String> {
    let keys = found.key_schema();
    if let Some(sort) = keys.iter().find(|key| key.key_type == KeyType::Range) {
        return Some(format!(
            "has a sort key, `{}`: use a table that has a partition key only",
            sort.attribute_name
        ));
    }
    let Some(partition) = keys.iter().find(|key| key.key_type == KeyType::Hash) else {
        return Some("has no partition key".into());
    };
    let name = &partition.attribute_name;
    if name != expected {
        return Some(format!(
            "has the partition key `{name}`, and `{expected}` was expected: give its name with \
             `AttributeNames::partition_key`, or use another table"
        ));
    }
    let definitions = found.attribute_definitions();
    let definition = definitions.iter().find(|one| one.attribute_name == *name)?;
    let found = &definition.attribute_type;
    (*found != ScalarAttributeType::S).then(|| {
        format!("has the partition key `{name}` of type {found}: use a table where it is of type S")
    })
}

/// Whether DynamoDB deletes expired items, and by which attribute.
enum TimeToLive {
    On(Option<String>),
    Off,
}

async fn describe_time_to_live(requests: &Requests) -> Result<TimeToLive, Failure> {
    let request = requests.patient.describe_time_to_live();
    let reply = request.table_name(&requests.table).send().await?;
    let Some(TimeToLiveDescription {
        time_to_live_status: Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling),
        attribute_name,
        ..
    }) = reply.time_to_live_description
    else {
        return Ok(TimeToLive::Off);
    };
    Ok(TimeToLive::On(attribute_name))
}

/// Asks first: turning it on where it is on is an error.
async fn turn_on_time_to_live(
    requests: &Requests,
    attempts: &mut Attempts<'_>,
) -> Result<(), Failure> {
    if is_time_to_live_on(requests, attempts).await? {
        return Ok(());
    }
    match attempts.request(|| enable_time_to_live(requests)).await {
        Ok(()) => Ok(()),
        // Another process may have been faster, and then this is an error too.
        Err(failure) => match is_time_to_live_on(requests, attempts).await {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(failure),
        },
    }
}

async fn is_time_to_live_on(
    requests: &Requests,
    attempts: &mut Attempts<'_>,
) -> Result<bool, Failure> {
    let expected = &requests.attributes.time_to_live;
    match attempts.request(|| describe_time_to_live(requests)).await? {
        TimeToLive::On(Some(name)) if name != *expected => {
            Err(Failure::invalid_configuration(format!(
                "`table` {} has `{name}` as its TTL attribute, and `{expected}` was expected: give \
                 its name with `AttributeNames::time_to_live`, or use another table",
                requests.table
            )))
        }
        TimeToLive::On(_) => Ok(true),
        TimeToLive::Off => Ok(false),
    }
}

async fn enable_time_to_live(requests: &Requests) -> Result<(), Failure> {
    let specification = TimeToLiveSpecification::builder()
        .enabled(true)
        .attribute_name(&requests.attributes.time_to_live)
        .build()
        .map_err(|_| Failure::invalid_configuration("the TTL specification is incomplete"))?;
    let request = requests
        .patient
        .update_time_to_live()
        .table_name(&requests.table)
        .time_to_live_specification(specification);
    request.send().await?;
    Ok(())
}
