//! The requests to one table, as the rest of the adapter wants them.

pub(crate) mod attempts;
pub(crate) mod attributes;
pub(crate) mod batch;
pub(crate) mod bulk;
pub(crate) mod consistency;
pub(crate) mod item;
pub(crate) mod stored_key;

use std::collections::HashMap;

use aws_sdk_dynamodb::{
    Client,
    operation::delete_item::{DeleteItemError, builders::DeleteItemFluentBuilder},
    types::{
        AttributeValue, DeleteRequest, KeysAndAttributes, PutRequest,
        ReturnValuesOnConditionCheckFailure, WriteRequest,
    },
};
use chrono::{DateTime, Utc};
use hitbox_backend::DeleteStatus;

use crate::{
    AttributeNames, ReadConsistency,
    error::failure::Failure,
    requests::{item::Item, stored_key::StoredKey},
};

/// How many keys DynamoDB takes in a BatchGetItem.
pub(crate) const BATCH_GET_KEYS: usize = 100;

/// How many items DynamoDB takes in a BatchWriteItem.
pub(crate) const BATCH_WRITE_ITEMS: usize = 25;

pub(crate) struct Requests {
    /// Gives an attempt up soon enough for another.
    pub(crate) per_attempt: Client,
    /// Gives an attempt all the time there is.
    pub(crate) full_timeout: Client,
    pub(crate) table: String,
    pub(crate) attributes: AttributeNames,
    pub(crate) consistency: ReadConsistency,
}

/// What a removal of a live item came upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Removal {
    Deleted,
    Absent,
    /// There is an item, untouched: it has expired and is not deleted yet.
    Expired,
}

impl Removal {
    pub(crate) fn status(self) -> DeleteStatus {
        match self {
            Self::Deleted => DeleteStatus::Deleted(1),
            Self::Absent | Self::Expired => DeleteStatus::Missing,
        }
    }
}

/// What DynamoDB did of a bulk request, and what it left.
pub(crate) struct BatchReply<Done, Left> {
    pub(crate) done: Done,
    pub(crate) unprocessed: Vec<Left>,
}

impl Requests {
    pub(crate) async fn get(&self, key: &StoredKey) -> Result<Option<Item>, Failure> {
        let (name, value) = item::partition_key(key, &self.attributes);
        let request = self
            .per_attempt
            .get_item()
            .table_name(&self.table)
            .key(name, value)
            .consistent_read(self.consistency.is_strong());
        Ok(request.send().await?.item)
    }

    /// With the full time-out: if one that was given up is applied after all, and after a later write, the older
    /// value is back. A late deletion costs a miss.
    pub(crate) async fn put(&self, item: Item) -> Result<(), Failure> {
        let request = self
            .full_timeout
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item));
        request.send().await?;
        Ok(())
    }

    /// Deletes whatever is there.
    pub(crate) async fn delete(&self, key: &StoredKey) -> Result<(), Failure> {
        self.deletion(key).send().await?;
        Ok(())
    }

    /// Deletes the item if it has not expired at `now`.
    ///
    /// The condition tells a deleted item from none without its value being sent back, as
    /// `ReturnValues=ALL_OLD` would.
    pub(crate) async fn delete_live(
        &self,
        key: &StoredKey,
        now: DateTime<Utc>,
    ) -> Result<Removal, Failure> {
        // Placeholders, since the attributes may be called anything, reserved words included.
        let condition =
            "attribute_exists(#key) AND (attribute_not_exists(#expire) OR #expire > :now)";
        let request = self
            .deletion(key)
            .condition_expression(condition)
            .expression_attribute_names("#key", &self.attributes.partition_key)
            .expression_attribute_names("#expire", &self.attributes.expire)
            .expression_attribute_values(":now", item::milliseconds(now))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let Err(error) = request.send().await else {
            return Ok(Removal::Deleted);
        };
        match error.as_service_error() {
            Some(DeleteItemError::ConditionalCheckFailedException(found)) => {
                Ok(match found.item() {
                    Some(_) => Removal::Expired,
                    None => Removal::Absent,
                })
            }
            Some(_) | None => Err(error.into()),
        }
    }

    fn deletion(&self, key: &StoredKey) -> DeleteItemFluentBuilder {
        let (name, value) = item::partition_key(key, &self.attributes);
        self.per_attempt
            .delete_item()
            .table_name(&self.table)
            .key(name, value)
    }

    /// Gets the items under these partition keys, which must differ and be no more than
    /// [`BATCH_GET_KEYS`].
    pub(crate) async fn batch_get(
        &self,
        partitions: &[String],
    ) -> Result<BatchReply<Vec<Item>, String>, Failure> {
        let name = &self.attributes.partition_key;
        let keys = partitions
            .iter()
            .map(|partition| HashMap::from([(name.clone(), AttributeValue::S(partition.clone()))]))
            .collect();
        let asked = KeysAndAttributes::builder()
            .set_keys(Some(keys))
            .consistent_read(self.consistency.is_strong())
            .build()
            .map_err(|_| incomplete())?;
        let request = self
            .full_timeout
            .batch_get_item()
            .request_items(&self.table, asked);
        let reply = request.send().await?;
        let unprocessed = reply.unprocessed_keys.unwrap_or_default();
        Ok(BatchReply {
            done: flatten(reply.responses.unwrap_or_default()),
            unprocessed: unprocessed
                .into_values()
                .flat_map(|left| left.keys)
                .filter_map(|mut key| self.take_partition(&mut key))
                .collect(),
        })
    }

    /// Puts and deletes these, which must be of different keys and no more than
    /// [`BATCH_WRITE_ITEMS`].
    pub(crate) async fn batch_write(
        &self,
        writes: &[WriteRequest],
    ) -> Result<BatchReply<(), WriteRequest>, Failure> {
        let request = self
            .full_timeout
            .batch_write_item()
            .request_items(&self.table, writes.to_vec());
        let reply = request.send().await?;
        Ok(BatchReply {
            done: (),
            unprocessed: flatten(reply.unprocessed_items.unwrap_or_default()),
        })
    }

    pub(crate) fn batched_put(item: Item) -> Result<WriteRequest, Failure> {
        let put = PutRequest::builder().set_item(Some(item)).build();
        let put = put.map_err(|_| incomplete())?;
        Ok(WriteRequest::builder().put_request(put).build())
    }

    pub(crate) fn batched_delete(&self, key: &StoredKey) -> Result<WriteRequest, Failure> {
        let (name, value) = item::partition_key(key, &self.attributes);
        let delete = DeleteRequest::builder().key(name, value).build();
        let delete = delete.map_err(|_| incomplete())?;
        Ok(WriteRequest::builder().delete_request(delete).build())
    }

    /// The partition keys that batched writes are of.
    pub(crate) fn partitions_of(&self, writes: &[WriteRequest]) -> impl Iterator<Item = String> {
        writes.iter().filter_map(|write| self.partition_of(write))
    }

    fn partition_of(&self, write: &WriteRequest) -> Option<String> {
        let attributes = match (&write.put_request, &write.delete_request) {
            (Some(put), _) => &put.item,
            (None, Some(delete)) => &delete.key,
            (None, None) => return None,
        };
        let partition = attributes.get(&self.attributes.partition_key)?;
        partition.as_s().ok().cloned()
    }

    /// The partition key of an item or of a key, taken out of it.
    pub(crate) fn take_partition(&self, item: &mut Item) -> Option<String> {
        let partition = item.remove(&self.attributes.partition_key)?;
        partition.as_s().ok().cloned()
    }
}

/// Replies come by table, and one was asked.
fn flatten<T>(by_table: HashMap<String, Vec<T>>) -> Vec<T> {
    by_table.into_values().flatten().collect()
}

/// The SDK's builders fail only where a field is missing, and none is.
fn incomplete() -> Failure {
    Failure::new(
        hitbox_backend::BackendErrorKind::Internal,
        "the SDK takes a request for incomplete",
    )
}
