//! What an operation has done to a layer.

use crate::{BackendErrorKind, BackendResult, outcome::made_by, repeated::Answer};

/// What an operation has done to a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::composition) enum Effect {
    /// The layer holds what the operation asked for, or certainly nothing.
    Confirmed,
    /// The same by a repeated attempt, while one before it may take effect yet.
    Repeated,
    /// The layer is as it was.
    None,
    /// It may have taken effect, or may yet.
    Unknown,
}

impl Effect {
    /// What a layer has done that answered so, and the answer for a policy: to that, a change that a
    /// repeated attempt has made is made.
    pub(in crate::composition) fn of<T: Answer>(
        outcome: BackendResult<T>,
    ) -> (Self, BackendResult<T>) {
        let error = match outcome {
            Ok(answer) => return (Self::Confirmed, Ok(answer)),
            Err(error) => error,
        };
        if let Some(answer) = made_by(&error) {
            return (Self::Repeated, Ok(answer));
        }
        let effect = if error.kind() == BackendErrorKind::TooLarge {
            // By contract the key is left absent.
            Self::Confirmed
        } else if error.is_definite() {
            Self::None
        } else {
            Self::Unknown
        };
        (effect, Err(error))
    }

    /// Whether the layer holds what it was asked to hold.
    pub(super) const fn confirms(self) -> bool {
        match self {
            Self::Confirmed | Self::Repeated => true,
            Self::None | Self::Unknown => false,
        }
    }

    /// Whether something may take effect in the layer later.
    pub(super) const fn leaves_doubt(self) -> bool {
        match self {
            Self::Repeated | Self::Unknown => true,
            Self::Confirmed | Self::None => false,
        }
    }
}
