//! Asks the provider of credentials.

use std::{error::Error, sync::Arc, time::Duration};

use tokio::{
    task::JoinSet,
    time::{Instant, timeout},
};

use crate::{
    Credentials, CredentialsProvider,
    error::{
        Cause, Failure,
        words::{credentials_are_late, no_credentials},
    },
};

/// A provider that has not answered by then may never do so.
const LONGEST: Duration = Duration::from_secs(30);

/// Asks a provider, and goes on waiting for its answer where an earlier attempt to connect could not: one that
/// takes longer than an attempt would never be heard otherwise.
pub(crate) struct Asking {
    provider: Option<Arc<dyn CredentialsProvider>>,
    /// The provider's own task, which ends with this.
    answer: JoinSet<Result<Credentials, Box<dyn Error + Send + Sync>>>,
    asked: Instant,
}

impl Asking {
    pub(crate) fn new(provider: Option<Arc<dyn CredentialsProvider>>) -> Self {
        Self {
            provider,
            answer: JoinSet::new(),
            asked: Instant::now(),
        }
    }

    /// What it gives, if it does so within this time. `None` where nobody needs to log in.
    pub(crate) async fn credentials(
        &mut self,
        limit: Duration,
    ) -> Result<Option<Credentials>, Failure> {
        let Some(provider) = &self.provider else {
            return Ok(None);
        };
        if self.answer.is_empty() || self.asked.elapsed() > LONGEST {
            self.answer = JoinSet::new();
            self.asked = Instant::now();
            let provider = Arc::clone(provider);
            self.answer
                .spawn(async move { provider.credentials().await });
        }
        let meaning = match timeout(limit, self.answer.join_next()).await {
            Ok(Some(Ok(Ok(credentials)))) => return Ok(Some(credentials)),
            Ok(Some(Ok(Err(error)))) => no_credentials(&error.to_string()),
            Ok(Some(Err(_panic))) => no_credentials("the provider panicked"),
            Ok(None) => no_credentials("the provider was not asked"),
            Err(_elapsed) => credentials_are_late(self.asked.elapsed()),
        };
        Err(Cause::NotConnected(meaning).into())
    }
}
