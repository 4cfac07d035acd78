//! All schedules of a read that misses and refills against a remove or a write, and of two
//! mutations against each other.

use hitbox_backend::{
    CompositionPolicy, CompositionReadPolicy, CompositionWritePolicy,
    OptimisticParallelWritePolicy, ParallelReadPolicy, RaceLoserPolicy, RaceReadPolicy,
    RaceWritePolicy, RefillPolicy, SequentialReadPolicy, SequentialWritePolicy, StrictWritePolicy,
};

use crate::composition::interleavings::{
    gates::Verdict,
    run::{Act, Age, Form, Repairs, Run, Schedule, Start, Writes},
};

const READ: Act = Act::Read(Form::Single);
const WRITE: Act = Act::Write(Age::New, Form::Single);
const REMOVE: Act = Act::Remove(Form::Single);

/// Depth-first through all schedules: each choice is remembered with the number of its options.
#[derive(Default)]
pub(crate) struct AllSchedules {
    pub(crate) choices: Vec<(usize, usize)>,
    depth: usize,
}

impl AllSchedules {
    /// Goes on to the next schedule; false if that was the last.
    pub(crate) fn advance(&mut self) -> bool {
        self.depth = 0;
        while let Some((choice, options)) = self.choices.pop() {
            if choice + 1 < options {
                self.choices.push((choice + 1, options));
                return true;
            }
        }
        false
    }
}

impl Schedule for AllSchedules {
    fn next(&mut self, options: usize) -> (usize, Verdict) {
        if self.depth == self.choices.len() {
            self.choices.push((0, options));
        }
        let (choice, expected) = self.choices[self.depth];
        assert_eq!(
            options, expected,
            "a run must be decided by its schedule alone"
        );
        self.depth += 1;
        (choice, Verdict::Proceed)
    }

    fn drop_task(&mut self, _tasks: usize) -> Option<usize> {
        None
    }
}

fn explore<R, W>(name: &str, policy: &CompositionPolicy<R, W>, start: Start, acts: &[Act])
where
    R: CompositionReadPolicy + Clone + 'static,
    W: CompositionWritePolicy + Clone + 'static,
{
    let mut schedules = AllSchedules::default();
    let mut explored = 0_u64;
    loop {
        let mut run = Run::new(policy.clone(), start, Writes::BothLayers, Repairs::Never);
        for act in acts {
            run.add(*act);
        }
        run.finish(&mut schedules);
        explored += 1;
        if let Err(violation) = run.check() {
            panic!(
                "{name}, {start:?}, {acts:?}, schedule {:?}: {violation}",
                schedules.choices
            );
        }
        if !schedules.advance() {
            break;
        }
    }
    println!("{name}, {start:?}, {acts:?}: {explored} schedules");
}

fn explore_all_mutations<R, W>(name: &str, policy: &CompositionPolicy<R, W>)
where
    R: CompositionReadPolicy + Clone + 'static,
    W: CompositionWritePolicy + Clone + 'static,
{
    for refill in [RefillPolicy::Always, RefillPolicy::Repair] {
        let policy = policy.clone().refill(refill);
        let name = format!("{name}, {refill:?}");
        for start in [Start::OnlyL2, Start::Both] {
            explore(&name, &policy, start, &[READ, REMOVE]);
            explore(&name, &policy, start, &[READ, WRITE]);
        }
    }
}

macro_rules! read_against_mutations {
    ($($name:ident: $read:expr, $write:expr;)*) => {$(
        #[test]
        fn $name() {
            let policy = CompositionPolicy::new().read($read).write($write);
            explore_all_mutations(stringify!($name), &policy);
        }
    )*};
}

read_against_mutations! {
    sequential_read_sequential_write: SequentialReadPolicy::new(), SequentialWritePolicy::new();
    sequential_read_optimistic_write: SequentialReadPolicy::new(), OptimisticParallelWritePolicy::new();
    sequential_read_race_write: SequentialReadPolicy::new(), RaceWritePolicy::new();
    sequential_read_strict_write: SequentialReadPolicy::new(), StrictWritePolicy::new();
    parallel_read_sequential_write: ParallelReadPolicy::new(), SequentialWritePolicy::new();
    parallel_read_optimistic_write: ParallelReadPolicy::new(), OptimisticParallelWritePolicy::new();
    parallel_read_race_write: ParallelReadPolicy::new(), RaceWritePolicy::new();
    parallel_read_strict_write: ParallelReadPolicy::new(), StrictWritePolicy::new();
    race_read_sequential_write: RaceReadPolicy::new(), SequentialWritePolicy::new();
    race_read_optimistic_write: RaceReadPolicy::new(), OptimisticParallelWritePolicy::new();
    race_read_race_write: RaceReadPolicy::new(), RaceWritePolicy::new();
    race_read_strict_write: RaceReadPolicy::new(), StrictWritePolicy::new();
    race_read_dropped_loser_strict_write:
        RaceReadPolicy::new().loser(RaceLoserPolicy::Drop), StrictWritePolicy::new();
}

macro_rules! mutations_against_each_other {
    ($($name:ident: $write:expr;)*) => {$(
        #[test]
        fn $name() {
            let policy = CompositionPolicy::new().write($write);
            for acts in [
                [WRITE, WRITE],
                [WRITE, REMOVE],
                [REMOVE, REMOVE],
                [Act::Write(Age::Old, Form::Single), REMOVE],
            ] {
                explore(stringify!($name), &policy, Start::Both, &acts);
            }
        }
    )*};
}

mutations_against_each_other! {
    sequential_writes: SequentialWritePolicy::new();
    optimistic_writes: OptimisticParallelWritePolicy::new();
    race_writes: RaceWritePolicy::new();
    strict_writes: StrictWritePolicy::new();
}
