//! The conformance suite of hitbox-backend.

use std::{path::Path, sync::Arc};

use hitbox_backend::{Backend, conformance::Subject};
use hitbox_sled::{SledBackend, SledBackendBuilder};

fn builder(path: &Path) -> SledBackendBuilder {
    SledBackend::builder().path(path)
}

/// The suite over a backend with these settings, and over one that is closed and opened again.
async fn assert_conforms(settings: impl Fn(&Path) -> SledBackendBuilder + Send + Sync + 'static) {
    let directory = tempfile::tempdir().unwrap();
    let reopened = tempfile::tempdir().unwrap();
    let subject = settings(directory.path()).build().unwrap();
    Subject::new(Arc::new(subject))
        .reopen_with(move || {
            let backend = settings(reopened.path()).build().unwrap();
            async { Arc::new(backend) as Arc<dyn Backend> }
        })
        .assert_conforms()
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn conforms() {
    assert_conforms(|path| builder(path).largest_value(4 << 20)).await;
}

#[tokio::test]
async fn conforms_on_one_thread_with_compression_and_small_values() {
    let small = |path: &Path| {
        builder(path)
            .compressor(hitbox_backend::compression::GzipCompressor::default())
            .largest_value(50_000)
    };
    assert_conforms(small).await;
}
