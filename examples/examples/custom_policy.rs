//! Policies of one's own: reads that ask the nearer layer first and give it only a moment, and
//! writes that leave the slow layer to the background.
//!
//! ```text
//! cargo run --example custom_policy
//! ```
//!
//! Policies only decide whom to ask, when, and whose answer counts. That nothing expired and nothing
//! overtaken is served is the composition's work, whatever they decide.

use std::{error::Error, fmt::Debug, future::Future, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::future::{Either, select};
use hitbox_backend::{
    BackendError, CacheBackend, Compose, CompositionLayer, CompositionPolicy,
    CompositionReadPolicy, CompositionWritePolicy, OffloadManager, ReadResult,
    conformance::{Fault, FaultyBackend},
};
use hitbox_core::{BoxContext, CacheContext, CacheKey, CacheValue, Offload, Stamp};
use hitbox_moka::MokaBackend;

type Outcome<T, E> = (Result<Option<CacheValue<T>>, E>, BoxContext);

/// Asks L1, and L2 as well if L1 has not answered after a moment: a hedged read, after Dean and
/// Barroso, "The Tail at Scale" (2013).
struct HedgedReadPolicy {
    patience: Duration,
}

#[async_trait]
impl CompositionReadPolicy for HedgedReadPolicy {
    async fn execute_with<T, E, F1, F2, Fut1, Fut2, O>(
        &self,
        key: CacheKey,
        read_l1: F1,
        read_l2: F2,
        _offload: &O,
    ) -> Result<ReadResult<T>, E>
    where
        T: Send + 'static,
        E: Send + Debug + 'static,
        F1: FnOnce(CacheKey) -> Fut1 + Send,
        F2: FnOnce(CacheKey) -> Fut2 + Send,
        Fut1: Future<Output = Outcome<T, E>> + Send + 'static,
        Fut2: Future<Output = Outcome<T, E>> + Send + 'static,
        O: Offload<'static>,
    {
        let mut l1 = Box::pin(read_l1(key.clone()));
        match tokio::time::timeout(self.patience, &mut l1).await {
            Ok((Ok(Some(value)), context)) => Ok(hit(CompositionLayer::L1, value, context)),
            // L1 has nothing, or failed: only L2 is left.
            Ok(_) => answer(CompositionLayer::L2, read_l2(key).await),
            Err(_patience_is_over) => match select(l1, Box::pin(read_l2(key))).await {
                Either::Left(((Ok(Some(value)), context), _)) => {
                    Ok(hit(CompositionLayer::L1, value, context))
                }
                Either::Left((_, l2)) => answer(CompositionLayer::L2, l2.await),
                Either::Right(((Ok(Some(value)), context), _)) => {
                    Ok(hit(CompositionLayer::L2, value, context))
                }
                Either::Right((_, l1)) => answer(CompositionLayer::L1, l1.await),
            },
        }
    }
}

fn hit<T>(source: CompositionLayer, value: CacheValue<T>, context: BoxContext) -> ReadResult<T> {
    ReadResult {
        value: Some(value),
        source,
        context,
    }
}

fn answer<T, E>(
    source: CompositionLayer,
    (outcome, context): Outcome<T, E>,
) -> Result<ReadResult<T>, E> {
    Ok(match outcome? {
        Some(value) => hit(source, value, context),
        None => ReadResult::miss(),
    })
}

/// Writes L1, and lets the background write L2: "write-behind".
struct WriteBehindPolicy;

#[async_trait]
impl CompositionWritePolicy for WriteBehindPolicy {
    async fn execute_with<F1, F2, Fut1, Fut2, O>(
        &self,
        key: CacheKey,
        write_l1: F1,
        write_l2: F2,
        offload: &O,
    ) -> Result<(), BackendError>
    where
        F1: FnOnce(CacheKey) -> Fut1 + Send,
        F2: FnOnce(CacheKey) -> Fut2 + Send,
        Fut1: Future<Output = Result<(), BackendError>> + Send + 'static,
        Fut2: Future<Output = Result<(), BackendError>> + Send + 'static,
        O: Offload<'static>,
    {
        write_l1(key.clone()).await?;
        let write_l2 = write_l2(key);
        offload.register("write behind", async {
            // What has failed is on the composition's record, and L2 is not trusted with the key.
            let _ = write_l2.await;
        });
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let moka = |label| {
        MokaBackend::builder()
            .max_entries(1_000)
            .label(label)
            .build()
    };
    let (near, near_faults) = FaultyBackend::new(moka("near")?);
    let (far, far_faults) = FaultyBackend::new(moka("far")?);
    let offload = OffloadManager::builder().build()?;
    let policy = CompositionPolicy::new()
        .read(HedgedReadPolicy {
            patience: Duration::from_millis(5),
        })
        .write(WriteBehindPolicy);
    let cache = near.compose_with(far, offload.clone(), policy);

    let key = CacheKey::from_pair("user", "42");
    let ask = async || {
        let mut context = CacheContext::default().boxed();
        let found = cache.get_with::<String>(&key, &mut context).await?;
        let found = found.map(CacheValue::into_inner);
        println!(
            "{:?}: a {} from {}",
            found,
            context.status(),
            context.source()
        );
        Ok::<_, BackendError>(())
    };

    far_faults.writes().always(Fault::HangBeforeEffect);
    let ada = CacheValue::loaded(Arc::new(String::from("Ada")), Stamp::now());
    cache.set(&key, ada).await?;
    println!(
        "written, while the far layer hangs; pending repairs: {}",
        cache.pending_repairs().len()
    );
    ask().await?;

    far_faults.heal();
    offload.drain().await;
    println!(
        "the far layer is back; pending repairs: {}",
        cache.pending_repairs().len()
    );
    near_faults.reads().always(Fault::HangBeforeEffect);
    println!("now the near layer hangs:");
    ask().await?;
    Ok(())
}
