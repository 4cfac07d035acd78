//! What a read copies to the other layer.

use std::time::Duration;

use chrono::TimeDelta;
use hitbox_backend::{
    CompositionLayer::{self, L1, L2},
    RefillPolicy,
    conformance::{
        Fault,
        sample::{expiring, from_now, immortal, lasting},
    },
};
use hitbox_core::{CacheKey, CacheValue, Raw, Stamp};

use super::{
    Outcome, ReadKind, ensure,
    pair::Settings,
    reads::undisturbed,
    scenarios,
    stage::{Bench, Stage},
    started::promptly,
};

scenarios! { "refill":
    "an answer from L2 fills L1, unchanged" => always_fills_l1,
    "an answer from L1 fills nothing" => answer_from_l1,
    "never means never" => never,
    "a repair fills the layer that missed" => repair_fills,
    "a repair replaces the older value" => repair_replaces,
    "a repair leaves a layer alone that failed to read" => repair_needs_an_answer,
    "a refill that fails does not fail the read" => failing_refill,
    "a refill that hangs does not hold the read up" => hanging_refill,
    "the cap on L1 shortens what is written, in L1 only" => cap_on_write,
    "the cap on L1 shortens what is refilled, in L1 only" => cap_on_refill,
}

fn repairing(bench: &Bench) -> Stage {
    bench.stage_with(Settings {
        refill: RefillPolicy::Repair,
        ..Settings::default()
    })
}

/// A value with every life time set.
fn with_all_times(payload: &str) -> CacheValue<Raw> {
    let (expire, stale) = (TimeDelta::hours(2), TimeDelta::hours(1));
    let raw = Raw::from(payload.as_bytes().to_vec());
    CacheValue::loaded(raw, Stamp::now())
        .expires_at(from_now(expire))
        .stale_at(from_now(stale))
}

async fn always_fills_l1(bench: &Bench) -> Outcome {
    let stage = bench.stage();
    let (key, value) = (stage.key("k"), with_all_times("value"));
    stage.l2.put(&key, &value).await?;
    stage
        .expect_hit(&key, &value, L2, "before the refill")
        .await?;
    stage.drain().await;
    stage.l1.holds(&key, &value, "after the refill").await?;
    stage.expect_pending(&key, &[], "after the refill")?;
    stage.l2.faults.reads().always(Fault::FailBeforeEffect);
    stage.expect_hit(&key, &value, L1, "after the refill").await
}

async fn answer_from_l1(bench: &Bench) -> Outcome {
    let stage = bench.stage();
    let (key, value) = (stage.key("k"), lasting("value"));
    stage.l1.put(&key, &value).await?;
    stage
        .expect_hit(&key, &value, L1, "with a hit in L1")
        .await?;
    stage.drain().await;
    stage.l2.holds_nothing(&key, "after a hit in L1").await?;
    writes_were_asked(&stage, 0)
}

async fn never(bench: &Bench) -> Outcome {
    let stage = undisturbed(bench);
    for side in CompositionLayer::BOTH {
        let (key, value) = (stage.key(format!("{side}")), lasting("value"));
        stage.layer(side).put(&key, &value).await?;
        let when = "where nothing is refilled";
        stage.expect_hit(&key, &value, side, when).await?;
        stage.drain().await;
        stage.layer(side.other()).holds_nothing(&key, when).await?;
    }
    writes_were_asked(&stage, 0)
}

/// Holds if reading has led to this many writes, of both layers together.
fn writes_were_asked(stage: &Stage, times: u64) -> Outcome {
    let calls = [&stage.l1, &stage.l2].map(|layer| layer.faults.writes().calls());
    ensure!(
        calls.iter().sum::<u64>() == times,
        "the layers were written {calls:?} times instead of {times}"
    );
    Ok(())
}

/// Whether a repair gets to know what both layers hold: a sequential read that is answered by L1
/// does not ask L2.
fn sees_both(read: ReadKind, l1_answers: Answers) -> Answers {
    match (read, l1_answers) {
        (ReadKind::Sequential, Answers::Yes) => Answers::No,
        (ReadKind::Sequential, Answers::No) | (ReadKind::Race | ReadKind::Parallel, _) => {
            Answers::Yes
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answers {
    Yes,
    No,
}

async fn repair_fills(bench: &Bench) -> Outcome {
    let stage = repairing(bench);
    for (side, l1_answers) in [(L1, Answers::Yes), (L2, Answers::No)] {
        let (key, value) = (stage.key(format!("{side}")), with_all_times("value"));
        stage.layer(side).put(&key, &value).await?;
        stage
            .expect_hit(&key, &value, side, "before the repair")
            .await?;
        stage.drain().await;
        let other = stage.layer(side.other());
        match sees_both(stage.read, l1_answers) {
            Answers::Yes => other.holds(&key, &value, "after a repair").await?,
            Answers::No => {
                other
                    .holds_nothing(&key, "after a read of L1 alone")
                    .await?;
            }
        }
    }
    Ok(())
}

async fn repair_replaces(bench: &Bench) -> Outcome {
    let stage = repairing(bench);
    for newer_in in CompositionLayer::BOTH {
        let key = stage.key(format!("{newer_in}"));
        // As long-lived, so that the parallel read's choice has nothing to do with it.
        let expire = from_now(TimeDelta::hours(1));
        let (older, newer) = (expiring("older", expire), expiring("newer", expire));
        stage.layer(newer_in).put(&key, &newer).await?;
        stage.layer(newer_in.other()).put(&key, &older).await?;
        let (outcome, _context) = stage.look(&key).await;
        ensure!(matches!(outcome, Ok(Some(_))), "a read found nothing");
        stage.drain().await;
        let when = format!("after a repair, with the newer value in {newer_in}");
        stage.layer(newer_in).holds(&key, &newer, &when).await?;
        let other = stage.layer(newer_in.other());
        match sees_both(stage.read, Answers::Yes) {
            Answers::Yes => other.holds(&key, &newer, &when).await?,
            Answers::No => {
                other
                    .holds(&key, &older, "after a read of L1 alone")
                    .await?;
            }
        }
    }
    Ok(())
}

async fn repair_needs_an_answer(bench: &Bench) -> Outcome {
    let stage = repairing(bench);
    for failing in CompositionLayer::BOTH {
        let (key, value) = (stage.key(format!("{failing}")), lasting("value"));
        stage.layer(failing.other()).put(&key, &value).await?;
        let reads = stage.layer(failing).faults.reads();
        reads.always(Fault::FailBeforeEffect);
        let when = format!("with an error in {failing}");
        stage
            .expect_hit(&key, &value, failing.other(), &when)
            .await?;
        stage.drain().await;
        reads.heal();
        stage.layer(failing).holds_nothing(&key, &when).await?;
    }
    Ok(())
}

async fn failing_refill(bench: &Bench) -> Outcome {
    for fault in [Fault::FailBeforeEffect, Fault::FailAfterEffect] {
        let stage = bench.stage();
        let (key, value) = (stage.key(format!("{fault:?}")), lasting("value"));
        stage.l2.put(&key, &value).await?;
        stage.l1.faults.writes().next(1, fault);
        stage
            .expect_hit(&key, &value, L2, "while refills fail")
            .await?;
        stage.drain().await;
        let both = [(L1, &value), (L2, &value)];
        let when = "after a refill failed";
        stage.expect_one_of(&key, &both, when).await?;
        stage.drain().await;
        stage.expect_one_of(&key, &both, when).await?;
        stage
            .l1
            .holds(&key, &value, "after the next refill")
            .await?;
    }
    Ok(())
}

async fn hanging_refill(bench: &Bench) -> Outcome {
    for (how, stage) in [("always", bench.stage()), ("repair", repairing(bench))] {
        for fault in [Fault::HangBeforeEffect, Fault::HangAfterEffect] {
            let (key, value) = (stage.key(format!("{fault:?}, {how}")), lasting("value"));
            stage.l2.put(&key, &value).await?;
            let writes = stage.l1.faults.writes();
            writes.next(1, fault);
            for when in ["while it starts a refill", "while a refill hangs"] {
                let read = promptly(stage.look(&key), "a read").await?;
                stage.is_hit(read, &[(L1, &value), (L2, &value)], when)?;
                writes.wait_until_hanging(1).await;
            }
            writes.heal();
            stage.drain().await;
            stage.l1.holds(&key, &value, "after the refill").await?;
        }
    }
    Ok(())
}

const CAP: Duration = Duration::from_secs(600);

fn capped(bench: &Bench) -> Stage {
    bench.stage_with(Settings {
        l1_ttl: Some(CAP),
        ..Settings::default()
    })
}

/// Values that live longer than the cap allows, and one that does not.
fn lives() -> [(&'static str, CacheValue<Raw>); 3] {
    let minute = from_now(TimeDelta::minutes(1));
    [
        ("longer", with_all_times("longer")),
        ("for ever", immortal("for ever")),
        ("shorter", expiring("shorter", minute)),
    ]
}

/// Holds if L1 has the value, to be kept no longer than the cap, and no longer than its own life.
async fn l1_holds_capped(stage: &Stage, key: &CacheKey, value: &CacheValue<Raw>) -> Outcome {
    let Some(found) = stage.l1.peek(key).await? else {
        return Err(String::from("L1 holds nothing"));
    };
    let shortest = from_now(TimeDelta::seconds(500));
    let longest = from_now(TimeDelta::seconds(600));
    let as_expected = match value.expire() {
        Some(expire) if expire < shortest => found.expire() == Some(expire),
        Some(_) | None => found
            .expire()
            .is_some_and(|expire| expire > shortest && expire <= longest),
    };
    ensure!(as_expected, "L1 holds {found:?} of {value:?}");
    let same = found.data() == value.data()
        && found.stale() == value.stale()
        && found.created() == value.created();
    ensure!(same, "the cap changed {value:?} to {found:?}");
    Ok(())
}

async fn cap_on_write(bench: &Bench) -> Outcome {
    let stage = capped(bench);
    for (name, value) in lives() {
        let key = stage.key(name);
        stage.write(&key, &value).await?;
        l1_holds_capped(&stage, &key, &value).await?;
        stage.l2.holds(&key, &value, "where L1 has a cap").await?;
    }
    Ok(())
}

async fn cap_on_refill(bench: &Bench) -> Outcome {
    let repairing = Settings {
        l1_ttl: Some(CAP),
        refill: RefillPolicy::Repair,
        ..Settings::default()
    };
    for (how, stage) in [
        ("always", capped(bench)),
        ("repair", bench.stage_with(repairing)),
    ] {
        for (name, value) in lives() {
            let key = stage.key(format!("{name}, {how}"));
            stage.l2.put(&key, &value).await?;
            stage
                .expect_hit(&key, &value, L2, "where L1 has a cap")
                .await?;
            stage.drain().await;
            l1_holds_capped(&stage, &key, &value).await?;
            stage.l2.holds(&key, &value, "where L1 has a cap").await?;
        }
    }
    Ok(())
}
