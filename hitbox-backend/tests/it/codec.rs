//! What an adapter to a byte store leaves to its codec.

use std::{
    sync::{Arc, Mutex},
    thread::{self, ThreadId},
    time::Duration,
};

use bytes::Bytes;
use chrono::TimeDelta;
use hitbox_backend::{
    BackendErrorKind, BackendResult, Capabilities, Compressor, Operation, Rejection, StoreSettings,
    byte_store::{Codec, Prepared},
    compression::{CompressionError, NoCompression},
    stored_form,
};
use hitbox_core::{CacheKey, CacheValue, CompressorId, Encoded, Raw, Stamp, clock};

/// Makes everything as short as it is told to, and notes on which threads.
#[derive(Clone, Debug, Default)]
struct Cutting {
    to: usize,
    threads: Arc<Mutex<Vec<ThreadId>>>,
}

impl Cutting {
    fn to(length: usize) -> Self {
        Self {
            to: length,
            ..Self::default()
        }
    }

    fn threads(&self) -> Vec<ThreadId> {
        self.threads.lock().unwrap().clone()
    }
}

impl Compressor for Cutting {
    fn id(&self) -> CompressorId {
        const { CompressorId::custom(200) }
    }

    fn compress(&self, payload: &[u8]) -> Result<Vec<u8>, CompressionError> {
        self.threads.lock().unwrap().push(thread::current().id());
        Ok(payload[..self.to].to_vec())
    }

    fn decompress(&self, compressed: &[u8], _limit: usize) -> Result<Vec<u8>, CompressionError> {
        Ok(compressed.to_vec())
    }
}

fn codec(settings: StoreSettings) -> Codec {
    Codec::new(settings, "bytes", Capabilities::default()).unwrap()
}

fn value(length: usize) -> CacheValue<Raw> {
    CacheValue::loaded(Raw::from(vec![7; length]), Stamp::now())
}

fn stored(prepared: Prepared) -> Bytes {
    match prepared {
        Prepared::Put { stored, .. } => stored,
        Prepared::Clear { outcome } => panic!("not stored: {outcome:?}"),
    }
}

fn outcome_of_clear(prepared: Prepared) -> BackendResult<()> {
    match prepared {
        Prepared::Put { .. } => panic!("stored"),
        Prepared::Clear { outcome } => outcome,
    }
}

#[tokio::test]
async fn what_is_too_large_clears_the_key_and_says_so() {
    let codec = codec(StoreSettings::new().largest_value(10));
    assert_eq!(codec.capabilities().largest_value, Some(10));
    for prepared in [
        codec.prepare(&value(11)),
        codec.prepare_off_thread(value(11)).await,
    ] {
        let refused = outcome_of_clear(prepared).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "bytes: write: too large: a payload of 11 bytes is over the limit of 10 bytes"
        );
    }
    let (key, largest) = (CacheKey::from_pair("id", "42"), value(10));
    assert_eq!(
        codec.accept(&key, stored(codec.prepare(&largest))),
        Some(largest)
    );
}

#[test]
fn a_limit_is_held_against_what_the_compressor_makes() {
    let within = Cutting::to(10);
    let settings = StoreSettings::new().largest_value(10);
    let codec_within = codec(settings.clone().compressor(within));
    drop(stored(codec_within.prepare(&value(1_000))));
    let over = codec(settings.compressor(Cutting::to(11)));
    let refused = outcome_of_clear(over.prepare(&value(1_000))).unwrap_err();
    assert_eq!(refused.kind(), BackendErrorKind::TooLarge);
}

/// To compress a value that no reader would decode would take long, and all for nothing.
#[test]
fn a_value_is_refused_by_its_length_before_it_is_compressed() {
    let compressor = Cutting::to(1);
    let settings = StoreSettings::new().largest_value(10).largest_decoded(100);
    let codec = codec(settings.compressor(compressor.clone()));
    let refused = outcome_of_clear(codec.prepare(&value(101))).unwrap_err();
    assert_eq!(refused.kind(), BackendErrorKind::TooLarge);
    assert_eq!(compressor.threads(), []);
    drop(stored(codec.prepare(&value(100))));
    assert_eq!(compressor.threads().len(), 1);
}

#[tokio::test]
async fn long_payloads_are_compressed_on_another_thread() {
    let here = thread::current().id();
    let compressor = Cutting::to(1);
    let codec = codec(StoreSettings::new().compressor(compressor.clone()));
    drop(stored(codec.prepare_off_thread(value(64 << 10)).await));
    assert_eq!(compressor.threads(), [here]);
    let long = value((64 << 10) + 1);
    let elsewhere = stored(codec.prepare_off_thread(long.clone()).await);
    assert!(compressor.threads().len() == 2 && compressor.threads()[1] != here);
    assert_eq!(elsewhere, stored(codec.prepare(&long)));
}

#[tokio::test]
async fn an_expired_value_clears_the_key_and_is_ok() {
    let codec = codec(StoreSettings::new().largest_value(1));
    let expired = || value(10).ttl(Duration::ZERO);
    outcome_of_clear(codec.prepare(&expired())).unwrap();
    let later = clock::now() + TimeDelta::milliseconds(1);
    let expiring = || value(1).expires_at(later);
    let earlier = later - TimeDelta::milliseconds(1);
    drop(stored(codec.prepare_at(&expiring(), earlier)));
    outcome_of_clear(codec.prepare_at(&expiring(), later)).unwrap();
    outcome_of_clear(codec.prepare_off_thread(expired()).await).unwrap();
}

#[test]
fn what_the_store_refuses_clears_the_key() {
    let codec = codec(StoreSettings::new());
    let refused = codec.prepare(&value(10)).checked(|stored| {
        assert_eq!(stored.len(), stored_form::HEADER_LENGTH + 10);
        Err(codec.error(BackendErrorKind::TooLarge, Operation::Write))
    });
    let refused = outcome_of_clear(refused).unwrap_err();
    assert_eq!(refused.kind(), BackendErrorKind::TooLarge);
    drop(stored(codec.prepare(&value(10)).checked(|_| Ok(()))));
}

#[test]
fn what_is_no_value_is_a_miss_and_counted() {
    let codec = codec(StoreSettings::new());
    let key = CacheKey::from_pair("id", "42");
    assert_eq!(codec.accept(&key, Bytes::from_static(b"foreign")), None);
    assert_eq!(codec.rejections().count(Rejection::Foreign), 1);

    let expired = CacheValue::loaded(Encoded::from(vec![7]), Stamp::now()).ttl(Duration::ZERO);
    let expired = stored_form::encode(&expired, &NoCompression).unwrap();
    assert_eq!(codec.accept(&key, expired.clone()), None);
    assert!(codec.decode(&key, expired).is_some());
    assert_eq!(codec.rejections().total(), 1);
}

#[test]
fn settings_have_the_label_of_the_adapter_until_they_have_one() {
    let key = CacheKey::from_pair("id", "42");
    assert_eq!(codec(StoreSettings::new()).label().as_str(), "bytes");
    let named = codec(StoreSettings::new().label("sessions").namespace("shop"));
    assert_eq!(named.label().as_str(), "sessions");
    assert_eq!(named.stored_key(&key), format!("shop::{key}"));
}

#[test]
fn settings_with_which_nothing_could_work_are_refused() {
    let settings = StoreSettings::new;
    for (setting, settings) in [
        ("`largest_value`", settings().largest_value(0)),
        ("`largest_decoded`", settings().largest_decoded(0)),
        ("`label`", settings().label("")),
        ("`label`", settings().label(" \t\n")),
    ] {
        let refused = Codec::new(settings, "bytes", Capabilities::default()).unwrap_err();
        assert_eq!(refused.kind(), BackendErrorKind::InvalidConfiguration);
        // By the name of the adapter: the one that was given shows nothing.
        assert_eq!(refused.label().as_str(), "bytes");
        assert!(refused.to_string().contains(setting), "{refused}");
    }
}
