//! Typed access through a composition.

use std::sync::Arc;

use chrono::TimeDelta;
use hitbox_backend::{
    Backend, CacheBackend, Cacheable,
    CompositionLayer::{self, L1, L2},
    DeleteStatus,
    conformance::{Fault, sample::from_now},
};
use hitbox_core::{BoxContext, CacheKey, CacheStatus, CacheValue, Stamp};
use serde::{Deserialize, Serialize};

use super::{
    Outcome, ensure, scenarios,
    stage::{Bench, Stage, is_fresh},
};

scenarios! { "typed":
    "an object comes back through the composition's own type" => through_own_type,
    "an object comes back from each layer" => from_each_layer,
    "an in-process L1 hands out one object" => one_object,
    "an object of another type is a miss" => another_type,
    "many objects at once" => many,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Account {
    number: u64,
    owner: String,
    limits: Vec<Option<i32>>,
}

pub(super) fn account(number: u64) -> Arc<Account> {
    Arc::new(Account {
        number,
        owner: format!("owner {number}"),
        limits: vec![None, Some(-1), Some(i32::MAX)],
    })
}

fn lasting(object: Arc<Account>) -> CacheValue<Arc<Account>> {
    CacheValue::loaded(object, Stamp::now()).expires_at(from_now(TimeDelta::hours(1)))
}

pub(super) async fn get<T: Cacheable, B: Backend + ?Sized>(
    cache: &B,
    key: &CacheKey,
) -> Result<(Option<CacheValue<Arc<T>>>, BoxContext), String> {
    let mut context = BoxContext::default();
    let found = cache.get_with::<T>(key, &mut context).await;
    Ok((
        found.map_err(|error| format!("a get failed: {error}"))?,
        context,
    ))
}

/// Sets, gets and deletes an object, on whatever the cache is.
pub(super) async fn round_trip<B: Backend + ?Sized>(cache: &B, key: &CacheKey) -> Outcome {
    let value = lasting(account(1));
    let set = cache.set(key, value.clone()).await;
    set.map_err(|error| format!("a set failed: {error}"))?;
    let (found, context) = get::<Account, _>(cache, key).await?;
    ensure!(found.as_ref() == Some(&value), "a get found {found:?}");
    ensure!(
        context.status() == CacheStatus::Hit,
        "a get of an object says {}",
        context.status()
    );
    let deleted = cache.delete(key).await;
    let deleted = deleted.map_err(|error| format!("a delete failed: {error}"))?;
    ensure!(
        matches!(deleted, DeleteStatus::Deleted(layers) if layers >= 1),
        "a delete says {deleted:?}"
    );
    let (found, context) = get::<Account, _>(cache, key).await?;
    ensure!(found.is_none(), "a get found something after a delete");
    is_fresh(&*context, "after a delete")
}

async fn through_own_type(bench: &Bench) -> Outcome {
    let stage = bench.stage();
    let key = stage.key("k");
    stage.composed.cache.typed_round_trip(&key).await?;
    stage.drain().await;
    stage.expect_miss(&key, "after a delete").await
}

/// Sets an object and waits for what goes on in the background.
async fn set(stage: &Stage, key: &CacheKey, value: &CacheValue<Arc<Account>>) -> Outcome {
    let set = stage.composed.cache.set(key, value.clone()).await;
    set.map_err(|error| format!("a set failed: {error}"))?;
    stage.drain().await;
    Ok(())
}

async fn from_each_layer(bench: &Bench) -> Outcome {
    let stage = bench.stage();
    let (key, value) = (stage.key("k"), lasting(account(7)));
    set(&stage, &key, &value).await?;
    for side in CompositionLayer::BOTH {
        let others_reads = stage.layer(side.other()).faults.reads();
        others_reads.always(Fault::FailBeforeEffect);
        let (found, context) = get::<Account, _>(&*stage.composed.cache, &key).await?;
        ensure!(
            found.as_ref() == Some(&value),
            "a get found {found:?} in {side}"
        );
        let source = context.source().to_string();
        stage.layer(side).is_source(&source, "composition")?;
        stage.drain().await;
        others_reads.heal();
    }
    Ok(())
}

async fn one_object(bench: &Bench) -> Outcome {
    let stage = bench.stage();
    let (key, value) = (stage.key("k"), lasting(account(3)));
    set(&stage, &key, &value).await?;
    // So that L1 answers whatever the read policy.
    stage.l2.faults.reads().always(Fault::FailBeforeEffect);
    let mut objects = Vec::new();
    for _ in 0..2 {
        let (found, _context) = get::<Account, _>(&*stage.composed.cache, &key).await?;
        objects.extend(found.map(CacheValue::into_inner));
    }
    let [one, two] = &objects[..] else {
        return Err(format!("two gets found {} objects", objects.len()));
    };
    ensure!(
        one == value.data() && two == value.data(),
        "gets found another object"
    );
    if stage.l1.keeps_objects() {
        ensure!(
            Arc::ptr_eq(one, value.data()) && Arc::ptr_eq(one, two),
            "an in-process L1 handed out a copy"
        );
    }
    stage.drain().await;

    // The same for an object that came to L1 by a refill.
    let refilled = stage.key("refilled");
    stage.l2.faults.heal();
    stage.l1.faults.writes().next(1, Fault::FailBeforeEffect);
    let _depends_on_the_policy = stage.composed.cache.set(&refilled, value.clone()).await;
    stage.drain().await;
    let (first, _context) = get::<Account, _>(&*stage.composed.cache, &refilled).await?;
    stage.drain().await;
    let (second, _context) = get::<Account, _>(&*stage.composed.cache, &refilled).await?;
    let (Some(first), Some(second)) = (first, second) else {
        // A write that stops at L1's failure stores nothing.
        return Ok(());
    };
    ensure!(
        first == value && second == value,
        "a refill changed the object"
    );
    Ok(())
}

async fn another_type(bench: &Bench) -> Outcome {
    let stage = bench.stage();
    let (key, value) = (stage.key("k"), lasting(account(9)));
    set(&stage, &key, &value).await?;
    let (found, context) = get::<Vec<f64>, _>(&*stage.composed.cache, &key).await?;
    ensure!(found.is_none(), "a get of another type found {found:?}");
    is_fresh(&*context, "with an object of another type")?;
    let (found, _context) = get::<Account, _>(&*stage.composed.cache, &key).await?;
    ensure!(found.as_ref() == Some(&value), "a get found {found:?}");
    stage.drain().await;
    Ok(())
}

async fn many(bench: &Bench) -> Outcome {
    let stage = bench.stage();
    let keys: Vec<_> = (0..4).map(|n| stage.key(format!("{n}"))).collect();
    let values: Vec<_> = (0..3).map(|n| lasting(account(n))).collect();
    let entries = keys.iter().cloned().zip(values.clone()).collect();
    let cache = &*stage.composed.cache;
    let outcomes = cache.set_many(entries).await;
    ensure!(
        outcomes.len() == 3 && outcomes.iter().all(Result::is_ok),
        "setting many: {outcomes:?}"
    );
    stage.drain().await;

    let mut contexts = vec![BoxContext::default(); 4];
    let outcomes = cache.get_many_with::<Account>(&keys, &mut contexts).await;
    let mut found = Vec::new();
    for outcome in outcomes {
        found.push(outcome.map_err(|error| format!("getting many: {error}"))?);
    }
    let mut expected: Vec<_> = values.into_iter().map(Some).collect();
    expected.push(None);
    ensure!(found == expected, "getting many found {found:?}");
    for context in &contexts[..3] {
        let source = context.source().to_string();
        let [l1, l2] = [L1, L2].map(|side| stage.layer(side).is_source(&source, "composition"));
        l1.or(l2)?;
    }
    is_fresh(&*contexts[3], "for a key that nobody has")?;
    stage.drain().await;

    let statuses = cache.delete_many(&keys).await;
    let deleted: Vec<_> = statuses
        .iter()
        .map(|status| matches!(status, Ok(DeleteStatus::Deleted(layers)) if *layers >= 2))
        .collect();
    ensure!(
        deleted == [true, true, true, false],
        "deleting many: {statuses:?}"
    );
    Ok(())
}
