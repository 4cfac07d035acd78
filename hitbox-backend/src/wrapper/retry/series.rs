use std::{future::Future, time::Duration};

use tokio::time::{Instant, sleep, timeout_at};

use super::config::{RetryConfig, WriteRetry};
use crate::{
    Backend, BackendError, BackendErrorKind, BackendResult, Operation, wrapper::CircuitOpen,
};

/// How much later than asked a sleep may end.
const TIMER_GRANULARITY: Duration = Duration::from_millis(1);

/// The attempts of one call, under its deadline.
pub(super) struct Series<'r, B> {
    inner: &'r B,
    config: &'r RetryConfig,
    operation: Operation,
    /// `None`: further off than clocks can count.
    deadline: Option<Instant>,
    failed: u32,
}

impl<'r, B: Backend> Series<'r, B> {
    pub(super) fn begin(inner: &'r B, config: &'r RetryConfig, operation: Operation) -> Self {
        Self {
            inner,
            config,
            operation,
            deadline: Instant::now().checked_add(config.within),
            failed: 0,
        }
    }

    pub(super) async fn attempt<T>(
        &self,
        call: impl Future<Output = BackendResult<T>> + Send,
    ) -> BackendResult<T> {
        match self.in_time(call).await {
            Some(outcome) => outcome,
            None => Err(self.too_late()),
        }
    }

    pub(super) async fn attempt_many<T>(
        &self,
        keys: usize,
        call: impl Future<Output = Vec<BackendResult<T>>> + Send,
    ) -> Vec<BackendResult<T>> {
        match self.in_time(call).await {
            Some(outcomes) => outcomes,
            None => (0..keys).map(|_| Err(self.too_late())).collect(),
        }
    }

    async fn in_time<T>(&self, call: impl Future<Output = T> + Send) -> Option<T> {
        match self.deadline {
            Some(deadline) => timeout_at(deadline, call).await.ok(),
            None => Some(call.await),
        }
    }

    fn too_late(&self) -> BackendError {
        let (label, within) = (self.inner.label(), self.config.within);
        BackendError::new(BackendErrorKind::Timeout, self.operation, label)
            .with_detail(format!("not done within {within:?}, retries included"))
    }

    /// Whether it makes sense, and is safe, to ask again after this failure.
    pub(super) fn is_worth_repeating(&self, error: &BackendError) -> bool {
        // A circuit stays open for longer than pauses last.
        if !error.is_retryable() || CircuitOpen::is_cause_of(error) {
            return false;
        }
        match self.operation {
            // A removal that comes late costs a miss.
            Operation::Read | Operation::Remove => true,
            Operation::Write | Operation::Open | Operation::Maintain => match self.config.writes {
                WriteRetry::Untouched => error.is_definite(),
                WriteRetry::Always => true,
            },
        }
    }

    /// Whether an earlier failure is what a call reports that failed again. One that may have taken
    /// effect, or may yet, outweighs a later one that certainly did not: that is true of the whole.
    pub(super) const fn outweighs(&self, earlier: &BackendError, later: &BackendError) -> bool {
        match self.operation {
            Operation::Read => false,
            Operation::Open | Operation::Write | Operation::Remove | Operation::Maintain => {
                !earlier.is_definite() && later.is_definite()
            }
        }
    }

    /// Waits before the next attempt. `false`, at once, if there is to be none: there have been
    /// enough, or the deadline would be over before it began.
    pub(super) async fn pause(&mut self) -> bool {
        let config = self.config;
        if self.failed >= config.retries {
            return false;
        }
        self.failed += 1;
        let pause = config.pause(self.failed, fastrand::f64());
        let next = Instant::now().checked_add(pause.saturating_add(TIMER_GRANULARITY));
        let is_late = |deadline: Instant| next.is_none_or(|next| next >= deadline);
        if self.deadline.is_some_and(is_late) {
            return false;
        }
        tracing::debug!(backend = %self.inner.label(), failed = self.failed, ?pause, "trying again");
        sleep(pause).await;
        true
    }
}
