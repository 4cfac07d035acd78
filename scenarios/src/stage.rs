use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chrono::TimeDelta;
use hitbox_backend::{
    BackendResult, CompositionLayer, DeleteStatus, OffloadManager, ReadOutcome, RepairCause,
    conformance::sample::{expiring, from_now},
};
use hitbox_core::{
    BoxContext, CacheContext, CacheKey, CacheStatus, CacheValue, Context, KeyPart, Raw,
    ResponseSource, clock,
};

use super::{
    Arrangement, LayerPair, Outcome, ReadKind, WriteKind,
    layer::{Layer, shown},
    pair::{Composed, Parts, Settings},
    started::Started,
};

/// Where a scenario sets up its compositions.
pub(super) struct Bench {
    pair: LayerPair,
    arrangement: Arrangement,
    offload: OffloadManager,
    prefix: String,
    keys: Arc<Mutex<Vec<CacheKey>>>,
}

impl Bench {
    pub(super) fn new(
        pair: &LayerPair,
        arrangement: Arrangement,
        scenario: &str,
    ) -> Result<Self, String> {
        let offload = OffloadManager::builder().build();
        Ok(Self {
            pair: pair.clone(),
            arrangement,
            offload: offload.map_err(|error| error.to_string())?,
            prefix: format!("scenario-{:016x}-{scenario}", fastrand::u64(..)),
            keys: Arc::default(),
        })
    }

    /// A fresh composition of the pair, with default settings.
    pub(super) fn stage(&self) -> Stage {
        self.stage_with(Settings::default())
    }

    /// A fresh composition of the pair.
    pub(super) fn stage_with(&self, settings: Settings) -> Stage {
        let Parts { composed, l1, l2 } =
            self.pair.compose(&self.offload, self.arrangement, settings);
        Stage {
            composed,
            l1,
            l2,
            read: self.arrangement.read,
            write: self.arrangement.write,
            offload: self.offload.clone(),
            prefix: self.prefix.clone(),
            keys: Arc::clone(&self.keys),
        }
    }

    /// Removes what the scenario has left behind.
    pub(super) async fn clean_up(&self) {
        let keys = std::mem::take(&mut *self.keys.lock().unwrap_or_else(PoisonError::into_inner));
        self.pair.clear(&keys).await;
    }
}

/// A composition, its layers, and assertions about both.
pub(super) struct Stage {
    pub(super) composed: Composed,
    pub(super) l1: Layer,
    pub(super) l2: Layer,
    pub(super) read: ReadKind,
    pub(super) write: WriteKind,
    pub(super) offload: OffloadManager,
    prefix: String,
    keys: Arc<Mutex<Vec<CacheKey>>>,
}

impl Stage {
    pub(super) fn layer(&self, side: CompositionLayer) -> &Layer {
        match side {
            CompositionLayer::L1 => &self.l1,
            CompositionLayer::L2 => &self.l2,
        }
    }

    /// A key that no other scenario and no other run uses.
    pub(super) fn key(&self, name: impl AsRef<str>) -> CacheKey {
        let key = CacheKey::new(&self.prefix, 1, [KeyPart::new("name", Some(name))]);
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        keys.push(key.clone());
        key
    }

    /// Writes, and waits for what goes on in the background.
    pub(super) async fn write(&self, key: &CacheKey, value: &CacheValue<Raw>) -> Outcome {
        let written = self.try_write(key, value).await;
        written.map_err(|error| format!("a write failed: {error}"))
    }

    /// The same, for a write that may fail.
    pub(super) async fn try_write(
        &self,
        key: &CacheKey,
        value: &CacheValue<Raw>,
    ) -> BackendResult<()> {
        let written = self.composed.cache.write(key, value.clone()).await;
        self.drain().await;
        written
    }

    pub(super) async fn remove(&self, key: &CacheKey) -> Result<DeleteStatus, String> {
        let removed = self.composed.cache.remove(key).await;
        removed.map_err(|error| format!("a remove failed: {error}"))
    }

    /// Reads, with a context that something else has been noted in before.
    pub(super) async fn look(&self, key: &CacheKey) -> (ReadOutcome, BoxContext) {
        let mut context = used_context();
        let outcome = self.composed.cache.read_with(key, &mut context).await;
        (outcome, context)
    }

    /// Starts a read that may have to wait.
    pub(super) async fn start_read(&self, key: &CacheKey) -> Started<(ReadOutcome, BoxContext)> {
        let (cache, key) = (Arc::clone(&self.composed.cache), key.clone());
        Started::start(async move {
            let mut context = used_context();
            let outcome = cache.read_with(&key, &mut context).await;
            (outcome, context)
        })
        .await
    }

    /// Starts a write that may have to wait.
    pub(super) async fn start_write(
        &self,
        key: &CacheKey,
        value: &CacheValue<Raw>,
    ) -> Started<BackendResult<()>> {
        let cache = Arc::clone(&self.composed.cache);
        let (key, value) = (key.clone(), value.clone());
        Started::start(async move { cache.write(&key, value).await }).await
    }

    /// Starts a remove that may have to wait.
    pub(super) async fn start_remove(
        &self,
        key: &CacheKey,
    ) -> Started<BackendResult<DeleteStatus>> {
        let (cache, key) = (Arc::clone(&self.composed.cache), key.clone());
        Started::start(async move { cache.remove(&key).await }).await
    }

    /// Waits until nothing goes on in the background.
    pub(super) async fn drain(&self) {
        loop {
            self.offload.drain().await;
            let statistics = self.offload.statistics();
            // What ended may have started something else.
            if statistics.running + statistics.pending == 0 {
                return;
            }
        }
    }

    /// Holds if a read returns this value, from this layer.
    pub(super) async fn expect_hit(
        &self,
        key: &CacheKey,
        value: &CacheValue<Raw>,
        side: CompositionLayer,
        when: &str,
    ) -> Outcome {
        self.is_hit(self.look(key).await, &[(side, value)], when)
    }

    /// Holds if a read returns one of these values, from the layer that goes with it.
    pub(super) async fn expect_one_of(
        &self,
        key: &CacheKey,
        values: &[(CompositionLayer, &CacheValue<Raw>)],
        when: &str,
    ) -> Outcome {
        self.is_hit(self.look(key).await, values, when)
    }

    /// Holds if a read finds nothing, and its context says so.
    pub(super) async fn expect_miss(&self, key: &CacheKey, when: &str) -> Outcome {
        self.is_miss(self.look(key).await, when)
    }

    pub(super) fn is_hit(
        &self,
        (outcome, context): (ReadOutcome, BoxContext),
        values: &[(CompositionLayer, &CacheValue<Raw>)],
        when: &str,
    ) -> Outcome {
        let found = outcome.map_err(|error| format!("a read failed {when}: {error}"))?;
        let source = context.source().to_string();
        let mut problem = String::from("another value was found");
        for (side, value) in values {
            if found.as_ref() != Some(value) {
                continue;
            }
            let expected = if value.is_stale() {
                CacheStatus::Stale
            } else {
                CacheStatus::Hit
            };
            match self.layer(*side).is_source(&source, "composition") {
                Ok(()) if context.status() == expected => return Ok(()),
                Ok(()) => problem = format!("the status is {}", context.status()),
                Err(other) => problem = other,
            }
        }
        let found = shown(found.as_ref());
        let expected: Vec<_> = values.iter().map(|(_, value)| shown(Some(value))).collect();
        Err(format!(
            "expected {} {when}, found {found} from {source}: {problem}",
            expected.join(" or ")
        ))
    }

    pub(super) fn is_miss(
        &self,
        (outcome, context): (ReadOutcome, BoxContext),
        when: &str,
    ) -> Outcome {
        match outcome {
            Err(error) => Err(format!("a read failed {when}: {error}")),
            Ok(Some(found)) => Err(format!(
                "expected a miss {when}, found {} from {}",
                shown(Some(&found)),
                context.source()
            )),
            Ok(None) => is_fresh(&*context, when),
        }
    }

    /// Holds if exactly these layers have not confirmed the newest operation on the key.
    pub(super) fn expect_pending(
        &self,
        key: &CacheKey,
        expected: &[CompositionLayer],
        when: &str,
    ) -> Outcome {
        let pending = self.composed.cache.pending_repairs();
        let of_key = pending.iter().filter(|pending| pending.key == *key);
        let unconfirmed = of_key.filter(|pending| pending.cause == RepairCause::Unconfirmed);
        let layers: Vec<_> = unconfirmed.map(|pending| pending.layer).collect();
        if layers == expected {
            Ok(())
        } else {
            Err(format!(
                "{layers:?} have not confirmed the key {when}, not {expected:?}"
            ))
        }
    }

    /// Holds if both layers hold this value, and each of them is trusted with it.
    pub(super) async fn expect_settled(
        &self,
        key: &CacheKey,
        value: &CacheValue<Raw>,
        when: &str,
    ) -> Outcome {
        use hitbox_backend::conformance::Fault::FailBeforeEffect;

        self.expect_pending(key, &[], when)?;
        for side in CompositionLayer::BOTH {
            self.layer(side).holds(key, value, when).await?;
            let others_reads = self.layer(side.other()).faults.reads();
            others_reads.always(FailBeforeEffect);
            self.expect_hit(key, value, side, when).await?;
            self.drain().await;
            others_reads.heal();
        }
        Ok(())
    }
}

/// A context that says what no scenario expects.
fn used_context() -> BoxContext {
    let mut context = CacheContext::default();
    context.set_status(CacheStatus::Stale);
    context.set_source(ResponseSource::Backend("elsewhere".into()));
    context.boxed()
}

/// Holds if the context is that of a miss.
pub(super) fn is_fresh(context: &dyn Context, when: &str) -> Outcome {
    let (status, source) = (context.status(), context.source());
    if status == CacheStatus::Miss && *source == ResponseSource::Upstream {
        Ok(())
    } else {
        Err(format!(
            "the context of a miss says {status} from {source} {when}"
        ))
    }
}

/// A value that expires within the scenario.
pub(super) fn short_lived(payload: &str) -> CacheValue<Raw> {
    expiring(payload, from_now(TimeDelta::milliseconds(40)))
}

/// Waits until no layer may return the value any more.
pub(super) async fn wait_for_expiry(value: &CacheValue<Raw>) {
    while let Some(left) = value.expire().map(|expire| expire - clock::now()) {
        let Ok(left) = left.to_std() else {
            break;
        };
        tokio::time::sleep(left).await;
    }
    // The finest granularity that a backend can have.
    tokio::time::sleep(Duration::from_millis(2)).await;
}
