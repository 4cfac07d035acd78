//! No life is longer than its expiry, however late the answers come (G1, G2).

use hitbox_backend::{
    CompositionLayer::{self, L2},
    conformance::{Fault, sample::lasting},
};

use super::{
    Outcome, ReadKind,
    reads::undisturbed,
    scenarios,
    stage::{Bench, short_lived, wait_for_expiry},
};

scenarios! { "expiry":
    "an expired value in L1 counts as a miss" => expired_in_l1,
    "a value that expires on its way from L1 does not hide L2's" => expires_on_the_way_from_l1,
    "a value that expires on its way is not returned" => expires_on_the_way,
    "a value that expires while the other layer is waited for is not returned" => expires_meanwhile,
    "a written value is gone when it expires" => written_then_expired,
    "a refilled value is gone when it expires" => refilled_then_expired,
}

async fn expired_in_l1(bench: &Bench) -> Outcome {
    let stage = bench.stage();
    let (key, fallen) = (stage.key("k"), stage.key("nothing in L2"));
    let (short, long) = (short_lived("short"), lasting("long"));
    stage.l1.put(&key, &short).await?;
    stage.l1.put(&fallen, &short).await?;
    stage.l2.put(&key, &long).await?;
    wait_for_expiry(&short).await;
    stage
        .expect_hit(&key, &long, L2, "after L1's expired")
        .await?;
    stage.expect_miss(&fallen, "after L1's expired").await
}

async fn expires_on_the_way_from_l1(bench: &Bench) -> Outcome {
    let stage = undisturbed(bench);
    let (key, long) = (stage.key("k"), lasting("long"));
    stage.l2.put(&key, &long).await?;
    stage.l1.faults.reads().always(Fault::HangAfterEffect);
    stage.l2.faults.reads().always(Fault::HangBeforeEffect);
    let short = short_lived("short");
    stage.l1.put(&key, &short).await?;
    let read = stage.start_read(&key).await;
    stage.l1.faults.reads().wait_until_hanging(1).await;
    wait_for_expiry(&short).await;
    // L1 answers first, with what has expired meanwhile.
    stage.l1.faults.heal();
    stage.l2.faults.reads().wait_until_hanging(1).await;
    stage.l2.faults.heal();
    let read = read.outcome("the read").await?;
    stage.is_hit(read, &[(L2, &long)], "after L1's expired on its way")
}

async fn expires_on_the_way(bench: &Bench) -> Outcome {
    for slow in CompositionLayer::BOTH {
        let stage = bench.stage();
        let key = stage.key(format!("{slow}"));
        let reads = stage.layer(slow).faults.reads();
        reads.next(1, Fault::HangAfterEffect);
        let short = short_lived("short");
        stage.layer(slow).put(&key, &short).await?;
        let read = stage.start_read(&key).await;
        reads.wait_until_hanging(1).await;
        wait_for_expiry(&short).await;
        reads.heal();
        let when = format!("after the only value expired on its way from {slow}");
        stage.is_miss(read.outcome("the read").await?, &when)?;
    }
    Ok(())
}

async fn expires_meanwhile(bench: &Bench) -> Outcome {
    let stage = bench.stage();
    let key = stage.key("k");
    // A hit that a sequential read or a race returns at once.
    match stage.read {
        ReadKind::Sequential | ReadKind::Race => {}
        ReadKind::Parallel => stage.l2.faults.reads().next(1, Fault::HangBeforeEffect),
    }
    let short = short_lived("short");
    stage.l1.put(&key, &short).await?;
    let read = stage.start_read(&key).await;
    match stage.read {
        ReadKind::Sequential | ReadKind::Race => {
            drop(read.outcome("the read").await?);
            wait_for_expiry(&short).await;
        }
        ReadKind::Parallel => {
            stage.l2.faults.reads().wait_until_hanging(1).await;
            wait_for_expiry(&short).await;
            stage.l2.faults.heal();
            stage.is_miss(read.outcome("the read").await?, "after L2 took its time")?;
        }
    }
    stage.expect_miss(&key, "after the value expired").await
}

async fn written_then_expired(bench: &Bench) -> Outcome {
    let stage = bench.stage();
    let key = stage.key("k");
    stage.write(&key, &lasting("long")).await?;
    let short = short_lived("short");
    stage.write(&key, &short).await?;
    wait_for_expiry(&short).await;
    let when = "after the value expired that was written over a longer-lived one";
    stage.expect_miss(&key, when).await?;
    for side in CompositionLayer::BOTH {
        stage.layer(side).holds_nothing(&key, when).await?;
    }
    stage.write(&key, &short).await?;
    stage
        .expect_miss(&key, "after an expired value was written")
        .await
}

async fn refilled_then_expired(bench: &Bench) -> Outcome {
    let stage = bench.stage();
    let key = stage.key("k");
    let short = short_lived("short");
    stage.l2.put(&key, &short).await?;
    let _hit_unless_slow = stage.look(&key).await;
    stage.drain().await;
    wait_for_expiry(&short).await;
    let when = "after a refilled value expired";
    stage.expect_miss(&key, when).await?;
    stage.l1.holds_nothing(&key, when).await
}
