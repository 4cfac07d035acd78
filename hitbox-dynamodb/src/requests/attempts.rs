//! How often, how long and how patiently one call tries.

use std::{panic::AssertUnwindSafe, time::Duration};

use futures::FutureExt;
use hitbox_backend::Repeated;
use tokio::{
    runtime::Handle,
    time::{Instant, sleep},
};

use crate::{
    connection::link::{Deadline, Link},
    error::failure::{Effect, Failure, Remedy},
};

const SHORTEST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// What has to be left for a request to be sent again: one that the deadline cuts off is not
/// likely to help, and its outcome is unclear.
const LEAST_TIME: Duration = Duration::from_millis(50);

/// How often a request is sent again that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retries {
    Once,
    Spent,
    /// As long as there is time and the service answers: what is asked for takes a while in any case.
    UntilDeadline,
    /// The same, but the last attempt has reached no service: one more finds out whether there is one.
    UntilDeadlineIfReached,
}

/// The requests of one call, under its deadline.
///
/// The SDK's own retries are off: a bulk request's unprocessed keys need retries of another kind
/// under the same deadline, and an outcome must tell whether *any* attempt may still take effect.
#[derive(Clone)]
pub(crate) struct Attempts<'l> {
    link: &'l Link,
    deadline: Deadline,
    retries: Retries,
    pause: Duration,
    /// The first attempt that may have taken effect, or may yet.
    in_doubt: Option<Failure>,
}

impl<'l> Attempts<'l> {
    pub(crate) fn within(limit: Duration, link: &'l Link) -> Self {
        Self {
            link,
            deadline: Deadline::after(limit),
            retries: Retries::Once,
            pause: SHORTEST_PAUSE,
            in_doubt: None,
        }
    }

    pub(crate) fn until_deadline(self) -> Self {
        Self {
            retries: Retries::UntilDeadline,
            ..self
        }
    }

    /// The reply to a request, which is sent again if it fails in a way that may pass.
    pub(crate) async fn request<T, Sent>(&mut self, send: impl Fn() -> Sent) -> Result<T, Failure>
    where
        Sent: Future<Output = Result<T, Failure>>,
    {
        loop {
            let failure = match self.link.attempt(self.deadline, &send).await {
                Ok(reply) => {
                    if self.retries == Retries::UntilDeadlineIfReached {
                        self.retries = Retries::UntilDeadline;
                    }
                    return Ok(reply);
                }
                Err(failure) => failure,
            };
            if !self.may_pass(&failure) || !self.pause().await {
                return Err(self.verdict(failure));
            }
            self.retries = match (self.retries, failure.remedy()) {
                (Retries::Once | Retries::Spent, _) => Retries::Spent,
                (_, Remedy::FreshConnection) => Retries::UntilDeadlineIfReached,
                (_, _) => Retries::UntilDeadline,
            };
            self.note(failure);
        }
    }

    /// As [`request`](Self::request), for a change. If an earlier attempt of it is in doubt, what a
    /// later one has made is not final: the outcome is the earlier one's failure, and says so.
    pub(crate) async fn change<T, Sent>(
        &mut self,
        made: impl FnOnce(&T) -> Repeated,
        send: impl Fn() -> Sent,
    ) -> Result<T, Failure>
    where
        Sent: Future<Output = Result<T, Failure>>,
    {
        let reply = self.request(send).await?;
        match self.doubt(made(&reply)) {
            None => Ok(reply),
            Some(doubt) => Err(doubt),
        }
    }

    /// What to report of a change that was made, if an earlier attempt of it is in doubt.
    pub(crate) fn doubt(&self, made: Repeated) -> Option<Failure> {
        let in_doubt = self.in_doubt.clone()?;
        Some(in_doubt.made_by_repeat(made))
    }

    fn may_pass(&self, failure: &Failure) -> bool {
        match failure.remedy() {
            Remedy::Again => self.retries != Retries::Spent,
            Remedy::FreshConnection => {
                matches!(self.retries, Retries::Once | Retries::UntilDeadline)
            }
            Remedy::None | Remedy::Apart | Remedy::FreshCredentials | Remedy::DoWithout => false,
        }
    }

    fn note(&mut self, failure: Failure) {
        match failure.effect() {
            Effect::None => {}
            Effect::InDoubt => {
                self.in_doubt.get_or_insert(failure);
            }
        }
    }

    /// Waits before something is sent again, longer each time and at random, so that clients that
    /// failed together do not come back together. `false`, at once, if the deadline is too near.
    pub(crate) async fn pause(&mut self) -> bool {
        let pause = self.pause.mul_f64(fastrand::f64());
        // Where the call goes on after its runtime has ended, there may be no other.
        let is_late = Instant::now() + pause + LEAST_TIME >= self.deadline.at;
        if is_late || Handle::try_current().is_err() {
            return false;
        }
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        self.link.counters.count_retry();
        // Or it ends now.
        let pausing = AssertUnwindSafe(sleep(pause)).catch_unwind();
        pausing.await.is_ok()
    }

    /// Forgets how long the last pauses were: the server has done something.
    pub(crate) fn progressed(&mut self) {
        self.pause = SHORTEST_PAUSE;
    }

    /// What to report when `last` ends the call. An earlier attempt whose outcome is not known
    /// outweighs a clear refusal of a later one: the whole may have taken effect.
    pub(crate) fn verdict(&self, last: Failure) -> Failure {
        match (&self.in_doubt, last.remedy()) {
            (Some(in_doubt), _) => in_doubt.clone().remedied_by(last.remedy()),
            (None, _) => last,
        }
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

    /// What a write reports whose attempts fail like this before one succeeds, and how many it made.
    async fn outcome(kinds: &[BackendErrorKind]) -> (Result<(), Failure>, usize) {
        let link = Link::for_tests();
        let sent = Cell::new(0);
        let reported = Attempts::within(LIMIT, &link)
            .change(
                |()| Repeated::Write,
                || {
                    let attempt = sent.replace(sent.get() + 1);
                    async move {
                        match kinds.get(attempt) {
                            Some(kind) => Err(failure(*kind)),
                            None => Ok(()),
                        }
                    }
                },
            )
            .await;
        (reported, sent.get())
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_pass_is_sent_again_once() {
        use BackendErrorKind::{Denied, Throttled, Timeout, Unavailable};
        for kind in [Throttled, Timeout, Unavailable] {
            assert_eq!(outcome(&[kind, kind]).await, (Err(failure(kind)), 2));
        }
        assert_eq!(outcome(&[Denied]).await, (Err(failure(Denied)), 1));
    }

    #[tokio::test(start_paused = true)]
    async fn an_unclear_attempt_outweighs_a_clear_refusal() {
        use BackendErrorKind::{Throttled, Timeout};
        let (reported, _) = outcome(&[Timeout, Throttled]).await;
        assert_eq!(reported.unwrap_err().kind(), Timeout);
        let (reported, _) = outcome(&[Throttled, Timeout]).await;
        assert_eq!(reported.unwrap_err().kind(), Timeout);
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_that_was_made_by_a_repeat_is_in_doubt_if_the_first_is() {
        use BackendErrorKind::{Throttled, Timeout, Unavailable};
        for kind in [Timeout, Unavailable] {
            let in_doubt = failure(kind).made_by_repeat(Repeated::Write);
            assert_eq!(outcome(&[kind]).await, (Err(in_doubt), 2));
        }
        assert_eq!(outcome(&[Throttled]).await, (Ok(()), 2));
        assert_eq!(outcome(&[]).await, (Ok(()), 1));
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_lasts_longer_than_the_deadline() {
        let began = Instant::now();
        let link = Link::for_tests();
        let mut attempts = Attempts::within(LIMIT, &link);
        let reply = attempts.request(std::future::pending::<Result<(), Failure>>);
        assert_eq!(reply.await, Err(Failure::no_reply_within(LIMIT)));
        assert!(!attempts.pause().await);
        let late = attempts.request::<(), _>(|| async { panic!("sent too late") });
        assert_eq!(late.await.unwrap_err().kind(), BackendErrorKind::Timeout);
        assert_eq!(began.elapsed(), LIMIT);
    }

    #[tokio::test(start_paused = true)]
    async fn a_patient_call_tries_until_its_deadline() {
        let link = Link::for_tests();
        let sent = Cell::new(0);
        let mut attempts = Attempts::within(Duration::from_secs(60), &link).until_deadline();
        let began = Instant::now();
        let throttled = attempts.request(|| {
            sent.set(sent.get() + 1);
            async { Err::<(), _>(failure(BackendErrorKind::Throttled)) }
        });
        throttled.await.unwrap_err();
        assert!(
            began.elapsed() > Duration::from_secs(59),
            "{:?}",
            began.elapsed()
        );
        assert!(sent.get() > 50, "{}", sent.get());
    }

    #[tokio::test(start_paused = true)]
    async fn a_patient_call_gives_up_where_there_is_no_service() {
        use BackendErrorKind::{Throttled, Timeout};
        let link = Link::for_tests();
        // `Timeout` asks for a fresh connection, as a refused connection does.
        for (kinds, tries) in [
            (&[Timeout, Timeout][..], 2),
            (
                &[Timeout, Throttled, Timeout, Throttled, Timeout, Timeout],
                6,
            ),
        ] {
            let sent = Cell::new(0);
            let mut attempts = Attempts::within(Duration::from_secs(60), &link).until_deadline();
            let outcome = attempts.request(|| {
                let kind = kinds[sent.replace(sent.get() + 1)];
                async move { Err::<(), _>(failure(kind)) }
            });
            outcome.await.unwrap_err();
            assert_eq!(sent.get(), tries);
        }
    }
}
