use std::{
    sync::Weak,
    time::{Duration, Instant},
};

use hitbox_backend::{BackendError, BackendErrorKind, Operation};
use hitbox_core::BackendLabel;
use tokio::{
    runtime::Handle,
    task::AbortHandle,
    time::{Interval, MissedTickBehavior, interval_at},
};

use crate::backend::Shared;

/// The task that drops expired entries when there is no traffic to do it. Dropping this ends it.
#[derive(Debug)]
pub(crate) struct Maintenance {
    task: AbortHandle,
}

impl Maintenance {
    /// Holds the backend weakly: the task must not keep entries alive until a busy runtime gets
    /// round to ending it.
    pub(crate) fn start(
        every: Duration,
        label: &BackendLabel,
        shared: Weak<Shared>,
    ) -> Result<Self, BackendError> {
        let refuse = |detail: &str| {
            BackendError::new(
                BackendErrorKind::InvalidConfiguration,
                Operation::Open,
                label.clone(),
            )
            .with_detail(detail)
        };
        if every.is_zero() {
            return Err(refuse(
                "maintenance is every zero seconds: give an interval, or leave the setting out",
            ));
        }
        let runtime = Handle::try_current().map_err(|error| {
            refuse("maintenance needs a tokio runtime: call build() within one, or leave the setting out")
                .with_source(error)
        })?;
        let mut ticks = interval_at(tokio::time::Instant::now() + every, every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let task = runtime
            .spawn(run(ticks, label.clone(), shared))
            .abort_handle();
        Ok(Self { task })
    }
}

impl Drop for Maintenance {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(mut ticks: Interval, label: BackendLabel, shared: Weak<Shared>) {
    loop {
        ticks.tick().await;
        let Some(shared) = shared.upgrade() else {
            return;
        };
        // A million expired entries take a second to drop: too long for a thread that drives other
        // tasks.
        let run = tokio::task::spawn_blocking(move || {
            let started = Instant::now();
            shared.run_pending_tasks();
            started.elapsed()
        });
        match run.await {
            Ok(took) => tracing::trace!(backend = %label, ?took, "maintenance"),
            Err(error) if error.is_cancelled() => return,
            Err(_) => tracing::error!(backend = %label, "maintenance panicked"),
        }
    }
}
