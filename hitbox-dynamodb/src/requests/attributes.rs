/// The names of the attributes of an item.
///
/// | attribute | type | default name | holds |
/// |---|---|---|---|
/// | partition key | S | `key` | the key, or the digest of one over 2,048 bytes |
/// | payload | B | `value` | the value in its stored form |
/// | expire | N | `expire_ms` | when it expires, in milliseconds since 1970 |
/// | time to live | N | `ttl` | the same in seconds, rounded up: what DynamoDB deletes by |
/// | full key | S | `full_key` | the key, where the partition key is its digest |
///
/// Values that never expire have neither `expire_ms` nor `ttl`. All of the names count towards the
/// size of an item.
///
/// ```
/// use hitbox_dynamodb::AttributeNames;
///
/// let names = AttributeNames::default().partition_key("pk").time_to_live("expires_at");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "names do nothing until they are given to a builder"]
pub struct AttributeNames {
    pub(crate) partition_key: String,
    pub(crate) payload: String,
    pub(crate) expire: String,
    pub(crate) time_to_live: String,
    pub(crate) full_key: String,
}

impl AttributeNames {
    /// The table's partition key. Default: `key`.
    pub fn partition_key(mut self, name: impl Into<String>) -> Self {
        self.partition_key = name.into();
        self
    }

    /// The value in its stored form. Default: `value`.
    pub fn payload(mut self, name: impl Into<String>) -> Self {
        self.payload = name.into();
        self
    }

    /// When the value expires, in milliseconds. Default: `expire_ms`.
    pub fn expire(mut self, name: impl Into<String>) -> Self {
        self.expire = name.into();
        self
    }

    /// What DynamoDB deletes expired items by: the table's TTL attribute. Default: `ttl`.
    pub fn time_to_live(mut self, name: impl Into<String>) -> Self {
        self.time_to_live = name.into();
        self
    }

    /// The key in full, where it is too long for a partition key. Default: `full_key`.
    pub fn full_key(mut self, name: impl Into<String>) -> Self {
        self.full_key = name.into();
        self
    }

    /// What keeps these names from being used together.
    pub(crate) fn defect(&self) -> Option<String> {
        let names = [
            &self.partition_key,
            &self.payload,
            &self.expire,
            &self.time_to_live,
            &self.full_key,
        ];
        for (index, name) in names.into_iter().enumerate() {
            if name.is_empty() {
                return Some("`attribute_names` has an empty name: give each a name".into());
            }
            if name.len() > 255 {
                return Some(
                    "`attribute_names` has a name over 255 bytes: DynamoDB takes none".into(),
                );
            }
            if names[..index].contains(&name) {
                return Some(format!(
                    "`attribute_names` has `{name}` twice: give each attribute a name of its own"
                ));
            }
        }
        None
    }
}

impl Default for AttributeNames {
    fn default() -> Self {
        Self {
            partition_key: "key".into(),
            payload: "value".into(),
            expire: "expire_ms".into(),
            time_to_live: "ttl".into(),
            full_key: "full_key".into(),
        }
    }
}
