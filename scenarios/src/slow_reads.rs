//! What a read waits for.

use chrono::TimeDelta;
use hitbox_backend::{
    CompositionLayer::{self, L1, L2},
    conformance::{
        Fault,
        sample::{expiring, from_now, lasting},
    },
};
use hitbox_core::{CacheKey, CacheValue, Raw};

use super::{
    Outcome, ReadKind, ensure,
    reads::undisturbed,
    scenarios,
    stage::{Bench, Stage},
    started::promptly,
};

scenarios! { "slow reads":
    "L2 hangs, and L1 has the value" => l2_hangs,
    "L1 hangs, and L2 has the value" => l1_hangs,
    "a layer without an answer does not end a race" => one_misses_the_other_is_slow,
    "a race's slow loser comes to nothing" => loser_comes_late,
}

/// Puts a value into each layer; L2's lives longer.
async fn fill(stage: &Stage) -> Result<Filled, String> {
    let key = stage.key("k");
    let values = [1, 2].map(|hours| {
        let payload = format!("{hours} hours");
        expiring(payload, from_now(TimeDelta::hours(hours)))
    });
    stage.l1.put(&key, &values[0]).await?;
    stage.l2.put(&key, &values[1]).await?;
    Ok(Filled { key, values })
}

struct Filled {
    key: CacheKey,
    values: [CacheValue<Raw>; 2],
}

async fn l2_hangs(bench: &Bench) -> Outcome {
    let stage = undisturbed(bench);
    let Filled {
        key,
        values: [one, two],
    } = fill(&stage).await?;
    stage.l2.faults.reads().always(Fault::HangBeforeEffect);
    match stage.read {
        ReadKind::Sequential | ReadKind::Race => {
            let read = promptly(stage.look(&key), "a read with a hit in L1").await?;
            stage.is_hit(read, &[(L1, &one)], "while L2 hangs")?;
            stage.l2.faults.heal();
        }
        ReadKind::Parallel => {
            let read = stage.start_read(&key).await;
            stage.l2.faults.reads().wait_until_hanging(1).await;
            stage.l1.faults.reads().wait_until_called(1).await;
            ensure!(!read.has_ended(), "a parallel read did not wait for L2");
            stage.l2.faults.heal();
            let read = read.outcome("the read").await?;
            stage.is_hit(read, &[(L2, &two)], "after L2 answered")?;
        }
    }
    stage.drain().await;
    Ok(())
}

async fn l1_hangs(bench: &Bench) -> Outcome {
    let stage = undisturbed(bench);
    let Filled {
        key,
        values: [one, two],
    } = fill(&stage).await?;
    stage.l1.faults.reads().always(Fault::HangBeforeEffect);
    let expected = match stage.read {
        ReadKind::Race => {
            let read = promptly(stage.look(&key), "a race with a hit in L2").await?;
            stage.is_hit(read, &[(L2, &two)], "while L1 hangs")?;
            stage.l1.faults.heal();
            stage.drain().await;
            return Ok(());
        }
        ReadKind::Sequential => (L1, &one),
        ReadKind::Parallel => (L2, &two),
    };
    let read = stage.start_read(&key).await;
    stage.l1.faults.reads().wait_until_hanging(1).await;
    ensure!(!read.has_ended(), "the read did not wait for L1");
    if stage.read == ReadKind::Parallel {
        let l2_is_asked = stage.l2.faults.reads().wait_until_called(1);
        promptly(l2_is_asked, "asking L2 while L1 hangs").await?;
    }
    stage.l1.faults.heal();
    let read = read.outcome("the read").await?;
    stage.is_hit(read, &[expected], "after L1 answered")
}

async fn one_misses_the_other_is_slow(bench: &Bench) -> Outcome {
    for slow in CompositionLayer::BOTH {
        let stage = undisturbed(bench);
        let (key, value) = (stage.key(format!("{slow}")), lasting("value"));
        stage.layer(slow).put(&key, &value).await?;
        let reads = stage.layer(slow).faults.reads();
        reads.always(Fault::HangBeforeEffect);
        let read = stage.start_read(&key).await;
        reads.wait_until_hanging(1).await;
        ensure!(!read.has_ended(), "a read that found nothing yet has ended");
        reads.heal();
        let read = read.outcome("the read").await?;
        let when = format!("after {slow} answered late and the other had nothing");
        stage.is_hit(read, &[(slow, &value)], &when)?;
    }
    Ok(())
}

async fn loser_comes_late(bench: &Bench) -> Outcome {
    for slow in CompositionLayer::BOTH {
        let stage = undisturbed(bench);
        let key = stage.key(format!("{slow}"));
        let value = lasting("value");
        stage.layer(slow.other()).put(&key, &value).await?;
        let reads = stage.layer(slow).faults.reads();
        reads.next(1, Fault::HangAfterEffect);
        let read = stage.start_read(&key).await;
        if stage.read == ReadKind::Race {
            let read = read.outcome("a race with a hit").await?;
            stage.is_hit(read, &[(slow.other(), &value)], "in a race")?;
            reads.heal();
        } else {
            // Asked or not, it has nothing to say.
            reads.heal();
            let read = read.outcome("the read").await?;
            stage.is_hit(read, &[(slow.other(), &value)], "after a late miss")?;
        }
        stage.drain().await;
        stage
            .layer(slow)
            .holds_nothing(&key, "after a read")
            .await?;
        let again = stage.look(&key).await;
        stage.is_hit(again, &[(slow.other(), &value)], "in the next read")?;
    }
    Ok(())
}
