//! Logs in anew on an open connection, before the credentials end that it was opened with.
//!
//! A server that takes tokens cuts off whoever has not logged in anew by then, with all that is on its way.
//! So a new connection in place of the old one would do for reads, but leave writes in doubt.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use redis::{RedisError, Value, aio::MultiplexedConnection};
use tokio::time::{sleep, timeout};

use crate::{
    connection::{Limits, asking::Asking, login::auth, tidings::Tidings},
    error::{
        Cause, Failure,
        words::{Step, not_let_in},
    },
};

/// Not more often, whatever a provider says.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);

/// A connection that was let in until some time.
pub(crate) struct Renewal {
    pub(crate) connection: MultiplexedConnection,
    pub(crate) asking: Asking,
    pub(crate) limits: Limits,
    pub(crate) tidings: Arc<Tidings>,
}

impl Renewal {
    /// Renews the credentials for as long as they end some time, and the connection lives.
    pub(crate) async fn run(mut self, mut end: SystemTime) {
        let mut failures = 0;
        loop {
            sleep(pause_before(end)).await;
            match self.log_in().await {
                Ok(Some(next)) => {
                    end = next;
                    failures = 0;
                }
                Ok(None) => return,
                // The connection's end is seen by whoever uses it.
                Err(failure) if failure.is_break() => return,
                Err(failure) => {
                    failures += 1;
                    self.tidings.not_renewed(&failure, failures);
                }
            }
        }
    }

    /// When what it was let in with now ends.
    async fn log_in(&mut self) -> Result<Option<SystemTime>, Failure> {
        let given = self.asking.credentials(self.limits.connect).await?;
        let Some(credentials) = given else {
            return Ok(None);
        };
        let auth = auth(&credentials);
        let replying = auth.query_async::<Value>(&mut self.connection);
        let reply = timeout(self.limits.attempt, replying).await;
        let reply = reply.map_err(|_elapsed| Cause::NoReply)?;
        // Whoever is refused keeps what the connection had.
        reply.map_err(refused)?;
        Ok(credentials.end)
    }
}

fn refused(error: RedisError) -> Failure {
    match not_let_in(Step::Auth, &error) {
        Some(meaning) if error.code().is_some() => Cause::NotConnected(meaning).into(),
        _ => error.into(),
    }
}

/// At four fifths of the time that is left: if it comes to nothing, there is time for others.
fn pause_before(end: SystemTime) -> Duration {
    let left = end.duration_since(SystemTime::now()).unwrap_or_default();
    (left / 5 * 4).max(SHORTEST_PAUSE)
}
