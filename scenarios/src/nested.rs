//! Three levels: memory over the composition of the pair.

use hitbox_backend::{
    Backend,
    CompositionLayer::{self, L2},
    DeleteStatus,
    conformance::{Fault, sample::lasting},
};
use hitbox_core::{BoxContext, CacheKey, CacheStatus, CacheValue, Raw};

use super::{
    Outcome, ensure, scenarios,
    stage::{Bench, Stage, is_fresh},
    typed,
};

scenarios! { "nested":
    "the source is a path to any depth" => source_path,
    "an answer from the bottom fills every level" => fills_every_level,
    "a write and a remove reach every level" => write_and_remove,
    "an error names the level that failed" => error_path,
    "many keys at once" => bulk,
    "objects" => objects,
}

const PATH: &str = "composition.composition";

/// Holds if the three levels return this value, from this layer of the pair.
async fn expect_from(
    stage: &Stage,
    key: &CacheKey,
    value: &CacheValue<Raw>,
    side: CompositionLayer,
) -> Outcome {
    let mut context = BoxContext::default();
    let outcome = stage
        .composed
        .beneath_memory
        .read_with(key, &mut context)
        .await;
    let found = outcome.map_err(|error| format!("a read failed: {error}"))?;
    ensure!(
        found.as_ref() == Some(value),
        "{found:?} was found in {side}"
    );
    ensure!(
        context.status() == CacheStatus::Hit,
        "a hit in {side} says {}",
        context.status()
    );
    stage
        .layer(side)
        .is_source(&context.source().to_string(), PATH)
}

/// Holds if the three levels answer though the pair fails to read: the top level has the value.
async fn expect_on_top(stage: &Stage, key: &CacheKey, value: &CacheValue<Raw>) -> Outcome {
    for side in CompositionLayer::BOTH {
        stage
            .layer(side)
            .faults
            .reads()
            .always(Fault::FailBeforeEffect);
    }
    let mut context = BoxContext::default();
    let outcome = stage
        .composed
        .beneath_memory
        .read_with(key, &mut context)
        .await;
    for side in CompositionLayer::BOTH {
        stage.layer(side).faults.heal();
    }
    let found = outcome.map_err(|error| format!("a read failed: {error}"))?;
    let source = context.source().to_string();
    ensure!(
        found.as_ref() == Some(value) && source == "composition.memory",
        "{found:?} was found in {source}"
    );
    Ok(())
}

async fn source_path(bench: &Bench) -> Outcome {
    let stage = bench.stage();
    for side in CompositionLayer::BOTH {
        let (key, value) = (stage.key(format!("{side}")), lasting("value"));
        stage.layer(side).put(&key, &value).await?;
        expect_from(&stage, &key, &value, side).await?;
        stage.drain().await;
        expect_on_top(&stage, &key, &value).await?;
    }
    let mut context = BoxContext::default();
    let absent = stage.key("absent");
    let outcome = stage
        .composed
        .beneath_memory
        .read_with(&absent, &mut context)
        .await;
    ensure!(matches!(outcome, Ok(None)), "an absent key: {outcome:?}");
    is_fresh(&*context, "with a miss on all levels")
}

async fn fills_every_level(bench: &Bench) -> Outcome {
    let stage = bench.stage();
    let (key, value) = (stage.key("k"), lasting("value"));
    stage.l2.put(&key, &value).await?;
    expect_from(&stage, &key, &value, L2).await?;
    stage.drain().await;
    stage
        .l1
        .holds(&key, &value, "after a read from the bottom")
        .await?;
    expect_on_top(&stage, &key, &value).await
}

async fn write_and_remove(bench: &Bench) -> Outcome {
    let stage = bench.stage();
    let (key, probe) = (stage.key("k"), stage.key("probe"));
    let levels = 1 + stage.l1.depth(&probe).await? + stage.l2.depth(&probe).await?;
    let cache = &stage.composed.beneath_memory;
    for name in ["first", "second"] {
        let value = lasting(name);
        let written = cache.write(&key, value.clone()).await;
        written.map_err(|error| format!("a write failed: {error}"))?;
        stage.drain().await;
        stage
            .expect_settled(&key, &value, "after a write from the top")
            .await?;
        expect_on_top(&stage, &key, &value).await?;
    }
    let removed = cache.remove(&key).await;
    ensure!(
        matches!(removed, Ok(DeleteStatus::Deleted(count)) if count == levels),
        "a remove from {levels} levels: {removed:?}"
    );
    for side in CompositionLayer::BOTH {
        stage
            .layer(side)
            .holds_nothing(&key, "after a remove from the top")
            .await?;
    }
    let found = cache.read(&key).await;
    ensure!(matches!(found, Ok(None)), "after a remove: {found:?}");
    Ok(())
}

async fn error_path(bench: &Bench) -> Outcome {
    let stage = bench.stage();
    let key = stage.key("k");
    for failing in CompositionLayer::BOTH {
        stage
            .layer(failing)
            .faults
            .removes()
            .next(1, Fault::FailBeforeEffect);
        let removed = stage.composed.beneath_memory.remove(&key).await;
        let Err(error) = removed else {
            return Err(format!("a remove succeeded that failed in {failing}"));
        };
        stage.layer(failing).is_blamed_by(&error, PATH)?;
    }
    Ok(())
}

async fn bulk(bench: &Bench) -> Outcome {
    let stage = bench.stage();
    let cache = &stage.composed.beneath_memory;
    let entries = [0, 1, 2].map(|n| (stage.key(format!("{n}")), lasting(format!("{n}"))));
    // One key on each level.
    let written = cache.write(&entries[0].0, entries[0].1.clone()).await;
    written.map_err(|error| format!("a write failed: {error}"))?;
    stage.drain().await;
    stage.l1.put(&entries[1].0, &entries[1].1).await?;
    stage.l2.put(&entries[2].0, &entries[2].1).await?;
    let keys = entries.clone().map(|(key, _)| key);
    for when in ["first", "again"] {
        let outcomes = cache.read_many(&keys).await;
        stage.drain().await;
        ensure!(outcomes.len() == 3, "{} outcomes", outcomes.len());
        for (outcome, (_, value)) in outcomes.into_iter().zip(&entries) {
            let found = outcome.map_err(|error| format!("a bulk read failed: {error}"))?;
            ensure!(found.as_ref() == Some(value), "read {when}: {found:?}");
        }
    }
    for (key, value) in &entries {
        expect_on_top(&stage, key, value).await?;
    }
    for outcome in cache.remove_many(&keys).await {
        ensure!(
            matches!(outcome, Ok(DeleteStatus::Deleted(_))),
            "{outcome:?}"
        );
    }
    for outcome in cache.read_many(&keys).await {
        ensure!(
            matches!(outcome, Ok(None)),
            "after a bulk remove: {outcome:?}"
        );
    }
    Ok(())
}

async fn objects(bench: &Bench) -> Outcome {
    let stage = bench.stage();
    let key = stage.key("k");
    let cache: &dyn Backend = &*stage.composed.beneath_memory;
    typed::round_trip(cache, &key).await?;
    stage.drain().await;
    stage.expect_miss(&key, "after a delete from the top").await
}
