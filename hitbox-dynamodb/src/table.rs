//! The table itself: whether it fits, and making one that does.

pub(crate) mod time_to_live;

use aws_sdk_dynamodb::{
    operation::{create_table::CreateTableError, describe_table::DescribeTableError},
    types::{
        AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
        TableDescription, TableStatus,
    },
};
use hitbox_backend::BackendErrorKind;
use hitbox_core::BackendLabel;

use crate::{
    error::failure::Failure,
    requests::{Requests, attempts::Attempts},
};

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
    if !is_usable(table, &description)? {
        return Err(not_active(table));
    }
    time_to_live::verify(requests, label, &mut attempts).await;
    Ok(())
}

pub(crate) async fn create_if_missing(
    requests: &Requests,
    label: &BackendLabel,
    mut attempts: Attempts<'_>,
) -> Result<(), Failure> {
    let mut created = false;
    loop {
        match attempts.request(|| describe(requests)).await? {
            Some(description) => {
                verify_key_schema(requests, &description)?;
                if is_usable(&requests.table, &description)? {
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
    time_to_live::turn_on(requests, label, &mut attempts).await
}

fn not_active(table: &str) -> Failure {
    Failure::new(
        BackendErrorKind::Unavailable,
        format!("`table` {table} is being created or deleted: try again when it is active"),
    )
}

async fn describe(requests: &Requests) -> Result<Option<TableDescription>, Failure> {
    let request = requests
        .full_timeout
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
        .full_timeout
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

/// Whether the table can be used now; an error if it will not get there by itself.
fn is_usable(name: &str, table: &TableDescription) -> Result<bool, Failure> {
    let defect = match &table.table_status {
        Some(TableStatus::Active | TableStatus::Updating) => return Ok(true),
        Some(TableStatus::Archiving | TableStatus::Archived) => {
            "is archived, since its encryption key could not be used for a week: restore it from its \
             backup"
        }
        Some(TableStatus::InaccessibleEncryptionCredentials) => {
            "is encrypted with a key that cannot be used: permit that in KMS"
        }
        Some(_) | None => return Ok(false),
    };
    Err(Failure::invalid_configuration(format!(
        "`table` {name} {defect}"
    )))
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
