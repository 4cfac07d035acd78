//! A history as it happens.

use std::{panic::AssertUnwindSafe, sync::Arc, task::Poll, time::Duration};

use chrono::TimeDelta;
use futures::FutureExt;
use hitbox_backend::DeleteStatus;
use hitbox_core::clock::VirtualTime;
use tokio::{task::coop::unconstrained, time::Instant};

use super::{
    composed::compose,
    keys::Keys,
    panics,
    place::Place,
    plan::Plan,
    reference::{Reference, Violation},
    scene::Scene,
    setting::StoreKind,
    step::{Act, ClockStep, Late, Step, Which},
    store::open_store,
    task::Task,
    world::{NO_CALL, Site, Telling, World},
};

/// How many of those that wait count as having come last.
const NEWEST: usize = 2;

/// How far the wall clock is set.
const CLOCK_STEP: TimeDelta = TimeDelta::minutes(10);

/// What a history was like.
#[derive(Debug)]
pub(super) struct Outcome {
    /// Also what a panic has said.
    pub(super) violation: Option<Violation>,
    pub(super) panicked: bool,
    pub(super) counts: Counts,
    pub(super) trace: Vec<String>,
    /// Tells it apart from others, also without a trace.
    pub(super) digest: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Reads, writes and removes; a bulk operation is one.
    pub(super) calls: u64,
    /// Time that passed, failures, healings, cancellations, restarts, evictions, late effects, as far as
    /// there was something to fail, to heal, and so on. A failure of one operation of a layer counts, too.
    pub(super) disturbances: u64,
    /// How often the clock was set: disturbances, too.
    pub(super) clock_steps: u64,
    /// How often a layer has made a change by a second attempt, while the first was on its way.
    pub(super) repeated: u64,
    /// The answers of reads, one for each key.
    pub(super) reads_checked: u64,
}

impl Counts {
    pub(super) const fn operations(&self) -> u64 {
        self.calls + self.disturbances
    }

    pub(super) const fn add(&mut self, other: &Self) {
        self.calls += other.calls;
        self.disturbances += other.disturbances;
        self.clock_steps += other.clock_steps;
        self.repeated += other.repeated;
        self.reads_checked += other.reads_checked;
    }
}

/// What a step came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    Disturbance,
    /// It is counted as something else, or there was nothing for it to do.
    Other,
}

impl Effect {
    const fn disturbance_if(disturbs: bool) -> Self {
        match disturbs {
            true => Self::Disturbance,
            false => Self::Other,
        }
    }
}

pub(super) struct Execution {
    pub(super) scene: Arc<Scene>,
    pub(super) plan: Plan,
    clock: VirtualTime,
    tasks: Vec<Option<Task>>,
    calls: usize,
    began: Instant,
    /// Deferred work was dropped, of which nobody knows before the keys are used again.
    pub(super) dropped_deferred: bool,
    pub(super) counts: Counts,
}

/// Carries out a plan, in a tokio runtime of this thread whose clock is paused.
pub(super) async fn execute(
    plan: &Plan,
    keys: &Keys,
    telling: Telling,
) -> Result<Outcome, xtask::Failure> {
    let setting = &plan.setting;
    let open = |((place, kind), answers): ((_, &StoreKind), _)| {
        let store = open_store(*kind, place)?;
        Ok::<_, xtask::Failure>(Site {
            place,
            store,
            answers,
        })
    };
    let places = Place::all(setting.nested_layer()).into_iter();
    let places = places.zip(setting.stores()).zip(setting.answers);
    let sites = places.map(open).collect::<Result<_, _>>()?;
    // The pauses between repairs are drawn from the generator of this thread. After the stores were
    // opened, which may draw from it for names of directories.
    fastrand::seed(plan.seed);
    // Any time will do, if it is always the same.
    let start = chrono::DateTime::from_timestamp_millis(1_800_000_000_000).unwrap_or_default();
    let clock = VirtualTime::start(start);
    let world = Arc::new(World::new(sites, keys.of(setting), telling));
    let compositions = compose(setting, &world);
    let scene = Scene::new(Arc::clone(&world), compositions, Reference::new(*setting));
    let mut execution = Execution {
        scene: Arc::new(scene),
        plan: plan.clone(),
        clock,
        tasks: Vec::new(),
        calls: 0,
        began: Instant::now(),
        dropped_deferred: false,
        counts: Counts::default(),
    };
    let run = AssertUnwindSafe(execution.run()).catch_unwind().await;
    let panicked = run.is_err();
    let violation = run.map_or_else(|_| Some(panics::said()), Result::err);
    let mut counts = execution.counts;
    counts.reads_checked = execution.scene.reference().reads_checked;
    counts.repeated = world.repeated();
    // Before the world: tasks that wait look at it as they go. Without compositions, nothing is handed
    // over any more.
    execution.tasks.clear();
    drop(execution);
    world.give_up_background();
    let (trace, digest) = world.take_trace();
    Ok(Outcome {
        violation,
        panicked,
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
            let effect = self.take(step).await?;
            self.counts.disturbances += u64::from(effect == Effect::Disturbance);
            self.run_until_all_wait()?;
        }
        Ok(())
    }

    async fn take(&mut self, step: Step) -> Result<Effect, Violation> {
        let world = Arc::clone(&self.scene.world);
        Ok(Effect::disturbance_if(match step {
            Step::Call(act) => {
                self.call(act);
                false
            }
            Step::Audit(thoroughness) => {
                self.audit(thoroughness).await?;
                false
            }
            Step::Open { which, pick, fault } => match world.waiting() {
                0 => false,
                waiting => {
                    let at = match which {
                        Which::Any => pick % waiting,
                        Which::Newest => waiting - 1 - pick % waiting.min(NEWEST),
                    };
                    world.open(at, fault);
                    fault.is_some()
                }
            },
            Step::Cancel { pick, late } => self.cancel(pick, late),
            Step::Advance { millis, late } => {
                world.set_drops(late);
                self.advance(Duration::from_millis(millis)).await?;
                world.set_drops(Late::Never);
                millis > 0
            }
            Step::AdvanceToExpiry => self.advance_to_expiry().await?,
            Step::AdvanceToBackground => self.advance_to_background().await?,
            Step::SetClock(step) => {
                self.set_clock(step);
                true
            }
            Step::Break { pick, fault } => world.set_broken(pick % world.sites.len(), Some(fault)),
            Step::Heal { pick } => world.set_broken(pick % world.sites.len(), None),
            Step::Restart { pick } => restart(&world, pick)?,
            Step::Evict { pick, key } => {
                let site = &world.sites[pick % world.sites.len()];
                let evicted = site.store.remove(&world.keys[key]);
                !matches!(evicted, Ok(DeleteStatus::Missing))
            }
            Step::Arrive { pick } => world.arrive(pick),
        }))
    }

    /// A task calls the composition. It gets as far as its first wait.
    pub(super) fn call(&mut self, act: Act) {
        let call = self.calls;
        self.calls += 1;
        self.counts.calls += 1;
        let scene = Arc::clone(&self.scene);
        // Unconstrained: else calls would wait now and then for others to run, and nobody wakes them here.
        let future = unconstrained(async move { scene.perform(call, act).await });
        self.tasks.push(Some(Task::new(call, Box::pin(future))));
    }

    /// Whether there was anything to drop.
    fn cancel(&mut self, pick: usize, late: Late) -> bool {
        let world = Arc::clone(&self.scene.world);
        let living: Vec<_> = (0..self.tasks.len())
            .filter(|at| self.tasks[*at].is_some())
            .collect();
        let pick = pick % (living.len() + world.deferred()).max(1);
        let Some(at) = living.get(pick) else {
            let is_there = pick < living.len() + world.deferred();
            if is_there {
                world.tell(10, || {
                    String::from("      work that is deferred is dropped")
                });
                self.dropped_deferred = true;
                drop(world.take_deferred(pick - living.len()));
            }
            return is_there;
        };
        let task = self.tasks[*at].take();
        let call = task.as_ref().map(|task| task.call);
        let call = call.filter(|call| *call != NO_CALL);
        world.tell(8, || match call {
            Some(call) => format!("      call {call} is dropped"),
            None => String::from("      work in the background is dropped"),
        });
        world.set_drops(late);
        drop(task);
        world.set_drops(Late::Never);
        true
    }

    /// Time passes, as far as to what is due to happen next in the background, and so on.
    pub(super) async fn advance(&mut self, time: Duration) -> Result<(), Violation> {
        /// Where a layer hangs, rounds of repairs follow each other so fast that there is no end of
        /// them. After so many the rest of the time passes at once.
        const STOPS: usize = 16;
        let end = Instant::now() + time;
        for _ in 0..STOPS {
            match self.next_stop() {
                Some(stop) if stop < end => {
                    self.pass(stop.saturating_duration_since(Instant::now()))
                        .await?;
                    self.run_until_all_wait()?;
                }
                Some(_) | None => break,
            }
        }
        self.pass(end.saturating_duration_since(Instant::now()))
            .await
    }

    /// When something is next due to happen in the background.
    pub(super) fn next_stop(&self) -> Option<Instant> {
        let due = self.scene.world.next_due()?;
        let granularity = self.plan.setting.granularity().as_nanos();
        let since = due.saturating_duration_since(self.began).as_nanos();
        let rounded = since.next_multiple_of(granularity);
        // Centuries have no place in a history.
        let rounded = u64::try_from(rounded).unwrap_or(u64::MAX);
        Some(self.began + Duration::from_nanos(rounded))
    }

    /// Time passes in one go.
    pub(super) async fn pass(&mut self, time: Duration) -> Result<(), Violation> {
        while self.plan.setting.bulk_writes_outlive_drops() && self.scene.world.open_overdue(time) {
            self.run_until_all_wait()?;
        }
        self.scene.world.arrive_before(time);
        self.clock
            .advance(TimeDelta::from_std(time).unwrap_or(TimeDelta::zero()));
        tokio::time::advance(time).await;
        Ok(())
    }

    fn set_clock(&mut self, step: ClockStep) {
        self.counts.clock_steps += 1;
        self.scene.reference().note_the_time();
        self.clock.advance(match step {
            ClockStep::Forward => CLOCK_STEP,
            ClockStep::Back => -CLOCK_STEP,
        });
    }

    /// Whether any time has passed.
    async fn advance_to_expiry(&mut self) -> Result<bool, Violation> {
        let next = self.scene.reference().next_expiry();
        let time = next.and_then(|expire| (expire - self.clock.now()).to_std().ok());
        let time = time.unwrap_or_default();
        if time.is_zero() {
            return Ok(false);
        }
        self.advance(time).await?;
        Ok(true)
    }

    /// The same.
    async fn advance_to_background(&mut self) -> Result<bool, Violation> {
        /// Not as far as to where what is under way gives up.
        const SOON: Duration = Duration::from_millis(900);
        let time = self.next_stop();
        let time = time.map(|stop| stop.saturating_duration_since(Instant::now()));
        match time.filter(|time| *time <= SOON) {
            Some(time) => {
                self.pass(time).await?;
                Ok(!time.is_zero())
            }
            None => Ok(false),
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

/// Says whether there was anything in the store that it could lose.
fn restart(world: &World, pick: usize) -> Result<bool, Violation> {
    let Site { place, store, .. } = &world.sites[pick % world.sites.len()];
    let had_something = world
        .keys
        .iter()
        .any(|key| !matches!(store.read(key), Ok(None)));
    let restarted = store.restart();
    restarted.map_err(|error| format!("{place} did not restart: {error:?}"))?;
    Ok(had_something)
}
