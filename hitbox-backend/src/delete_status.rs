/// What a remove found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeleteStatus {
    /// An entry was there and is gone, in this many layers: 1 for a single backend.
    Deleted(u32),
    /// There was no entry to remove.
    Missing,
}

impl DeleteStatus {
    /// The status of two layers together.
    #[must_use]
    pub const fn combine(self, other: Self) -> Self {
        match (self, other) {
            (Self::Deleted(one), Self::Deleted(two)) => Self::Deleted(one.saturating_add(two)),
            (Self::Deleted(layers), Self::Missing) | (Self::Missing, Self::Deleted(layers)) => {
                Self::Deleted(layers)
            }
            (Self::Missing, Self::Missing) => Self::Missing,
        }
    }
}

/// The status of a single backend from what it found under the key.
impl<T> From<&Option<T>> for DeleteStatus {
    fn from(found: &Option<T>) -> Self {
        match found {
            Some(_) => Self::Deleted(1),
            None => Self::Missing,
        }
    }
}
