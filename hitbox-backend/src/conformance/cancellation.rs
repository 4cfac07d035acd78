//! A dropped future leaves the old value or the new one, and a backend that still works.

use std::{future::Future, pin::pin, time::Duration};

use chrono::TimeDelta;
use hitbox_core::{CacheKey, CacheValue, Raw, Stamp};

use super::{
    check::{CheckResult, checks, violation},
    sample::{from_now, immortal, incompressible, lasting},
    trial::Trial,
};

checks! { "cancellation":
    dropped_write_leaves_old_or_new,
    dropped_write_to_an_absent_key,
    dropped_bulk_write_leaves_old_or_new,
    dropped_remove_leaves_old_or_nothing,
    dropped_read_changes_nothing,
}

/// How far a future gets before it is dropped.
#[derive(Clone, Copy, Debug)]
enum Cut {
    /// It is polled so often, without being woken in between.
    Polls(usize),
    /// It runs so long, as under a caller's deadline.
    Microseconds(u64),
}

const CUTS: [Cut; 10] = [
    Cut::Polls(0),
    Cut::Polls(1),
    Cut::Polls(2),
    Cut::Polls(3),
    Cut::Polls(5),
    Cut::Polls(8),
    Cut::Microseconds(50),
    Cut::Microseconds(200),
    Cut::Microseconds(1_000),
    Cut::Microseconds(5_000),
];

async fn cut_off<F: Future>(future: F, cut: Cut) {
    match cut {
        Cut::Polls(polls) => {
            let mut future = pin!(future);
            for _ in 0..polls {
                if futures::poll!(&mut future).is_ready() {
                    return;
                }
                tokio::task::yield_now().await;
            }
        }
        Cut::Microseconds(limit) => {
            let _cut_off = tokio::time::timeout(Duration::from_micros(limit), future).await;
        }
    }
}

/// Holds if what is read under `key` is one of `allowed`, now and when a request that was already
/// on its way has arrived. `None` among them allows a miss.
async fn expect_one_of(
    trial: &Trial,
    key: &CacheKey,
    allowed: &[Option<&CacheValue<Raw>>],
    when: &str,
) -> CheckResult {
    for _ in 0..3 {
        let found = trial.read(key).await?;
        let fits = |allowed: &Option<&CacheValue<Raw>>| match (allowed, &found) {
            (None, None) => true,
            (Some(allowed), Some(found)) => trial.is_same(allowed, found),
            (None, Some(_)) | (Some(_), None) => false,
        };
        if !allowed.iter().any(fits) {
            let what = found.map_or("nothing", |_| "neither the old nor the new value");
            return Err(violation!("{what} was read {when}"));
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Ok(())
}

/// Different from [`lasting`] in every respect.
fn new_value() -> CacheValue<Raw> {
    CacheValue::loaded(Raw::from(incompressible(3_000)), Stamp::now())
        .expires_at(from_now(TimeDelta::hours(3)))
        .stale_at(from_now(TimeDelta::hours(2)))
}

/// Holds if a write that is not cut off takes effect. The one that was may still arrive late, and
/// then wins.
async fn still_works(
    trial: &Trial,
    key: &CacheKey,
    late: Option<&CacheValue<Raw>>,
    when: &str,
) -> CheckResult {
    let next = immortal("next");
    trial.write(key, &next).await?;
    expect_one_of(trial, key, &[Some(&next), late], when).await
}

async fn dropped_write_leaves_old_or_new(trial: &Trial) -> CheckResult {
    for cut in CUTS {
        let key = trial.key(format!("{cut:?}"));
        let old = lasting("old");
        trial.write(&key, &old).await?;
        let new = new_value();
        cut_off(trial.backend().write(&key, new.clone()), cut).await;
        let when = format!("after an overwrite dropped at {cut:?}");
        expect_one_of(trial, &key, &[Some(&old), Some(&new)], &when).await?;
        still_works(
            trial,
            &key,
            Some(&new),
            &format!("{when} and another write"),
        )
        .await?;
    }
    Ok(())
}

async fn dropped_write_to_an_absent_key(trial: &Trial) -> CheckResult {
    for cut in CUTS {
        let key = trial.key(format!("{cut:?}"));
        let new = new_value();
        cut_off(trial.backend().write(&key, new.clone()), cut).await;
        let when = format!("after a first write dropped at {cut:?}");
        expect_one_of(trial, &key, &[None, Some(&new)], &when).await?;
        still_works(
            trial,
            &key,
            Some(&new),
            &format!("{when} and another write"),
        )
        .await?;
    }
    Ok(())
}

async fn dropped_bulk_write_leaves_old_or_new(trial: &Trial) -> CheckResult {
    for cut in CUTS {
        let keys = [0, 1, 2, 3].map(|index| trial.key(format!("{index} {cut:?}")));
        let old = lasting("old");
        for key in &keys {
            trial.write(key, &old).await?;
        }
        let new = new_value();
        let entries = keys.iter().map(|key| (key.clone(), new.clone())).collect();
        cut_off(trial.backend().write_many(entries), cut).await;
        let when = format!("after a bulk write dropped at {cut:?}");
        for key in &keys {
            expect_one_of(trial, key, &[Some(&old), Some(&new)], &when).await?;
        }
    }
    Ok(())
}

async fn dropped_remove_leaves_old_or_nothing(trial: &Trial) -> CheckResult {
    for cut in CUTS {
        let key = trial.key(format!("{cut:?}"));
        let old = lasting("old");
        trial.write(&key, &old).await?;
        cut_off(trial.backend().remove(&key), cut).await;
        let when = format!("after a remove dropped at {cut:?}");
        expect_one_of(trial, &key, &[Some(&old), None], &when).await?;
        still_works(trial, &key, None, &format!("{when} and another write")).await?;
    }
    Ok(())
}

async fn dropped_read_changes_nothing(trial: &Trial) -> CheckResult {
    for cut in CUTS {
        let key = trial.key(format!("{cut:?}"));
        let value = lasting("value");
        trial.write(&key, &value).await?;
        cut_off(trial.backend().read(&key), cut).await;
        cut_off(trial.backend().read_many(&[key.clone(), key.clone()]), cut).await;
        let when = format!("after a read dropped at {cut:?}");
        trial.expect(&key, &value, &when).await?;
    }
    Ok(())
}
