//! Values live as long as they were told to.
//!
//! Time is asked in the safe direction only, so that a slow machine cannot fail a check: "too late"
//! is judged by a clock read *before* the read began, "too early" by one read *after* it ended.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures::future::try_join_all;
use hitbox_core::{CacheKey, CacheValue, Raw, Stamp, clock};

use super::{
    check::{CheckResult, checks, violation},
    sample::{expiring, from_now, immortal, lasting},
    trial::Trial,
};

checks! { "expiry":
    below_a_second,
    live_value_is_not_lost_early,
    expired_write_leaves_the_key_absent,
    expired_write_removes_the_old_value,
    overwrite_with_longer_life,
    overwrite_with_no_expiry,
    overwrite_with_shorter_life,
    no_expiry_overwritten_with_one,
    stale_kept_and_dropped_on_overwrite,
}

/// Polls `key` until `value` has expired, and holds if it is never returned after that.
async fn expect_expiry(trial: &Trial, key: &CacheKey, value: &CacheValue<Raw>) -> CheckResult {
    let granularity = trial.expiry_granularity()?;
    let Some(expire) = value.expire() else {
        return Err(violation!(
            "the check expects the expiry of an immortal value"
        ));
    };
    loop {
        let asked = clock::now();
        let found = trial.read(key).await?;
        let may_be_there = asked < expire + granularity;
        match found {
            Some(found) if may_be_there => trial.same(value, Some(&found), "before its expiry")?,
            Some(_) => {
                let late = (asked - expire).num_milliseconds();
                return Err(violation!("returned {late} ms after its expiry"));
            }
            None if may_be_there => {}
            None => break,
        }
        let pause = from_now(TimeDelta::milliseconds(10));
        trial.wait_until(pause.min(expire + granularity)).await?;
    }
    let found = trial.read_many(std::slice::from_ref(key)).await?;
    if found.iter().any(Option::is_some) {
        return Err(violation!("returned by read_many after its expiry"));
    }
    trial.expect_absent(key, "again after its expiry").await
}

async fn below_a_second(trial: &Trial) -> CheckResult {
    let lives = [1, 20, 50, 150, 300, 950].map(|milliseconds| async move {
        let key = trial.key(format!("{milliseconds} ms"));
        let value = expiring("short", from_now(TimeDelta::milliseconds(milliseconds)));
        trial.write(&key, &value).await?;
        expect_expiry(trial, &key, &value).await
    });
    try_join_all(lives).await.map(drop)
}

/// A backend that cuts lives to whole seconds loses these at once.
async fn live_value_is_not_lost_early(trial: &Trial) -> CheckResult {
    const MARGIN: TimeDelta = TimeDelta::milliseconds(100);
    // Only a read that ended in time proves something; on a busy machine it may take a few tries.
    for attempt in 0..20 {
        let key = trial.key(format!("{attempt}"));
        let value = expiring("short", from_now(TimeDelta::milliseconds(900)));
        trial.write(&key, &value).await?;
        let found = trial.read(&key).await?;
        let answered = clock::now();
        let in_time = value.expire().is_some_and(|at| answered < at - MARGIN);
        if in_time {
            trial.same(&value, found.as_ref(), "well before its expiry")?;
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

fn already_expired() -> [DateTime<Utc>; 4] {
    [
        clock::now(),
        from_now(TimeDelta::seconds(-1)),
        DateTime::UNIX_EPOCH,
        // Negative as a count of milliseconds, and a huge life if taken for unsigned.
        DateTime::UNIX_EPOCH - TimeDelta::days(3_650),
    ]
}

async fn expired_write_leaves_the_key_absent(trial: &Trial) -> CheckResult {
    for (case, at) in already_expired().into_iter().enumerate() {
        let key = trial.key(format!("{case}"));
        trial.write(&key, &expiring("expired", at)).await?;
        trial.wait_until(at + trial.expiry_granularity()?).await?;
        trial
            .expect_absent(&key, &format!("that had expired at {at}, before the write"))
            .await?;
    }
    Ok(())
}

async fn expired_write_removes_the_old_value(trial: &Trial) -> CheckResult {
    for (case, at) in already_expired().into_iter().enumerate() {
        let key = trial.key(format!("{case}"));
        trial.write(&key, &immortal("old")).await?;
        trial.write(&key, &expiring("expired", at)).await?;
        trial.wait_until(at + trial.expiry_granularity()?).await?;
        trial
            .expect_absent(&key, "after an expired value was written over it")
            .await?;
    }
    Ok(())
}

/// Overwrites a short life with what `second` makes, and holds if that is there when the first
/// would be gone. Made after the first: a composition lets no value replace a younger one.
async fn outlives_the_first(trial: &Trial, second: fn() -> CacheValue<Raw>) -> CheckResult {
    let key = trial.key("overwritten");
    let first_expires = from_now(TimeDelta::milliseconds(150));
    trial.write(&key, &expiring("first", first_expires)).await?;
    let second = second();
    trial.write(&key, &second).await?;
    trial.expect(&key, &second, "after the overwrite").await?;
    // Past the granularity, and past the next round of a sweeper.
    let settled = trial.expiry_granularity()? + TimeDelta::milliseconds(100);
    trial.wait_until(first_expires + settled).await?;
    trial
        .expect(&key, &second, "after the overwritten value's expiry")
        .await
}

async fn overwrite_with_longer_life(trial: &Trial) -> CheckResult {
    outlives_the_first(trial, || lasting("second")).await
}

async fn overwrite_with_no_expiry(trial: &Trial) -> CheckResult {
    outlives_the_first(trial, || immortal("second")).await
}

async fn expires_after_overwriting(trial: &Trial, first: &CacheValue<Raw>) -> CheckResult {
    let key = trial.key("overwritten");
    trial.write(&key, first).await?;
    let second = expiring("second", from_now(TimeDelta::milliseconds(150)));
    trial.write(&key, &second).await?;
    expect_expiry(trial, &key, &second).await
}

async fn overwrite_with_shorter_life(trial: &Trial) -> CheckResult {
    expires_after_overwriting(trial, &lasting("first")).await
}

async fn no_expiry_overwritten_with_one(trial: &Trial) -> CheckResult {
    expires_after_overwriting(trial, &immortal("first")).await
}

async fn stale_kept_and_dropped_on_overwrite(trial: &Trial) -> CheckResult {
    let key = trial.key("stale");
    let early = Some(from_now(TimeDelta::minutes(-5)));
    let late = Some(from_now(TimeDelta::minutes(5)));
    let expire = Some(from_now(TimeDelta::hours(1)));
    for stale in [late, early, None, late, None, early] {
        let value =
            CacheValue::from_parts(Raw::from(b"stale".to_vec()), expire, stale, Stamp::now());
        trial.write(&key, &value).await?;
        trial
            .expect(&key, &value, &format!("after a write with stale {stale:?}"))
            .await?;
    }
    Ok(())
}
