//! How often, how long and how patiently one call tries.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use crate::{error::Failure, statistics::Counters};

/// How often a call sends a request again that failed.
const RETRIES: u32 = 1;

const SHORTEST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// What has to be left for a request to be sent again: one that the deadline cuts off is not
/// likely to help, and its outcome is unclear.
const LEAST_TIME: Duration = Duration::from_millis(50);

/// The requests of one call, under its deadline.
///
/// The SDK's own retries are off: a bulk request's unprocessed keys need retries of another kind
/// under the same deadline, and an error must tell whether *any* attempt may have taken effect.
pub(crate) struct Attempts<'c> {
    counters: &'c Counters,
    limit: Duration,
    deadline: Instant,
    retries_left: u32,
    pause: Duration,
    unclear: Option<Failure>,
}

impl<'c> Attempts<'c> {
    pub(crate) fn within(limit: Duration, counters: &'c Counters) -> Self {
        Self {
            counters,
            limit,
            deadline: Instant::now() + limit,
            retries_left: RETRIES,
            pause: SHORTEST_PAUSE,
            unclear: None,
        }
    }

    /// The reply to a request, which is sent again if it fails in a way that may pass.
    pub(crate) async fn request<T, Sent>(&mut self, send: impl Fn() -> Sent) -> Result<T, Failure>
    where
        Sent: Future<Output = Result<T, Failure>>,
    {
        // Requests of a bulk operation wait for each other; making one that comes too late takes
        // time too.
        if Instant::now() >= self.deadline {
            return Err(self.verdict(Failure::no_reply_within(self.limit)));
        }
        loop {
            let failure = match timeout_at(self.deadline, send()).await {
                Ok(Ok(reply)) => return Ok(reply),
                Ok(Err(failure)) => failure,
                Err(_) => Failure::no_reply_within(self.limit),
            };
            let may_pass = failure.is_retryable() && self.retries_left > 0;
            if !may_pass || !self.pause().await {
                return Err(self.verdict(failure));
            }
            self.retries_left -= 1;
            if failure.is_unclear() {
                self.unclear = Some(failure);
            }
        }
    }

    /// Waits before something is sent again, longer each time and at random, so that clients that
    /// failed together do not come back together. `false`, at once, if the deadline is too near.
    pub(crate) async fn pause(&mut self) -> bool {
        let pause = self.pause.mul_f64(fastrand::f64());
        if Instant::now() + pause + LEAST_TIME >= self.deadline {
            return false;
        }
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        self.counters.count_retry();
        sleep(pause).await;
        true
    }

    /// Forgets how long the last pauses were: the server has done something.
    pub(crate) fn progressed(&mut self) {
        self.pause = SHORTEST_PAUSE;
    }

    /// What to report when `last` ends the call. An earlier attempt whose outcome is not known
    /// outweighs a clear refusal of a later one: the whole may have taken effect.
    pub(crate) fn verdict(&mut self, last: Failure) -> Failure {
        self.unclear.take().unwrap_or(last)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use hitbox_backend::BackendErrorKind;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(1);

    fn failure(kind: BackendErrorKind) -> Failure {
        Failure::new(kind, "")
    }

    /// What a call reports whose attempts fail like this, and how many it made.
    async fn outcome(kinds: &[BackendErrorKind]) -> (Failure, usize) {
        let counters = Counters::default();
        let sent = Cell::new(0);
        let reported = Attempts::within(LIMIT, &counters)
            .request(|| {
                let attempt = sent.replace(sent.get() + 1);
                async move { Err::<(), _>(failure(kinds[attempt])) }
            })
            .await;
        (reported.unwrap_err(), sent.get())
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_pass_is_sent_again_once() {
        use BackendErrorKind::{Denied, Throttled, Timeout, Unavailable};
        for kind in [Throttled, Timeout, Unavailable] {
            assert_eq!(outcome(&[kind, kind]).await, (failure(kind), 2));
        }
        assert_eq!(outcome(&[Denied]).await, (failure(Denied), 1));
    }

    #[tokio::test(start_paused = true)]
    async fn an_unclear_attempt_outweighs_a_clear_refusal() {
        use BackendErrorKind::{Throttled, Timeout};
        let (reported, _) = outcome(&[Timeout, Throttled]).await;
        assert_eq!(reported, failure(Timeout));
        let (reported, _) = outcome(&[Throttled, Timeout]).await;
        assert_eq!(reported, failure(Timeout));
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_lasts_longer_than_the_deadline() {
        let began = Instant::now();
        let counters = Counters::default();
        let mut attempts = Attempts::within(LIMIT, &counters);
        let reply = attempts.request(std::future::pending::<Result<(), Failure>>);
        assert_eq!(reply.await, Err(Failure::no_reply_within(LIMIT)));
        assert!(!attempts.pause().await);
        let late = attempts.request(|| async { panic!("sent too late") });
        assert_eq!(late.await, Err::<(), _>(Failure::no_reply_within(LIMIT)));
        assert_eq!(began.elapsed(), LIMIT);
    }
}
