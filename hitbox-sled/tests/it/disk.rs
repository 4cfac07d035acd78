//! What the files take on disk, while values of every size come and go. At full size:
//! `cargo run -p hitbox-sled --example disk_use`.

use std::{ops::RangeInclusive, path::Path};

use futures::executor::block_on;
use hitbox_sled::SledBackend;

use crate::churn;
use crate::churn::on_disk;

const MAX_BYTES: u64 = 8 << 20;

/// What `max_bytes` promises.
const ON_DISK: u64 = 3 * MAX_BYTES + (64 << 20);

fn open(path: &Path) -> SledBackend {
    SledBackend::builder()
        .path(path)
        .max_bytes(MAX_BYTES)
        .cache_capacity(8 << 20)
        .build()
        .unwrap()
}

fn churn(lengths: RangeInclusive<usize>, megabytes: usize) -> churn::Churn {
    churn::Churn::of(lengths, megabytes, MAX_BYTES)
}

fn assert_bounded(churns: &[churn::Churn]) {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let backend = open(path);
    for churn in churns {
        let most = churn.run(&backend, path, seed);
        let live = backend.statistics().bytes;
        println!(
            "{:?}: at most {} KiB on disk, {} KiB live",
            churn.lengths,
            most >> 10,
            live >> 10
        );
        assert!(most <= ON_DISK, "{most} bytes on disk");
        // It is a cache still.
        assert!(live >= MAX_BYTES / 4, "{live} bytes live");
    }
    block_on(backend.close()).unwrap();
    let backend = open(path);
    let after = on_disk(path);
    println!("reopened: {} KiB", after >> 10);
    assert!(after <= ON_DISK, "{after} bytes on disk");
    assert!(backend.statistics().bytes >= MAX_BYTES / 4);
}

#[test]
fn large_values_take_no_more_than_the_bound_allows() {
    assert_bounded(&[churn(200_000..=2_000_000, 256)]);
}

#[test]
fn values_of_some_kilobytes_take_no_more_than_the_bound_allows() {
    assert_bounded(&[churn(4_000..=100_000, 192)]);
}

#[test]
fn small_values_take_no_more_than_the_bound_allows() {
    assert_bounded(&[churn(100..=900, 24)]);
}

#[test]
fn large_values_after_small_ones_take_no_more_than_the_bound_allows() {
    let small = churn(1_000..=3_000, 48);
    let large = churn(500_000..=2_000_000, 192);
    assert_bounded(&[small, large]);
}

#[test]
fn long_keys_take_no_more_than_the_bound_allows() {
    let mut long = churn(10..=1_000, 192);
    long.key_length = 60_000;
    assert_bounded(&[long]);
}

#[test]
fn four_writers_take_no_more_than_the_bound_allows() {
    let mut small = churn(300..=3_000, 64);
    small.writers = 4;
    let mut large = churn(3_000..=600_000, 192);
    large.writers = 4;
    assert_bounded(&[small, large]);
}
