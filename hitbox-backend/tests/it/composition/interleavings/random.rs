//! Random schedules of several operations, with failures, lost answers and dropped futures.

use std::time::{SystemTime, UNIX_EPOCH};

use hitbox_backend::{
    CompositionPolicy, CompositionReadPolicy, CompositionWritePolicy,
    OptimisticParallelWritePolicy, ParallelReadPolicy, RaceLoserPolicy, RaceReadPolicy,
    RaceWritePolicy, RefillPolicy, SequentialReadPolicy, SequentialWritePolicy, StrictWritePolicy,
};

use crate::composition::interleavings::{
    gates::Verdict,
    run::{Act, Age, Form, Repairs, Run, Schedule, Start, Writes},
};

const RUNS_PER_PAIR: u64 = 2_000;

struct Dice {
    random: fastrand::Rng,
    /// Out of 100.
    failures: u32,
    drops: u32,
}

impl Schedule for Dice {
    fn next(&mut self, options: usize) -> (usize, Verdict) {
        let verdict = if self.random.u32(0..100) >= self.failures {
            Verdict::Proceed
        } else if self.random.bool() {
            Verdict::Fail
        } else {
            Verdict::Refuse
        };
        (self.random.usize(0..options), verdict)
    }

    fn drop_task(&mut self, tasks: usize) -> Option<usize> {
        (self.random.u32(0..100) < self.drops).then(|| self.random.usize(0..tasks))
    }
}

const ACTS: [Act; 7] = [
    Act::Read(Form::Single),
    Act::Read(Form::Bulk),
    Act::Write(Age::New, Form::Single),
    Act::Write(Age::Old, Form::Single),
    Act::Write(Age::New, Form::Bulk),
    Act::Remove(Form::Single),
    Act::Remove(Form::Bulk),
];

fn one_run<R, W>(policy: CompositionPolicy<R, W>, writes: Writes, seed: u64) -> Result<(), String>
where
    R: CompositionReadPolicy + Clone + 'static,
    W: CompositionWritePolicy + Clone + 'static,
{
    let mut random = fastrand::Rng::with_seed(seed);
    let refills = [
        RefillPolicy::Always,
        RefillPolicy::Never,
        RefillPolicy::Repair,
    ];
    let refill = refills[random.usize(0..refills.len())];
    let start = if random.bool() {
        Start::OnlyL2
    } else {
        Start::Both
    };
    let repairs = [Repairs::Never, Repairs::ByReads, Repairs::InBackground(6)];
    let repairs = repairs[random.usize(0..repairs.len())];
    let mut run = Run::new(policy.refill(refill), start, writes, repairs);
    for _ in 0..random.usize(3..7) {
        run.add(ACTS[random.usize(0..ACTS.len())]);
    }
    let mut dice = Dice {
        failures: [0, 10, 30][random.usize(0..3)],
        drops: [0, 5][random.usize(0..2)],
        random,
    };
    run.finish(&mut dice);
    run.check()
}

fn many_runs<R, W>(name: &str, policy: &CompositionPolicy<R, W>, writes: Writes)
where
    R: CompositionReadPolicy + Clone + 'static,
    W: CompositionWritePolicy + Clone + 'static,
{
    let first = match std::env::var("HITBOX_SEED") {
        Ok(seed) => seed.parse().unwrap(),
        Err(_) => SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_nanos() as u64,
    };
    println!("{name}: {RUNS_PER_PAIR} schedules from seed {first}");
    for seed in first..first + RUNS_PER_PAIR {
        if let Err(violation) = one_run(policy.clone(), writes, seed) {
            panic!("{name}: replay with HITBOX_SEED={seed}: {violation}");
        }
    }
}

macro_rules! pairs {
    ($($name:ident: $read:expr, $write:expr, $writes:ident;)*) => {$(
        #[test]
        fn $name() {
            let policy = CompositionPolicy::new().read($read).write($write);
            many_runs(stringify!($name), &policy, Writes::$writes);
        }
    )*};
}

pairs! {
    sequential_sequential: SequentialReadPolicy::new(), SequentialWritePolicy::new(), BothLayers;
    sequential_optimistic: SequentialReadPolicy::new(), OptimisticParallelWritePolicy::new(), BothLayers;
    sequential_race: SequentialReadPolicy::new(), RaceWritePolicy::new(), BothLayers;
    sequential_strict: SequentialReadPolicy::new(), StrictWritePolicy::new(), BothLayers;
    race_sequential: RaceReadPolicy::new(), SequentialWritePolicy::new(), BothLayers;
    race_optimistic: RaceReadPolicy::new(), OptimisticParallelWritePolicy::new(), BothLayers;
    race_race: RaceReadPolicy::new(), RaceWritePolicy::new(), BothLayers;
    race_strict: RaceReadPolicy::new(), StrictWritePolicy::new(), BothLayers;
    race_drop_race_drop: RaceReadPolicy::new().loser(RaceLoserPolicy::Drop),
        RaceWritePolicy::new().loser(RaceLoserPolicy::Drop), OneLayer;
    parallel_sequential: ParallelReadPolicy::new(), SequentialWritePolicy::new(), BothLayers;
    parallel_optimistic: ParallelReadPolicy::new(), OptimisticParallelWritePolicy::new(), BothLayers;
    parallel_race: ParallelReadPolicy::new(), RaceWritePolicy::new(), BothLayers;
    parallel_strict: ParallelReadPolicy::new(), StrictWritePolicy::new(), BothLayers;
}
