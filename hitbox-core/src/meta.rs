/// What is known of a value besides its data and its life times. Most values have none of it.
///
/// A backend [says](https://docs.rs/hitbox-backend/latest/hitbox_backend/struct.Capabilities.html) whether it keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    says: Says,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Says {
    /// That there is no such thing.
    Absent,
}

impl Meta {
    /// Those of a value which says that there is no such thing: of [`CacheValue::absent`](crate::CacheValue::absent),
    /// and of no other.
    #[must_use]
    pub const fn absent() -> Self {
        Self { says: Says::Absent }
    }

    /// Whether they say that there is no such thing.
    #[must_use]
    pub const fn is_absent(&self) -> bool {
        match self.says {
            Says::Absent => true,
        }
    }
}
