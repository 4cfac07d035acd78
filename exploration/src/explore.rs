use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use loom::model::Builder;

use crate::{clock::Clock, tasks::thread};

/// How far a scenario is explored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Every schedule.
    All,
    /// Every schedule in which at most so many times a thread is interrupted that could have gone on.
    Interruptions(usize),
}

/// Runs `scenario` under all schedules of this extent, and prints how many those were. The scenario
/// is decided by its schedule alone, and panics where a promise is broken. Loom panics where every
/// thread waits.
///
/// `LOOM_MAX_PREEMPTIONS` bounds the interruptions further.
pub fn explore(name: &str, extent: Extent, scenario: impl Fn(&Clock) + Send + Sync + 'static) {
    let mut model = Builder::new();
    // What a schedule may take before loom gives up on it.
    model.max_branches = 100_000;
    let most = match (extent, model.preemption_bound) {
        (Extent::All, asked) => asked,
        (Extent::Interruptions(most), asked) => Some(asked.map_or(most, |asked| asked.min(most))),
    };
    model.preemption_bound = most;
    let clock = Clock::stopped();
    let _timers_are_those_of = clock.enter();
    let schedules = Arc::new(AtomicU64::new(0));
    {
        let (clock, schedules) = (clock.clone(), Arc::clone(&schedules));
        let scenario = Arc::new(scenario);
        model.check(move || {
            schedules.fetch_add(1, Ordering::Relaxed);
            let (clock, scenario) = (clock.clone(), Arc::clone(&scenario));
            // Loom's first thread has a stack that nobody can choose.
            thread(move || scenario(&clock)).join().unwrap();
        });
    }
    let schedules = schedules.load(Ordering::Relaxed);
    let extent = most.map_or_else(
        || "all".to_owned(),
        |most| format!("up to {most} interruptions"),
    );
    println!("schedules: {name}: {schedules} ({extent})");
}
