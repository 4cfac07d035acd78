use crate::{Backend, BackendError, BackendErrorKind, Operation};

/// A setting of a wrapper around `backend` that cannot work.
pub(super) fn invalid(backend: &impl Backend, detail: &str) -> BackendError {
    let kind = BackendErrorKind::InvalidConfiguration;
    BackendError::new(kind, Operation::Open, backend.label()).with_detail(detail)
}
