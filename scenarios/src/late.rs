//! What arrives late does not bring an older value back (G3).

use hitbox_backend::{
    BackendResult, CompositionLayer, ReadOutcome, RefillPolicy,
    conformance::{Fault, sample::lasting},
};
use hitbox_core::{BoxContext, CacheKey, CacheValue, Raw};

use super::{
    Outcome, WriteKind, ensure,
    pair::Settings,
    scenarios,
    stage::{Bench, Stage},
    started::{Started, promptly},
    watched::BulkForm,
};

scenarios! { "late":
    "a write that hangs does not overtake the next" => slow_write_then_write,
    "a write that hangs does not overtake a remove" => slow_write_then_remove,
    "a remove that hangs does not undo the next write" => slow_remove_then_write,
    "a write of an older value changes nothing" => older_value,
    "a value created before a remove is not put back" => created_before_remove,
    "a write that failed and takes effect after a newer one" => failed_write_takes_effect,
    "a write that failed and takes effect after a remove" => failed_write_after_remove,
    "a repeated write whose first attempt takes effect after a newer one" => repeated_write_takes_effect,
    "a repeated write whose first attempt takes effect after a remove" => repeated_write_after_remove,
    "a refill that hangs does not undo a remove" => slow_refill_then_remove,
    "a refill that hangs does not undo a write" => slow_refill_then_write,
    "a read that began before a remove does not refill" => slow_read_then_remove,
    "a read that began before a write does not refill" => slow_read_then_write,
    "a read that began before a remove does not refill while that goes on" => slow_read_beside_remove,
    "a read that began before a write does not refill while that goes on" => slow_read_beside_write,
}

const HANGS: [Fault; 2] = [Fault::HangBeforeEffect, Fault::HangAfterEffect];

/// Every layer with every way in which it can hang.
fn hangs() -> impl Iterator<Item = (CompositionLayer, Fault)> {
    CompositionLayer::BOTH
        .into_iter()
        .flat_map(|side| HANGS.into_iter().map(move |fault| (side, fault)))
}

fn refilling(bench: &Bench) -> [Stage; 2] {
    [RefillPolicy::Always, RefillPolicy::Repair].map(|refill| {
        bench.stage_with(Settings {
            refill,
            ..Settings::default()
        })
    })
}

/// Starts a write of `value` and returns once it hangs in `slow`.
async fn write_that_hangs(
    stage: &Stage,
    key: &CacheKey,
    value: &CacheValue<Raw>,
    (slow, fault): (CompositionLayer, Fault),
) -> Started<BackendResult<()>> {
    let writes = stage.layer(slow).faults.writes();
    writes.next(1, fault);
    let write = stage.start_write(key, value).await;
    writes.wait_until_hanging(1).await;
    write
}

async fn slow_write_then_write(bench: &Bench) -> Outcome {
    for (slow, fault) in hangs() {
        let stage = bench.stage();
        let key = stage.key(format!("{slow} {fault:?}"));
        stage.write(&key, &lasting("old")).await?;
        let first = write_that_hangs(&stage, &key, &lasting("first"), (slow, fault)).await;
        let second = lasting("second");
        let write = stage.start_write(&key, &second).await;
        if stage.write == WriteKind::Race {
            write.succeeds("a race that one layer has won").await?;
            let read = promptly(stage.look(&key), "a read").await?;
            let when = "while an older write hangs";
            stage.is_hit(read, &[(slow.other(), &second)], when)?;
            stage.layer(slow).faults.heal();
        } else {
            stage.layer(slow).faults.heal();
            write.succeeds("the second write").await?;
        }
        let _superseded_or_done = first.outcome("the first write").await?;
        stage.drain().await;
        let when = format!("after an older write hung in {slow} ({fault:?})");
        stage.expect_settled(&key, &second, &when).await?;
    }
    Ok(())
}

async fn slow_write_then_remove(bench: &Bench) -> Outcome {
    for (slow, fault) in hangs() {
        let stage = bench.stage();
        let key = stage.key(format!("{slow} {fault:?}"));
        let write = write_that_hangs(&stage, &key, &lasting("value"), (slow, fault)).await;
        let remove = stage.start_remove(&key).await;
        stage.layer(slow).faults.heal();
        remove.succeeds("the remove").await?;
        let when = format!("after a remove that an older write hung beside ({slow}, {fault:?})");
        stage.expect_miss(&key, &when).await?;
        let _superseded_or_done = write.outcome("the write").await?;
        stage.drain().await;
        stage.expect_miss(&key, &when).await?;
        for side in CompositionLayer::BOTH {
            stage.layer(side).holds_nothing(&key, &when).await?;
        }
    }
    Ok(())
}

async fn slow_remove_then_write(bench: &Bench) -> Outcome {
    for (slow, fault) in hangs() {
        let stage = bench.stage();
        let key = stage.key(format!("{slow} {fault:?}"));
        let layers = stage.layer(slow).depth(&key).await?;
        stage.write(&key, &lasting("old")).await?;
        let removes = stage.layer(slow).faults.removes();
        removes.next(1, fault);
        let remove = stage.start_remove(&key).await;
        removes.wait_until_hanging(1).await;
        let new = lasting("new");
        let write = stage.start_write(&key, &new).await;
        if stage.write == WriteKind::Race {
            write.succeeds("a race that one layer has won").await?;
            removes.heal();
        } else {
            removes.heal();
            write.succeeds("the write").await?;
        }
        let _superseded_or_done = remove.outcome("the remove").await?;
        stage.drain().await;
        let when = format!("after an older remove hung in {slow} ({fault:?})");
        if fault == Fault::HangBeforeEffect && layers > 1 {
            // A layer that is a composition itself stamps the remove when it comes to it, after
            // the value was created, and so keeps the value out: forgotten, but not replaced.
            stage.expect_pending(&key, &[], &when)?;
            stage.expect_hit(&key, &new, slow.other(), &when).await?;
            continue;
        }
        stage.expect_settled(&key, &new, &when).await?;
    }
    Ok(())
}

async fn older_value(bench: &Bench) -> Outcome {
    let stage = bench.stage();
    let key = stage.key("k");
    let (older, newer) = (lasting("older"), lasting("newer"));
    stage.write(&key, &newer).await?;
    stage.write(&key, &older).await?;
    let when = "after an older value was written";
    stage.expect_settled(&key, &newer, when).await
}

async fn created_before_remove(bench: &Bench) -> Outcome {
    let stage = bench.stage();
    let key = stage.key("k");
    stage.write(&key, &lasting("old")).await?;
    let loaded_before = lasting("loaded before");
    stage.remove(&key).await?;
    stage.write(&key, &loaded_before).await?;
    let when = "after a value was written that was created before a remove";
    stage.expect_miss(&key, when).await?;
    for side in CompositionLayer::BOTH {
        stage.layer(side).holds_nothing(&key, when).await?;
    }
    let loaded_after = lasting("loaded after");
    stage.write(&key, &loaded_after).await?;
    stage
        .expect_settled(&key, &loaded_after, "loaded after a remove")
        .await
}

/// Writes a value while `failing` fails, so that it may take effect there later.
async fn write_that_fails(
    stage: &Stage,
    key: &CacheKey,
    failing: CompositionLayer,
) -> CacheValue<Raw> {
    let value = lasting("late");
    stage
        .layer(failing)
        .faults
        .writes()
        .next(1, Fault::FailBeforeEffect);
    let _depends_on_the_policy = stage.try_write(key, &value).await;
    value
}

async fn failed_write_takes_effect(bench: &Bench) -> Outcome {
    for failing in CompositionLayer::BOTH {
        let stage = bench.stage();
        let key = stage.key(format!("{failing}"));
        let late = write_that_fails(&stage, &key, failing).await;
        let newer = lasting("newer");
        stage.write(&key, &newer).await?;
        stage.layer(failing).put(&key, &late).await?;
        let when = format!("after an older write took effect late in {failing}");
        let both = [(failing.other(), &newer), (failing, &newer)];
        stage.expect_one_of(&key, &both, &when).await?;
        stage.drain().await;
        stage.expect_one_of(&key, &both, &when).await?;
        stage.remove(&key).await?;
        stage.expect_miss(&key, "after a remove").await?;
    }
    Ok(())
}

async fn failed_write_after_remove(bench: &Bench) -> Outcome {
    for failing in CompositionLayer::BOTH {
        let stage = bench.stage();
        let key = stage.key(format!("{failing}"));
        let late = write_that_fails(&stage, &key, failing).await;
        stage.remove(&key).await?;
        stage.layer(failing).put(&key, &late).await?;
        let when = format!("after a write took effect in {failing} that is older than a remove");
        stage.expect_miss(&key, &when).await?;
        stage.drain().await;
        stage.expect_miss(&key, &when).await?;
        stage
            .layer(failing.other())
            .holds_nothing(&key, &when)
            .await?;
    }
    Ok(())
}

/// Writes a value that `repeating` takes at a second attempt, alone and with others.
async fn write_repeatedly(
    stage: &Stage,
    repeating: CompositionLayer,
) -> Result<[(CacheKey, CacheValue<Raw>); 2], String> {
    let entries = ["single", "bulk"].map(|form| {
        let key = stage.key(format!("{form} {repeating}"));
        (key, lasting("repeated"))
    });
    let [(single, value), bulk] = &entries;
    let writes = stage.layer(repeating).faults.writes();
    writes.next(1, Fault::Repeat);
    stage.write(single, value).await?;
    writes.next(1, Fault::Repeat);
    for outcome in stage.composed.cache.write_many(vec![bulk.clone()]).await {
        outcome.map_err(|error| format!("a bulk write failed: {error}"))?;
    }
    stage.drain().await;
    writes.heal();
    Ok(entries)
}

async fn repeated_write_takes_effect(bench: &Bench) -> Outcome {
    for repeating in CompositionLayer::BOTH {
        let stage = bench.stage_with(Settings {
            bulk: BulkForm::KeyByKey,
            ..Settings::default()
        });
        for (key, late) in write_repeatedly(&stage, repeating).await? {
            let when = format!("after a write that {repeating} took at a second attempt");
            stage.expect_settled(&key, &late, &when).await?;
            let newer = lasting("newer");
            stage.write(&key, &newer).await?;
            stage.layer(repeating).put(&key, &late).await?;
            let when = format!("after the first attempt took effect in {repeating}, late");
            let both = [(repeating.other(), &newer), (repeating, &newer)];
            let others_reads = stage.layer(repeating.other()).faults.reads();
            others_reads.always(Fault::FailBeforeEffect);
            let read = stage.look(&key).await;
            match &read.0 {
                // A layer that is a composition has fences of its own: it has not let the older value in.
                Ok(Some(_)) => stage.is_hit(read, &[(repeating, &newer)], &when)?,
                Ok(None) | Err(_) => stage.is_miss(read, &when)?,
            }
            others_reads.heal();
            stage.expect_one_of(&key, &both, &when).await?;
            stage.drain().await;
            stage.expect_one_of(&key, &both, &when).await?;
        }
    }
    Ok(())
}

async fn repeated_write_after_remove(bench: &Bench) -> Outcome {
    for repeating in CompositionLayer::BOTH {
        let stage = bench.stage_with(Settings {
            bulk: BulkForm::KeyByKey,
            ..Settings::default()
        });
        for (key, late) in write_repeatedly(&stage, repeating).await? {
            stage
                .layer(repeating)
                .faults
                .removes()
                .next(1, Fault::Repeat);
            stage.remove(&key).await?;
            stage.layer(repeating).put(&key, &late).await?;
            let when = format!("after a write took effect late in {repeating}, before a remove");
            stage.expect_miss(&key, &when).await?;
            stage.drain().await;
            stage.expect_miss(&key, &when).await?;
        }
    }
    Ok(())
}

/// Puts an old value into L2, reads it, and returns once its refill of L1 hangs.
async fn refill_that_hangs(stage: &Stage, key: &CacheKey, fault: Fault) -> Outcome {
    let old = lasting("old");
    stage.l2.put(key, &old).await?;
    stage.l1.faults.writes().next(1, fault);
    let read = promptly(stage.look(key), "a read").await?;
    stage.is_hit(read, &[(CompositionLayer::L2, &old)], "before the refill")?;
    stage.l1.faults.writes().wait_until_hanging(1).await;
    Ok(())
}

async fn slow_refill_then_remove(bench: &Bench) -> Outcome {
    for (index, stage) in refilling(bench).iter().enumerate() {
        for fault in HANGS {
            let key = stage.key(format!("{fault:?} {index}"));
            refill_that_hangs(stage, &key, fault).await?;
            let remove = stage.start_remove(&key).await;
            stage.l1.faults.heal();
            remove.succeeds("the remove").await?;
            let when = format!("after a remove that a refill hung beside ({fault:?})");
            stage.expect_miss(&key, &when).await?;
            stage.drain().await;
            stage.expect_miss(&key, &when).await?;
            for side in CompositionLayer::BOTH {
                stage.layer(side).holds_nothing(&key, &when).await?;
            }
        }
    }
    Ok(())
}

async fn slow_refill_then_write(bench: &Bench) -> Outcome {
    for (index, stage) in refilling(bench).iter().enumerate() {
        for fault in HANGS {
            let key = stage.key(format!("{fault:?} {index}"));
            refill_that_hangs(stage, &key, fault).await?;
            let new = lasting("new");
            let write = stage.start_write(&key, &new).await;
            if stage.write == WriteKind::Race {
                write.succeeds("a race that L2 has won").await?;
                let read = promptly(stage.look(&key), "a read").await?;
                let when = "while a refill with an older value hangs";
                stage.is_hit(read, &[(CompositionLayer::L2, &new)], when)?;
                stage.l1.faults.heal();
            } else {
                stage.l1.faults.heal();
                write.succeeds("the write").await?;
            }
            stage.drain().await;
            let when = format!("after a write that a refill hung beside ({fault:?})");
            stage.expect_settled(&key, &new, &when).await?;
        }
    }
    Ok(())
}

/// Starts a read that has found an old value in L2, and returns once its answer hangs.
async fn read_that_hangs(
    stage: &Stage,
    key: &CacheKey,
) -> Result<Started<(ReadOutcome, BoxContext)>, String> {
    stage.l2.put(key, &lasting("old")).await?;
    let reads = stage.l2.faults.reads();
    reads.next(1, Fault::HangAfterEffect);
    let read = stage.start_read(key).await;
    reads.wait_until_hanging(1).await;
    Ok(read)
}

async fn slow_read_then_remove(bench: &Bench) -> Outcome {
    for (index, stage) in refilling(bench).iter().enumerate() {
        let key = stage.key(format!("{index}"));
        let read = read_that_hangs(stage, &key).await?;
        stage.remove(&key).await?;
        stage.l2.faults.heal();
        let (outcome, _context) = read.outcome("the read").await?;
        ensure!(outcome.is_ok(), "a slow read failed");
        stage.drain().await;
        let when = "after a remove that a slow read began before";
        stage.expect_miss(&key, when).await?;
        stage.l1.holds_nothing(&key, when).await?;
    }
    Ok(())
}

async fn slow_read_then_write(bench: &Bench) -> Outcome {
    for (index, stage) in refilling(bench).iter().enumerate() {
        let key = stage.key(format!("{index}"));
        let read = read_that_hangs(stage, &key).await?;
        let new = lasting("new");
        let write = stage.start_write(&key, &new).await;
        write.succeeds("a write").await?;
        // Not until nothing is left to do: a race that L1 wins with the new value leaves the read
        // that hangs.
        promptly(stage.l1.comes_to_hold(&key, &new), "the write to L1").await??;
        stage.l2.faults.heal();
        let (outcome, _context) = read.outcome("the read").await?;
        ensure!(outcome.is_ok(), "a slow read failed");
        stage.drain().await;
        let when = "after a write that a slow read began before";
        stage.expect_settled(&key, &new, when).await?;
    }
    Ok(())
}

async fn slow_read_beside_remove(bench: &Bench) -> Outcome {
    for (index, stage) in refilling(bench).iter().enumerate() {
        let key = stage.key(format!("{index}"));
        let read = read_that_hangs(stage, &key).await?;
        let removes = stage.l2.faults.removes();
        removes.next(1, Fault::HangAfterEffect);
        let remove = stage.start_remove(&key).await;
        removes.wait_until_hanging(1).await;
        stage.l2.faults.reads().heal();
        let (outcome, _context) = read.outcome("the read").await?;
        ensure!(outcome.is_ok(), "a slow read failed");
        removes.heal();
        remove.succeeds("the remove").await?;
        stage.drain().await;
        let when = "after a remove that a slow read ended beside";
        stage.expect_miss(&key, when).await?;
        stage.l1.holds_nothing(&key, when).await?;
    }
    Ok(())
}

async fn slow_read_beside_write(bench: &Bench) -> Outcome {
    for (index, stage) in refilling(bench).iter().enumerate() {
        let key = stage.key(format!("{index}"));
        let read = read_that_hangs(stage, &key).await?;
        let writes = stage.l2.faults.writes();
        writes.next(1, Fault::HangAfterEffect);
        let new = lasting("new");
        let write = stage.start_write(&key, &new).await;
        writes.wait_until_hanging(1).await;
        stage.l2.faults.reads().heal();
        let (outcome, _context) = read.outcome("the read").await?;
        ensure!(outcome.is_ok(), "a slow read failed");
        writes.heal();
        write.succeeds("the write").await?;
        stage.drain().await;
        let when = "after a write that a slow read ended beside";
        stage.expect_settled(&key, &new, when).await?;
    }
    Ok(())
}
