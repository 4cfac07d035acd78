//! Many keys at once.

use std::sync::Arc;

use hitbox_backend::{
    CompositionLayer::{self, L1, L2},
    DeleteStatus, Operation,
    conformance::{Fault, sample::lasting},
};
use hitbox_core::{BoxContext, CacheKey, CacheStatus, CacheValue, Raw};

use super::{
    Outcome, ReadKind, ensure,
    expected::blamed,
    pair::Settings,
    scenarios,
    stage::{Bench, Stage, is_fresh},
    started::{Started, promptly},
    watched::{BulkCall, BulkForm},
};

scenarios! { "bulk":
    "L1 has none of the keys" => none_in_l1,
    "L1 has half of the keys" => half_in_l1,
    "L1 has all of the keys" => all_in_l1,
    "hundreds of keys are still one bulk operation for each layer" => hundreds,
    "keys that nobody has, and keys asked twice" => absent_and_twice,
    "a bulk write is one for each layer" => write,
    "of two entries with one key the later wins" => written_twice,
    "a bulk remove is one for each layer" => remove,
    "a layer that hangs does not keep the other from being asked" => one_hangs,
    "some keys fail to read" => some_fail_to_read,
    "some keys fail to write" => some_fail_to_write,
    "some keys fail to remove" => some_fail_to_remove,
}

/// Six keys, each with a value of its own.
fn entries(stage: &Stage) -> Vec<(CacheKey, CacheValue<Raw>)> {
    (0..6)
        .map(|n| (stage.key(format!("{n}")), lasting(format!("value {n}"))))
        .collect()
}

fn keys(entries: &[(CacheKey, CacheValue<Raw>)]) -> Vec<CacheKey> {
    entries.iter().map(|(key, _)| key.clone()).collect()
}

/// One bulk operation on these keys; none if there are none.
fn one_call(operation: Operation, keys: Vec<CacheKey>) -> Vec<BulkCall> {
    if keys.is_empty() {
        return Vec::new();
    }
    vec![BulkCall { operation, keys }]
}

fn was_asked(stage: &Stage, side: CompositionLayer, expected: &[BulkCall]) -> Outcome {
    let layer = stage.layer(side);
    let calls = layer.journal.take();
    let own = |call: &BulkCall| BulkCall {
        operation: call.operation,
        keys: call.keys.iter().map(|key| layer.own(key)).collect(),
    };
    let expected: Vec<_> = expected.iter().map(own).collect();
    ensure!(
        calls == expected,
        "{side} was asked {}, not {}",
        summary(&calls),
        summary(&expected)
    );
    Ok(())
}

/// Operations with their numbers of keys.
fn summary(calls: &[BulkCall]) -> String {
    let one = |call: &BulkCall| format!("{:?} of {}", call.operation, call.keys.len());
    let calls: Vec<_> = calls.iter().map(one).collect();
    format!("[{}]", calls.join(", "))
}

async fn none_in_l1(bench: &Bench) -> Outcome {
    read_with_in_l1(bench, 0).await
}

async fn half_in_l1(bench: &Bench) -> Outcome {
    read_with_in_l1(bench, 3).await
}

async fn all_in_l1(bench: &Bench) -> Outcome {
    read_with_in_l1(bench, 6).await
}

/// Reads six keys of which L2 has all, and L1 the first `in_l1` in an order of their own.
async fn read_with_in_l1(bench: &Bench, in_l1: usize) -> Outcome {
    let stage = bench.stage();
    let entries = entries(&stage);
    // Mixed, so that order cannot come about by itself.
    let order = [4, 0, 2, 1, 5, 3];
    let is_in_l1 = |index: usize| order.iter().take(in_l1).any(|n| *n == index);
    for (index, (key, value)) in entries.iter().enumerate() {
        stage.l2.put(key, value).await?;
        if is_in_l1(index) {
            stage.l1.put(key, value).await?;
        }
    }
    let keys = keys(&entries);
    let mut contexts = vec![BoxContext::default(); keys.len()];
    let outcomes = stage
        .composed
        .cache
        .read_many_with(&keys, &mut contexts)
        .await;
    ensure!(outcomes.len() == keys.len(), "{} outcomes", outcomes.len());
    for (index, answer) in outcomes.into_iter().zip(contexts).enumerate() {
        let value = &entries[index].1;
        let expected = match (stage.read, is_in_l1(index)) {
            (ReadKind::Sequential | ReadKind::Parallel, true) => &[(L1, value)][..],
            (_, false) => &[(L2, value)],
            (ReadKind::Race, true) => &[(L1, value), (L2, value)],
        };
        stage.is_hit(answer, expected, &format!("in a bulk read of key {index}"))?;
    }
    stage.drain().await;
    for (key, value) in &entries {
        stage.l1.holds(key, value, "after a bulk read").await?;
    }

    let lacking = |index: &usize| !is_in_l1(*index);
    let lacking: Vec<_> = (0..6)
        .filter(lacking)
        .map(|index| keys[index].clone())
        .collect();
    let reads_l1 = one_call(Operation::Read, keys.clone());
    match stage.read {
        ReadKind::Sequential => {
            let refills = one_call(Operation::Write, lacking.clone());
            was_asked(&stage, L1, &[reads_l1, refills].concat())?;
            was_asked(&stage, L2, &one_call(Operation::Read, lacking))
        }
        ReadKind::Parallel => {
            let refills = one_call(Operation::Write, lacking);
            was_asked(&stage, L1, &[reads_l1, refills].concat())?;
            was_asked(&stage, L2, &one_call(Operation::Read, keys))
        }
        // What is refilled depends on who was faster.
        ReadKind::Race => was_asked(&stage, L2, &one_call(Operation::Read, keys)),
    }
}

async fn hundreds(bench: &Bench) -> Outcome {
    let stage = bench.stage();
    // More than tokio lets a task receive at a time.
    let keys: Vec<_> = (0..300).map(|n| stage.key(format!("{n}"))).collect();
    let value = lasting("value");
    let entries = keys
        .iter()
        .map(|key| (key.clone(), value.clone()))
        .collect();
    let outcomes = stage.composed.cache.write_many(entries).await;
    stage.drain().await;
    ensure!(outcomes.iter().all(Result::is_ok), "a bulk write failed");
    for side in CompositionLayer::BOTH {
        was_asked(&stage, side, &one_call(Operation::Write, keys.clone()))?;
    }
    let outcomes = stage.composed.cache.remove_many(&keys).await;
    ensure!(outcomes.iter().all(Result::is_ok), "a bulk remove failed");
    let outcomes = stage.composed.cache.read_many(&keys).await;
    ensure!(
        outcomes.iter().all(|outcome| matches!(outcome, Ok(None))),
        "a bulk read found something after a bulk remove"
    );
    for side in CompositionLayer::BOTH {
        let calls = [Operation::Remove, Operation::Read];
        let calls = calls.map(|operation| BulkCall {
            operation,
            keys: keys.clone(),
        });
        was_asked(&stage, side, &calls)?;
    }
    Ok(())
}

async fn absent_and_twice(bench: &Bench) -> Outcome {
    let stage = bench.stage();
    let (there, absent) = (stage.key("there"), stage.key("absent"));
    let value = lasting("value");
    stage.l2.put(&there, &value).await?;
    let keys = [&absent, &there, &absent, &there].map(CacheKey::clone);
    // One short: a key beyond the end is read without a context.
    let mut contexts = vec![BoxContext::default(); 3];
    let outcomes = stage
        .composed
        .cache
        .read_many_with(&keys, &mut contexts)
        .await;
    stage.drain().await;
    let mut found = Vec::new();
    for outcome in outcomes {
        found.push(outcome.map_err(|error| format!("a bulk read failed: {error}"))?);
    }
    let expected = [None, Some(value.clone()), None, Some(value.clone())];
    ensure!(found == expected, "found {found:?}");
    is_fresh(&*contexts[0], "in a bulk read")?;
    is_fresh(&*contexts[2], "in a bulk read")?;
    ensure!(
        contexts[1].status() == CacheStatus::Hit,
        "a hit in a bulk read says {}",
        contexts[1].status()
    );
    stage.l1.holds(&there, &value, "after a bulk read").await
}

async fn write(bench: &Bench) -> Outcome {
    let stage = bench.stage();
    let entries = entries(&stage);
    let outcomes = stage.composed.cache.write_many(entries.clone()).await;
    stage.drain().await;
    ensure!(
        outcomes.len() == 6 && outcomes.iter().all(Result::is_ok),
        "a bulk write: {outcomes:?}"
    );
    for side in CompositionLayer::BOTH {
        was_asked(&stage, side, &one_call(Operation::Write, keys(&entries)))?;
    }
    for (key, value) in &entries {
        stage
            .expect_settled(key, value, "after a bulk write")
            .await?;
    }
    Ok(())
}

async fn written_twice(bench: &Bench) -> Outcome {
    let stage = bench.stage();
    let (twice, once) = (stage.key("twice"), stage.key("once"));
    let values = ["first", "between", "last"].map(lasting);
    let entries = [&twice, &once, &twice].map(CacheKey::clone);
    let entries = entries.into_iter().zip(values.clone()).collect();
    let outcomes = stage.composed.cache.write_many(entries).await;
    stage.drain().await;
    ensure!(
        outcomes.len() == 3 && outcomes.iter().all(Result::is_ok),
        "a bulk write: {outcomes:?}"
    );
    let when = "after a bulk write with a key twice";
    stage.expect_settled(&twice, &values[2], when).await?;
    stage.expect_settled(&once, &values[1], when).await
}

async fn remove(bench: &Bench) -> Outcome {
    let stage = bench.stage();
    let names = ["both", "L1 only", "L2 only", "neither"];
    let keys = names.map(|name| stage.key(name));
    let in_l1 = stage.l1.depth(&keys[3]).await?;
    let in_l2 = stage.l2.depth(&keys[3]).await?;
    let value = lasting("value");
    for (layer, held) in [(&stage.l1, [0, 1]), (&stage.l2, [0, 2])] {
        for index in held {
            layer.put(&keys[index], &value).await?;
        }
    }
    let mut statuses = Vec::new();
    for outcome in stage.composed.cache.remove_many(&keys).await {
        statuses.push(outcome.map_err(|error| format!("a bulk remove failed: {error}"))?);
    }
    let expected = [
        DeleteStatus::Deleted(in_l1 + in_l2),
        DeleteStatus::Deleted(in_l1),
        DeleteStatus::Deleted(in_l2),
        DeleteStatus::Missing,
    ];
    ensure!(statuses == expected, "{statuses:?} instead of {expected:?}");
    for side in CompositionLayer::BOTH {
        was_asked(&stage, side, &one_call(Operation::Remove, keys.to_vec()))?;
        for key in &keys {
            stage
                .layer(side)
                .holds_nothing(key, "after a bulk remove")
                .await?;
        }
    }
    Ok(())
}

/// A composition whose layers let single keys of a bulk operation fail.
fn key_by_key(bench: &Bench) -> Stage {
    bench.stage_with(Settings {
        bulk: BulkForm::KeyByKey,
        ..Settings::default()
    })
}

async fn one_hangs(bench: &Bench) -> Outcome {
    let stage = key_by_key(bench);
    let entries = entries(&stage);
    let reads = stage.l1.faults.reads();
    reads.next(1, Fault::HangBeforeEffect);
    let (cache, asked) = (Arc::clone(&stage.composed.cache), keys(&entries));
    let read = Started::start(async move { cache.read_many(&asked).await }).await;
    reads.wait_until_hanging(1).await;
    match stage.read {
        ReadKind::Sequential => {}
        ReadKind::Race | ReadKind::Parallel => {
            let l2_is_asked = stage.l2.faults.reads().wait_until_called(6);
            promptly(l2_is_asked, "asking L2 while L1 hangs").await?;
        }
    }
    reads.heal();
    let outcomes = read.outcome("a bulk read").await?;
    ensure!(
        outcomes.len() == 6 && outcomes.iter().all(|one| matches!(one, Ok(None))),
        "a bulk read of absent keys: {outcomes:?}"
    );
    Ok(())
}

async fn some_fail_to_read(bench: &Bench) -> Outcome {
    let stage = key_by_key(bench);
    let entries = entries(&stage);
    for (key, value) in &entries {
        stage.l1.put(key, value).await?;
        stage.l2.put(key, value).await?;
    }
    stage.l1.faults.reads().next(2, Fault::FailBeforeEffect);
    let mut contexts = vec![BoxContext::default(); 6];
    let outcomes = stage
        .composed
        .cache
        .read_many_with(&keys(&entries), &mut contexts)
        .await;
    for (index, answer) in outcomes.into_iter().zip(contexts).enumerate() {
        let value = &entries[index].1;
        let both = [(L1, value), (L2, value)];
        let expected = match (index, stage.read) {
            (0..2, _) => &both[1..],
            (_, ReadKind::Sequential | ReadKind::Parallel) => &both[..1],
            (_, ReadKind::Race) => &both,
        };
        let when = format!("at key {index}, and L1 fails to read the first two");
        stage.is_hit(answer, expected, &when)?;
    }
    stage.drain().await;

    for side in CompositionLayer::BOTH {
        stage
            .layer(side)
            .faults
            .reads()
            .next(1, Fault::FailBeforeEffect);
    }
    let outcomes = stage.composed.cache.read_many(&keys(&entries)).await;
    let failed: Vec<_> = outcomes.iter().map(Result::is_err).collect();
    // A sequential read asks L2 for the first key only, and so fails at that one too.
    ensure!(
        failed == [true, false, false, false, false, false],
        "both layers failed to read the first key, and of all {failed:?} failed"
    );
    Ok(())
}

async fn some_fail_to_write(bench: &Bench) -> Outcome {
    for failing in CompositionLayer::BOTH {
        let stage = key_by_key(bench);
        let entries: Vec<_> = (0..3)
            .map(|n| (stage.key(format!("{failing} {n}")), lasting(format!("{n}"))))
            .collect();
        for (key, _) in &entries {
            stage.write(key, &lasting("old")).await?;
        }
        // Created before the old values, and so older: loaded anew.
        let entries: Vec<_> = entries
            .into_iter()
            .map(|(key, value)| (key, value.created_at(hitbox_backend::Stamp::now())))
            .collect();
        stage
            .layer(failing)
            .faults
            .writes()
            .next(1, Fault::FailBeforeEffect);
        let outcomes = stage.composed.cache.write_many(entries.clone()).await;
        stage.drain().await;
        let failed: Vec<_> = outcomes.iter().map(Result::is_err).collect();
        let expected = [blamed(stage.write, &[failing]).is_some(), false, false];
        ensure!(
            failed == expected,
            "{failing} failed to write the first key, and of all {failed:?} failed"
        );
        for (key, value) in &entries[1..] {
            let when = format!("after {failing} failed to write another key");
            stage.expect_settled(key, value, &when).await?;
        }
        let (outcome, _context) = stage.look(&entries[0].0).await;
        let found = outcome.map_err(|error| format!("a read failed: {error}"))?;
        ensure!(
            found.is_none() || found.as_ref() == Some(&entries[0].1),
            "a read found an older value of the key that {failing} failed to write"
        );
    }
    Ok(())
}

async fn some_fail_to_remove(bench: &Bench) -> Outcome {
    for failing in CompositionLayer::BOTH {
        let stage = key_by_key(bench);
        let keys = [0, 1, 2].map(|n| stage.key(format!("{failing} {n}")));
        for key in &keys {
            stage.write(key, &lasting("value")).await?;
        }
        stage
            .layer(failing)
            .faults
            .removes()
            .next(1, Fault::FailBeforeEffect);
        let outcomes = stage.composed.cache.remove_many(&keys).await;
        let [
            Err(error),
            Ok(DeleteStatus::Deleted(_)),
            Ok(DeleteStatus::Deleted(_)),
        ] = &outcomes[..]
        else {
            return Err(format!("{failing} failed one of three keys: {outcomes:?}"));
        };
        stage.layer(failing).is_blamed_by(error, "composition")?;
        for key in &keys {
            let when = format!("after {failing} failed to remove the first of three keys");
            stage.expect_miss(key, &when).await?;
        }
        stage.expect_pending(&keys[0], &[failing], "after a bulk remove")?;
        stage.expect_pending(&keys[1], &[], "after a bulk remove")?;
    }
    Ok(())
}
