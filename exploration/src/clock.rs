use std::{sync::Arc, time::Duration};

use futures::FutureExt;
use tokio::{
    runtime::{Builder, EnterGuard, Runtime},
    task::yield_now,
    time::advance,
};

/// Tokio's time, which stands still unless a thread of the scenario moves it. Nothing else is run by
/// the runtime that it belongs to.
#[derive(Clone, Debug)]
pub struct Clock(Arc<Runtime>);

impl Clock {
    /// One that stands still.
    #[must_use]
    pub fn stopped() -> Self {
        let mut builder = Builder::new_current_thread();
        let runtime = builder.enable_time().start_paused(true).build();
        Self(Arc::new(runtime.unwrap()))
    }

    /// Loom's threads share one of the system's, so this is for all of them.
    pub fn enter(&self) -> EnterGuard<'_> {
        self.0.enter()
    }

    /// Moves time, and with it all timers that are due.
    pub fn advance(&self, by: Duration) {
        // The first poll does it; what it then waits for is the runtime.
        let _waits = advance(by).now_or_never();
        // Looks at the timers once.
        self.0.block_on(yield_now());
    }
}
