//! Stored bytes that are not an undamaged stored form are a miss, and can be written over.

use hitbox_core::{BoxContext, CacheKey, CacheStatus, CacheValue, Raw, Stamp};

use super::{
    check::{CheckResult, Stop, checks, violation},
    sample::{incompressible, lasting},
    trial::{OrViolation, Trial},
};
use crate::{
    compression::NoCompression,
    stored_form::{self, HEADER_LENGTH},
};

checks! { "corruption":
    undamaged_bytes_are_read,
    foreign_bytes,
    truncated,
    flipped_bits,
    older_and_newer_versions,
    metadata_of_a_later_build,
    a_lease,
    bytes_after_the_end,
    damage_over_a_written_value,
    damage_in_bulk,
}

/// The bytes that a stored value consists of.
fn stored(value: &CacheValue<Raw>) -> Result<Vec<u8>, Stop> {
    let encoded = value.data().encoded().cloned();
    let encoded = encoded.ok_or_else(|| violation!("the sample has no bytes"))?;
    let stored = stored_form::encode(&value.clone().map(|_| encoded), &NoCompression);
    stored
        .map(|bytes| bytes.to_vec())
        .map_err(|error| violation!("the sample could not be encoded: {error}"))
}

/// Puts `bytes` under `key`, and holds if every kind of read takes them for a miss and a write
/// over them works.
async fn expect_miss(trial: &Trial, key: &CacheKey, bytes: Vec<u8>, what: &str) -> CheckResult {
    trial.corrupt(key, bytes).await?;
    trial.expect_absent(key, &format!("from {what}")).await?;
    let mut context = BoxContext::default();
    let outcome = trial.backend().read_with(key, &mut context).await;
    let found = outcome.or_violation("read_with")?;
    if found.is_some() || context.status() != CacheStatus::Miss {
        let status = context.status();
        return Err(violation!("read_with says {status}, not miss, from {what}"));
    }
    let value = lasting("written over damage");
    trial.write(key, &value).await?;
    trial
        .expect(key, &value, &format!("when written over {what}"))
        .await
}

/// Without this the other checks would pass on a `corrupt_with` that puts the bytes elsewhere.
async fn undamaged_bytes_are_read(trial: &Trial) -> CheckResult {
    let key = trial.key("undamaged");
    let value = CacheValue::loaded(Raw::from(incompressible(100)), Stamp::now());
    trial.corrupt(&key, stored(&value)?).await?;
    trial
        .expect(
            &key,
            &value,
            "from a stored form that `corrupt_with` put there",
        )
        .await
}

async fn foreign_bytes(trial: &Trial) -> CheckResult {
    let samples: [(&str, Vec<u8>); 8] = [
        ("no bytes", Vec::new()),
        ("a zero", vec![0]),
        ("zeros", vec![0; 100]),
        ("0xff", vec![0xff; 100]),
        ("text", b"another program's text".to_vec()),
        ("JSON", br#"{"data":"value","expire":null}"#.to_vec()),
        ("noise", incompressible(500)),
        ("much noise", incompressible(trial.at_most_largest(100_000))),
    ];
    for (what, bytes) in samples {
        expect_miss(trial, &trial.key(what), bytes, what).await?;
    }
    Ok(())
}

async fn truncated(trial: &Trial) -> CheckResult {
    let whole = stored(&lasting(incompressible(50)))?;
    for length in 0..whole.len() {
        let what = format!("{length} of {} bytes", whole.len());
        let bytes = whole[..length].to_vec();
        expect_miss(trial, &trial.key("truncated"), bytes, &what).await?;
    }
    Ok(())
}

async fn flipped_bits(trial: &Trial) -> CheckResult {
    let whole = stored(&lasting(incompressible(24)))?;
    for index in 0..whole.len() {
        let bit = index % 8;
        let mut bytes = whole.clone();
        bytes[index] ^= 1 << bit;
        let what = format!("bytes with bit {bit} of byte {index} flipped");
        expect_miss(trial, &trial.key("flipped"), bytes, &what).await?;
    }
    Ok(())
}

/// As the header's other fields stand in every version, so does an older one's here.
async fn older_and_newer_versions(trial: &Trial) -> CheckResult {
    const VERSION_AT: usize = 4;
    let whole = stored(&lasting("newer"))?;
    for version in [0, 1, whole[VERSION_AT] + 1, u8::MAX] {
        let mut bytes = whole.clone();
        bytes[VERSION_AT] = version;
        let what = format!("a stored form of version {version}");
        expect_miss(trial, &trial.key("another"), bytes, &what).await?;
    }
    let mut old = whole;
    old[VERSION_AT] = 1;
    // Shorter by the eight bytes that the second version has more.
    old.drain(40..48);
    expect_miss(trial, &trial.key("old"), old, "the first version's form").await
}

/// A tag that is not known must not be dropped, which it would be on the way to another layer.
async fn metadata_of_a_later_build(trial: &Trial) -> CheckResult {
    for section in [&[5, 1, 0, 7][..], &[0, 0, 0], &[200, 0, 0, 127, 0, 0]] {
        let bytes = with_metadata(&lasting("tagged"), section)?;
        expect_miss(trial, &trial.key("tagged"), bytes, "unknown metadata").await?;
    }
    // Among them one that says that there is no such thing, of a value that has data.
    for malformed in [&[200][..], &[200, 9, 0, 1], &[1, 0, 0]] {
        let bytes = with_metadata(&lasting("tagged"), malformed)?;
        expect_miss(trial, &trial.key("cut"), bytes, "malformed metadata").await?;
    }
    let value = lasting("annotated");
    let bytes = with_metadata(&value, &[200, 2, 0, 7, 7, 128, 0, 0])?;
    let key = trial.key("annotated");
    trial.corrupt(&key, bytes).await?;
    trial
        .expect(&key, &value, "from behind metadata that may be ignored")
        .await
}

fn with_metadata(value: &CacheValue<Raw>, metadata: &[u8]) -> Result<Vec<u8>, Stop> {
    let mut bytes = stored(value)?;
    bytes.splice(HEADER_LENGTH..HEADER_LENGTH, metadata.iter().copied());
    let length = u32::try_from(metadata.len()).map_err(|error| violation!("{error}"))?;
    bytes[12..16].copy_from_slice(&length.to_le_bytes());
    bytes[8..12].fill(0);
    let checksum = crc32fast::hash(&bytes);
    bytes[8..12].copy_from_slice(&checksum.to_le_bytes());
    Ok(bytes)
}

async fn a_lease(trial: &Trial) -> CheckResult {
    for length in [4, 5, HEADER_LENGTH, 200] {
        let mut bytes = vec![0x89, b'H', b'B', 0x0b];
        bytes.extend(incompressible(length - 4));
        expect_miss(trial, &trial.key("lease"), bytes, "a lease").await?;
    }
    Ok(())
}

async fn bytes_after_the_end(trial: &Trial) -> CheckResult {
    for extra in [1, 40, 1_000] {
        let mut bytes = stored(&lasting("longer"))?;
        bytes.extend(incompressible(extra));
        let what = format!("a stored form with {extra} more bytes");
        expect_miss(trial, &trial.key("longer"), bytes, &what).await?;
    }
    Ok(())
}

/// The same where the backend has seen the key, and may remember something about it.
async fn damage_over_a_written_value(trial: &Trial) -> CheckResult {
    let key = trial.key("damaged");
    trial.write(&key, &lasting("sound")).await?;
    expect_miss(trial, &key, b"damage".to_vec(), "damage over a value").await?;
    trial.corrupt(&key, b"damage".to_vec()).await?;
    // What a remove finds there is the backend's to say, but it must succeed.
    trial.remove(&key).await?;
    trial.expect_absent(&key, "after damage was removed").await
}

async fn damage_in_bulk(trial: &Trial) -> CheckResult {
    let (sound, damaged) = (trial.key("sound"), trial.key("damaged"));
    let value = lasting("sound");
    trial.write(&sound, &value).await?;
    trial.corrupt(&damaged, b"damage".to_vec()).await?;
    let found = trial
        .read_many(&[damaged.clone(), sound.clone(), damaged])
        .await?;
    trial.same(&value, found[1].as_ref(), "beside damage in read_many")?;
    if found[0].is_some() || found[2].is_some() {
        return Err(violation!("read_many returned a value from damage"));
    }
    Ok(())
}
