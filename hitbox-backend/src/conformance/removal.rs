//! What is removed is gone, and the status says what was found.

use super::{
    check::{CheckResult, checks, violation},
    sample::{immortal, lasting},
    trial::Trial,
};
use crate::DeleteStatus;

checks! { "removal":
    present_key_is_deleted,
    absent_key_is_missing,
    second_remove_finds_nothing,
    neighbours_stay,
    key_can_be_written_again,
}

pub(super) fn expect_deleted(status: DeleteStatus, when: &str) -> CheckResult {
    match status {
        DeleteStatus::Deleted(1..) => Ok(()),
        DeleteStatus::Deleted(0) | DeleteStatus::Missing => {
            Err(violation!("remove said {status:?} {when}"))
        }
    }
}

pub(super) fn expect_missing(status: DeleteStatus, when: &str) -> CheckResult {
    match status {
        DeleteStatus::Missing => Ok(()),
        DeleteStatus::Deleted(_) => Err(violation!("remove said {status:?} {when}")),
    }
}

async fn present_key_is_deleted(trial: &Trial) -> CheckResult {
    let values = [lasting("lasting"), immortal("immortal"), lasting([])];
    for (case, value) in values.into_iter().enumerate() {
        let key = trial.key(format!("{case}"));
        trial.write(&key, &value).await?;
        expect_deleted(trial.remove(&key).await?, "of a present key")?;
        trial.expect_absent(&key, "after its removal").await?;
    }
    Ok(())
}

async fn absent_key_is_missing(trial: &Trial) -> CheckResult {
    let key = trial.key("never written");
    expect_missing(trial.remove(&key).await?, "of a key never written")?;
    trial
        .expect_absent(&key, "after the removal of nothing")
        .await
}

async fn second_remove_finds_nothing(trial: &Trial) -> CheckResult {
    let key = trial.key("removed twice");
    trial.write(&key, &lasting("value")).await?;
    expect_deleted(trial.remove(&key).await?, "of a present key")?;
    expect_missing(trial.remove(&key).await?, "the second time")
}

async fn neighbours_stay(trial: &Trial) -> CheckResult {
    // Also not to be taken for a pattern or a prefix.
    let names = ["a", "ab", "b", "*", "?", "a*"];
    for removed in names {
        for name in names {
            let value = lasting(name);
            trial.write(&trial.key(name), &value).await?;
        }
        trial.remove(&trial.key(removed)).await?;
        for name in names {
            let present = trial.read(&trial.key(name)).await?.is_some();
            if present == (name == removed) {
                return Err(violation!(
                    "after the removal of {removed:?}, {name:?} is {}",
                    if present { "still there" } else { "gone" }
                ));
            }
        }
    }
    Ok(())
}

async fn key_can_be_written_again(trial: &Trial) -> CheckResult {
    let key = trial.key("rewritten");
    for _ in 0..3 {
        let value = lasting("the same each time");
        trial.write(&key, &value).await?;
        trial
            .expect(&key, &value, "written after its removal")
            .await?;
        expect_deleted(trial.remove(&key).await?, "of a rewritten key")?;
        trial.expect_absent(&key, "after its removal").await?;
    }
    Ok(())
}
