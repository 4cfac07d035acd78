//! Carries scenarios out, each on a thread of its own.

use std::{
    panic::{self, AssertUnwindSafe},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use xtask::Failure;

use super::{
    panics::Panics,
    record::Record,
    report::{Ended, Verdict},
    scenario::{Act, Load, Outcome, Scenario},
    stage::Stage,
};

/// How many light scenarios run at a time. More would make each other late.
const AT_ONCE: usize = 4;

/// How long a scenario may take before it is taken for hung.
const LIMITS: (Duration, Duration) = (Duration::from_secs(50), Duration::from_secs(600));

/// Runs them all, the light ones side by side, the heavy ones one after the other. Calls `ended` as
/// each ends.
pub(super) fn run(
    scenarios: Vec<Scenario>,
    stage: &Arc<Stage>,
    ended: impl Fn(&Ended) + Sync,
) -> Vec<Ended> {
    let panics = Panics::watch();
    let numbered = scenarios.into_iter().enumerate();
    let (heavy, light): (Vec<_>, Vec<_>) = numbered.partition(|(_, one)| one.load == Load::Heavy);
    let waiting = Mutex::new(light.into_iter());
    let done = Mutex::new(Vec::new());
    let finish = |number, one: Ended| {
        ended(&one);
        let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
        done.push((number, one));
    };
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let next = waiting
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .next();
                    let Some((number, scenario)) = next else {
                        return;
                    };
                    finish(number, carry_out(number, scenario, stage, &panics));
                }
            });
        }
    });
    if let Some(one) = elsewhere(&panics) {
        finish(usize::MAX, one);
    }
    for (number, scenario) in heavy {
        let mut one = carry_out(number, scenario, stage, &panics);
        // Nothing else was running: these are its own.
        one.add_panics(panics.take_others());
        finish(number, one);
    }
    drop(panics);
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(number, _)| *number);
    done.into_iter().map(|(_, one)| one).collect()
}

/// A panic in a thread that belongs to no scenario, such as one that a client has started.
fn elsewhere(panics: &Panics) -> Option<Ended> {
    let others = panics.take_others();
    if others.is_empty() {
        return None;
    }
    let mut one = Ended::new("other threads", Verdict::Held, Record::default());
    one.add_panics(others);
    Some(one)
}

fn carry_out(number: usize, scenario: Scenario, stage: &Arc<Stage>, panics: &Panics) -> Ended {
    let began = Instant::now();
    let thread_name = format!("fault-{number}");
    let Scenario { name, load: _, act } = scenario;
    let (tell, told) = mpsc::channel();
    let spawned = {
        let (stage, thread_name) = (Arc::clone(stage), thread_name.clone());
        thread::Builder::new()
            .name(thread_name.clone())
            .spawn(move || {
                // The panic itself is reported by the hook.
                let outcome =
                    panic::catch_unwind(AssertUnwindSafe(|| do_act(act, stage, &thread_name)));
                // Whoever waited may have given up.
                let _given_up =
                    tell.send(outcome.unwrap_or_else(|_| Ok(Outcome::Ran(Record::default()))));
            })
    };
    let limit = match stage.depth {
        super::Depth::Short => LIMITS.0,
        super::Depth::Long => LIMITS.1,
    };
    let outcome = match spawned {
        Err(error) => Err(Failure::from(error)),
        Ok(_thread) => match told.recv_timeout(limit) {
            Ok(outcome) => outcome,
            Err(RecvTimeoutError::Timeout) => {
                Err(format!("hung: not done within {limit:?}").into())
            }
            Err(RecvTimeoutError::Disconnected) => Err("ended without a word".into()),
        },
    };
    let mut ended = Ended::of(name, outcome);
    ended.add_panics(panics.take_of(&thread_name));
    ended.duration = began.elapsed();
    ended
}

fn do_act(act: Act, stage: Arc<Stage>, thread_name: &str) -> Result<Outcome, Failure> {
    match act {
        Act::Thread(act) => act(&stage),
        Act::Async(act) => {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .thread_name(thread_name)
                .enable_all()
                .build()?;
            let outcome = runtime.block_on(act(stage));
            // What still hangs must not hold up the end.
            runtime.shutdown_timeout(Duration::from_secs(1));
            outcome
        }
    }
}
