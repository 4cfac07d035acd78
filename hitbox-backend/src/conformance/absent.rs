//! That there is no such thing is kept like a value, or refused by who cannot keep it.

use std::{sync::Arc, time::Duration};

use hitbox_core::{BoxContext, CacheKey, CacheStatus, CacheValue, Stamp};

use super::{
    check::{CheckResult, Stop, checks, violation},
    sample::from_now,
    trial::{OrViolation, Trial},
};
use crate::{BackendErrorKind, CacheBackend, Known};

checks! { "absent":
    it_comes_back_as_what_it_is,
    it_and_objects_take_the_place_of_each_other,
    it_comes_back_in_bulk,
}

fn nothing() -> CacheValue<Known<String>> {
    CacheValue::loaded(Known::Absent, Stamp::now())
        .expires_at(from_now(chrono::TimeDelta::hours(1)))
}

fn text(text: &str) -> CacheValue<Known<String>> {
    nothing()
        .map(|_| Known::Present(Arc::new(text.to_owned())))
        .created_at(Stamp::now())
}

fn keeps_it(trial: &Trial) -> Result<(), Stop> {
    if trial.backend().capabilities().keeps_metadata {
        return Ok(());
    }
    Err(Stop::NotCalledFor("the backend does not keep metadata"))
}

async fn set(trial: &Trial, key: &CacheKey, value: CacheValue<Known<String>>) -> CheckResult {
    let written = trial.backend().set_known(key, value).await;
    written.or_violation("set_known")
}

/// Holds if typed access finds `expected`, of which the context says a hit, or that it is stale.
async fn expect(
    trial: &Trial,
    key: &CacheKey,
    expected: &CacheValue<Known<String>>,
    when: &str,
) -> CheckResult {
    let mut context = BoxContext::default();
    let found = trial
        .backend()
        .get_known::<String>(key, &mut context)
        .await
        .or_violation("get_known")?;
    check(expected, found, &context, when)
}

fn check(
    expected: &CacheValue<Known<String>>,
    found: Option<CacheValue<Known<String>>>,
    context: &BoxContext,
    when: &str,
) -> CheckResult {
    let Some(found) = found else {
        let what = expected.data();
        return Err(violation!("what is {what:?} was a miss {when}"));
    };
    if found != *expected {
        let (what, read) = (expected.data(), found.data());
        return Err(violation!(
            "{read:?}, or other life times, was returned for what is {what:?} {when}"
        ));
    }
    let is_stale = context.status() == CacheStatus::Stale;
    if context.status() == CacheStatus::Miss || is_stale != expected.is_stale() {
        let status = context.status();
        return Err(violation!("the context says {status} {when}"));
    }
    Ok(())
}

async fn it_comes_back_as_what_it_is(trial: &Trial) -> CheckResult {
    if keeps_it(trial).is_err() {
        return it_is_refused(trial).await;
    }
    let key = trial.key("nothing");
    for value in [
        nothing(),
        nothing().stale_after(Duration::ZERO),
        CacheValue::loaded(Known::Absent, Stamp::now()),
    ] {
        let value = value.created_at(Stamp::now());
        set(trial, &key, value.clone()).await?;
        for _ in 0..2 {
            expect(trial, &key, &value, "after it was set").await?;
        }
        let mut context = BoxContext::default();
        let object = trial.backend().get_with::<String>(&key, &mut context).await;
        if object.or_violation("get_with")?.is_some() || context.status() != CacheStatus::Miss {
            return Err(violation!("an object was returned of what is absent"));
        }
    }
    let raw = trial.read(&key).await?;
    if !raw.is_some_and(|value| value.data().is_absent()) {
        return Err(violation!("a plain read does not say that it is absent"));
    }
    trial.remove(&key).await?;
    trial.expect_absent(&key, "after it was removed").await
}

/// Who cannot keep it has the value that it had before.
async fn it_is_refused(trial: &Trial) -> CheckResult {
    let keys = ["single", "bulk"].map(|form| trial.key(form));
    let kept = text("kept");
    for key in &keys {
        set(trial, key, kept.clone()).await?;
    }
    let single = trial.backend().set_known(&keys[0], nothing()).await;
    let entries = vec![(keys[1].clone(), nothing())];
    let bulk = trial.backend().set_many_known(entries).await;
    for refused in std::iter::once(single).chain(bulk) {
        if refused.err().map(|error| error.kind()) != Some(BackendErrorKind::InvalidConfiguration) {
            return Err(violation!(
                "the capabilities say that it is not kept, and it was not refused"
            ));
        }
    }
    for key in &keys {
        expect(trial, key, &kept, "after the refusal").await?;
    }
    Ok(())
}

async fn it_and_objects_take_the_place_of_each_other(trial: &Trial) -> CheckResult {
    keeps_it(trial)?;
    let key = trial.key("comes and goes");
    for _ in 0..2 {
        for value in [text("there"), nothing()] {
            let value = value.created_at(Stamp::now());
            set(trial, &key, value.clone()).await?;
            expect(trial, &key, &value, "set over the other").await?;
        }
    }
    let over = nothing().ttl(Duration::ZERO).created_at(Stamp::now());
    set(trial, &key, over).await?;
    trial.expect_absent(&key, "whose life was over").await
}

async fn it_comes_back_in_bulk(trial: &Trial) -> CheckResult {
    keeps_it(trial)?;
    let written: Vec<_> = (0..6)
        .map(|index| {
            let name = format!("{index}");
            let value = if index % 2 == 0 {
                nothing()
            } else {
                text(&name)
            };
            (trial.key(&name), value)
        })
        .collect();
    for outcome in trial.backend().set_many_known(written.clone()).await {
        outcome.or_violation("set_many_known")?;
    }
    let keys: Vec<_> = written.iter().map(|(key, _)| key.clone()).collect();
    let mut contexts = vec![BoxContext::default(); keys.len()];
    let found = trial
        .backend()
        .get_many_known::<String>(&keys, &mut contexts)
        .await;
    for (((_, expected), found), context) in written.iter().zip(found).zip(&contexts) {
        let found = found.or_violation("get_many_known")?;
        check(expected, found, context, "in bulk")?;
    }
    let objects = trial.backend().get_many::<String>(&keys).await;
    for ((_, expected), object) in written.iter().zip(objects) {
        let object = object.or_violation("get_many")?.map(CacheValue::into_inner);
        if object != expected.data().present().cloned() {
            return Err(violation!(
                "get_many tells another thing than get_many_known"
            ));
        }
    }
    Ok(())
}
