//! The bulk forms do to each key what the single forms do.

use chrono::TimeDelta;
use hitbox_core::{CacheKey, CacheValue, Raw, Stamp};

use super::{
    check::{CheckResult, checks, violation},
    removal::{expect_deleted, expect_missing},
    sample::{expiring, from_now, immortal, incompressible, lasting},
    trial::Trial,
};
use crate::{BackendErrorKind, DeleteStatus};

checks! { "bulk":
    nothing_asked,
    read_in_order_with_misses_and_duplicates,
    write_is_seen_by_single_reads,
    later_duplicate_wins,
    more_keys_than_a_batch_holds,
    expired_entries_are_absent,
    remove_in_order_with_misses,
    remove_of_duplicates,
    oversized_entry_fails_alone,
}

/// As many keys of the trial, each with a value of its own.
fn entries(trial: &Trial, count: usize) -> Vec<(CacheKey, CacheValue<Raw>)> {
    let entry = |index: usize| {
        let name = format!("{index}");
        (trial.key(&name), lasting(name))
    };
    (0..count).map(entry).collect()
}

async fn nothing_asked(trial: &Trial) -> CheckResult {
    trial.read_many(&[]).await?;
    trial.write_many(Vec::new()).await?;
    trial.remove_many(&[]).await.map(drop)
}

async fn read_in_order_with_misses_and_duplicates(trial: &Trial) -> CheckResult {
    let written = entries(trial, 4);
    for (key, value) in &written {
        trial.write(key, value).await?;
    }
    let missing = trial.key("missing");
    // Neither sorted nor grouped, so that an answer in the store's own order shows.
    let order = [
        Some(3),
        None,
        Some(0),
        Some(3),
        Some(1),
        None,
        Some(0),
        Some(2),
    ];
    let keys = order.map(|index| {
        index
            .map_or(&missing, |index: usize| &written[index].0)
            .clone()
    });
    let found = trial.read_many(&keys).await?;
    for (position, (index, found)) in order.into_iter().zip(&found).enumerate() {
        let at = format!("at position {position} of read_many");
        match (index, found) {
            (Some(index), found) => trial.same(&written[index].1, found.as_ref(), &at)?,
            (None, None) => {}
            (None, Some(_)) => return Err(violation!("a value in place of a miss {at}")),
        }
    }
    Ok(())
}

async fn write_is_seen_by_single_reads(trial: &Trial) -> CheckResult {
    let mut written = entries(trial, 5);
    written[1].1 = immortal("no expiry");
    written[2].1 = CacheValue::loaded(
        Raw::from(incompressible(trial.at_most_largest(100_000))),
        Stamp::now(),
    )
    .stale_at(from_now(TimeDelta::minutes(1)));
    for (key, _) in &written {
        trial.write(key, &lasting("old")).await?;
    }
    // Made anew: a write must not look older than what it replaces.
    for (_, value) in &mut written {
        *value = value.clone().created_at(hitbox_core::Stamp::now());
    }
    trial.write_many(written.clone()).await?;
    for (key, value) in &written {
        trial.expect(key, value, "after write_many").await?;
    }
    Ok(())
}

async fn later_duplicate_wins(trial: &Trial) -> CheckResult {
    let (key, other) = (trial.key("twice"), trial.key("once"));
    let (first, between, second) = (lasting("first"), lasting("between"), immortal("second"));
    let entries = vec![
        (key.clone(), first),
        (other.clone(), between.clone()),
        (key.clone(), second.clone()),
    ];
    trial.write_many(entries).await?;
    trial
        .expect(&key, &second, "after write_many gave its key twice")
        .await?;
    trial
        .expect(&other, &between, "after write_many with duplicates")
        .await
}

/// Stores limit how many keys a request may have (25 and 100 are usual).
async fn more_keys_than_a_batch_holds(trial: &Trial) -> CheckResult {
    let written = entries(trial, 303);
    let mut keys: Vec<CacheKey> = written.iter().map(|(key, _)| key.clone()).collect();
    trial.write_many(written.clone()).await?;
    let found = trial.read_many(&keys).await?;
    for (index, ((_, value), found)) in written.iter().zip(&found).enumerate() {
        trial.same(value, found.as_ref(), &format!("as key {index} of 303"))?;
    }
    keys.push(trial.key("missing"));
    let statuses = trial.remove_many(&keys).await?;
    for (index, status) in statuses.into_iter().enumerate() {
        let when = format!("of key {index} of 304");
        if index < written.len() {
            expect_deleted(status, &when)?;
        } else {
            expect_missing(status, &when)?;
        }
    }
    let found = trial.read_many(&keys).await?;
    match found.iter().position(Option::is_some) {
        None => Ok(()),
        Some(index) => Err(violation!("key {index} of 304 is there after remove_many")),
    }
}

async fn expired_entries_are_absent(trial: &Trial) -> CheckResult {
    let mut written = entries(trial, 3);
    for (key, value) in &written {
        trial.write(key, value).await?;
    }
    written[0].1 = lasting("new");
    written[1].1 = expiring("expired", from_now(TimeDelta::minutes(-1)));
    written[2].1 = lasting("new");
    trial.write_many(written.clone()).await?;
    let keys: Vec<CacheKey> = written.iter().map(|(key, _)| key.clone()).collect();
    let found = trial.read_many(&keys).await?;
    let when = "beside an expired entry in write_many";
    trial.same(&written[0].1, found[0].as_ref(), when)?;
    trial.same(&written[2].1, found[2].as_ref(), when)?;
    match found[1] {
        None => Ok(()),
        Some(_) => Err(violation!(
            "a value was returned after write_many wrote an expired one"
        )),
    }
}

async fn remove_in_order_with_misses(trial: &Trial) -> CheckResult {
    let written = entries(trial, 4);
    trial.write_many(written.clone()).await?;
    let [kept, a, b, c] = [0, 1, 2, 3].map(|index: usize| written[index].0.clone());
    let statuses = trial
        .remove_many(&[trial.key("missing"), c, trial.key("also missing"), a, b])
        .await?;
    expect_missing(statuses[0], "at position 0 of remove_many")?;
    expect_deleted(statuses[1], "at position 1 of remove_many")?;
    expect_missing(statuses[2], "at position 2 of remove_many")?;
    expect_deleted(statuses[3], "at position 3 of remove_many")?;
    expect_deleted(statuses[4], "at position 4 of remove_many")?;
    for (key, _) in &written[1..] {
        trial.expect_absent(key, "after remove_many").await?;
    }
    trial
        .expect(&kept, &written[0].1, "though remove_many did not name it")
        .await
}

/// The entry is there once, and which of the equal keys found it depends on how the store batches.
async fn remove_of_duplicates(trial: &Trial) -> CheckResult {
    let key = trial.key("twice");
    trial.write(&key, &lasting("value")).await?;
    let statuses = trial.remove_many(&[key.clone(), key.clone()]).await?;
    if statuses
        .iter()
        .all(|status| *status == DeleteStatus::Missing)
    {
        return Err(violation!(
            "remove_many of a key given twice said Missing twice"
        ));
    }
    trial.expect_absent(&key, "after remove_many").await
}

async fn oversized_entry_fails_alone(trial: &Trial) -> CheckResult {
    let limit = trial.largest_value()?;
    let written = entries(trial, 5);
    for (key, _) in &written {
        trial.write(key, &lasting("old")).await?;
    }
    let mut written = entries(trial, 5);
    written[2].1 = lasting(incompressible(limit + 1));
    let outcomes = trial.backend().write_many(written.clone()).await;
    if outcomes.len() != written.len() {
        return Err(violation!(
            "write_many of 5 entries returned {} outcomes",
            outcomes.len()
        ));
    }
    for (index, (outcome, (key, value))) in outcomes.iter().zip(&written).enumerate() {
        match outcome {
            Ok(()) if index != 2 => trial.expect(key, value, "beside an oversized one").await?,
            Err(error) if index == 2 && error.kind() == BackendErrorKind::TooLarge => {
                trial
                    .expect_absent(key, "after its oversized successor was refused in bulk")
                    .await?;
            }
            Ok(()) => return Err(violation!("write_many took an oversized entry")),
            Err(error) => return Err(violation!("entry {index} of write_many failed: {error}")),
        }
    }
    Ok(())
}
