use hitbox_backend::{InvalidTags, TagSet};

use crate::Loaded;

/// The tags that a call names for what is loaded. Most name none, and are moved before they are polled: a word.
#[derive(Default)]
pub(crate) struct CallTags(Option<Box<Result<TagSet, InvalidTags>>>);

impl CallTags {
    pub(crate) const NONE: Self = Self(None);

    pub(crate) fn and(self, tags: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let known = self.0.map_or(Ok(TagSet::NONE), |known| *known);
        Self(Some(Box::new(known.and_then(|known| known.and(tags)))))
    }

    pub(crate) const fn are_named(&self) -> bool {
        self.0.is_some()
    }

    /// What was loaded, with these tags, too.
    pub(crate) fn on<V>(&self, mut loaded: Loaded<V>) -> Loaded<V> {
        if let Some(tags) = &self.0 {
            loaded.tags = match (&**tags, loaded.tags) {
                (Ok(tags), Ok(own)) => own.and(tags.iter()),
                (Err(invalid), _) => Err(*invalid),
                (Ok(_), Err(invalid)) => Err(invalid),
            };
        }
        loaded
    }
}
