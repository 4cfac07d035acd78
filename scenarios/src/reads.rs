//! What a read makes of the layers' answers.

use chrono::TimeDelta;
use hitbox_backend::{
    BackendErrorKind,
    CompositionLayer::{self, L1, L2},
    Operation, RefillPolicy,
    conformance::{
        Fault,
        sample::{expiring, from_now, immortal, lasting},
    },
};
use hitbox_core::{CacheValue, Raw, Stamp};

use super::{
    Outcome, ReadKind, ensure,
    pair::Settings,
    scenarios,
    stage::{Bench, Stage, is_fresh},
};

scenarios! { "reads":
    "a hit in both layers" => hit_in_both,
    "of two hits the longer life counts where both are compared" => longer_life,
    "a hit in L1 only" => hit_in_l1,
    "a hit in L2 only" => hit_in_l2,
    "a hit in L1, and L2 fails" => hit_in_l1_error_in_l2,
    "a hit in L2, and L1 fails" => hit_in_l2_error_in_l1,
    "a miss in both layers" => miss_in_both,
    "a miss in one layer, and the other fails" => miss_and_error,
    "both layers fail" => error_in_both,
    "a stale value is a hit that says stale" => stale_value,
}

/// A composition where reading changes nothing.
pub(super) fn undisturbed(bench: &Bench) -> Stage {
    bench.stage_with(Settings {
        refill: RefillPolicy::Never,
        ..Settings::default()
    })
}

/// Holds if a sequential read has asked L2 this often; the other policies always ask it.
fn l2_was_asked(stage: &Stage, times: u64, when: &str) -> Outcome {
    let calls = stage.l2.faults.reads().calls();
    match stage.read {
        ReadKind::Sequential => ensure!(calls == times, "L2 was asked {calls} times {when}"),
        // A race may be over before L2 is asked.
        ReadKind::Race => {}
        ReadKind::Parallel => ensure!(calls > 0, "L2 was not asked {when}"),
    }
    Ok(())
}

async fn hit_in_both(bench: &Bench) -> Outcome {
    let stage = undisturbed(bench);
    let key = stage.key("k");
    let expire = from_now(TimeDelta::hours(1));
    let (one, two) = (expiring("one", expire), expiring("two", expire));
    stage.l1.put(&key, &one).await?;
    stage.l2.put(&key, &two).await?;
    let when = "with a hit in both";
    match stage.read {
        ReadKind::Sequential | ReadKind::Parallel => {
            stage.expect_hit(&key, &one, L1, when).await?;
        }
        ReadKind::Race => {
            let either = [(L1, &one), (L2, &two)];
            stage.expect_one_of(&key, &either, when).await?;
        }
    }
    stage.drain().await;
    l2_was_asked(&stage, 0, when)
}

async fn longer_life(bench: &Bench) -> Outcome {
    let stage = undisturbed(bench);
    let living = |payload: &str, hours: Option<i64>| match hours {
        Some(hours) => expiring(payload, from_now(TimeDelta::hours(hours))),
        None => immortal(payload),
    };
    let lives = [
        (Some(1), Some(2), L2),
        (Some(2), Some(1), L1),
        (None, Some(1), L1),
        (Some(1), None, L2),
        (None, None, L1),
    ];
    for (life_in_l1, life_in_l2, longer) in lives {
        let when = format!("with {life_in_l1:?} hours to live in L1, {life_in_l2:?} in L2");
        let key = stage.key(&when);
        let (one, two) = (living("one", life_in_l1), living("two", life_in_l2));
        stage.l1.put(&key, &one).await?;
        stage.l2.put(&key, &two).await?;
        let both = [(L1, &one), (L2, &two)];
        let expected = match (stage.read, longer) {
            (ReadKind::Sequential, _) | (ReadKind::Parallel, L1) => &both[..1],
            (ReadKind::Parallel, L2) => &both[1..],
            (ReadKind::Race, _) => &both[..],
        };
        stage.expect_one_of(&key, expected, &when).await?;
    }
    Ok(())
}

async fn hit_in_l1(bench: &Bench) -> Outcome {
    let stage = undisturbed(bench);
    let (key, value) = (stage.key("k"), lasting("value"));
    stage.l1.put(&key, &value).await?;
    let when = "with a hit in L1 only";
    stage.expect_hit(&key, &value, L1, when).await?;
    stage.drain().await;
    l2_was_asked(&stage, 0, when)
}

async fn hit_in_l2(bench: &Bench) -> Outcome {
    let stage = undisturbed(bench);
    let (key, value) = (stage.key("k"), lasting("value"));
    stage.l2.put(&key, &value).await?;
    let when = "with a hit in L2 only";
    stage.expect_hit(&key, &value, L2, when).await?;
    l2_was_asked(&stage, 1, when)
}

async fn hit_in_l1_error_in_l2(bench: &Bench) -> Outcome {
    hit_beside_an_error(bench, L1).await
}

async fn hit_in_l2_error_in_l1(bench: &Bench) -> Outcome {
    hit_beside_an_error(bench, L2).await
}

async fn hit_beside_an_error(bench: &Bench, hit: CompositionLayer) -> Outcome {
    let stage = undisturbed(bench);
    let value = lasting("value");
    for fault in [Fault::FailBeforeEffect, Fault::FailAfterEffect] {
        let key = stage.key(format!("{fault:?}"));
        stage.layer(hit).put(&key, &value).await?;
        // Held there too: what a failed read has seen does not count.
        let unseen = immortal("unseen");
        stage.layer(hit.other()).put(&key, &unseen).await?;
        stage.layer(hit.other()).faults.reads().always(fault);
        let when = format!("with a hit in {hit} and an error in {}", hit.other());
        stage.expect_hit(&key, &value, hit, &when).await?;
    }
    Ok(())
}

async fn miss_in_both(bench: &Bench) -> Outcome {
    let stage = bench.stage();
    let key = stage.key("k");
    stage.expect_miss(&key, "with a miss in both").await?;
    l2_was_asked(&stage, 1, "with a miss in both")
}

async fn miss_and_error(bench: &Bench) -> Outcome {
    for failing in CompositionLayer::BOTH {
        let stage = bench.stage();
        let key = stage.key(format!("{failing}"));
        let reads = stage.layer(failing).faults.reads();
        reads.always(Fault::FailBeforeEffect);
        let when = format!("with an error in {failing} and a miss in the other");
        stage.expect_miss(&key, &when).await?;
        ensure!(reads.calls() == 1, "{failing} was not asked");
    }
    Ok(())
}

async fn error_in_both(bench: &Bench) -> Outcome {
    let stage = bench.stage();
    let (key, value) = (stage.key("k"), lasting("value"));
    for side in CompositionLayer::BOTH {
        stage.layer(side).put(&key, &value).await?;
        let reads = stage.layer(side).faults.reads();
        reads.always(Fault::FailAfterEffect);
    }
    let (outcome, _context) = stage.look(&key).await;
    let Err(error) = outcome else {
        return Err(String::from("a read succeeded with an error in both"));
    };
    ensure!(
        error.kind() == BackendErrorKind::Unavailable && error.operation() == Operation::Read,
        "the error is {error}"
    );
    stage.l2.is_blamed_by(&error, "composition")?;

    for side in CompositionLayer::BOTH {
        stage.layer(side).faults.heal();
    }
    let both = [(L1, &value), (L2, &value)];
    stage
        .expect_one_of(&key, &both, "after both recovered")
        .await?;
    let (outcome, context) = stage.look(&stage.key("another")).await;
    ensure!(outcome.is_ok(), "another key failed after both recovered");
    is_fresh(&*context, "after both recovered")
}

async fn stale_value(bench: &Bench) -> Outcome {
    let stage = undisturbed(bench);
    for side in CompositionLayer::BOTH {
        let key = stage.key(format!("{side}"));
        let (expire, stale) = (TimeDelta::hours(1), TimeDelta::seconds(-1));
        let raw = Raw::from(b"stale".to_vec());
        let value = CacheValue::loaded(raw, Stamp::now())
            .expires_at(from_now(expire))
            .stale_at(from_now(stale));
        stage.layer(side).put(&key, &value).await?;
        let when = format!("with a stale value in {side}");
        stage.expect_hit(&key, &value, side, &when).await?;
    }
    Ok(())
}
