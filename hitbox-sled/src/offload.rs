use hitbox_backend::{BackendError, BackendErrorKind, BackendResult, Operation};
use hitbox_core::BackendLabel;
use tokio::runtime::Handle;

/// Runs blocking `work` off the async threads; outside of a tokio runtime, in place.
///
/// Once begun, `work` runs to its end, whether or not the future is dropped.
pub(crate) async fn run<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
    operation: Operation,
    label: &BackendLabel,
) -> BackendResult<T> {
    let Ok(runtime) = Handle::try_current() else {
        return Ok(work());
    };
    runtime.spawn_blocking(work).await.map_err(|error| {
        BackendError::new(BackendErrorKind::Unavailable, operation, label.clone())
            .with_detail("the work was lost: it panicked, or the runtime is shutting down")
            .with_source(error)
    })
}
