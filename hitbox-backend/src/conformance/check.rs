use std::{any::Any, panic::AssertUnwindSafe, time::Duration};

use futures::{FutureExt, future::BoxFuture};

use super::{CheckOutcome, Subject, trial::Trial};

pub(super) use super::verdict::{CheckResult, Stop, violation};

/// Far longer than any check takes, so that it only ever ends one that hangs.
pub(super) const DEADLINE: Duration = Duration::from_secs(120);

/// One named check.
pub(super) struct Check {
    pub(super) name: &'static str,
    pub(super) body: for<'t> fn(&'t Trial) -> BoxFuture<'t, CheckResult>,
}

/// Declares the functions of a module as its `CHECKS`, each named `group::function`.
macro_rules! checks {
    ($group:literal: $($function:ident),+ $(,)?) => {
        pub(super) const CHECKS: &[$crate::conformance::check::Check] = &[$(
            $crate::conformance::check::Check {
                name: concat!($group, "::", stringify!($function)),
                body: |trial| Box::pin($function(trial)),
            },
        )+];
    };
}
pub(super) use checks;

impl Check {
    pub(super) async fn run_on(&self, subject: &Subject, run: u64) -> CheckOutcome {
        let trial = Trial::new(subject, run, self.name);
        let body = AssertUnwindSafe((self.body)(&trial)).catch_unwind();
        let outcome = match tokio::time::timeout(DEADLINE, body).await {
            Ok(Ok(Ok(()))) => CheckOutcome::Passed,
            Ok(Ok(Err(Stop::NotCalledFor(reason)))) => CheckOutcome::NotCalledFor(reason),
            Ok(Ok(Err(Stop::Violation(message)))) => CheckOutcome::Failed(message),
            Ok(Err(panic)) => CheckOutcome::Failed(format!("panicked: {}", panic_message(&*panic))),
            Err(_) => CheckOutcome::Failed(format!("did not end within {DEADLINE:?}")),
        };
        let cleaned = AssertUnwindSafe(trial.clean_up()).catch_unwind();
        // A failure to clean up is no finding: the checks of removal speak for themselves.
        let _unfinished = tokio::time::timeout(DEADLINE, cleaned).await;
        outcome
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    if let Some(message) = panic.downcast_ref::<&str>() {
        message
    } else if let Some(message) = panic.downcast_ref::<String>() {
        message
    } else {
        "with something other than a message"
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::conformance::MemoryBackend;

    async fn outcome_of(body: for<'t> fn(&'t Trial) -> BoxFuture<'t, CheckResult>) -> CheckOutcome {
        let check = Check {
            name: "group::check",
            body,
        };
        let subject = Subject::new(Arc::new(MemoryBackend::new()));
        check.run_on(&subject, 0).await
    }

    #[tokio::test(start_paused = true)]
    async fn every_way_a_check_can_end_is_reported() {
        let passed = outcome_of(|_| Box::pin(async { Ok(()) })).await;
        assert_eq!(passed, CheckOutcome::Passed);
        let failed = outcome_of(|_| Box::pin(async { Err(violation!("seen {}", 1)) })).await;
        assert_eq!(failed, CheckOutcome::Failed(String::from("seen 1")));
        let idle = outcome_of(|_| Box::pin(async { Err(Stop::NotCalledFor("no limit")) })).await;
        assert_eq!(idle, CheckOutcome::NotCalledFor("no limit"));
        let panicked = outcome_of(|_| Box::pin(async { panic!("over {}", 2) })).await;
        assert_eq!(
            panicked,
            CheckOutcome::Failed(String::from("panicked: over 2"))
        );
        let hung = outcome_of(|_| Box::pin(std::future::pending())).await;
        assert_eq!(
            hung,
            CheckOutcome::Failed(String::from("did not end within 120s"))
        );
    }
}
