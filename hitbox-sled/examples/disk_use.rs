//! What a cache of 32 MiB takes on disk while 768 MiB are written to it, by the length of the values.
//!
//! ```text
//! cargo run -p hitbox-sled --example disk_use
//! ```

#![allow(clippy::unwrap_used, reason = "a failing example panics")]

#[path = "../tests/it/churn.rs"]
mod churn;

use std::time::Instant;

use churn::{Churn, on_disk};
use futures::executor::block_on;
use hitbox_sled::SledBackend;

const MAX_BYTES: u64 = 32 << 20;
const MIB: f64 = (1 << 20) as f64;

fn main() {
    println!("allowed: {} MiB", (3 * MAX_BYTES + (64 << 20)) >> 20);
    println!("values of (bytes)      live   at most on disk   reopened    took");
    for (lengths, megabytes) in [
        (100..=100, 64),
        (300..=900, 192),
        (1_000..=3_900, 384),
        (4_200..=16_000, 768),
        (16_000..=100_000, 768),
        (200_000..=4_000_000, 768),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let builder = SledBackend::builder().path(path).max_bytes(MAX_BYTES);
        let backend = builder.clone().build().unwrap();
        let began = Instant::now();
        let most = Churn::of(lengths.clone(), megabytes, MAX_BYTES).run(&backend, path, 7);
        let took = began.elapsed();
        let live = backend.statistics().bytes;
        block_on(backend.close()).unwrap();
        let backend = builder.build().unwrap();
        let reopened = on_disk(path);
        drop(backend);
        println!(
            "{:>8} to {:>8}  {:>6.1}  {:>15.1}   {:>8.1}   {took:.1?}",
            lengths.start(),
            lengths.end(),
            live as f64 / MIB,
            most as f64 / MIB,
            reopened as f64 / MIB,
        );
    }
}
