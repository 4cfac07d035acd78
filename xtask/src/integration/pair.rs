use std::{fmt, sync::Arc};

use futures::future::BoxFuture;
use hitbox_backend::{Backend, Compose, OffloadManager, conformance::composition::LayerPair};
use tempfile::TempDir;
use tokio::sync::OnceCell;

use super::adapter::{memory, moka, sled};

/// Two layers, opened when the first case needs them and shared by all.
pub(super) struct Pair {
    name: &'static str,
    open: fn() -> BoxFuture<'static, Result<Opened, String>>,
    opened: OnceCell<Opened>,
}

/// Open layers, and the directories they live in. In the order in which they are to be dropped.
struct Opened {
    layers: LayerPair,
    _directories: Vec<TempDir>,
}

impl Opened {
    fn new<A, B>(l1: A, l2: B, directories: impl IntoIterator<Item = TempDir>) -> Self
    where
        A: Backend + 'static,
        B: Backend + 'static,
    {
        Self {
            layers: LayerPair::new(Arc::new(l1), Arc::new(l2)),
            _directories: directories.into_iter().collect(),
        }
    }
}

impl Pair {
    /// Every ordered pair of adapters, and two of three levels: a composition as L2 and as L1.
    pub(super) fn all() -> [Self; 6] {
        [
            Self::new("moka+moka", || Box::pin(moka_moka())),
            Self::new("moka+sled", || Box::pin(moka_sled())),
            Self::new("sled+moka", || Box::pin(sled_moka())),
            Self::new("sled+sled", || Box::pin(sled_sled())),
            Self::new("moka+(sled+memory)", || Box::pin(composition_as_l2())),
            Self::new("(moka+memory)+sled", || Box::pin(composition_as_l1())),
        ]
    }

    fn new(name: &'static str, open: fn() -> BoxFuture<'static, Result<Opened, String>>) -> Self {
        Self {
            name,
            open,
            opened: OnceCell::new(),
        }
    }

    /// `L1+L2`.
    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    pub(super) async fn layers(&self) -> Result<&LayerPair, String> {
        let opened = self.opened.get_or_try_init(self.open).await;
        let opened = opened.map_err(|error| format!("cannot open {}: {error}", self.name))?;
        Ok(&opened.layers)
    }
}

impl fmt::Debug for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pair").field(&self.name).finish()
    }
}

async fn moka_moka() -> Result<Opened, String> {
    Ok(Opened::new(moka("moka")?, moka("moka 2")?, []))
}

async fn moka_sled() -> Result<Opened, String> {
    let (sled, directory) = sled("sled").await?;
    Ok(Opened::new(moka("moka")?, sled, [directory]))
}

async fn sled_moka() -> Result<Opened, String> {
    let (sled, directory) = sled("sled").await?;
    Ok(Opened::new(sled, moka("moka")?, [directory]))
}

async fn sled_sled() -> Result<Opened, String> {
    let (l1, directory_of_l1) = sled("sled").await?;
    let (l2, directory_of_l2) = sled("sled 2").await?;
    Ok(Opened::new(l1, l2, [directory_of_l1, directory_of_l2]))
}

async fn composition_as_l2() -> Result<Opened, String> {
    let (sled, directory) = sled("sled").await?;
    let l2 = sled.compose(memory(), offload()?);
    Ok(Opened::new(moka("moka")?, l2, [directory]))
}

async fn composition_as_l1() -> Result<Opened, String> {
    let (sled, directory) = sled("sled").await?;
    let l1 = moka("moka")?.compose(memory(), offload()?);
    Ok(Opened::new(l1, sled, [directory]))
}

fn offload() -> Result<OffloadManager, String> {
    let offload = OffloadManager::builder().build();
    offload.map_err(|error| error.to_string())
}
