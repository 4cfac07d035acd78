use std::{task::Poll, time::Duration};

use tokio::task::JoinHandle;

/// How long something may take that must not wait for what hangs.
const PATIENCE: Duration = Duration::from_secs(5);

/// An operation that goes on at the side.
pub(super) enum Started<T> {
    Ended(T),
    UnderWay(JoinHandle<T>),
}

impl<T: Send + 'static> Started<T> {
    /// Runs `work` until it has to wait for the first time, so that it has begun when this returns,
    /// and the rest at the side.
    pub(super) async fn start(work: impl Future<Output = T> + Send + 'static) -> Self {
        let mut work = Box::pin(work);
        match futures::poll!(&mut work) {
            Poll::Ready(outcome) => Self::Ended(outcome),
            Poll::Pending => Self::UnderWay(tokio::spawn(work)),
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        match self {
            Self::Ended(_) => true,
            Self::UnderWay(task) => task.is_finished(),
        }
    }

    /// The outcome; an error if it does not come soon.
    pub(super) async fn outcome(self, what: &str) -> Result<T, String> {
        match self {
            Self::Ended(outcome) => Ok(outcome),
            Self::UnderWay(task) => {
                let outcome = promptly(task, what).await?;
                outcome.map_err(|error| format!("{what}: {error}"))
            }
        }
    }
}

impl<T: Send + 'static> Started<hitbox_backend::BackendResult<T>> {
    /// Holds if it succeeds, and soon.
    pub(super) async fn succeeds(self, what: &str) -> Result<T, String> {
        let outcome = self.outcome(what).await?;
        outcome.map_err(|error| format!("{what} failed: {error}"))
    }
}

/// The outcome of what must not wait for something that hangs.
pub(super) async fn promptly<T>(work: impl Future<Output = T>, what: &str) -> Result<T, String> {
    let outcome = tokio::time::timeout(PATIENCE, work).await;
    outcome.map_err(|_elapsed| format!("{what} did not end within {PATIENCE:?}"))
}
