//! The contract of `Backend`, with each kind of capacity.

use std::sync::Arc;

use hitbox_backend::{BackendExt, conformance::Subject};

use crate::Tested;

#[tokio::test]
async fn bounded_by_entries() {
    let cache = Tested::builder()
        .max_entries(100_000)
        .largest_value(1 << 20)
        .build()
        .unwrap();
    Subject::new(Arc::new(cache)).assert_conforms().await;
}

#[tokio::test]
async fn bounded_by_bytes() {
    let cache = Tested::builder().max_bytes(1 << 30).build().unwrap();
    Subject::new(Arc::new(cache)).assert_conforms().await;
}

#[tokio::test]
async fn in_fences() {
    let cache = Tested::builder().max_entries(100_000).build().unwrap();
    Subject::new(Arc::new(cache.fenced()))
        .assert_conforms()
        .await;
}
