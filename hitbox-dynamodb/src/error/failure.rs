//! What went wrong, and what may help.

use std::{any::Any, time::Duration};

use hitbox_backend::{BackendError, BackendErrorKind, Operation, Repeated};
use hitbox_core::BackendLabel;

/// A [`BackendError`] to be: without operation and label, and so the same for all keys of a bulk
/// operation that share it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    kind: BackendErrorKind,
    detail: String,
    effect: Effect,
    remedy: Remedy,
    repeated: Option<Repeated>,
}

/// What a failed request may have done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Nothing, and it will do nothing.
    None,
    /// It may have taken effect, or may yet.
    InDoubt,
}

/// What may help against a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// Nothing that the adapter could do.
    None,
    /// The same request a little later.
    Again,
    /// The same request on a connection that was not there before.
    FreshConnection,
    /// The same request without the entry that it was refused for.
    Apart,
    /// Other credentials.
    FreshCredentials,
    /// To do without what was asked for: the server has no such thing.
    DoWithout,
}

impl Failure {
    pub(crate) fn new(kind: BackendErrorKind, detail: impl Into<String>) -> Self {
        let (effect, remedy) = match kind {
            BackendErrorKind::Throttled => (Effect::None, Remedy::Again),
            BackendErrorKind::Unavailable => (Effect::InDoubt, Remedy::Again),
            BackendErrorKind::Timeout => (Effect::InDoubt, Remedy::FreshConnection),
            BackendErrorKind::TooLarge
            | BackendErrorKind::InvalidConfiguration
            | BackendErrorKind::NotStorable
            | BackendErrorKind::Full
            | BackendErrorKind::Denied
            | BackendErrorKind::Internal
            | _ => (Effect::None, Remedy::None),
        };
        Self {
            kind,
            detail: detail.into(),
            effect,
            remedy,
            repeated: None,
        }
    }

    pub(crate) fn invalid_configuration(detail: impl Into<String>) -> Self {
        Self::new(BackendErrorKind::InvalidConfiguration, detail)
    }

    pub(crate) fn no_reply_within(limit: Duration) -> Self {
        Self::new(
            BackendErrorKind::Timeout,
            format!("not answered within {limit:?}"),
        )
    }

    /// A client that panics leaves everything open, and so does a runtime that ends.
    pub(crate) fn of_panic(panic: &(dyn Any + Send)) -> Self {
        let words = panic.downcast_ref::<String>().map(String::as_str);
        let words = words.or_else(|| panic.downcast_ref::<&str>().copied());
        // tokio has no other way to tell.
        let is_runtime_gone = words.is_some_and(|words| {
            words.contains("is being shutdown") || words.contains("there is no reactor running")
        });
        if is_runtime_gone {
            return Self::new(
                BackendErrorKind::Unavailable,
                "the runtime that this call was begun in has ended",
            );
        }
        Self {
            effect: Effect::InDoubt,
            ..Self::new(
                BackendErrorKind::Internal,
                "the SDK, or something that it was given, has panicked",
            )
        }
    }

    /// The same failure of a request that certainly did nothing.
    pub(crate) fn without_effect(self) -> Self {
        Self {
            effect: Effect::None,
            ..self
        }
    }

    pub(crate) fn remedied_by(self, remedy: Remedy) -> Self {
        Self { remedy, ..self }
    }

    /// The same failure of an attempt whose change a later attempt has made.
    pub(crate) fn made_by_repeat(self, repeated: Repeated) -> Self {
        Self {
            repeated: Some(repeated),
            ..self
        }
    }

    /// The same failure, and where: which table, on which server.
    pub(crate) fn at(mut self, place: &str) -> Self {
        // That is refused before anything is asked of a server.
        if self.kind != BackendErrorKind::TooLarge {
            self.detail = format!("{} ({place})", self.detail);
        }
        self
    }

    pub(crate) fn into_error(self, operation: Operation, label: &BackendLabel) -> BackendError {
        let error = BackendError::new(self.kind, operation, label.clone()).with_detail(self.detail);
        let error = match self.effect {
            Effect::None => error.without_effect(),
            Effect::InDoubt => error,
        };
        match self.repeated {
            Some(repeated) => error.made_by_repeat(repeated),
            None => error,
        }
    }

    pub(crate) fn effect(&self) -> Effect {
        self.effect
    }

    pub(crate) fn remedy(&self) -> Remedy {
        self.remedy
    }

    pub(crate) fn kind(&self) -> BackendErrorKind {
        self.kind
    }

    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn throttling_is_retried_though_its_outcome_is_clear() {
        let throttled = Failure::new(BackendErrorKind::Throttled, "");
        assert_eq!(
            (throttled.effect(), throttled.remedy()),
            (Effect::None, Remedy::Again)
        );
        let timeout = Failure::no_reply_within(Duration::from_millis(5));
        assert_eq!(
            (timeout.effect(), timeout.remedy()),
            (Effect::InDoubt, Remedy::FreshConnection)
        );
    }

    #[test]
    fn an_error_says_what_it_may_have_done_and_where() {
        let label = BackendLabel::new_static("dynamodb");
        let error = |failure: Failure| failure.at("a place").into_error(Operation::Write, &label);
        let lost = Failure::new(BackendErrorKind::Unavailable, "lost");
        assert!(!error(lost.clone()).is_definite());
        assert!(error(lost.clone().without_effect()).is_definite());
        let repeated = error(lost.made_by_repeat(Repeated::Write));
        assert_eq!(repeated.repeated(), Some(Repeated::Write));
        assert!(
            repeated.to_string().ends_with("lost (a place)"),
            "{repeated}"
        );
        let too_large = error(Failure::new(BackendErrorKind::TooLarge, "large"));
        assert!(!too_large.to_string().contains("a place"));
    }
}
