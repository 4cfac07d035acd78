//! A layer that failed a write or a remove is bypassed until it holds what it missed (G3, G4).

use std::num::NonZeroUsize;

use hitbox_backend::{
    CompositionLayer::{self, L1, L2},
    RefillPolicy,
    conformance::{Fault, sample::lasting},
};
use hitbox_core::{CacheKey, CacheValue, Raw};

use super::{
    Outcome, ReadKind, ensure,
    expected::confirming,
    pair::Settings,
    reads::undisturbed,
    scenarios,
    stage::{Bench, Stage},
};

scenarios! { "pending repairs":
    "a layer that failed a write is bypassed until the next write" => failed_write,
    "a write that failed in both layers hides the old value" => write_failed_in_both,
    "a layer that failed a write is healed by a refill" => healed_by_refill,
    "a layer that failed a write is healed by a repair" => healed_by_repair,
    "a layer that failed a remove is bypassed until the next remove" => failed_remove,
    "a layer that failed a remove is bypassed until the next write" => failed_remove_then_write,
    "a remove that failed in both layers hides the old value" => remove_failed_in_both,
    "more repairs are pending than can be remembered" => too_many_are_pending,
}

pub(super) const FAILURES: [Fault; 2] = [Fault::FailBeforeEffect, Fault::FailAfterEffect];

/// Every layer with every way in which it can fail.
pub(super) fn failures() -> impl Iterator<Item = (CompositionLayer, Fault)> {
    CompositionLayer::BOTH
        .into_iter()
        .flat_map(|side| FAILURES.into_iter().map(move |fault| (side, fault)))
}

/// The layers that have not confirmed a write, if these have.
fn unconfirmed(confirmed: &[CompositionLayer]) -> Vec<CompositionLayer> {
    let mut layers = CompositionLayer::BOTH.to_vec();
    layers.retain(|layer| !confirmed.contains(layer));
    layers
}

/// Writes `new` over an old value while `failing` fails. Returns the layers that have confirmed.
async fn write_over(
    stage: &Stage,
    key: &CacheKey,
    new: &CacheValue<Raw>,
    failing: CompositionLayer,
    fault: Fault,
) -> Result<Vec<CompositionLayer>, String> {
    stage.layer(failing).faults.writes().next(1, fault);
    // What it returns is another scenario's business.
    let _depends_on_the_policy = stage.try_write(key, new).await;
    let confirmed = confirming(stage.write, &[failing]);
    stage.expect_pending(
        key,
        &unconfirmed(&confirmed),
        "after a layer failed a write",
    )?;
    Ok(confirmed)
}

/// Holds if a read finds the new value in the layer that has confirmed it, or nothing at all.
async fn expect_new_or_nothing(
    stage: &Stage,
    key: &CacheKey,
    new: &CacheValue<Raw>,
    confirmed: &[CompositionLayer],
    when: &str,
) -> Outcome {
    match confirmed.first() {
        Some(side) => stage.expect_hit(key, new, *side, when).await,
        None => stage.expect_miss(key, when).await,
    }
}

async fn failed_write(bench: &Bench) -> Outcome {
    let stage = undisturbed(bench);
    for (failing, fault) in failures() {
        let key = stage.key(format!("{failing} {fault:?}"));
        stage.write(&key, &lasting("old")).await?;
        let new = lasting("new");
        let confirmed = write_over(&stage, &key, &new, failing, fault).await?;
        let when = format!("after {failing} failed a write ({fault:?})");
        expect_new_or_nothing(&stage, &key, &new, &confirmed, &when).await?;
        // Not even when nobody else answers.
        let others_reads = stage.layer(failing.other()).faults.reads();
        others_reads.always(Fault::FailBeforeEffect);
        stage.expect_miss(&key, &when).await?;
        others_reads.heal();

        let newer = lasting("newer");
        stage.write(&key, &newer).await?;
        stage
            .expect_settled(&key, &newer, &format!("{when} and took the next"))
            .await?;
    }
    Ok(())
}

async fn write_failed_in_both(bench: &Bench) -> Outcome {
    for fault in FAILURES {
        let stage = bench.stage();
        let key = stage.key(format!("{fault:?}"));
        stage.write(&key, &lasting("old")).await?;
        for side in CompositionLayer::BOTH {
            stage.layer(side).faults.writes().always(fault);
        }
        let written = stage.try_write(&key, &lasting("new")).await;
        ensure!(written.is_err(), "a write succeeded that failed in both");
        let when = "after both failed a write";
        stage.expect_miss(&key, when).await?;
        stage.expect_pending(&key, &[L1, L2], when)?;
        for side in CompositionLayer::BOTH {
            stage.layer(side).faults.heal();
        }
        let newer = lasting("newer");
        stage.write(&key, &newer).await?;
        stage
            .expect_settled(&key, &newer, "after the next write")
            .await?;
    }
    Ok(())
}

async fn healed_by_refill(bench: &Bench) -> Outcome {
    let stage = bench.stage();
    for fault in FAILURES {
        let key = stage.key(format!("{fault:?}"));
        stage.write(&key, &lasting("old")).await?;
        let new = lasting("new");
        let confirmed = write_over(&stage, &key, &new, L1, fault).await?;
        let when = "after L1 failed a write";
        expect_new_or_nothing(&stage, &key, &new, &confirmed, when).await?;
        stage.drain().await;
        if confirmed.is_empty() {
            stage.expect_pending(&key, &[L1, L2], "where nothing could be refilled")?;
        } else {
            stage.expect_settled(&key, &new, "after a refill").await?;
        }
    }
    Ok(())
}

async fn healed_by_repair(bench: &Bench) -> Outcome {
    let stage = bench.stage_with(Settings {
        refill: RefillPolicy::Repair,
        ..Settings::default()
    });
    for (failing, fault) in failures() {
        let key = stage.key(format!("{failing} {fault:?}"));
        stage.write(&key, &lasting("old")).await?;
        let new = lasting("new");
        let confirmed = write_over(&stage, &key, &new, failing, fault).await?;
        let when = format!("after {failing} failed a write");
        expect_new_or_nothing(&stage, &key, &new, &confirmed, &when).await?;
        stage.drain().await;
        let l2_was_not_asked = failing == L2 && stage.read == ReadKind::Sequential;
        if confirmed.is_empty() || l2_was_not_asked {
            stage.expect_pending(
                &key,
                &unconfirmed(&confirmed),
                "where nothing could be repaired",
            )?;
        } else {
            stage.expect_settled(&key, &new, "after a repair").await?;
        }
    }
    Ok(())
}

/// Removes a value while `failing` fails, and sees it gone.
async fn remove_with(
    stage: &Stage,
    failing: CompositionLayer,
    fault: Fault,
) -> Result<CacheKey, String> {
    let key = stage.key(format!("{failing} {fault:?}"));
    let old = lasting("old");
    stage.write(&key, &old).await?;
    stage.layer(failing).faults.removes().next(1, fault);
    let removed = stage.composed.cache.remove(&key).await;
    ensure!(
        removed.is_err(),
        "a remove succeeded that failed in {failing}"
    );
    let when = format!("after {failing} failed a remove ({fault:?})");
    stage.expect_pending(&key, &[failing], &when)?;
    if fault == Fault::FailBeforeEffect {
        stage.layer(failing).holds(&key, &old, &when).await?;
    }
    stage.expect_miss(&key, &when).await?;
    stage.drain().await;
    stage.expect_miss(&key, &when).await?;
    Ok(key)
}

async fn failed_remove(bench: &Bench) -> Outcome {
    let stage = bench.stage();
    for (failing, fault) in failures() {
        let key = remove_with(&stage, failing, fault).await?;
        stage.remove(&key).await?;
        let when = "after the next remove";
        stage.expect_pending(&key, &[], when)?;
        stage.layer(failing).holds_nothing(&key, when).await?;
        stage.expect_miss(&key, when).await?;
    }
    Ok(())
}

async fn failed_remove_then_write(bench: &Bench) -> Outcome {
    let stage = bench.stage();
    for (failing, fault) in failures() {
        let key = remove_with(&stage, failing, fault).await?;
        let new = lasting("new");
        stage.write(&key, &new).await?;
        stage
            .expect_settled(&key, &new, "after a failed remove and a write")
            .await?;
    }
    Ok(())
}

async fn remove_failed_in_both(bench: &Bench) -> Outcome {
    let stage = bench.stage();
    let (key, old) = (stage.key("k"), lasting("old"));
    stage.write(&key, &old).await?;
    for side in CompositionLayer::BOTH {
        stage
            .layer(side)
            .faults
            .removes()
            .next(1, Fault::FailBeforeEffect);
    }
    let removed = stage.composed.cache.remove(&key).await;
    ensure!(removed.is_err(), "a remove succeeded that failed in both");
    for side in CompositionLayer::BOTH {
        stage
            .layer(side)
            .holds(&key, &old, "after it failed a remove")
            .await?;
    }
    stage
        .expect_miss(&key, "after both failed a remove")
        .await?;
    stage.remove(&key).await?;
    stage.expect_pending(&key, &[], "after the next remove")?;
    stage.expect_miss(&key, "after the next remove").await
}

async fn too_many_are_pending(bench: &Bench) -> Outcome {
    let stage = bench.stage_with(Settings {
        record_capacity: NonZeroUsize::new(4),
        ..Settings::default()
    });
    for failing in CompositionLayer::BOTH {
        let keys: Vec<_> = (0..12)
            .map(|n| stage.key(format!("{failing} {n}")))
            .collect();
        for key in &keys {
            stage.write(key, &lasting("old")).await?;
        }
        let removes = stage.layer(failing).faults.removes();
        removes.always(Fault::FailBeforeEffect);
        for key in &keys {
            let removed = stage.composed.cache.remove(key).await;
            ensure!(
                removed.is_err(),
                "a remove succeeded that failed in {failing}"
            );
        }
        removes.heal();
        let pending = stage.composed.cache.pending_repairs().len();
        ensure!(
            pending <= 4,
            "{pending} keys are remembered, and room is for 4"
        );
        for key in &keys {
            let when = "after more removes failed than can be remembered";
            stage.expect_miss(key, when).await?;
        }
        let new = lasting("new");
        stage.write(&keys[0], &new).await?;
        stage.expect_settled(&keys[0], &new, "written anew").await?;
    }
    Ok(())
}
