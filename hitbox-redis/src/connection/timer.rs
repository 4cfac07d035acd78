//! The limits of time on what a caller waits for.
//!
//! A timer belongs to the runtime that it was begun in. tokio panics where a caller goes on waiting after
//! that has ended, in another runtime or in none; here that is a failure like others.

use std::{any::Any, future::Future, panic::resume_unwind};

use tokio::time::{Instant, timeout_at};

use crate::{
    connection::home::{caught, words_of},
    error::{Cause, Failure},
};

/// Why something was not done.
pub(crate) enum Late {
    /// Its time is over.
    Elapsed,
    /// It may be done yet, but nobody would notice that its time is over.
    RuntimeEnded,
}

impl From<Late> for Failure {
    fn from(late: Late) -> Self {
        match late {
            Late::Elapsed => Cause::Deadline.into(),
            Late::RuntimeEnded => Cause::RuntimeEnded.into(),
        }
    }
}

/// Does this, if it is done by `until`.
pub(crate) async fn done_by<F: Future>(until: Instant, work: F) -> Result<F::Output, Late> {
    // The timer is made within, where there may be no runtime any more, either.
    match caught(async { timeout_at(until, work).await }).await {
        Ok(done) => done.map_err(|_elapsed| Late::Elapsed),
        Err(panic) if says_that_the_runtime_is_gone(&*panic) => Err(Late::RuntimeEnded),
        Err(panic) => resume_unwind(panic),
    }
}

/// tokio has no other way to tell.
fn says_that_the_runtime_is_gone(panic: &(dyn Any + Send)) -> bool {
    words_of(panic).is_some_and(|words| {
        words.contains("is being shutdown") || words.contains("there is no reactor running")
    })
}
