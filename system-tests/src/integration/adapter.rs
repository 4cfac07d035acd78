/// A kind of backend that is a crate of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Adapter {
    Moka,
    QuickCache,
    Sled,
    Redis,
    DynamoDb,
}

impl Adapter {
    pub(super) const ALL: [Self; 5] = [
        Self::Moka,
        Self::QuickCache,
        Self::Sled,
        Self::Redis,
        Self::DynamoDb,
    ];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Moka => "moka",
            Self::QuickCache => "quick_cache",
            Self::Sled => "sled",
            Self::Redis => "redis",
            Self::DynamoDb => "dynamodb",
        }
    }
}
