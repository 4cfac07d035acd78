use std::{
    io,
    sync::{Mutex, PoisonError},
    thread,
};

use hitbox_backend::{BackendError, BackendErrorKind, BackendResult, Operation};
use hitbox_core::BackendLabel;

/// sled's own eight, and the sweep's.
const NEEDED: usize = 9;

/// Whether this process may start the threads that an open database needs.
///
/// sled panics for want of some of them, and waits for ever for the work of others. So they are
/// tried first.
pub(crate) fn check(label: &BackendLabel) -> BackendResult<()> {
    try_all().map_err(|cause| {
        BackendError::new(
            BackendErrorKind::Unavailable,
            Operation::Open,
            label.clone(),
        )
        .with_detail(format!(
            "sled needs {NEEDED} threads, and the system does not give this process as many; raise \
             its limit of threads or of memory"
        ))
        .with_source(cause)
    })
}

/// Has so many threads at one time.
fn try_all() -> io::Result<()> {
    let gate = Mutex::new(());
    let pass = || gate.lock().unwrap_or_else(PoisonError::into_inner);
    thread::scope(|scope| {
        let _closed = pass();
        (0..NEEDED).try_for_each(|_| {
            thread::Builder::new()
                .spawn_scoped(scope, || drop(pass()))
                .map(drop)
        })
    })
}
