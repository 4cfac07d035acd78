/// What is known of a value besides its data and its life times. Most values have none of it.
///
/// It is with the [bytes](crate::Encoded::meta) of a value. Those of an object have none.
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
    /// That of a value which says that there is no such thing: of [`Raw::absent`](crate::Raw::absent), and of no other.
    #[must_use]
    pub const fn absent() -> Self {
        Self { says: Says::Absent }
    }

    /// Whether it says that there is no such thing.
    #[must_use]
    pub const fn is_absent(&self) -> bool {
        match self.says {
            Says::Absent => true,
        }
    }
}
