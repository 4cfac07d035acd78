//! Connections that are slow, hang, break off, or deliver byte by byte.

use std::{sync::Arc, time::Duration};

use futures::future::{join, join_all, join3};
use test_servers::proxy::{Direction, Ending, Fault};
use xtask::Failure;

use super::{
    caller::{Caller, Done, Found},
    disturbed::{Arrangement, Disturbed},
    scenario::{Depth, Outcome, Scenario},
    stage::{DEADLINE, LIMIT, Server, Stage},
};

/// How many calls of each kind are made at once.
const CALLERS: usize = 6;

/// Fewer where each byte is work.
const CALLERS_OF_SLICES: usize = 1;

/// Where every call is to succeed, on a busy machine too.
const PLENTY: Duration = Duration::from_secs(10);

/// In the middle of a reply, past the beginning of what DynamoDB says over HTTP.
const MIDDLE: usize = 20;

/// Those that also run under other policies than the default one in the short form.
const UNDER_EVERY_POLICY: [&str; 3] = ["latency of 20 ms", "hang, replies", "reset in the reply"];

/// A fault, and whether callers may notice more of it than its length.
struct Case {
    name: &'static str,
    fault: Fault,
    effect: Effect,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Effect {
    /// Every call succeeds.
    None,
    /// Calls may fail.
    Failures,
}

const fn case(name: &'static str, fault: Fault, effect: Effect) -> Case {
    Case {
        name,
        fault,
        effect,
    }
}

const CASES: [Case; 11] = [
    case(
        "latency of 20 ms",
        Fault::Latency(Duration::from_millis(20)),
        Effect::None,
    ),
    case(
        "latency of 2 s",
        Fault::Latency(Duration::from_secs(2)),
        Effect::Failures,
    ),
    case("slices of a byte", Fault::Slices, Effect::None),
    case(
        "hang, requests",
        Fault::Hang(Direction::Requests),
        Effect::Failures,
    ),
    case(
        "hang, replies",
        Fault::Hang(Direction::Replies),
        Effect::Failures,
    ),
    case(
        "hang, both ways",
        Fault::Hang(Direction::Both),
        Effect::Failures,
    ),
    case("reset at once", Fault::End(Ending::Reset), Effect::Failures),
    case("close at once", Fault::End(Ending::Close), Effect::Failures),
    case(
        "reset before the reply",
        Fault::EndAfter(0, Ending::Reset),
        Effect::Failures,
    ),
    case(
        "reset in the reply",
        Fault::EndAfter(MIDDLE, Ending::Reset),
        Effect::Failures,
    ),
    case(
        "close in the reply",
        Fault::EndAfter(MIDDLE, Ending::Close),
        Effect::Failures,
    ),
];

pub(super) fn scenarios(depth: Depth) -> Vec<Scenario> {
    let mut all = Vec::new();
    let arrangements = [
        Arrangement::Alone,
        Arrangement::DEFAULT,
        Arrangement::RACE,
        Arrangement::STRICT,
    ];
    for server in Server::ALL {
        for arrangement in arrangements {
            for Case {
                name,
                fault,
                effect,
            } in CASES
            {
                let is_default = matches!(arrangement, Arrangement::Alone | Arrangement::DEFAULT);
                if depth == Depth::Short && !is_default && !UNDER_EVERY_POLICY.contains(&name) {
                    continue;
                }
                let name = format!("{}: {name}", arrangement.of(server));
                all.push(Scenario::new(name, move |stage| async move {
                    disturb(&stage, server, arrangement, fault, effect).await
                }));
            }
        }
    }
    all
}

/// What there is before the fault: names that are read, written and removed under it.
struct Names {
    read: Vec<String>,
    written: Vec<String>,
    removed: Vec<String>,
}

impl Names {
    fn new(count: usize) -> Self {
        let of = |what: &str| {
            (0..count)
                .map(|number| format!("{what} {number}"))
                .collect()
        };
        Self {
            read: of("read"),
            written: of("written"),
            removed: of("removed"),
        }
    }

    fn all(&self) -> impl Iterator<Item = &String> {
        self.read.iter().chain(&self.written).chain(&self.removed)
    }
}

async fn disturb(
    stage: &Arc<Stage>,
    server: Server,
    arrangement: Arrangement,
    fault: Fault,
    effect: Effect,
) -> Result<Outcome, Failure> {
    // What is to succeed must not fail because the machine is busy: a slice is a wake-up per byte.
    let (deadline, limit) = match effect {
        Effect::None => (PLENTY, PLENTY),
        Effect::Failures => (DEADLINE, LIMIT),
    };
    let mut disturbed = Disturbed::within(deadline, stage, server, arrangement).await?;
    disturbed.caller = disturbed.caller.patient(limit);
    let callers = if fault == Fault::Slices {
        CALLERS_OF_SLICES
    } else {
        CALLERS
    };
    let names = Names::new(callers);
    for name in names.all() {
        disturbed.put(name, 1).await?;
    }
    disturbed.until_up().await?;

    disturbed.proxy.set(fault);
    let changes = under_fault(&disturbed, &names).await?;
    if effect == Effect::None {
        let mut record = disturbed.caller.record();
        let all_found = record.how_often("hit") == 3 * callers as u64;
        record.expect(all_found, "every read under this fault is a hit");
        let all_done = record.how_often("ok") == 2 * callers as u64;
        record.expect(all_done, "every write and remove under this fault is done");
    }

    disturbed.proxy.heal();
    let recovery = disturbed.until_up().await?;
    let after = disturbed.caller.another();
    after_writes(&disturbed, &after, &names.written, &changes.writes).await?;
    after_removes(&disturbed, &after, &names.removed, &changes.removes).await?;
    after_reads(&disturbed, &after, &names.read).await?;
    let mut record = disturbed.caller.into_record();
    record.absorb_afterwards(after.into_record());
    record.recovered(recovery);
    Ok(Outcome::Ran(record))
}

/// What became of the writes and removes under a fault, in the order of their names.
struct Changes {
    writes: Vec<Done>,
    removes: Vec<Done>,
}

async fn under_fault(disturbed: &Disturbed, names: &Names) -> Result<Changes, Failure> {
    let caller = &disturbed.caller;
    let read_all = || join_all(names.read.iter().map(|name| caller.read(name, 1..=1)));
    let (_, writes, removes) = join3(
        read_all(),
        join_all(names.written.iter().map(|name| caller.write(name, 2))),
        join_all(names.removed.iter().map(|name| caller.remove(name))),
    )
    .await;
    // Once more, by when the backend knows what its connection is worth.
    for name in &names.read {
        disturbed.evict(name).await?;
    }
    let written = names.written.iter().zip(&writes).map(|(name, done)| {
        let oldest = disturbed.arrangement.oldest_after(done, 1, 2);
        caller.read(name, oldest..=2)
    });
    join(read_all(), join_all(written)).await;
    Ok(Changes { writes, removes })
}

/// Nothing older than what was written is read, not even from the server; and the next write works.
async fn after_writes(
    disturbed: &Disturbed,
    caller: &Caller,
    names: &[String],
    outcomes: &[Done],
) -> Result<(), Failure> {
    let (mut failed, mut gone) = (0, 0);
    for (name, outcome) in names.iter().zip(outcomes) {
        disturbed.evict(name).await?;
        let oldest = disturbed.arrangement.oldest_after(outcome, 1, 2);
        failed += usize::from(matches!(outcome, Done::Failed(_)));
        let found = caller.read(name, oldest..=2).await;
        gone += usize::from(!matches!(found, Found::Value));
    }
    for name in names {
        caller.write(name, 3).await;
        caller.finds(name, 3).await;
        disturbed.evict(name).await?;
        caller.finds(name, 3).await;
    }
    let mut record = caller.record();
    if failed > 0 {
        record.lost(format!("{failed} of {} writes failed", names.len()));
    }
    if gone > 0 {
        record.lost(format!(
            "{gone} of {} written values missing after eviction from L1",
            names.len()
        ));
    }
    Ok(())
}

/// Nothing that was removed comes back, unless a backend by itself said that it failed.
async fn after_removes(
    disturbed: &Disturbed,
    caller: &Caller,
    names: &[String],
    outcomes: &[Done],
) -> Result<(), Failure> {
    for (name, outcome) in names.iter().zip(outcomes) {
        disturbed.evict(name).await?;
        // 2 was never written: nothing may be found any more.
        let oldest = disturbed.arrangement.oldest_after(outcome, 1, 2);
        caller.read(name, oldest..=1).await;
    }
    Ok(())
}

/// What nobody has touched is there, and each read gets its own answer.
async fn after_reads(
    disturbed: &Disturbed,
    caller: &Caller,
    names: &[String],
) -> Result<(), Failure> {
    for name in names {
        disturbed.evict(name).await?;
    }
    join_all(names.iter().map(|name| caller.finds(name, 1))).await;
    Ok(())
}
