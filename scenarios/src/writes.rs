//! What a write does to the layers, and what it returns.

use chrono::TimeDelta;
use hitbox_backend::{
    BackendErrorKind, BackendResult,
    CompositionLayer::{self, L1, L2},
    Operation,
    conformance::{
        Fault,
        sample::{expiring, from_now, immortal, lasting},
    },
};

use super::{
    Outcome, WriteKind, ensure,
    expected::{asked, blamed, confirming},
    scenarios,
    stage::{Bench, Stage},
    started::promptly,
};

scenarios! { "writes":
    "both layers hold what was written" => both_hold_it,
    "an overwrite replaces the life time too, in both layers" => overwrites,
    "an expired value leaves the key absent" => expired_value,
    "one layer fails" => one_fails,
    "both layers fail" => both_fail,
    "one layer hangs" => one_hangs,
}

async fn both_hold_it(bench: &Bench) -> Outcome {
    let stage = bench.stage();
    let (key, value) = (stage.key("k"), lasting("value"));
    stage.write(&key, &value).await?;
    asked_as_documented(&stage, &[])?;
    stage.expect_settled(&key, &value, "after a write").await
}

async fn overwrites(bench: &Bench) -> Outcome {
    let stage = bench.stage();
    let key = stage.key("k");
    let hours = |hours| from_now(TimeDelta::hours(hours));
    let values = [
        ("first", expiring("first", hours(2))),
        ("longer", expiring("longer", hours(4))),
        ("shorter", expiring("shorter", hours(1))),
        ("no expiry", immortal("no expiry")),
        ("an expiry again", expiring("an expiry again", hours(3))),
    ];
    for (name, value) in values {
        stage.write(&key, &value).await?;
        stage
            .expect_settled(&key, &value, &format!("after a write ({name})"))
            .await?;
    }
    Ok(())
}

async fn expired_value(bench: &Bench) -> Outcome {
    let stage = bench.stage();
    let key = stage.key("k");
    stage.write(&key, &lasting("old")).await?;
    let expired = expiring("expired", from_now(TimeDelta::seconds(-1)));
    stage.write(&key, &expired).await?;
    let when = "after an expired value was written";
    stage.expect_miss(&key, when).await?;
    for side in CompositionLayer::BOTH {
        stage.layer(side).holds_nothing(&key, when).await?;
    }
    Ok(())
}

/// Holds if a write with these layers failing returned what its policy says.
fn returned_as_documented(
    stage: &Stage,
    written: BackendResult<()>,
    failing: &[CompositionLayer],
) -> Outcome {
    let when = format!("with {failing:?} failing");
    match (written, blamed(stage.write, failing)) {
        (Ok(()), None) => Ok(()),
        (Ok(()), Some(_)) => Err(format!("a write succeeded {when}")),
        (Err(error), None) => Err(format!("a write failed {when}: {error}")),
        (Err(error), Some(side)) => {
            ensure!(
                error.kind() == BackendErrorKind::Unavailable
                    && error.operation() == Operation::Write,
                "the error {when} is {error}"
            );
            stage.layer(side).is_blamed_by(&error, "composition")
        }
    }
}

/// Holds if the layers were asked to write that the policy asks with these failing.
fn asked_as_documented(stage: &Stage, failing: &[CompositionLayer]) -> Outcome {
    for side in CompositionLayer::BOTH {
        let calls = stage.layer(side).faults.writes().calls();
        let expected = u64::from(asked(stage.write, failing).contains(&side));
        ensure!(
            calls == expected,
            "{side} was asked {calls} times, not {expected}, with {failing:?} failing"
        );
    }
    Ok(())
}

async fn one_fails(bench: &Bench) -> Outcome {
    for failing in CompositionLayer::BOTH {
        for fault in [Fault::FailBeforeEffect, Fault::FailAfterEffect] {
            let stage = bench.stage();
            let (key, value) = (stage.key(format!("{failing} {fault:?}")), lasting("value"));
            stage.layer(failing).faults.writes().always(fault);
            let written = stage.try_write(&key, &value).await;
            returned_as_documented(&stage, written, &[failing])?;
            asked_as_documented(&stage, &[failing])?;
            let other = stage.layer(failing.other());
            if confirming(stage.write, &[failing]).is_empty() {
                let when = "though the write stopped before";
                other.holds_nothing(&key, when).await?;
            } else {
                let when = "after the other layer failed to write";
                other.holds(&key, &value, when).await?;
            }
        }
    }
    Ok(())
}

async fn both_fail(bench: &Bench) -> Outcome {
    let stage = bench.stage();
    let (key, value) = (stage.key("k"), lasting("value"));
    for side in CompositionLayer::BOTH {
        let writes = stage.layer(side).faults.writes();
        writes.always(Fault::FailBeforeEffect);
    }
    let written = stage.try_write(&key, &value).await;
    returned_as_documented(&stage, written, &[L1, L2])?;
    asked_as_documented(&stage, &[L1, L2])?;
    stage
        .expect_miss(&key, "after both layers failed to write")
        .await
}

async fn one_hangs(bench: &Bench) -> Outcome {
    for slow in CompositionLayer::BOTH {
        for fault in [Fault::HangBeforeEffect, Fault::HangAfterEffect] {
            let stage = bench.stage();
            let key = stage.key(format!("{slow} {fault:?}"));
            let (old, new) = (lasting("old"), lasting("new"));
            stage.write(&key, &old).await?;
            let writes = stage.layer(slow).faults.writes();
            writes.always(fault);
            let write = stage.start_write(&key, &new).await;
            writes.wait_until_hanging(1).await;
            let write = match stage.write {
                WriteKind::Race => {
                    write.succeeds("a race that one layer has won").await?;
                    let read = promptly(stage.look(&key), "a read").await?;
                    let when = "after a race that one layer has won";
                    stage.is_hit(read, &[(slow.other(), &new)], when)?;
                    None
                }
                WriteKind::Sequential | WriteKind::OptimisticParallel | WriteKind::Strict => {
                    ensure!(!write.has_ended(), "a write did not wait for {slow}");
                    Some(write)
                }
            };
            if matches!(
                stage.write,
                WriteKind::OptimisticParallel | WriteKind::Strict
            ) {
                // The old value was the first.
                let other_is_asked = stage.layer(slow.other()).faults.writes();
                let other_is_asked = other_is_asked.wait_until_called(2);
                promptly(other_is_asked, "asking the other layer").await?;
            }
            if (stage.write, slow) == (WriteKind::Sequential, L1) {
                stage.l2.holds(&key, &old, "while L1 hangs").await?;
            }
            writes.heal();
            if let Some(write) = write {
                write.succeeds("the write").await?;
            }
            stage.drain().await;
            let when = format!("after {slow} took its time to write");
            stage.expect_settled(&key, &new, &when).await?;
        }
    }
    Ok(())
}
