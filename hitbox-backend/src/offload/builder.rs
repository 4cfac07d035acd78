use std::{panic::catch_unwind, time::Duration};

use hitbox_core::BackendLabel;
use tokio::runtime::Handle;

use super::{OffloadManager, manager::Limits};
use crate::{BackendError, BackendResult};

/// The bounds of an [`OffloadManager`].
#[derive(Clone, Debug)]
pub struct OffloadManagerBuilder {
    max_running: usize,
    max_pending: usize,
    task_timeout: Duration,
    runtime: Option<Handle>,
}

impl Default for OffloadManagerBuilder {
    fn default() -> Self {
        Self {
            max_running: 1_024,
            max_pending: 8_192,
            task_timeout: Duration::from_secs(30),
            runtime: None,
        }
    }
}

impl OffloadManager {
    /// Starts a manager with the default bounds; see [`OffloadManagerBuilder`].
    #[must_use]
    pub fn builder() -> OffloadManagerBuilder {
        OffloadManagerBuilder::default()
    }
}

impl OffloadManagerBuilder {
    /// How many futures may run at once. Default: 1,024.
    #[must_use]
    pub const fn max_running(mut self, futures: usize) -> Self {
        self.max_running = futures;
        self
    }

    /// How many more may wait for their turn; what comes beyond is dropped. Zero: nothing waits,
    /// and nothing can be registered to be due later. Default: 8,192.
    #[must_use]
    pub const fn max_pending(mut self, futures: usize) -> Self {
        self.max_pending = futures;
        self
    }

    /// How long one future may run before it is dropped, its wait not counted. Default: 30 seconds.
    #[must_use]
    pub const fn task_timeout(mut self, timeout: Duration) -> Self {
        self.task_timeout = timeout;
        self
    }

    /// The runtime that runs the work. Default: the one that [`build`](Self::build) is called in.
    #[must_use]
    pub fn runtime(mut self, runtime: Handle) -> Self {
        self.runtime = Some(runtime);
        self
    }

    /// The manager.
    ///
    /// # Errors
    ///
    /// [`InvalidConfiguration`](crate::BackendErrorKind::InvalidConfiguration) if `max_running` or
    /// `task_timeout` is zero, if no runtime was given and this is not called inside one, or if the
    /// runtime's time driver is not enabled.
    pub fn build(self) -> BackendResult<OffloadManager> {
        if self.max_running == 0 {
            return Err(invalid(
                "max_running is 0, nothing would ever run: use at least 1",
            ));
        }
        if self.task_timeout.is_zero() {
            return Err(invalid(
                "task_timeout is 0, nothing would ever finish: use a millisecond or more",
            ));
        }
        let runtime = match self.runtime {
            Some(runtime) => runtime,
            None => Handle::try_current().map_err(|error| {
                invalid("not inside a tokio runtime: build it in one, or pass runtime(handle)")
                    .with_source(error)
            })?,
        };
        if !has_time_driver(&runtime) {
            return Err(invalid(
                "the tokio runtime has no time driver: build it with enable_time()",
            ));
        }
        let limits = Limits {
            max_running: self.max_running,
            max_pending: self.max_pending,
            task_timeout: self.task_timeout,
        };
        Ok(OffloadManager::new(limits, runtime))
    }
}

/// Tokio says it only by a panic, which would otherwise meet every future that is offloaded.
fn has_time_driver(runtime: &Handle) -> bool {
    let _inside = runtime.enter();
    catch_unwind(|| drop(tokio::time::sleep(Duration::ZERO))).is_ok()
}

fn invalid(detail: &str) -> BackendError {
    BackendError::invalid_configuration(BackendLabel::new_static("offload"), detail)
}
