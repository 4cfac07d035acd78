//! Who keeps objects hands out the very ones; who keeps bytes makes them of an object itself, if it is given no others.

use std::sync::Arc;

use chrono::TimeDelta;
use hitbox_core::{CacheKey, CacheValue, Raw, Stamp};

use super::{
    check::{CheckResult, checks, violation},
    sample::from_now,
    trial::{OrViolation, Trial},
};
use crate::{CacheBackend, object::type_of};

checks! { "objects":
    what_is_set_is_handed_out,
    one_without_bytes_is_kept,
}

type Object = Vec<Option<String>>;

fn object(number: usize) -> CacheValue<Arc<Object>> {
    let object = vec![None, Some(format!("object {number}"))];
    CacheValue::loaded(Arc::new(object), Stamp::now()).expires_at(from_now(TimeDelta::hours(1)))
}

/// Holds if the object of `value` is read, and the very one where objects are kept.
async fn expect(
    trial: &Trial,
    key: &CacheKey,
    value: &CacheValue<Arc<Object>>,
    how: &str,
) -> CheckResult {
    for _ in 0..2 {
        let found = trial.backend().get::<Object>(key).await;
        let Some(found) = found.or_violation("get")? else {
            return Err(violation!("an object that was {how} was missing"));
        };
        if found != *value {
            return Err(violation!(
                "another object, or life time, than the one that was {how} was returned"
            ));
        }
        let keeps_objects = !trial.backend().capabilities().keeps_bytes;
        if keeps_objects && !Arc::ptr_eq(found.data(), value.data()) {
            return Err(violation!(
                "a copy of the object that was {how} was returned: the capabilities say that it keeps no bytes"
            ));
        }
    }
    Ok(())
}

async fn what_is_set_is_handed_out(trial: &Trial) -> CheckResult {
    let (single, bulk) = (object(1), object(2));
    let keys = ["single", "bulk"].map(|form| trial.key(form));
    let written = trial.backend().set(&keys[0], single.clone()).await;
    written.or_violation("set")?;
    expect(trial, &keys[0], &single, "set").await?;
    let entries = vec![(keys[1].clone(), bulk.clone())];
    for written in trial.backend().set_many(entries).await {
        written.or_violation("set_many")?;
    }
    expect(trial, &keys[1], &bulk, "set in bulk").await
}

/// As a repair writes it: from a layer that has no bytes of it.
async fn one_without_bytes_is_kept(trial: &Trial) -> CheckResult {
    let as_raw = |object: CacheValue<Arc<Object>>| {
        object.map(|object| Raw::of_object(object, type_of::<Object>()))
    };
    let (single, bulk) = (object(1), object(2));
    let keys = ["single", "bulk"].map(|form| trial.key(form));
    trial.write(&keys[0], &as_raw(single.clone())).await?;
    expect(trial, &keys[0], &single, "written without bytes").await?;
    let entries = vec![(keys[1].clone(), as_raw(bulk.clone()))];
    trial.write_many(entries).await?;
    expect(trial, &keys[1], &bulk, "written in bulk without bytes").await
}
