//! Outcomes of changes that were sent more than once.

use crate::{
    BackendError, BackendResult,
    repeated::{Answer, Repeated},
};

/// The outcome of a change as whoever does not care for late effects sees it: one that a repeated
/// attempt has made is made.
pub(crate) fn as_made<T: Answer>(outcome: BackendResult<T>) -> BackendResult<T> {
    outcome.or_else(|error| made_by(&error).ok_or(error))
}

/// What a call answers that has failed so, if a repeated attempt has made the change.
pub(crate) fn made_by<T: Answer>(error: &BackendError) -> Option<T> {
    T::to_change(error.repeated()?)
}

/// What has been made by an attempt that was answered so, if the one that `failed` before it may yet
/// take effect.
pub(crate) fn change_in_doubt(failed: &BackendError, answer: &impl Answer) -> Option<Repeated> {
    answer.change().filter(|_| !failed.is_definite())
}

/// Whether nobody knows what an attempt means that was answered so, since the one that `failed` before it may have taken effect.
pub(crate) fn is_doubtful(failed: &BackendError, answer: &impl Answer) -> bool {
    !failed.is_definite() && answer.may_be_due_to_an_earlier_attempt()
}

/// Whether the change is made, be it by a repeated attempt.
#[cfg(feature = "chaos")]
pub(crate) fn is_made<T>(outcome: &BackendResult<T>) -> bool {
    match outcome {
        Ok(_) => true,
        Err(error) => error.repeated().is_some(),
    }
}
