//! What is written without waiting is written.

use hitbox_core::{CacheKey, CacheValue, Raw};

use super::{
    check::{CheckResult, checks, violation},
    sample::{expiring, from_now, immortal, incompressible, lasting},
    trial::{OrViolation, Trial},
};
use crate::{Attempt, BackendErrorKind, BackendResult, WriteAttempt};

checks! { "at_once":
    writes_take_effect,
    refills_take_effect,
    expired_values_leave_nothing,
    oversized_values_leave_nothing,
    what_is_not_begun_leaves_nothing,
}

/// What came of a write as far as it went at once, and then to its end.
async fn end(writing: WriteAttempt<'_>) -> Option<BackendResult<()>> {
    match writing {
        Attempt::Ready(outcome) => Some(outcome),
        Attempt::Pending(rest) => Some(rest.await),
        Attempt::WouldBlock(_) => None,
    }
}

/// Over nothing, and over an older value.
async fn takes_effect<'a>(
    trial: &'a Trial,
    key: &'a CacheKey,
    begin: impl Fn(CacheValue<Raw>) -> WriteAttempt<'a>,
) -> CheckResult {
    for value in [lasting("first"), immortal("second"), lasting("third")] {
        if let Some(outcome) = end(begin(value.clone())).await {
            outcome.or_violation("a write at once")?;
            trial.expect(key, &value, "written at once").await?;
        }
    }
    Ok(())
}

async fn writes_take_effect(trial: &Trial) -> CheckResult {
    let key = trial.key("key");
    takes_effect(trial, &key, |value| trial.backend().try_write(&key, value)).await
}

async fn refills_take_effect(trial: &Trial) -> CheckResult {
    let key = trial.key("key");
    takes_effect(trial, &key, |value| trial.backend().try_refill(&key, value)).await
}

async fn expired_values_leave_nothing(trial: &Trial) -> CheckResult {
    let key = trial.key("key");
    trial.write(&key, &lasting("old")).await?;
    let expired = expiring("expired", from_now(chrono::TimeDelta::hours(-1)));
    match end(trial.backend().try_write(&key, expired)).await {
        Some(outcome) => {
            outcome.or_violation("a write of an expired value at once")?;
            trial.expect_absent(&key, "that was written expired").await
        }
        None => Ok(()),
    }
}

async fn oversized_values_leave_nothing(trial: &Trial) -> CheckResult {
    let limit = trial.largest_value()?;
    let key = trial.key("key");
    trial.write(&key, &lasting("old")).await?;
    let oversized = lasting(incompressible(limit + 1));
    match end(trial.backend().try_write(&key, oversized)).await {
        None => Ok(()),
        Some(Err(error)) if error.kind() == BackendErrorKind::TooLarge => {
            trial.expect_absent(&key, "that was refused at once").await
        }
        Some(outcome) => Err(violation!(
            "a write of {limit} bytes and one more at once: {outcome:?}"
        )),
    }
}

/// Where it is not begun, nothing is there, and the value is given back.
async fn what_is_not_begun_leaves_nothing(trial: &Trial) -> CheckResult {
    let key = trial.key("key");
    let value = lasting("new");
    let Attempt::WouldBlock(returned) = trial.backend().try_write(&key, value.clone()) else {
        return Ok(());
    };
    if returned != value {
        return Err(violation!("another value is given back than was given"));
    }
    trial.expect_absent(&key, "whose write was not begun").await
}
