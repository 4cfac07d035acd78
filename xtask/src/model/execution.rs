//! A history as it happens.

use std::{sync::Arc, task::Poll, time::Duration};

use chrono::TimeDelta;
use hitbox_core::clock::VirtualTime;

use super::{
    composed::compose,
    keys::Keys,
    plan::Plan,
    reference::{Reference, Violation},
    scene::Scene,
    step::{Act, Late, Step},
    store::open_stores,
    task::Task,
    world::{NO_CALL, Telling, World},
};

/// What a history was like.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) violation: Option<Violation>,
    pub(super) counts: Counts,
    pub(super) trace: Vec<String>,
    /// Tells it apart from others, also without a trace.
    pub(super) digest: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Reads, writes and removes; a bulk operation is one.
    pub(super) calls: u64,
    /// Time that passed, failures, healings, cancellations, restarts, evictions, late effects. A
    /// failure of one operation of a layer counts, too.
    pub(super) disturbances: u64,
    /// The answers of reads, one for each key.
    pub(super) reads_checked: u64,
}

pub(super) struct Execution {
    pub(super) scene: Arc<Scene>,
    pub(super) plan: Plan,
    clock: VirtualTime,
    tasks: Vec<Option<Task>>,
    calls: usize,
    pub(super) counts: Counts,
}

/// Carries out a plan, in a tokio runtime of this thread whose clock is paused.
pub(super) async fn execute(
    plan: &Plan,
    keys: &Keys,
    telling: Telling,
) -> Result<Outcome, crate::Failure> {
    let stores = open_stores(plan.setting.layers)?;
    // Any time will do, if it is always the same.
    let start = chrono::DateTime::from_timestamp_millis(1_800_000_000_000).unwrap_or_default();
    let world = Arc::new(World::new(stores, keys.of(&plan.setting), telling));
    let composed = compose(&plan.setting, &world);
    let scene = Scene::new(Arc::clone(&world), composed, Reference::new(plan.setting));
    let mut execution = Execution {
        scene: Arc::new(scene),
        plan: plan.clone(),
        clock: VirtualTime::start(start),
        tasks: Vec::new(),
        calls: 0,
        counts: Counts::default(),
    };
    let violation = execution.run().await.err();
    let mut counts = execution.counts;
    counts.reads_checked = execution.scene.reference().reads_checked;
    // Before the world: tasks that wait look at it as they go.
    execution.tasks.clear();
    let (trace, digest) = world.take_trace();
    Ok(Outcome {
        violation,
        counts,
        trace,
        digest,
    })
}

impl Execution {
    async fn run(&mut self) -> Result<(), Violation> {
        let steps = self.plan.steps.clone();
        for (at, step) in steps.into_iter().enumerate() {
            self.scene.world.tell(6, || format!("{at:3} {step:?}"));
            self.take(step).await?;
            self.run_until_all_wait()?;
        }
        Ok(())
    }

    async fn take(&mut self, step: Step) -> Result<(), Violation> {
        let world = Arc::clone(&self.scene.world);
        self.counts.disturbances += 1;
        match step {
            Step::Call(act) => {
                self.counts.disturbances -= 1;
                self.call(act);
            }
            Step::Open { pick, fault } => {
                self.counts.disturbances -= u64::from(fault.is_none());
                match world.waiting() {
                    0 => {}
                    waiting => world.open(pick % waiting, fault),
                }
            }
            Step::Cancel { pick, late } => self.cancel(pick, late),
            Step::Advance { millis } => self.advance(Duration::from_millis(millis)).await?,
            Step::AdvanceToExpiry => self.advance_to_expiry().await?,
            Step::Break(layer) => world.set_broken(layer, true),
            Step::Heal(layer) => world.set_broken(layer, false),
            Step::Restart(layer) => world
                .store(layer)
                .restart()
                .map_err(|error| format!("{layer} did not restart: {error:?}"))?,
            Step::Evict { layer, key } => drop(world.store(layer).remove(&world.keys[key])),
            Step::Arrive { pick } => world.arrive(pick),
            Step::Audit(thoroughness) => {
                self.counts.disturbances -= 1;
                self.audit(thoroughness).await?;
            }
        }
        Ok(())
    }

    /// A task calls the composition. It gets as far as its first wait.
    pub(super) fn call(&mut self, act: Act) {
        let call = self.calls;
        self.calls += 1;
        self.counts.calls += 1;
        let scene = Arc::clone(&self.scene);
        let future = async move { scene.perform(call, act).await };
        self.tasks.push(Some(Task::new(call, Box::pin(future))));
    }

    fn cancel(&mut self, pick: usize, late: Late) {
        let living: Vec<_> = (0..self.tasks.len())
            .filter(|at| self.tasks[*at].is_some())
            .collect();
        let Some(at) = living.get(pick % living.len().max(1)) else {
            return;
        };
        let task = self.tasks[*at].take();
        self.scene.world.tell(8, || {
            let call = task.as_ref().map(|task| task.call);
            match call.filter(|call| *call != NO_CALL) {
                Some(call) => format!("      call {call} is dropped"),
                None => String::from("      work in the background is dropped"),
            }
        });
        match late {
            Late::Possible => self.scene.world.with_late_drops(|| drop(task)),
            Late::Never => drop(task),
        }
    }

    pub(super) async fn advance(&mut self, time: Duration) -> Result<(), Violation> {
        while self.plan.setting.bulk_writes_outlive_drops() && self.scene.world.open_overdue(time) {
            self.run_until_all_wait()?;
        }
        self.scene.world.arrive_before(time);
        self.clock
            .advance(TimeDelta::from_std(time).unwrap_or(TimeDelta::zero()));
        tokio::time::advance(time).await;
        Ok(())
    }

    async fn advance_to_expiry(&mut self) -> Result<(), Violation> {
        let next = self.scene.reference().next_expiry();
        let time = next.and_then(|expire| (expire - self.clock.now()).to_std().ok());
        match time {
            Some(time) => self.advance(time).await,
            None => Ok(()),
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.tasks.iter().all(Option::is_none)
    }

    pub(super) fn run_until_all_wait(&mut self) -> Result<(), Violation> {
        let mut progress = true;
        while progress {
            progress = false;
            for slot in &mut self.tasks {
                let Some(task) = slot.as_mut().filter(|task| task.is_due()) else {
                    continue;
                };
                progress = true;
                self.scene.world.set_current_call(task.call);
                if task.poll() == Poll::Ready(()) {
                    *slot = None;
                }
            }
            let background = self.scene.world.take_background();
            progress |= !background.is_empty();
            let tasks = background
                .into_iter()
                .map(|work| Some(Task::new(NO_CALL, work)));
            self.tasks.extend(tasks);
        }
        self.tasks.retain(Option::is_some);
        self.scene.take_violation().map_or(Ok(()), Err)
    }
}
