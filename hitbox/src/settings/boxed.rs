use std::ops::{Deref, DerefMut};

use super::{Overrides, Refresh};

/// What a call sets, which most calls do not: they are moved before they are polled, and this is a word of them.
#[derive(Debug, Default)]
pub(crate) struct BoxOverrides(Option<Box<Overrides>>);

impl BoxOverrides {
    pub(crate) const NONE: Self = Self(None);

    /// Whether anything was set: what a hit looks at.
    #[inline]
    pub(crate) const fn is_any_set(&self) -> bool {
        self.0.is_some()
    }

    #[inline]
    pub(crate) fn refresh(&self) -> Option<Refresh> {
        self.0.as_ref()?.refresh
    }
}

impl Deref for BoxOverrides {
    type Target = Overrides;

    fn deref(&self) -> &Overrides {
        self.0.as_deref().unwrap_or(&Overrides::NONE)
    }
}

impl DerefMut for BoxOverrides {
    fn deref_mut(&mut self) -> &mut Overrides {
        self.0.get_or_insert_with(|| Box::new(Overrides::NONE))
    }
}
