//! An operation that is dropped midway leaves the old value or the new one (G8).

use std::pin::pin;

use futures::future::{Either, select};
use hitbox_backend::{
    CompositionLayer::{self, L1, L2},
    conformance::{Fault, Switch, sample::lasting},
};
use hitbox_core::{CacheKey, CacheValue, Raw};

use super::{
    Outcome, WriteKind, ensure,
    layer::shown,
    pair::Settings,
    scenarios,
    stage::{Bench, Stage},
    watched::BulkForm,
};

scenarios! { "dropped":
    "a write, while one layer hangs" => write_beside_one_that_hangs,
    "a write, while both layers hang" => write_while_both_hang,
    "a remove, while a layer hangs" => remove,
    "a read, while a layer hangs" => read,
    "a bulk write, while a layer hangs" => bulk_write,
}

const HANGS: [Fault; 2] = [Fault::HangBeforeEffect, Fault::HangAfterEffect];

/// How an operation ended that was to be dropped while something hangs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Dropped,
    /// It did not wait for what hangs.
    Finished,
}

/// Runs `work` until something hangs at `switch`, and drops it there.
async fn drop_at(switch: &Switch, work: impl Future + Send) -> End {
    match select(pin!(work), pin!(switch.wait_until_hanging(1))).await {
        Either::Left(_) => End::Finished,
        Either::Right(_) => End::Dropped,
    }
}

/// Holds if every layer has one of the two values, and a read finds one of them or nothing. So does a
/// layer that is a composition itself: neither of its own layers has confirmed what was dropped, so
/// it trusts neither.
async fn expect_either(
    stage: &Stage,
    key: &CacheKey,
    values: [Option<&CacheValue<Raw>>; 2],
    when: &str,
) -> Outcome {
    for side in CompositionLayer::BOTH {
        let found = stage.layer(side).peek(key).await?;
        let depth = || async { stage.layer(side).depth(&stage.key("probe")).await };
        ensure!(
            values.contains(&found.as_ref()) || (found.is_none() && depth().await? > 1),
            "{side} holds {} {when}",
            shown(found.as_ref())
        );
    }
    let (outcome, _context) = stage.look(key).await;
    let found = outcome.map_err(|error| format!("a read failed {when}: {error}"))?;
    ensure!(
        found.is_none() || values.contains(&found.as_ref()),
        "a read found {} {when}",
        shown(found.as_ref())
    );
    Ok(())
}

/// Holds if the next write brings everything in order.
async fn expect_healed_by_write(stage: &Stage, key: &CacheKey, when: &str) -> Outcome {
    stage.drain().await;
    let newer = lasting("newer");
    stage.write(key, &newer).await?;
    stage
        .expect_settled(key, &newer, &format!("{when} and the next write"))
        .await
}

async fn write_beside_one_that_hangs(bench: &Bench) -> Outcome {
    for slow in CompositionLayer::BOTH {
        for fault in HANGS {
            let stage = bench.stage();
            let key = stage.key(format!("{slow} {fault:?}"));
            let (old, new) = (lasting("old"), lasting("new"));
            stage.write(&key, &old).await?;
            let writes = stage.layer(slow).faults.writes();
            writes.next(1, fault);
            let end = drop_at(writes, stage.composed.cache.write(&key, new.clone())).await;
            writes.heal();
            let when = format!("after a write was dropped at {slow} ({fault:?})");
            match (stage.write, end) {
                (WriteKind::Race, End::Finished) => {
                    stage.drain().await;
                    stage.expect_settled(&key, &new, "after a race").await?;
                }
                // The other layer may take its time too.
                (_, End::Dropped) => {
                    expect_either(&stage, &key, [Some(&old), Some(&new)], &when).await?;
                }
                (_, End::Finished) => return Err(format!("a write did not wait for {slow}")),
            }
            expect_healed_by_write(&stage, &key, &when).await?;
        }
    }
    Ok(())
}

async fn write_while_both_hang(bench: &Bench) -> Outcome {
    for fault in HANGS {
        let stage = bench.stage();
        let key = stage.key(format!("{fault:?}"));
        let (old, new) = (lasting("old"), lasting("new"));
        stage.write(&key, &old).await?;
        for side in CompositionLayer::BOTH {
            stage.layer(side).faults.writes().always(fault);
        }
        let write = stage.composed.cache.write(&key, new.clone());
        let end = drop_at(stage.l1.faults.writes(), write).await;
        ensure!(end == End::Dropped, "a write succeeded while both hang");
        for side in CompositionLayer::BOTH {
            stage.layer(side).faults.heal();
            let hanging = stage.layer(side).faults.writes().hanging();
            ensure!(
                hanging == 0,
                "{side} still writes for a write that was dropped"
            );
        }
        let when = format!("after a write was dropped ({fault:?})");
        expect_either(&stage, &key, [Some(&old), Some(&new)], &when).await?;
        expect_healed_by_write(&stage, &key, &when).await?;
    }
    Ok(())
}

async fn remove(bench: &Bench) -> Outcome {
    for slow in CompositionLayer::BOTH {
        for fault in HANGS {
            let stage = bench.stage();
            let key = stage.key(format!("{slow} {fault:?}"));
            let old = lasting("old");
            stage.write(&key, &old).await?;
            let removes = stage.layer(slow).faults.removes();
            removes.next(1, fault);
            let end = drop_at(removes, stage.composed.cache.remove(&key)).await;
            ensure!(end == End::Dropped, "a remove did not wait for {slow}");
            removes.heal();
            let when = format!("after a remove was dropped at {slow} ({fault:?})");
            expect_either(&stage, &key, [Some(&old), None], &when).await?;
            stage.drain().await;
            stage.remove(&key).await?;
            stage
                .expect_miss(&key, &format!("{when} and the next"))
                .await?;
            stage.expect_pending(&key, &[], &format!("{when} and the next"))?;
            expect_healed_by_write(&stage, &key, &when).await?;
        }
    }
    Ok(())
}

async fn read(bench: &Bench) -> Outcome {
    for fault in HANGS {
        let stage = bench.stage();
        let (key, value) = (stage.key(format!("{fault:?}")), lasting("value"));
        stage.l2.put(&key, &value).await?;
        let reads = stage.l2.faults.reads();
        reads.next(1, fault);
        let end = drop_at(reads, stage.composed.cache.read(&key)).await;
        ensure!(end == End::Dropped, "a read did not wait for L2");
        reads.heal();
        stage
            .l1
            .holds_nothing(&key, "after a read was dropped")
            .await?;
        stage
            .expect_hit(&key, &value, L2, "after a read was dropped")
            .await?;
        stage.drain().await;
        stage.l1.holds(&key, &value, "after the next read").await?;
    }
    Ok(())
}

async fn bulk_write(bench: &Bench) -> Outcome {
    for fault in HANGS {
        let stage = bench.stage_with(Settings {
            bulk: BulkForm::KeyByKey,
            ..Settings::default()
        });
        let keys = [0, 1, 2].map(|n| stage.key(format!("{n} {fault:?}")));
        let (old, new) = (lasting("old"), lasting("new"));
        for key in &keys {
            stage.write(key, &old).await?;
        }
        for side in [L1, L2] {
            stage.layer(side).faults.writes().always(fault);
        }
        let entries = keys.iter().map(|key| (key.clone(), new.clone())).collect();
        let write = stage.composed.cache.write_many(entries);
        let end = drop_at(stage.l1.faults.writes(), write).await;
        ensure!(
            end == End::Dropped,
            "a bulk write succeeded while both hang"
        );
        for side in [L1, L2] {
            stage.layer(side).faults.heal();
        }
        for key in &keys {
            let when = "after a bulk write was dropped";
            expect_either(&stage, key, [Some(&old), Some(&new)], when).await?;
            expect_healed_by_write(&stage, key, when).await?;
        }
    }
    Ok(())
}
