//! A layer that failed a write or a remove is brought up to date though nobody uses the key (G4).

use std::time::Duration;

use hitbox_backend::{
    CompositionLayer::{self, L1, L2},
    RefillPolicy, RepairBackoff, RepairCause, RepairPolicy,
    conformance::{Fault, sample::lasting},
};
use hitbox_core::{CacheKey, CacheValue, Raw};

use super::{
    Outcome, ensure,
    expected::confirming,
    pair::Settings,
    pending_repairs::failures,
    scenarios,
    stage::{Bench, Stage},
    started::promptly,
};

scenarios! { "repair":
    "a failed write is made up for when the layer is back" => failed_write,
    "a failed remove is made up for when the layer is back" => failed_remove,
    "a write that failed in both layers leaves nothing behind" => write_failed_in_both,
    "a pending repair is dropped when a later write takes its place" => superseded,
    "a layer that hangs while it is repaired holds nobody up" => hanging_repair,
    "a read repairs where the background does not" => by_reads,
    "three levels repair each other" => nested,
}

fn soon() -> RepairPolicy {
    let pace = RepairBackoff::new()
        .initial(Duration::from_millis(1))
        .max(Duration::from_millis(5));
    RepairPolicy::Background(pace)
}

/// A composition that repairs, and refills nothing that a repair might be taken for.
fn repairing(bench: &Bench, repair: RepairPolicy) -> Stage {
    bench.stage_with(Settings {
        refill: RefillPolicy::Never,
        repair: Some(repair),
        ..Settings::default()
    })
}

/// Waits until no repair of the key is pending.
async fn until_repaired(stage: &Stage, key: &CacheKey) -> Outcome {
    let repaired = async {
        while is_pending(stage, key) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    promptly(repaired, "the repair").await
}

fn is_pending(stage: &Stage, key: &CacheKey) -> bool {
    let pending = stage.composed.cache.pending_repairs();
    let settled = |cause| cause == RepairCause::InDoubt;
    pending
        .iter()
        .any(|pending| pending.key == *key && !settled(pending.cause))
}

/// Waits until a repair of the key has been tried, and has failed.
async fn until_tried(stage: &Stage, key: &CacheKey) -> Outcome {
    let tried = async {
        loop {
            let pending = stage.composed.cache.pending_repairs();
            if pending
                .iter()
                .any(|pending| pending.key == *key && pending.attempts > 0)
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    promptly(tried, "a repair").await
}

/// Writes a value over an old one while `failing` does not take it, and sees a repair fail too.
/// Returns the value.
async fn write_without(
    stage: &Stage,
    key: &CacheKey,
    (failing, fault): (CompositionLayer, Fault),
) -> Result<CacheValue<Raw>, String> {
    stage.write(key, &lasting("old")).await?;
    stop(stage, failing, fault);
    let new = lasting("new");
    // What it returns is another scenario's business.
    let _depends_on_the_policy = stage.try_write(key, &new).await;
    until_tried(stage, key).await?;
    Ok(new)
}

/// From now on the layer changes nothing, or does so without an answer.
fn stop(stage: &Stage, failing: CompositionLayer, fault: Fault) {
    let faults = &stage.layer(failing).faults;
    faults.writes().always(fault);
    faults.removes().always(fault);
}

async fn failed_write(bench: &Bench) -> Outcome {
    let stage = repairing(bench, soon());
    for (failing, fault) in failures() {
        let key = stage.key(format!("{failing} {fault:?}"));
        let new = write_without(&stage, &key, (failing, fault)).await?;
        stage.layer(failing).faults.heal();
        until_repaired(&stage, &key).await?;
        let when = format!("after {failing} failed a write ({fault:?}) and came back");
        if confirming(stage.write, &[failing]).is_empty() {
            // Nobody has the value. Then nobody has the old one either.
            expect_nothing(&stage, &key, &when).await?;
        } else {
            stage.expect_settled(&key, &new, &when).await?;
        }
    }
    Ok(())
}

async fn expect_nothing(stage: &Stage, key: &CacheKey, when: &str) -> Outcome {
    for side in CompositionLayer::BOTH {
        stage.layer(side).holds_nothing(key, when).await?;
    }
    stage.expect_miss(key, when).await
}

async fn failed_remove(bench: &Bench) -> Outcome {
    let stage = repairing(bench, soon());
    for (failing, fault) in failures() {
        let key = stage.key(format!("{failing} {fault:?}"));
        stage.write(&key, &lasting("old")).await?;
        stop(&stage, failing, fault);
        let removed = stage.composed.cache.remove(&key).await;
        ensure!(removed.is_err(), "a remove succeeded that {failing} failed");
        until_tried(&stage, &key).await?;
        stage
            .expect_miss(&key, "while the repair of a remove is pending")
            .await?;
        stage.layer(failing).faults.heal();
        until_repaired(&stage, &key).await?;
        let when = format!("after {failing} failed a remove ({fault:?}) and came back");
        expect_nothing(&stage, &key, &when).await?;
    }
    Ok(())
}

async fn write_failed_in_both(bench: &Bench) -> Outcome {
    let stage = repairing(bench, soon());
    let key = stage.key("k");
    stage.write(&key, &lasting("old")).await?;
    for side in CompositionLayer::BOTH {
        stop(&stage, side, Fault::FailBeforeEffect);
    }
    let written = stage.try_write(&key, &lasting("new")).await;
    ensure!(written.is_err(), "a write succeeded that failed in both");
    for side in CompositionLayer::BOTH {
        stage.layer(side).faults.heal();
    }
    until_repaired(&stage, &key).await?;
    expect_nothing(&stage, &key, "after both failed a write and came back").await
}

async fn superseded(bench: &Bench) -> Outcome {
    let stage = repairing(bench, soon());
    for (failing, fault) in failures() {
        if confirming(stage.write, &[failing]).is_empty() {
            // Then a repair removes. A layer that is a composition itself stamps that when it comes to
            // it, which may be after the next value was created, and so keeps that out.
            continue;
        }
        let key = stage.key(format!("{failing} {fault:?}"));
        let _superseded = write_without(&stage, &key, (failing, fault)).await?;
        stage.layer(failing).faults.heal();
        let newer = lasting("newer");
        stage.write(&key, &newer).await?;
        until_repaired(&stage, &key).await?;
        let when = "after a write took the place of a pending repair";
        stage.expect_settled(&key, &newer, when).await?;
    }
    Ok(())
}

async fn hanging_repair(bench: &Bench) -> Outcome {
    let stage = repairing(bench, soon());
    for failing in CompositionLayer::BOTH {
        let key = stage.key(format!("{failing}"));
        let reads = stage.layer(failing).faults.reads();
        let refused = Fault::FailBeforeEffect;
        stage.write(&key, &lasting("old")).await?;
        // The repair looks at the layer first, and gets no answer.
        reads.always(Fault::HangBeforeEffect);
        stop(&stage, failing, refused);
        // What it returns is another scenario's business.
        let _depends_on_the_policy = stage.composed.cache.write(&key, lasting("new")).await;
        reads.wait_until_hanging(1).await;
        stage.layer(failing).faults.writes().heal();
        stage.layer(failing).faults.removes().heal();
        let newer = lasting("newer");
        let write = stage.composed.cache.write(&key, newer.clone());
        let written = promptly(write, "a write beside a repair that hangs").await?;
        written.map_err(|error| format!("a write failed: {error}"))?;
        reads.heal();
        stage.drain().await;
        until_repaired(&stage, &key).await?;
        let when = "after a repair hung";
        stage.expect_settled(&key, &newer, when).await?;
    }
    Ok(())
}

async fn by_reads(bench: &Bench) -> Outcome {
    let stage = repairing(bench, RepairPolicy::OnNextOperation);
    for (failing, fault) in failures() {
        let key = stage.key(format!("{failing} {fault:?}"));
        stage.write(&key, &lasting("old")).await?;
        stage.layer(failing).faults.removes().next(1, fault);
        let removed = stage.composed.cache.remove(&key).await;
        ensure!(removed.is_err(), "a remove succeeded that {failing} failed");
        stage.expect_pending(&key, &[failing], "before anybody reads")?;
        let when = "after a read of a key whose remove is a pending repair";
        stage.expect_miss(&key, when).await?;
        stage.drain().await;
        stage.expect_pending(&key, &[], when)?;
        expect_nothing(&stage, &key, when).await?;
    }
    let key = stage.key("written");
    stage.write(&key, &lasting("old")).await?;
    let new = lasting("new");
    stage.l2.faults.writes().next(1, Fault::FailBeforeEffect);
    let _depends_on_the_policy = stage.try_write(&key, &new).await;
    stage
        .expect_hit(&key, &new, L1, "which has taken the write")
        .await?;
    stage.drain().await;
    stage.expect_settled(&key, &new, "after a read").await
}

async fn nested(bench: &Bench) -> Outcome {
    let stage = repairing(bench, soon());
    let cache = &stage.composed.beneath_memory;
    for failing in [L1, L2] {
        let key = stage.key(format!("{failing}"));
        let written = cache.write(&key, lasting("old")).await;
        written.map_err(|error| format!("a write failed: {error}"))?;
        stage.drain().await;
        stop(&stage, failing, Fault::FailBeforeEffect);
        let removed = cache.remove(&key).await;
        ensure!(removed.is_err(), "a remove succeeded that {failing} failed");
        let found = cache.read(&key).await;
        ensure!(matches!(found, Ok(None)), "after a remove: {found:?}");
        until_tried(&stage, &key).await?;
        stage.layer(failing).faults.heal();
        until_repaired(&stage, &key).await?;
        let when = "after a remove from the top that one layer failed";
        expect_nothing(&stage, &key, when).await?;
        let new = lasting("new");
        let written = cache.write(&key, new.clone()).await;
        written.map_err(|error| format!("a write failed: {error}"))?;
        stage.drain().await;
        until_repaired(&stage, &key).await?;
        let found = cache.read(&key).await;
        ensure!(
            found
                .as_ref()
                .is_ok_and(|found| found.as_ref() == Some(&new)),
            "after a write from the top: {found:?}"
        );
    }
    Ok(())
}
