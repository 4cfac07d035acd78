//! What the builder refuses, and what it says.

use std::time::Duration;

use hitbox_backend::{
    Attempt, Backend, BackendErrorKind, BackendResult, Capabilities,
    in_process::{Capacity, InProcessBuilder, Store},
};
use hitbox_core::{BackendLabel, CacheKey, CacheValue, FormatId, Raw, Stamp};

use crate::{Tested, TestedStore};

fn entries() -> InProcessBuilder<TestedStore, Capacity> {
    Tested::builder().max_entries(10)
}

fn refusal(outcome: BackendResult<Tested>) -> String {
    let error = outcome.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::InvalidConfiguration);
    assert_eq!(error.label(), &BackendLabel::new(TestedStore::NAME));
    error.to_string()
}

#[test]
fn what_cannot_work_is_refused_by_name() {
    let mebibyte = || Tested::builder().max_bytes(1 << 20);
    for (setting, builder) in [
        ("max_entries is 0", Tested::builder().max_entries(0)),
        ("max_bytes is 0", Tested::builder().max_bytes(0)),
        ("max_bytes is 100", Tested::builder().max_bytes(100)),
        ("`largest_value` is 0", entries().largest_value(0)),
        ("`largest_decoded` is 0", entries().largest_decoded(0)),
        ("`label` is empty", entries().label("")),
        (
            "largest_value does not fit",
            mebibyte().largest_value(1 << 20),
        ),
        (
            "sweep_every is 0ns",
            entries().sweep_every(Some(Duration::ZERO)),
        ),
        (
            "sweep_every is 1ns",
            entries().sweep_every(Some(Duration::from_nanos(1))),
        ),
        ("sweep_every", entries().sweep_every(Some(Duration::MAX))),
        (
            "largest_value does not fit",
            mebibyte().largest_value(usize::MAX),
        ),
    ] {
        let message = refusal(builder.build());
        assert!(message.contains(setting), "{message}");
    }
}

#[test]
fn the_extremes_of_settings_work() {
    let day = Duration::from_secs(24 * 60 * 60);
    for builder in [
        Tested::builder().max_entries(1),
        Tested::builder().max_entries(u64::MAX),
        Tested::builder().max_bytes(u64::MAX),
        entries().largest_value(usize::MAX),
        entries().largest_value(1),
        entries().sweep_every(None),
        entries().sweep_every(Some(Duration::from_millis(1))),
        entries().sweep_every(Some(day)),
    ] {
        let cache = builder.build().unwrap();
        let value = CacheValue::loaded(Raw::from(vec![1]), Stamp::now());
        let key = CacheKey::from_pair("id", "1");
        let Attempt::Ready(written) = cache.try_write(&key, value) else {
            panic!("waits");
        };
        written.unwrap();
    }
}

#[test]
fn the_smallest_capacity_that_is_taken_holds_one_entry() {
    let message = refusal(Tested::builder().max_bytes(1).build());
    let digits: String = message
        .split("at least ")
        .nth(1)
        .unwrap()
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    let smallest: u64 = digits.parse().unwrap();
    refusal(Tested::builder().max_bytes(smallest - 1).build());
    assert!(Tested::builder().max_bytes(smallest).build().is_ok());
}

#[test]
fn settings_show() {
    let cache = entries()
        .label("local")
        .largest_value(7)
        .value_format(hitbox_backend::format::BincodeFormat)
        .build()
        .unwrap();
    assert_eq!(cache.label(), BackendLabel::new("local"));
    assert_eq!(cache.value_format().id(), FormatId::BINCODE);
    let mut expected = Capabilities::default();
    expected.largest_value = Some(7);
    expected.keeps_bytes = false;
    expected.keeps_metadata = true;
    assert_eq!(cache.capabilities(), expected);
    assert!(!expected.persistent && !expected.shared);
    assert_eq!(expected.expiry_granularity, Duration::from_millis(1));

    let shown = format!("{:?}", entries().eviction_listener(|_, _| {}));
    assert!(
        shown.contains("Entries(10)") && shown.contains("told to a listener"),
        "{shown}"
    );
}
