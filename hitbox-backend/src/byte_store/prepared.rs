use bytes::Bytes;
use chrono::{DateTime, Utc};

use crate::BackendResult;

/// What a write comes down to, decided before any I/O.
#[derive(Debug)]
#[must_use = "nothing is written yet"]
pub enum Prepared {
    /// Store this, in place of what is under the key.
    Put {
        /// The value in its [stored form](crate::stored_form).
        stored: Bytes,
        /// When the value expires, for a store that deletes by it. The stored form has it too.
        expire: Option<DateTime<Utc>>,
    },
    /// Remove what is under the key.
    ///
    /// The new value has expired, or it is refused; an older one must not pose as it.
    Clear {
        /// What the write returns if the removal succeeds. If that fails, the write returns why.
        outcome: BackendResult<()>,
    },
}

impl Prepared {
    /// The same, but that the key is cleared if `check` refuses the stored form: for a limit that only the store
    /// knows.
    pub fn checked(self, check: impl FnOnce(&Bytes) -> BackendResult<()>) -> Self {
        match self {
            Self::Put { stored, expire } => match check(&stored) {
                Ok(()) => Self::Put { stored, expire },
                refused @ Err(_) => Self::Clear { outcome: refused },
            },
            clear @ Self::Clear { .. } => clear,
        }
    }
}
