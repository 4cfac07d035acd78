//! How an entry becomes an item, and an item an entry.

use std::collections::HashMap;

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use hitbox_backend::{Rejection, stored_form};

use crate::{
    AttributeNames,
    requests::stored_key::{LONGEST_PARTITION_KEY, StoredKey},
};

pub(crate) type Item = HashMap<String, AttributeValue>;

/// DynamoDB's limit on an item, in bytes, names included.
pub(crate) const LARGEST_ITEM: usize = 400 << 10;

/// What DynamoDB counts for the longest number. It counts less for the numbers that are stored
/// here, but does not promise how much.
const NUMBER: usize = 21;

/// An item whose value is `stored`, the stored form of a value that expires at `expire`.
pub(crate) fn of(
    key: &StoredKey,
    stored: &Bytes,
    expire: Option<DateTime<Utc>>,
    names: &AttributeNames,
) -> Item {
    let payload = AttributeValue::B(Blob::new(stored.as_ref()));
    let mut item = HashMap::from([partition_key(key, names), (names.payload.clone(), payload)]);
    if let Some(full) = key.full() {
        item.insert(names.full_key.clone(), AttributeValue::S(full.to_owned()));
    }
    if let Some(expire) = expire {
        item.insert(names.expire.clone(), milliseconds(expire));
        item.insert(names.time_to_live.clone(), seconds_rounded_up(expire));
    }
    item
}

/// The one attribute that names an item.
pub(crate) fn partition_key(key: &StoredKey, names: &AttributeNames) -> (String, AttributeValue) {
    let value = AttributeValue::S(key.partition().to_owned());
    (names.partition_key.clone(), value)
}

pub(crate) fn milliseconds(time: DateTime<Utc>) -> AttributeValue {
    AttributeValue::N(time.timestamp_millis().to_string())
}

/// Rounded down, DynamoDB could delete a value up to a second before it expires.
fn seconds_rounded_up(time: DateTime<Utc>) -> AttributeValue {
    let millis = time.timestamp_millis();
    let rounding = i64::from(millis.rem_euclid(1_000) != 0);
    AttributeValue::N((millis.div_euclid(1_000) + rounding).to_string())
}

/// What DynamoDB counts for the item of a value that takes `stored` bytes in its stored form, or a
/// little more.
pub(crate) fn size(key: &StoredKey, stored: usize, names: &AttributeNames) -> usize {
    let full_key = key
        .full()
        .map_or(0, |full| names.full_key.len() + full.len());
    overhead(names) + key.partition().len() + full_key + stored
}

/// The largest payload that fits into an item under any key that is not too long for a partition
/// key.
pub(crate) fn largest_payload(names: &AttributeNames) -> usize {
    LARGEST_ITEM - LONGEST_PARTITION_KEY - overhead(names) - stored_form::HEADER_LENGTH
}

fn overhead(names: &AttributeNames) -> usize {
    names.partition_key.len()
        + names.payload.len()
        + names.expire.len()
        + names.time_to_live.len()
        + 2 * NUMBER
}

/// The stored form in `item`.
///
/// The expiry that counts is the one in there: that one is under the checksum. The attributes beside
/// it are for DynamoDB to go by.
pub(crate) fn stored(
    mut item: Item,
    key: &StoredKey,
    names: &AttributeNames,
) -> Result<Bytes, Rejection> {
    if let Some(full) = key.full() {
        let found = item
            .get(&names.full_key)
            .and_then(|found| found.as_s().ok());
        if found.is_none_or(|found| found != full) {
            return Err(Rejection::Foreign);
        }
    }
    match item.remove(&names.payload) {
        Some(AttributeValue::B(stored)) => Ok(Bytes::from(stored.into_inner())),
        Some(_) | None => Err(Rejection::Foreign),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_rounded_up_also_before_1970() {
        for (millis, seconds) in [
            (0, "0"),
            (1, "1"),
            (1_000, "1"),
            (1_001, "2"),
            (-1, "0"),
            (-1_001, "-1"),
        ] {
            let time = DateTime::from_timestamp_millis(millis).unwrap();
            assert_eq!(seconds_rounded_up(time), AttributeValue::N(seconds.into()));
        }
    }
}
