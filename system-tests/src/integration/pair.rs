use std::{fmt, sync::Arc};

use hitbox_backend::{Backend, Compose, OffloadManager};
use hitbox_moka::MokaBackend;
use hitbox_quick_cache::QuickCacheBackend;
use hitbox_scenarios::LayerPair;
use hitbox_sled::SledBackend;
use tempfile::TempDir;
use tokio::sync::OnceCell;

use super::{adapter::Adapter, servers::Servers};

/// Two layers, opened when the first case needs them and shared by all.
pub(super) struct Pair {
    l1: Part,
    l2: Part,
    opened: OnceCell<Opened>,
}

/// A layer of a pair.
#[derive(Clone, Copy)]
enum Part {
    Single(Adapter),
    /// L1 and L2 of a composition, as a layer of another.
    Composed(Adapter, Adapter),
}

/// Open layers, and the directories they live in. In the order in which they are to be dropped.
struct Opened {
    layers: LayerPair,
    _directories: Vec<TempDir>,
}

impl Pair {
    /// Every ordered pair of adapters, and some of three levels: a composition as L2 and as L1.
    pub(super) fn all() -> Vec<Self> {
        use Adapter::{DynamoDb, Moka, Redis, Sled};
        use Part::{Composed, Single};

        let mut pairs = Vec::new();
        for l1 in Adapter::ALL {
            for l2 in Adapter::ALL {
                pairs.push(Self::new(Single(l1), Single(l2)));
            }
        }
        pairs.push(Self::new(Single(Moka), Composed(Sled, Redis)));
        pairs.push(Self::new(Single(Moka), Composed(Redis, DynamoDb)));
        pairs.push(Self::new(Composed(Moka, Sled), Single(Redis)));
        pairs
    }

    fn new(l1: Part, l2: Part) -> Self {
        Self {
            l1,
            l2,
            opened: OnceCell::new(),
        }
    }

    /// `L1+L2`.
    pub(super) fn name(&self) -> String {
        format!("{}+{}", self.l1, self.l2)
    }

    /// What it is made of.
    pub(super) fn adapters(&self) -> Vec<Adapter> {
        let mut adapters = Vec::new();
        for part in [self.l1, self.l2] {
            match part {
                Part::Single(one) => adapters.push(one),
                Part::Composed(l1, l2) => adapters.extend([l1, l2]),
            }
        }
        adapters
    }

    pub(super) async fn layers(&self, servers: &Servers) -> Result<&LayerPair, String> {
        let open = || async {
            let mut opening = Opening::new(servers);
            let layers = opening.pair(self.l1, self.l2).await?;
            Ok::<_, String>(opening.finish(layers))
        };
        let opened = self.opened.get_or_try_init(open).await;
        let opened = opened.map_err(|error| format!("cannot open {}: {error}", self.name()))?;
        Ok(&opened.layers)
    }
}

impl fmt::Debug for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pair").field(&self.name()).finish()
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Single(adapter) => f.write_str(adapter.as_str()),
            Self::Composed(l1, l2) => write!(f, "({}+{})", l1.as_str(), l2.as_str()),
        }
    }
}

/// Backends on their way to be used, and what must outlive them.
pub(super) struct Opening<'s> {
    servers: &'s Servers,
    directories: Vec<TempDir>,
}

impl<'s> Opening<'s> {
    pub(super) const fn new(servers: &'s Servers) -> Self {
        Self {
            servers,
            directories: Vec::new(),
        }
    }

    fn finish(self, layers: LayerPair) -> Opened {
        Opened {
            layers,
            _directories: self.directories,
        }
    }

    /// The pair, with both layers by their own types.
    async fn pair(&mut self, l1: Part, l2: Part) -> Result<LayerPair, String> {
        match l1 {
            Part::Single(Adapter::Moka) => self.pair_under(moka("moka")?, l2).await,
            Part::Single(Adapter::QuickCache) => {
                self.pair_under(quick_cache("quick_cache")?, l2).await
            }
            Part::Single(Adapter::Sled) => {
                let l1 = self.sled("sled").await?;
                self.pair_under(l1, l2).await
            }
            Part::Single(Adapter::Redis) => self.pair_under(self.servers.redis("redis")?, l2).await,
            Part::Single(Adapter::DynamoDb) => {
                self.pair_under(self.servers.dynamodb("dynamodb")?, l2)
                    .await
            }
            Part::Composed(upper, lower) => {
                let l1 = self.composed(upper, lower).await?;
                self.pair_under(l1, l2).await
            }
        }
    }

    /// Labels tell L2 from an L1 of the same kind.
    async fn pair_under<A>(&mut self, l1: A, l2: Part) -> Result<LayerPair, String>
    where
        A: Backend + 'static,
    {
        let l1 = Arc::new(l1);
        Ok(match l2 {
            Part::Single(Adapter::Moka) => LayerPair::new(l1, Arc::new(moka("moka 2")?)),
            Part::Single(Adapter::QuickCache) => {
                LayerPair::new(l1, Arc::new(quick_cache("quick_cache 2")?))
            }
            Part::Single(Adapter::Sled) => LayerPair::new(l1, Arc::new(self.sled("sled 2").await?)),
            Part::Single(Adapter::Redis) => {
                LayerPair::new(l1, Arc::new(self.servers.redis("redis 2")?))
            }
            Part::Single(Adapter::DynamoDb) => {
                LayerPair::new(l1, Arc::new(self.servers.dynamodb("dynamodb 2")?))
            }
            Part::Composed(upper, lower) => {
                LayerPair::new(l1, Arc::new(self.composed(upper, lower).await?))
            }
        })
    }

    async fn composed(
        &mut self,
        upper: Adapter,
        lower: Adapter,
    ) -> Result<impl Backend + use<>, String> {
        let offload = OffloadManager::builder().build();
        let offload = offload.map_err(|error| error.to_string())?;
        let (upper, lower) = (self.single(upper).await?, self.single(lower).await?);
        Ok(upper.compose(lower, offload))
    }

    /// One backend, of whatever type.
    pub(super) async fn single(&mut self, adapter: Adapter) -> Result<Arc<dyn Backend>, String> {
        let label = adapter.as_str();
        Ok(match adapter {
            Adapter::Moka => Arc::new(moka(label)?),
            Adapter::QuickCache => Arc::new(quick_cache(label)?),
            Adapter::Sled => Arc::new(self.sled(label).await?),
            Adapter::Redis => Arc::new(self.servers.redis(label)?),
            Adapter::DynamoDb => Arc::new(self.servers.dynamodb(label)?),
        })
    }

    /// On disk, in a fresh directory that is deleted in the end.
    async fn sled(&mut self, label: &'static str) -> Result<SledBackend, String> {
        let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
        let builder = SledBackend::builder().path(directory.path()).label(label);
        self.directories.push(directory);
        builder.open().await.map_err(|error| error.to_string())
    }
}

/// In process. Never full: nothing may be evicted while cases run.
fn moka(label: &'static str) -> Result<MokaBackend, String> {
    let builder = MokaBackend::builder().max_entries(1_000_000).label(label);
    builder.build().map_err(|error| error.to_string())
}

/// The same.
fn quick_cache(label: &'static str) -> Result<QuickCacheBackend, String> {
    let builder = QuickCacheBackend::builder()
        .max_entries(1_000_000)
        .label(label);
    builder.build().map_err(|error| error.to_string())
}
