//! What a persistent backend keeps is there when it is opened again.

use chrono::TimeDelta;
use hitbox_core::{CacheValue, Stamp};

use super::{
    check::{CheckResult, Stop, checks, violation},
    sample::{expiring, from_now, immortal, incompressible, lasting},
    trial::{OrViolation, Trial},
};

checks! { "persistence":
    values_survive_a_reopen,
}

async fn values_survive_a_reopen(trial: &Trial) -> CheckResult {
    if !trial.backend().capabilities().persistent {
        return Err(Stop::NotCalledFor("the backend is not persistent"));
    }
    let granularity = trial.expiry_granularity()?;
    let stale = Some(from_now(TimeDelta::minutes(-1)));
    let kept = [
        lasting("lasting"),
        immortal(incompressible(trial.at_most_largest(100_000))),
        lasting([]),
        CacheValue::from_parts(b"stale".to_vec().into(), None, stale, Stamp::now()),
    ];
    let keeps_metadata = trial.backend().capabilities().keeps_metadata;
    let absent = keeps_metadata.then(|| CacheValue::absent(Stamp::now()));
    let kept: Vec<_> = kept.into_iter().chain(absent).collect();
    let keys: Vec<_> = (0..kept.len())
        .map(|index| trial.key(format!("{index}")))
        .collect();
    let (removed, brief) = (trial.key("removed"), trial.key("brief"));
    let expire = from_now(TimeDelta::milliseconds(100));

    let before = trial.reopen().await?;
    for (key, value) in keys.iter().zip(&kept) {
        before
            .write(key, value.clone())
            .await
            .or_violation("write")?;
    }
    for (key, value) in [
        (&removed, lasting("removed")),
        (&brief, expiring("brief", expire)),
    ] {
        before.write(key, value).await.or_violation("write")?;
    }
    before.remove(&removed).await.or_violation("remove")?;
    drop(before);
    trial.wait_until(expire + granularity).await?;

    let after = trial.reopen().await?;
    for (index, (key, value)) in keys.iter().zip(&kept).enumerate() {
        let found = after.read(key).await.or_violation("read")?;
        trial.same(
            value,
            found.as_ref(),
            &format!("under key {index}, after a reopen"),
        )?;
    }
    for (key, what) in [(&removed, "removed"), (&brief, "expired")] {
        if after.read(key).await.or_violation("read")?.is_some() {
            return Err(violation!(
                "a value that was {what} is there after a reopen"
            ));
        }
    }
    for key in &keys {
        after.remove(key).await.or_violation("remove")?;
    }
    Ok(())
}
