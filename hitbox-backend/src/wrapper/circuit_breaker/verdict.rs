use crate::{BackendError, BackendErrorKind};

/// What the outcome of a call says about the layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is there.
    Answered,
    /// It is not there, too slow, or overloaded.
    Failed,
    /// Neither: the call was refused before the layer was asked, was dropped, or failed for a
    /// reason that may as well lie in the value.
    Silent,
}

impl Verdict {
    pub(super) fn on<T>(outcome: &Result<T, BackendError>) -> Self {
        match outcome {
            Ok(_) => Self::Answered,
            // An attempt after the one that failed was answered.
            Err(error) if error.repeated().is_some() => Self::Answered,
            Err(error) => Self::on_error(error.kind()),
        }
    }

    /// A bulk call: a layer that has answered for one key is there.
    pub(super) fn on_all<T>(outcomes: &[Result<T, BackendError>]) -> Self {
        let mut verdict = Self::Silent;
        for outcome in outcomes {
            match Self::on(outcome) {
                Self::Answered => return Self::Answered,
                Self::Failed => verdict = Self::Failed,
                Self::Silent => {}
            }
        }
        verdict
    }

    const fn on_error(kind: BackendErrorKind) -> Self {
        if matches!(kind, BackendErrorKind::Full | BackendErrorKind::Denied) {
            // It says no, but it says so.
            Self::Answered
        } else if kind.is_retryable() {
            Self::Failed
        } else {
            Self::Silent
        }
    }
}
