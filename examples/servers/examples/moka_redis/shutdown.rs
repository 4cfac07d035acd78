//! The end of the service: when it is asked for, and what it still does.

use std::{io, time::Duration};

use hitbox::{Cache, OffloadManager};

use crate::cache::Layers;

/// How long requests under way may take when the end has been asked for, and after them the work in
/// the background.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// Resolves at Ctrl-C and at SIGTERM, which is what service managers send. They are noticed from this
/// call on, not only once it is awaited.
#[cfg(unix)]
pub(crate) fn requested() -> io::Result<impl Future<Output = ()> + Send + 'static> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Resolves at Ctrl-C, which is noticed from this call on.
#[cfg(windows)]
pub(crate) fn requested() -> io::Result<impl Future<Output = ()> + Send + 'static> {
    let mut interrupt = tokio::signal::windows::ctrl_c()?;
    Ok(async move {
        interrupt.recv().await;
    })
}

/// Lets loads end and the work in the background finish, in this order, and says what was not done.
pub(crate) async fn drain(cache: &Cache, offload: &OffloadManager, layers: &Layers) {
    let report = cache.close(2 * PATIENCE).await;
    for load in &report.loads {
        println!("not made within {PATIENCE:?}: {}", load.key);
    }
    for fill in &report.fills {
        println!("not stored within {PATIENCE:?}: {}", fill.key);
    }
    let done = offload.statistics().completed;
    println!("drained: {done} done in the background");
    for unfinished in &report.background {
        println!("not done within {PATIENCE:?}: {unfinished}");
    }
    for failure in &report.failures {
        println!("not kept: {failure}");
    }
    for repair in layers.pending_repairs() {
        println!("not confirmed by Redis: {}", repair.key);
    }
}
