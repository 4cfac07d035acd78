//! What is written comes back unchanged.

use chrono::{DateTime, TimeDelta, Utc};
use hitbox_core::{CacheValue, CompressorId, Encoding, FormatId, Raw, Stamp};

use super::{
    check::{CheckResult, checks},
    sample::{from_now, immortal, incompressible, lasting},
    trial::Trial,
};

checks! { "round_trip":
    payloads_of_every_size,
    compressible_payloads,
    encodings,
    life_times,
    far_expiry,
    overwrite_replaces_everything,
    absent_key_is_a_miss,
}

async fn payloads_of_every_size(trial: &Trial) -> CheckResult {
    for length in [0, 1, 2, 255, 256, 4_096, 65_536, 1 << 20] {
        let length = trial.at_most_largest(length);
        let key = trial.key(format!("{length}"));
        let value = lasting(incompressible(length));
        trial.write(&key, &value).await?;
        trial
            .expect(&key, &value, &format!("after a write of {length} bytes"))
            .await?;
    }
    Ok(())
}

async fn compressible_payloads(trial: &Trial) -> CheckResult {
    let length = trial.at_most_largest(256 << 10);
    for byte in [0, b'a', 0xff] {
        let key = trial.key(format!("{byte}"));
        let value = lasting(vec![byte; length]);
        trial.write(&key, &value).await?;
        trial
            .expect(&key, &value, "after a write of repeated bytes")
            .await?;
    }
    Ok(())
}

async fn encodings(trial: &Trial) -> CheckResult {
    let formats = [
        FormatId::OPAQUE,
        FormatId::BINCODE,
        FormatId::JSON,
        FormatId::custom(200),
        FormatId::custom(255),
    ];
    // A payload that says it is compressed already is not the backend's to judge.
    let compressors = [
        CompressorId::NONE,
        CompressorId::GZIP,
        CompressorId::custom(200),
    ];
    for format in formats {
        for compressor in compressors {
            for shape in [0, 1, u64::MAX - 1, u64::MAX] {
                let encoding = Encoding {
                    format,
                    compressor,
                    shape,
                };
                let key = trial.key(format!("{encoding:?}"));
                let value = lasting([]).map(|_| Raw::new(b"payload"[..].into(), encoding));
                trial.write(&key, &value).await?;
                trial
                    .expect(&key, &value, &format!("under {encoding:?}"))
                    .await?;
            }
        }
    }
    Ok(())
}

async fn life_times(trial: &Trial) -> CheckResult {
    let past = Some(from_now(TimeDelta::hours(-1)));
    let soon = Some(from_now(TimeDelta::milliseconds(1_800_123)));
    let later = Some(from_now(TimeDelta::milliseconds(3_600_789)));
    let cases = [
        ("neither", None, None),
        ("expire", later, None),
        ("expire and stale", later, soon),
        ("stale after expire", soon, later),
        ("expire, stale already", later, past),
        ("stale", None, soon),
        ("stale already", None, past),
    ];
    for (name, expire, stale) in cases {
        let key = trial.key(name);
        let value = CacheValue::from_parts(
            Raw::from(name.as_bytes().to_vec()),
            expire,
            stale,
            Stamp::now(),
        );
        trial.write(&key, &value).await?;
        trial
            .expect(&key, &value, &format!("with life times: {name}"))
            .await?;
    }
    Ok(())
}

/// Clients overflow on times that their authors did not think of.
async fn far_expiry(trial: &Trial) -> CheckResult {
    let far = [
        from_now(TimeDelta::days(366 * 50)),
        from_now(TimeDelta::days(366 * 2_000)),
        DateTime::<Utc>::MAX_UTC,
    ];
    for at in far {
        let key = trial.key(at.to_rfc3339());
        let value = CacheValue::loaded(Raw::from(b"far".to_vec()), Stamp::now())
            .expires_at(at)
            .stale_at(at);
        trial.write(&key, &value).await?;
        trial
            .expect(&key, &value, &format!("with expiry at {at}"))
            .await?;
    }
    Ok(())
}

async fn overwrite_replaces_everything(trial: &Trial) -> CheckResult {
    let key = trial.key("overwritten");
    let stale = from_now(TimeDelta::minutes(30));
    let values = [
        lasting(incompressible(5_000)),
        immortal(b"shorter, without expiry".to_vec()),
        CacheValue::loaded(Raw::from(Vec::new()), Stamp::now()).stale_at(stale),
        lasting(incompressible(10_000)),
        // The same payload again, as a refresh writes it.
        lasting(incompressible(10_000)),
    ];
    for (round, value) in values.iter().enumerate() {
        trial.write(&key, value).await?;
        for _ in 0..2 {
            trial
                .expect(&key, value, &format!("after write {round} of one key"))
                .await?;
        }
    }
    Ok(())
}

async fn absent_key_is_a_miss(trial: &Trial) -> CheckResult {
    let key = trial.key("never written");
    trial.expect_absent(&key, "of a key never written").await?;
    trial.expect_absent(&key, "by the second read").await
}
