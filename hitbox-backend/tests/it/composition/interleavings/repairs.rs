//! All schedules of an operation and the repair that an earlier one has left pending.

use hitbox_backend::{
    CompositionLayer, CompositionPolicy, CompositionReadPolicy, CompositionWritePolicy,
    OptimisticParallelWritePolicy, ParallelReadPolicy, RaceReadPolicy, RaceWritePolicy,
    RefillPolicy, SequentialReadPolicy, SequentialWritePolicy, StrictWritePolicy,
};

use crate::composition::interleavings::{
    exhaustive::AllSchedules,
    gates::{Failure, ReadGates},
    run::{Act, Age, Form, Repairs, Run, Start, Writes},
};

const READ: Act = Act::Read(Form::Single);
const WRITE: Act = Act::Write(Age::New, Form::Single);
const REMOVE: Act = Act::Remove(Form::Single);

/// How the layer fails. Where a read repairs, the schedules are too many for more than the hardest:
/// only what was refused for certain leaves no late effect to beware of, and the layer trusted.
fn failures(repairs: Repairs) -> &'static [Failure] {
    match repairs {
        Repairs::Never | Repairs::ByReads => &[Failure::Refused],
        Repairs::InBackground(_) => &[Failure::Refused, Failure::Lost, Failure::AnswerLost],
    }
}

/// What leaves a repair pending, and what is done while it is repaired.
struct Story {
    failed: Act,
    failing: CompositionLayer,
    failure: Failure,
    beside: &'static [Act],
    /// Whether what is done meanwhile fails in the same layer.
    again: Again,
    repairs: Repairs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Again {
    Succeeds,
    Refused,
}

fn explore<R, W>(policy: &CompositionPolicy<R, W>, story: &Story) -> u64
where
    R: CompositionReadPolicy + Clone + 'static,
    W: CompositionWritePolicy + Clone + 'static,
{
    let Story {
        failed,
        failing,
        failure,
        beside,
        again,
        repairs,
    } = *story;
    let mut schedules = AllSchedules::default();
    let mut explored = 0;
    loop {
        let mut run = Run::new(policy.clone(), Start::Both, Writes::BothLayers, repairs);
        run.gates.set_read_gates(ReadGates::Before);
        run.prepare(failed, failing, failure);
        for act in beside {
            run.add(*act);
            match again {
                Again::Succeeds => {}
                Again::Refused => run.fail_next(*act, failing, Failure::Refused),
            }
        }
        run.finish(&mut schedules);
        explored += 1;
        if let Err(violation) = run.check() {
            panic!(
                "{failing} fails {failed:?} ({failure:?}), then {beside:?} ({again:?}), {repairs:?}, schedule {:?}: {violation}",
                schedules.choices
            );
        }
        if !schedules.advance() {
            return explored;
        }
    }
}

fn beside(repairs: Repairs) -> &'static [&'static [Act]] {
    match repairs {
        Repairs::Never | Repairs::InBackground(_) => &[&[READ], &[WRITE], &[REMOVE]],
        // The read is what repairs.
        Repairs::ByReads => &[&[READ, WRITE], &[READ, REMOVE]],
    }
}

fn explore_all<R, W>(name: &str, policy: &CompositionPolicy<R, W>, repairs: Repairs)
where
    R: CompositionReadPolicy + Clone + 'static,
    W: CompositionWritePolicy + Clone + 'static,
{
    // Else reads repair L1 by their refills, before a repair can.
    let policy = policy.clone().refill(RefillPolicy::Never);
    for failed in [WRITE, REMOVE] {
        for beside in beside(repairs) {
            let mut explored = 0;
            for failing in CompositionLayer::BOTH {
                for failure in failures(repairs) {
                    let story = Story {
                        failed,
                        failing,
                        failure: *failure,
                        beside,
                        again: Again::Succeeds,
                        repairs,
                    };
                    explored += explore(&policy, &story);
                }
            }
            println!(
                "{name}, {repairs:?}, {failed:?} fails, then {beside:?}: {explored} schedules"
            );
        }
    }
}

macro_rules! repairs_beside_an_operation {
    ($($name:ident: $read:expr, $write:expr;)*) => {$(
        #[test]
        fn $name() {
            let policy = CompositionPolicy::new().read($read).write($write);
            explore_all(stringify!($name), &policy, Repairs::InBackground(1));
            explore_all(stringify!($name), &policy, Repairs::ByReads);
        }
    )*};
}

repairs_beside_an_operation! {
    sequential_read_sequential_write: SequentialReadPolicy::new(), SequentialWritePolicy::new();
    sequential_read_optimistic_write: SequentialReadPolicy::new(), OptimisticParallelWritePolicy::new();
    parallel_read_race_write: ParallelReadPolicy::new(), RaceWritePolicy::new();
    race_read_strict_write: RaceReadPolicy::new(), StrictWritePolicy::new();
}

/// A repair that has seen a value must not give it to a layer that has missed something newer since.
#[test]
fn the_layer_fails_again_while_it_is_repaired() {
    let policy = CompositionPolicy::new().refill(RefillPolicy::Never);
    let mut explored = 0;
    for failing in CompositionLayer::BOTH {
        let story = Story {
            failed: WRITE,
            failing,
            failure: Failure::Refused,
            beside: &[REMOVE],
            again: Again::Refused,
            repairs: Repairs::InBackground(1),
        };
        explored += explore(&policy, &story);
    }
    println!("{explored} schedules");
}
