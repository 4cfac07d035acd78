//! Which composition a line is about.

use std::{fmt, sync::Mutex};

use hitbox_core::BackendLabel;

use super::lock;

/// The label of a composition, for the lines about its layers. It may be given after the layers have been put
/// together, and is looked up when a line is written.
pub(crate) struct Name(Mutex<BackendLabel>);

impl Name {
    pub(crate) const fn new(label: BackendLabel) -> Self {
        Self(Mutex::new(label))
    }

    pub(crate) fn replace(&self, label: BackendLabel) {
        *lock(&self.0) = label;
    }

    /// Without the lock: a subscriber may do anything.
    pub(crate) fn label(&self) -> BackendLabel {
        lock(&self.0).clone()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.label().fmt(f)
    }
}
