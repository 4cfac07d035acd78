//! Typed access on top of the backend.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta};
use hitbox_core::{
    BoxContext, CacheKey, CacheStatus, CacheValue, CompressorId, Encoding, FormatId, Raw,
    ResponseSource, Stamp,
};
use serde::{Deserialize, Serialize};

use super::{
    check::{CheckResult, Stop, checks, violation},
    sample::{from_now, immortal},
    trial::{OrViolation, Trial},
};
use crate::{CacheBackend, Cacheable};

checks! { "typed":
    objects_round_trip,
    another_type_is_a_miss,
    bulk_objects_round_trip,
    undecodable_bytes_are_a_miss,
    odd_lives_are_kept_as_documented,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Profile {
    id: u64,
    name: String,
    tags: Vec<Option<String>>,
    ratio: f64,
}

/// Nothing that encodes a [`Profile`] encodes one of these.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Position {
    longitude: (f64, f64, f64, f64, f64, f64),
    latitude: [Option<i64>; 4],
}

fn profile(id: u64) -> Arc<Profile> {
    Arc::new(Profile {
        id,
        name: format!("name {id}"),
        tags: vec![None, Some(String::new()), Some(String::from("日本語"))],
        ratio: 0.25 * id as f64,
    })
}

fn lasting(object: Arc<Profile>) -> CacheValue<Arc<Profile>> {
    CacheValue::loaded(object, Stamp::now()).expires_at(from_now(TimeDelta::hours(1)))
}

async fn get<T: Cacheable>(
    trial: &Trial,
    key: &CacheKey,
) -> Result<Option<CacheValue<Arc<T>>>, Stop> {
    let mut context = BoxContext::default();
    let found = trial.backend().get_with::<T>(key, &mut context).await;
    let found = found.or_violation("get")?;
    let noted = (context.status(), context.source());
    let missed = noted == (CacheStatus::Miss, &ResponseSource::Upstream);
    if missed == found.is_some() {
        let what = found.map_or("nothing", |_| "a value");
        return Err(violation!(
            "the context says {} from {} of {what}",
            noted.0,
            noted.1
        ));
    }
    Ok(found)
}

async fn expect<T: Cacheable + PartialEq>(
    trial: &Trial,
    key: &CacheKey,
    expected: &CacheValue<Arc<T>>,
    when: &str,
) -> CheckResult {
    match get::<T>(trial, key).await? {
        None => Err(violation!("the object was missing {when}")),
        Some(found) if found == *expected => Ok(()),
        Some(_) => Err(violation!(
            "another object or life time was returned {when}"
        )),
    }
}

async fn set<T: Cacheable>(
    trial: &Trial,
    key: &CacheKey,
    value: &CacheValue<Arc<T>>,
) -> CheckResult {
    let written = trial.backend().set(key, value.clone()).await;
    written.or_violation("set")
}

async fn objects_round_trip(trial: &Trial) -> CheckResult {
    let key = trial.key("profile");
    if get::<Profile>(trial, &key).await?.is_some() {
        return Err(violation!("an object under a key never written"));
    }
    for id in 0..3 {
        let value = lasting(profile(id));
        set(trial, &key, &value).await?;
        // The first read may decode, the second take what the first has decoded.
        for _ in 0..2 {
            expect(trial, &key, &value, "after it was set").await?;
        }
    }
    trial.backend().delete(&key).await.or_violation("delete")?;
    match get::<Profile>(trial, &key).await? {
        None => Ok(()),
        Some(_) => Err(violation!("an object was returned after its deletion")),
    }
}

/// What [`CacheBackend::set`] says of lives that are over, and of stale times that are.
async fn odd_lives_are_kept_as_documented(trial: &Trial) -> CheckResult {
    let loaded = || CacheValue::loaded(profile(2), Stamp::now());
    let an_hour = from_now(TimeDelta::hours(1));
    let over: [(&str, CacheValue<_>); 3] = [
        ("no time to live", loaded().ttl(Duration::ZERO)),
        (
            "an expiry that has passed",
            loaded().expires_at(from_now(-TimeDelta::hours(1))),
        ),
        (
            "an expiry in 1970",
            loaded().expires_at(DateTime::UNIX_EPOCH),
        ),
    ];
    for (life, value) in over {
        let keys = ["single", "bulk"].map(|form| trial.key(format!("{life}, {form}")));
        for key in &keys {
            set(trial, key, &lasting(profile(1))).await?;
        }
        // Of now: in a composition, an older value is not stored in any case.
        let value = value.created_at(Stamp::now());
        set(trial, &keys[0], &value).await?;
        let entries = vec![(keys[1].clone(), value)];
        for outcome in trial.backend().set_many(entries).await {
            outcome.or_violation("set_many")?;
        }
        for key in &keys {
            if get::<Profile>(trial, key).await?.is_some() {
                return Err(violation!(
                    "an object was returned after one with {life} was set"
                ));
            }
        }
    }
    for (life, value) in [
        (
            "a stale time after its expiry",
            lasting(profile(3)).stale_at(an_hour + TimeDelta::hours(1)),
        ),
        (
            "a stale time that has passed",
            lasting(profile(3)).stale_at(DateTime::UNIX_EPOCH),
        ),
    ] {
        let key = trial.key(life);
        set(trial, &key, &value).await?;
        expect(trial, &key, &value, &format!("that has {life}")).await?;
    }
    Ok(())
}

async fn another_type_is_a_miss(trial: &Trial) -> CheckResult {
    let key = trial.key("profile");
    let value = lasting(profile(1));
    set(trial, &key, &value).await?;
    if get::<Position>(trial, &key).await?.is_some() {
        return Err(violation!("an object was returned as another type"));
    }
    expect(trial, &key, &value, "after a read as another type").await?;
    let position = value.map(|_| {
        Arc::new(Position {
            longitude: (0.5, 1.5, 2.5, 3.5, 4.5, 5.5),
            latitude: [None, Some(-1), Some(i64::MAX), None],
        })
    });
    let position = position.created_at(hitbox_core::Stamp::now());
    set(trial, &key, &position).await?;
    expect(trial, &key, &position, "set over one of another type").await?;
    match get::<Profile>(trial, &key).await? {
        None => Ok(()),
        Some(_) => Err(violation!(
            "an overwritten object of another type was returned"
        )),
    }
}

async fn bulk_objects_round_trip(trial: &Trial) -> CheckResult {
    let written: Vec<_> = (0..5)
        .map(|id| (trial.key(format!("{id}")), lasting(profile(id))))
        .collect();
    for outcome in trial.backend().set_many(written.clone()).await {
        outcome.or_violation("set_many")?;
    }
    let mut keys: Vec<CacheKey> = written.iter().map(|(key, _)| key.clone()).collect();
    keys.insert(2, trial.key("missing"));
    let mut contexts = vec![BoxContext::default(); keys.len()];
    let found = trial
        .backend()
        .get_many_with::<Profile>(&keys, &mut contexts)
        .await;
    if found.len() != keys.len() {
        return Err(violation!(
            "get_many of 6 keys returned {} outcomes",
            found.len()
        ));
    }
    let mut expected: Vec<_> = written.into_iter().map(|(_, value)| Some(value)).collect();
    expected.insert(2, None);
    for (position, (found, expected)) in found.into_iter().zip(expected).enumerate() {
        let hit = contexts[position].status() == CacheStatus::Hit;
        if hit != expected.is_some() || found.or_violation("get_many")? != expected {
            return Err(violation!(
                "the wrong object or status at position {position} of get_many"
            ));
        }
    }
    for outcome in trial.backend().delete_many(&keys).await {
        outcome.or_violation("delete_many")?;
    }
    match get::<Profile>(trial, &keys[0]).await? {
        None => Ok(()),
        Some(_) => Err(violation!("an object was returned after delete_many")),
    }
}

/// Sound stored forms whose payload typed access cannot read.
async fn undecodable_bytes_are_a_miss(trial: &Trial) -> CheckResult {
    let encodings = [
        (
            "a format nobody has",
            FormatId::from_stored(99),
            CompressorId::NONE,
        ),
        ("noise as bincode", FormatId::BINCODE, CompressorId::NONE),
        ("noise as JSON", FormatId::JSON, CompressorId::NONE),
        (
            "noise as the backend's format",
            FormatId::OPAQUE,
            CompressorId::NONE,
        ),
        (
            "a compressor nobody has",
            FormatId::BINCODE,
            CompressorId::from_stored(99),
        ),
        ("noise as gzip", FormatId::BINCODE, CompressorId::GZIP),
        ("noise as zstd", FormatId::BINCODE, CompressorId::ZSTD),
        ("noise as LZ4", FormatId::BINCODE, CompressorId::LZ4),
    ];
    for (what, format, compressor) in encodings {
        // 0xff is the start of nothing: no length, no JSON, no compressed frame.
        for payload in [vec![0xff; 40], Vec::new()] {
            let key = trial.key(what);
            let encoding = Encoding {
                format,
                compressor,
                shape: 0,
            };
            let value = immortal([]).map(|_| Raw::new(payload.into(), encoding));
            trial.write(&key, &value).await?;
            if get::<Profile>(trial, &key).await?.is_some() {
                return Err(violation!("an object was returned from {what}"));
            }
            let profile = lasting(profile(7));
            set(trial, &key, &profile).await?;
            expect(trial, &key, &profile, &format!("set over {what}")).await?;
        }
    }
    Ok(())
}
