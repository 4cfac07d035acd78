use hitbox_core::BackendLabel;

use crate::{BackendError, BackendErrorKind, Operation};

/// A setting of chaos around a backend that cannot work.
pub(super) fn invalid(label: &BackendLabel, detail: &str) -> BackendError {
    BackendError::new(
        BackendErrorKind::InvalidConfiguration,
        Operation::Open,
        label.clone(),
    )
    .with_detail(format!("chaos: {detail}"))
}
