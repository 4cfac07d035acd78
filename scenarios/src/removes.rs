//! What a remove does to the layers, and what it returns.

use hitbox_backend::{
    BackendErrorKind,
    CompositionLayer::{self, L1, L2},
    DeleteStatus, Operation,
    conformance::{Fault, sample::lasting},
};

use super::{Outcome, ensure, scenarios, stage::Bench};

scenarios! { "removes":
    "a key that both layers hold" => both_hold_it,
    "a key that one layer holds" => one_holds_it,
    "a key that is absent" => absent,
    "one layer fails" => one_fails,
    "both layers fail" => both_fail,
    "a layer that hangs does not keep the other from removing" => one_hangs,
}

async fn both_hold_it(bench: &Bench) -> Outcome {
    let stage = bench.stage();
    let (key, probe) = (stage.key("k"), stage.key("probe"));
    let layers = stage.l1.depth(&probe).await? + stage.l2.depth(&probe).await?;
    stage.write(&key, &lasting("value")).await?;
    let status = stage.remove(&key).await?;
    ensure!(
        status == DeleteStatus::Deleted(layers),
        "{status:?} instead of all {layers} layers"
    );
    let when = "after a remove";
    stage.expect_miss(&key, when).await?;
    stage.expect_pending(&key, &[], when)?;
    for side in CompositionLayer::BOTH {
        stage.layer(side).holds_nothing(&key, when).await?;
    }
    let status = stage.remove(&key).await?;
    ensure!(status == DeleteStatus::Missing, "removed again: {status:?}");
    let again = lasting("again");
    stage.write(&key, &again).await?;
    stage
        .expect_settled(&key, &again, "written after a remove")
        .await
}

async fn one_holds_it(bench: &Bench) -> Outcome {
    let stage = bench.stage();
    for side in CompositionLayer::BOTH {
        let (key, layer) = (stage.key(format!("{side}")), stage.layer(side));
        let layers = layer.depth(&key).await?;
        layer.put(&key, &lasting("value")).await?;
        let status = stage.remove(&key).await?;
        ensure!(
            status == DeleteStatus::Deleted(layers),
            "{status:?} of a key that only {side} holds"
        );
        stage.expect_miss(&key, "after a remove").await?;
    }
    Ok(())
}

async fn absent(bench: &Bench) -> Outcome {
    let stage = bench.stage();
    let key = stage.key("k");
    let status = stage.remove(&key).await?;
    ensure!(
        status == DeleteStatus::Missing,
        "{status:?} of an absent key"
    );
    stage.expect_miss(&key, "after a remove of nothing").await?;
    stage.expect_pending(&key, &[], "after a remove of nothing")
}

async fn one_fails(bench: &Bench) -> Outcome {
    let stage = bench.stage();
    for failing in CompositionLayer::BOTH {
        for fault in [Fault::FailBeforeEffect, Fault::FailAfterEffect] {
            let key = stage.key(format!("{failing} {fault:?}"));
            stage.write(&key, &lasting("value")).await?;
            stage.layer(failing).faults.removes().next(1, fault);
            let Err(error) = stage.composed.cache.remove(&key).await else {
                return Err(format!("a remove succeeded that failed in {failing}"));
            };
            ensure!(
                error.kind() == BackendErrorKind::Unavailable
                    && error.operation() == Operation::Remove,
                "the error is {error}"
            );
            stage.layer(failing).is_blamed_by(&error, "composition")?;
            let other = stage.layer(failing.other());
            other
                .holds_nothing(&key, "after the other failed to remove")
                .await?;
        }
    }
    Ok(())
}

async fn both_fail(bench: &Bench) -> Outcome {
    let stage = bench.stage();
    let key = stage.key("k");
    stage.write(&key, &lasting("value")).await?;
    for side in CompositionLayer::BOTH {
        stage
            .layer(side)
            .faults
            .removes()
            .next(1, Fault::FailBeforeEffect);
    }
    let Err(error) = stage.composed.cache.remove(&key).await else {
        return Err(String::from(
            "a remove succeeded that failed in both layers",
        ));
    };
    stage.l2.is_blamed_by(&error, "composition")?;
    stage.expect_pending(&key, &[L1, L2], "after both failed to remove")?;
    stage.expect_miss(&key, "after both failed to remove").await
}

async fn one_hangs(bench: &Bench) -> Outcome {
    for slow in CompositionLayer::BOTH {
        let stage = bench.stage();
        let key = stage.key(format!("{slow}"));
        stage.write(&key, &lasting("value")).await?;
        let removes = stage.layer(slow).faults.removes();
        removes.always(Fault::HangBeforeEffect);
        let remove = stage.start_remove(&key).await;
        removes.wait_until_hanging(1).await;
        let others = stage.layer(slow.other()).faults.removes();
        others.wait_until_called(1).await;
        ensure!(!remove.has_ended(), "a remove did not wait for {slow}");
        removes.heal();
        remove.succeeds("the remove").await?;
        stage.expect_miss(&key, "after a slow remove").await?;
        stage.expect_pending(&key, &[], "after a slow remove")?;
    }
    Ok(())
}
