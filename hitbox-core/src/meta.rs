use crate::TagSet;

/// What is known of a value besides its data and its life times. Most values have none of it.
///
/// It is with the [bytes](crate::Encoded::meta) of a value, and with an object that has no bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    says: Says,
    tags: TagSet,
    mark: Option<LogMark>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Says {
    /// Nothing of the data, which is there.
    Nothing,
    /// That there is no such thing.
    Absent,
}

/// A place in a log of news that processes share: what the process had heard that made a value, when its load began.
/// The later place is the greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogMark(u64);

impl LogMark {
    /// The mark as it stands in a stored form.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// What stands in a stored form.
    #[must_use]
    pub const fn to_bits(self) -> u64 {
        self.0
    }
}

impl Meta {
    /// That of a value with these tags.
    ///
    /// ```
    /// use hitbox_core::{Meta, TagSet};
    ///
    /// let meta = Meta::tagged(TagSet::of(["users", "team:7"])?);
    /// assert!(meta.tags().iter().eq(["users", "team:7"]));
    /// assert!(!meta.is_absent());
    /// # Ok::<(), hitbox_core::InvalidTags>(())
    /// ```
    #[must_use]
    pub const fn tagged(tags: TagSet) -> Self {
        Self {
            says: Says::Nothing,
            tags,
            mark: None,
        }
    }

    /// That of a value which says that there is no such thing.
    #[must_use]
    pub const fn absent() -> Self {
        Self::tagged(TagSet::NONE).of_absence()
    }

    /// The same, of a value which says that there is no such thing.
    #[must_use]
    pub const fn of_absence(mut self) -> Self {
        self.says = Says::Absent;
        self
    }

    /// The same, with what had been heard when the load of the value began.
    #[must_use]
    pub const fn marked(mut self, mark: LogMark) -> Self {
        self.mark = Some(mark);
        self
    }

    /// Whether it says that there is no such thing.
    #[must_use]
    pub const fn is_absent(&self) -> bool {
        match self.says {
            Says::Absent => true,
            Says::Nothing => false,
        }
    }

    /// The tags of the value.
    #[must_use]
    pub const fn tags(&self) -> &TagSet {
        &self.tags
    }

    /// What had been heard when the load of the value began. `None`: its process heard nothing; it is then as old as
    /// its [stamp](crate::CacheValue::created) says.
    #[must_use]
    pub const fn mark(&self) -> Option<LogMark> {
        self.mark
    }

    /// Whether it says nothing at all.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        !self.is_absent() && self.tags.is_empty() && self.mark.is_none()
    }
}
