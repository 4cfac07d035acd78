use std::{error::Error, fmt};

/// The tags of a value, by which it can be invalidated together with others.
///
/// ```
/// use hitbox_core::TagSet;
///
/// let tags = TagSet::of(["users", "team:7", "users"])?;
/// assert!(tags.iter().eq(["users", "team:7"]));
/// assert!(TagSet::of([""]).is_err());
/// # Ok::<(), hitbox_core::InvalidTags>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TagSet(Option<Box<[Box<str>]>>);

/// Why tags cannot be those of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidTags {
    /// There are more than [`TagSet::MOST`].
    TooMany,
    /// One is longer than [`TagSet::LONGEST`], in bytes.
    TooLong,
    /// One is empty.
    Empty,
}

impl TagSet {
    /// None.
    pub const NONE: Self = Self(None);
    /// So many tags a value has at most.
    pub const MOST: usize = 16;
    /// So many bytes a tag has at most.
    pub const LONGEST: usize = 255;

    /// These tags, each once, in this order.
    ///
    /// # Errors
    ///
    /// [`InvalidTags`] if there are too many, or one cannot be one.
    pub fn of(tags: impl IntoIterator<Item = impl AsRef<str>>) -> Result<Self, InvalidTags> {
        Self::NONE.and(tags)
    }

    /// These tags, too.
    ///
    /// # Errors
    ///
    /// [`InvalidTags`] if there are too many then, or one cannot be one.
    pub fn and(self, tags: impl IntoIterator<Item = impl AsRef<str>>) -> Result<Self, InvalidTags> {
        let mut set = self.0.map_or_else(Vec::new, Vec::from);
        for tag in tags {
            let tag = tag.as_ref();
            Self::check(tag)?;
            if set.iter().any(|known| **known == *tag) {
                continue;
            }
            if set.len() == Self::MOST {
                return Err(InvalidTags::TooMany);
            }
            set.push(tag.into());
        }
        Ok(Self((!set.is_empty()).then(|| set.into())))
    }

    /// Whether this can be a tag.
    ///
    /// # Errors
    ///
    /// [`InvalidTags`] if it cannot.
    pub const fn check(tag: &str) -> Result<(), InvalidTags> {
        match tag.len() {
            0 => Err(InvalidTags::Empty),
            1..=Self::LONGEST => Ok(()),
            _ => Err(InvalidTags::TooLong),
        }
    }

    /// Each tag, in the order in which they were given.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0
            .as_deref()
            .unwrap_or_default()
            .iter()
            .map(|tag| &**tag)
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// What they take of memory, in bytes, beside the set itself.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.iter()
            .map(|tag| size_of::<Box<str>>() + tag.len())
            .sum()
    }
}

impl fmt::Display for InvalidTags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany => write!(f, "a value has {} tags at most", TagSet::MOST),
            Self::TooLong => write!(f, "a tag has {} bytes at most", TagSet::LONGEST),
            Self::Empty => f.write_str("a tag is not empty"),
        }
    }
}

impl Error for InvalidTags {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_over_a_limit_is_refused() {
        let tags: Vec<String> = (0..=TagSet::MOST).map(|tag| tag.to_string()).collect();
        assert_eq!(TagSet::of(&tags), Err(InvalidTags::TooMany));
        // Again, but not more.
        let most = &tags[..TagSet::MOST];
        assert_eq!(
            TagSet::of(most.iter().chain(most)).unwrap().iter().len(),
            16
        );
        let long = "t".repeat(TagSet::LONGEST + 1);
        assert_eq!(TagSet::of([&long]), Err(InvalidTags::TooLong));
        assert!(TagSet::of([&long[1..]]).is_ok());
        assert_eq!(TagSet::of(["a", ""]), Err(InvalidTags::Empty));
        let none = TagSet::of(std::iter::empty::<&str>()).unwrap();
        assert!(none.is_empty() && none == TagSet::NONE);
    }

    #[test]
    fn what_is_refused_says_the_limit() {
        assert_eq!(
            InvalidTags::TooMany.to_string(),
            "a value has 16 tags at most"
        );
        assert_eq!(
            InvalidTags::TooLong.to_string(),
            "a tag has 255 bytes at most"
        );
    }
}
