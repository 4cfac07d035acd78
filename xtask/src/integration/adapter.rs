use std::sync::Arc;

use hitbox_backend::{
    Backend,
    conformance::{MemoryBackend, Subject},
};
use hitbox_moka::MokaBackend;
use hitbox_sled::SledBackend;
use tempfile::TempDir;

/// A kind of backend that is a crate of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Adapter {
    Moka,
    Sled,
}

impl Adapter {
    pub(super) const ALL: [Self; 2] = [Self::Moka, Self::Sled];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Moka => "moka",
            Self::Sled => "sled",
        }
    }

    /// Runs the conformance suite.
    pub(super) async fn conforms(self) -> Result<(), String> {
        match self {
            Self::Moka => conforms(moka("moka")?).await,
            Self::Sled => {
                let (backend, _directory) = sled("sled").await?;
                conforms(backend).await
            }
        }
    }
}

async fn conforms(backend: impl Backend + 'static) -> Result<(), String> {
    let report = Subject::new(Arc::new(backend)).run().await;
    if report.conforms() {
        Ok(())
    } else {
        Err(report.to_string())
    }
}

/// In process. Never full: nothing may be evicted while cases run.
pub(super) fn moka(label: &'static str) -> Result<MokaBackend, String> {
    let builder = MokaBackend::builder().max_entries(1_000_000).label(label);
    builder.build().map_err(|error| error.to_string())
}

/// On disk, in a fresh directory that is deleted when it is dropped.
pub(super) async fn sled(label: &'static str) -> Result<(SledBackend, TempDir), String> {
    let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
    let builder = SledBackend::builder().path(directory.path()).label(label);
    let backend = builder.open().await.map_err(|error| error.to_string())?;
    Ok((backend, directory))
}

/// In a map, as the third level of compositions.
pub(super) fn memory() -> MemoryBackend {
    MemoryBackend::new()
}
