//! A value over the backend's limit is refused, and nothing poses as it.

use super::{
    check::{CheckResult, checks, violation},
    sample::{immortal, incompressible, lasting},
    trial::Trial,
};
use crate::{BackendErrorKind, Operation};

checks! { "limits":
    largest_value_round_trips,
    oversized_value_is_refused,
    refusal_leaves_the_key_absent,
    refused_key_can_be_written_again,
}

async fn largest_value_round_trips(trial: &Trial) -> CheckResult {
    let limit = trial.largest_value()?;
    let key = trial.key("largest");
    let value = lasting(incompressible(limit));
    trial.write(&key, &value).await?;
    trial
        .expect(&key, &value, &format!("at the limit of {limit} bytes"))
        .await
}

/// Writes `length` incompressible bytes, which must be refused as too large.
async fn expect_refusal(trial: &Trial, key: &hitbox_core::CacheKey, length: usize) -> CheckResult {
    let written = trial.backend().write(key, lasting(incompressible(length)));
    match written.await {
        Ok(()) => Err(violation!("a write of {length} bytes was taken")),
        Err(error) if error.kind() != BackendErrorKind::TooLarge => Err(violation!(
            "a write of {length} bytes failed otherwise: {error}"
        )),
        Err(error) if error.operation() != Operation::Write => {
            Err(violation!("the error names another operation: {error}"))
        }
        Err(_) => Ok(()),
    }
}

async fn oversized_value_is_refused(trial: &Trial) -> CheckResult {
    let limit = trial.largest_value()?;
    for length in [limit + 1, limit + limit / 2 + 2] {
        let key = trial.key(format!("{length}"));
        expect_refusal(trial, &key, length).await?;
        trial.expect_absent(&key, "that was refused").await?;
    }
    Ok(())
}

async fn refusal_leaves_the_key_absent(trial: &Trial) -> CheckResult {
    let limit = trial.largest_value()?;
    for (name, old) in [("lasting", lasting("old")), ("immortal", immortal("old"))] {
        let key = trial.key(name);
        trial.write(&key, &old).await?;
        expect_refusal(trial, &key, limit + 1).await?;
        trial
            .expect_absent(&key, "after its oversized successor was refused")
            .await?;
    }
    Ok(())
}

async fn refused_key_can_be_written_again(trial: &Trial) -> CheckResult {
    let limit = trial.largest_value()?;
    let key = trial.key("again");
    expect_refusal(trial, &key, limit + 1).await?;
    let value = lasting("fits");
    trial.write(&key, &value).await?;
    trial.expect(&key, &value, "written after a refusal").await
}
