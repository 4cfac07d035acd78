//! What stands between a call and the SDK: the time that is left, a connection that is free,
//! credentials that are there, and panics that are caught.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::FutureExt;
use hitbox_backend::BackendErrorKind;
use tokio::time::{Instant, timeout_at};

use crate::{
    connection::{
        connections::{Connections, Here, Pool},
        credentials::Keeper,
    },
    error::failure::{Failure, Remedy},
    statistics::Counters,
};

/// When a call has to end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    pub(crate) at: Instant,
    limit: Duration,
}

impl Deadline {
    pub(crate) fn after(limit: Duration) -> Self {
        Self {
            at: Instant::now() + limit,
            limit,
        }
    }
}

pub(crate) struct Link {
    pub(crate) connections: Arc<Connections>,
    pub(crate) credentials: Arc<Keeper>,
    pub(crate) counters: Counters,
}

impl Link {
    /// One attempt at a request, once a connection is free for it.
    ///
    /// The call may go on where its runtime has ended: then timers panic, the SDK's and tokio's. Like other
    /// panics, these are caught.
    pub(crate) async fn attempt<T, Sent>(
        &self,
        deadline: Deadline,
        send: impl Fn() -> Sent,
    ) -> Result<T, Failure>
    where
        Sent: Future<Output = Result<T, Failure>>,
    {
        let attempt = AssertUnwindSafe(self.attempt_once(deadline, send)).catch_unwind();
        attempt
            .await
            .unwrap_or_else(|panic| Err(Failure::of_panic(&*panic)))
    }

    async fn attempt_once<T, Sent>(
        &self,
        deadline: Deadline,
        send: impl Fn() -> Sent,
    ) -> Result<T, Failure>
    where
        Sent: Future<Output = Result<T, Failure>>,
    {
        let here = self.connections.here()?;
        let Ok(permit) = timeout_at(deadline.at, here.permit()).await else {
            return Err(not_sent_within(deadline.limit));
        };
        // Requests of a bulk operation wait for each other; making one that comes too late takes
        // time too.
        if Instant::now() >= deadline.at {
            return Err(not_sent_within(deadline.limit));
        }
        let (pool, before) = (here.pool(), self.credentials.look());
        let outcome = match timeout_at(deadline.at, send()).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Failure::no_reply_within(deadline.limit)),
        };
        drop(permit);
        outcome.map_err(|failure| {
            let missing = self.credentials.missing_since(before);
            missing.unwrap_or_else(|| self.act_on(failure, &here, &pool))
        })
    }

    /// Does what the failure asks for before anything is sent again.
    fn act_on(&self, failure: Failure, here: &Here, pool: &Arc<Pool>) -> Failure {
        match failure.remedy() {
            Remedy::FreshConnection => here.renew(pool, &self.connections),
            Remedy::FreshCredentials => self.credentials.doubt(),
            Remedy::None | Remedy::Again | Remedy::Apart | Remedy::DoWithout => {}
        }
        failure
    }
}

fn not_sent_within(limit: Duration) -> Failure {
    let detail = format!(
        "not sent within {limit:?}, which other requests took: raise `max_connections` or `deadline`"
    );
    Failure::new(BackendErrorKind::Timeout, detail)
        .without_effect()
        .remedied_by(Remedy::None)
}

#[cfg(test)]
impl Link {
    pub(crate) fn for_tests() -> Self {
        use aws_smithy_http_client::proxy::ProxyConfig;
        use hitbox_core::BackendLabel;

        use crate::connection::connections::Transport;

        let label = BackendLabel::new_static("dynamodb");
        let transport = Transport::Plain(ProxyConfig::disabled());
        Self {
            connections: Connections::to(transport, 8, label.clone()),
            credentials: Keeper::new(label),
            counters: Counters::default(),
        }
    }
}
