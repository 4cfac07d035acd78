//! A history as it happens.

use std::{
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
    time::Duration,
};

use chrono::TimeDelta;
use futures::FutureExt;
use hitbox_backend::{CompositionLayer, DeleteStatus};
use hitbox_core::clock::VirtualTime;
use tokio::{
    task::{coop::unconstrained, yield_now},
    time::Instant,
};
use xtask::Failure;

use super::{
    calls::{Call, Scene, cache},
    ledger::{Expiries, Ledger},
    plan::{Act, End, Loader, Plan, Step},
    source::Source,
};
use crate::{
    composed::{Compositions, compose},
    keys::Keys,
    panics,
    place::Place,
    reference::Violation,
    setting::{Setting, StoreKind},
    step::{ClockStep, Late},
    store::open_store,
    task::Task,
    world::{NO_CALL, Site, Telling, World},
};

/// How far the wall clock is set.
const CLOCK_STEP: TimeDelta = TimeDelta::minutes(10);

/// Longer than a fence stands for effects that may arrive late.
const ALL_LATE: Duration = Duration::from_secs(61);

/// What a history was like.
pub(super) struct Outcome {
    pub(super) violation: Option<Violation>,
    pub(super) counts: Counts,
    pub(super) trace: Vec<String>,
    pub(super) digest: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) calls: u64,
    pub(super) disturbances: u64,
    pub(super) loads: u64,
    pub(super) answers_checked: u64,
}

impl Counts {
    pub(super) const fn operations(&self) -> u64 {
        self.calls + self.disturbances
    }

    pub(super) const fn add(&mut self, other: &Self) {
        self.calls += other.calls;
        self.disturbances += other.disturbances;
        self.loads += other.loads;
        self.answers_checked += other.answers_checked;
    }
}

/// A call that has not returned.
struct Caller {
    task: Task,
    call: Call,
    since: Instant,
    /// He is not polled.
    is_held: bool,
    /// He may load, so he does not wait for ever.
    may_load: bool,
}

struct Execution {
    scene: Arc<Scene>,
    compositions: Compositions,
    plan: Plan,
    clock: VirtualTime,
    callers: Vec<Caller>,
    background: Vec<Task>,
    counts: Counts,
}

/// Carries out a plan in a runtime of its own: loads run there, and are dropped with it.
pub(super) fn run(plan: &Plan, keys: &Keys, telling: Telling) -> Result<Outcome, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()?;
    let happened = panics::catch(|| runtime.block_on(unconstrained(execute(plan, keys, telling))));
    happened.unwrap_or_else(|said| {
        Ok(Outcome {
            violation: Some(said),
            counts: Counts::default(),
            trace: Vec::new(),
            digest: 0,
        })
    })
}

async fn execute(plan: &Plan, keys: &Keys, telling: Telling) -> Result<Outcome, Failure> {
    let setting = &plan.setting;
    let open = |((place, kind), answers): ((_, &StoreKind), _)| {
        let store = open_store(*kind, place)?;
        Ok::<_, Failure>(Site {
            place,
            store,
            answers,
        })
    };
    let places = Place::all(setting.nested_layer()).into_iter();
    let places = places.zip(setting.stores()).zip(setting.answers);
    let sites = places.map(open).collect::<Result<_, _>>()?;
    fastrand::seed(plan.seed);
    let start = chrono::DateTime::from_timestamp_millis(1_800_000_000_000).unwrap_or_default();
    let clock = VirtualTime::start(start);
    let (ids, keys) = keys.of_space(setting).into_iter().unzip();
    let world = Arc::new(World::new(sites, keys, telling));
    let compositions = compose(setting, &world);
    let cache = cache(Arc::clone(&compositions.outer), &plan.rules)?;
    let memory = match setting.forgets_by_shard() {
        true => Expiries::Forgotten,
        false => Expiries::OfEachKey,
    };
    let scene = Scene {
        world: Arc::clone(&world),
        cache,
        ids,
        ledger: Arc::new(Ledger::new(setting.keys, plan.rules, memory)),
        source: Arc::new(Source::default()),
    };
    let mut execution = Execution {
        scene: Arc::new(scene),
        compositions,
        plan: plan.clone(),
        clock,
        callers: Vec::new(),
        background: Vec::new(),
        counts: Counts::default(),
    };
    let run = AssertUnwindSafe(execution.run()).catch_unwind().await;
    let violation = run.map_or_else(|_| Some(panics::said()), Result::err);
    let mut counts = execution.counts;
    counts.loads = execution.scene.ledger.loads();
    counts.answers_checked = execution.scene.ledger.answers();
    drop(execution);
    world.give_up_background();
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
            let disturbs = self.take(step).await?;
            self.counts.disturbances += u64::from(disturbs);
            self.run_until_all_wait().await?;
        }
        Ok(())
    }

    /// Whether it disturbs anything.
    async fn take(&mut self, step: Step) -> Result<bool, Violation> {
        let world = Arc::clone(&self.scene.world);
        Ok(match step {
            Step::Call(act) => {
                self.call(act);
                false
            }
            Step::EndLoad { pick, end } => self.scene.source.end(pick, end),
            Step::Open { pick, fault } => match world.waiting() {
                0 => false,
                waiting => {
                    world.open(pick % waiting, fault);
                    fault.is_some()
                }
            },
            Step::Leave { pick, late } => self.leave(pick, late),
            Step::Hold { pick } => self.hold(pick),
            Step::Advance { millis, late } => {
                world.set_drops(late);
                self.advance(Duration::from_millis(millis)).await?;
                world.set_drops(Late::Never);
                true
            }
            Step::SetClock(step) => {
                if step == ClockStep::Back {
                    self.scene.ledger.note_set_back();
                }
                self.clock.advance(match step {
                    ClockStep::Forward => CLOCK_STEP,
                    ClockStep::Back => -CLOCK_STEP,
                });
                true
            }
            Step::Break { pick, fault } => world.set_broken(pick % world.sites.len(), Some(fault)),
            Step::Heal { pick } => world.set_broken(pick % world.sites.len(), None),
            Step::Restart { pick } => {
                let Site { place, store, .. } = &world.sites[pick % world.sites.len()];
                let restarted = store.restart();
                restarted.map_err(|error| format!("{place} did not restart: {error:?}"))?;
                true
            }
            Step::Evict { pick, key } => {
                let site = &world.sites[pick % world.sites.len()];
                let evicted = site.store.remove(&world.keys[key]);
                !matches!(evicted, Ok(DeleteStatus::Missing))
            }
            Step::Arrive { pick } => world.arrive(pick),
            Step::Audit => {
                self.audit().await?;
                false
            }
        })
    }

    fn call(&mut self, act: Act) {
        let number = self.counts.calls as usize;
        self.counts.calls += 1;
        let scene = Arc::clone(&self.scene);
        let call = Call {
            number,
            was_held: Arc::new(AtomicBool::new(false)),
        };
        let made = call.clone();
        let future = unconstrained(async move { scene.perform(made, act).await });
        self.callers.push(Caller {
            task: Task::new(number, Box::pin(future)),
            call,
            since: Instant::now(),
            is_held: false,
            may_load: match act {
                Act::GetOrLoad { .. } | Act::Refresh { .. } | Act::GetManyOrLoad { .. } => true,
                Act::Get { .. }
                | Act::Insert { .. }
                | Act::Remove { .. }
                | Act::RemoveMany { .. }
                | Act::Expire { .. } => false,
            },
        });
    }

    fn leave(&mut self, pick: usize, late: Late) -> bool {
        if self.callers.is_empty() {
            return false;
        }
        let caller = self.callers.remove(pick % self.callers.len());
        let world = Arc::clone(&self.scene.world);
        world.tell(8, || {
            format!("      call {} is dropped", caller.call.number)
        });
        world.set_drops(late);
        drop(caller);
        world.set_drops(Late::Never);
        true
    }

    /// Who holds a turn at a layer would hold up others, as the fences have it: only those who may load are held.
    fn hold(&mut self, pick: usize) -> bool {
        let mut loading: Vec<_> = self.callers.iter_mut().filter(|one| one.may_load).collect();
        let count = loading.len();
        let Some(caller) = loading.get_mut(pick % count.max(1)) else {
            return false;
        };
        caller.is_held = true;
        caller.call.was_held.store(true, Ordering::Relaxed);
        true
    }

    /// In steps, so that what gives up meanwhile does so in its order.
    async fn advance(&mut self, time: Duration) -> Result<(), Violation> {
        const STEPS: u32 = 4;
        let granularity = self.plan.setting.granularity();
        let multiple = (time / STEPS).as_millis().div_ceil(granularity.as_millis());
        let step = granularity * u32::try_from(multiple).unwrap_or(u32::MAX).max(1);
        let mut left = time;
        while !left.is_zero() {
            let passes = step.min(left);
            self.scene.world.arrive_before(passes);
            self.clock
                .advance(TimeDelta::from_std(passes).unwrap_or(TimeDelta::zero()));
            tokio::time::advance(passes).await;
            self.run_until_all_wait().await?;
            left -= passes;
        }
        Ok(())
    }

    /// Callers, what the composition does in the background, and loads.
    async fn run_until_all_wait(&mut self) -> Result<(), Violation> {
        /// More than anything takes that comes to rest.
        const ROUNDS: usize = 500;
        for round in 0.. {
            if round > ROUNDS {
                let (background, callers) = (self.background.len(), self.callers.len());
                return Err(format!(
                    "it does not come to rest: {background} in the background, {callers} callers"
                ));
            }
            let mut progress = false;
            let mut at = 0;
            while let Some(caller) = self.callers.get_mut(at) {
                let mut is_done = false;
                if caller.task.is_due() && !caller.is_held {
                    progress = true;
                    self.scene.world.set_current_call(caller.call.number);
                    is_done = caller.task.poll() == Poll::Ready(());
                }
                if is_done {
                    drop(self.callers.remove(at));
                } else {
                    at += 1;
                }
            }
            self.scene.world.set_current_call(NO_CALL);
            let begun = self.scene.world.take_background();
            self.background
                .extend(begun.into_iter().map(|work| Task::new(NO_CALL, work)));
            self.background.retain_mut(|task| {
                let due = task.is_due();
                progress |= due;
                !(due && task.poll() == Poll::Ready(()))
            });
            // Loads are tasks of the runtime, which runs all that can go on.
            yield_now().await;
            let due = |one: &Caller| one.task.is_due() && !one.is_held;
            if !progress && !self.callers.iter().any(due) {
                break;
            }
        }
        self.check_waits();
        self.scene.ledger.take_violation().map_or(Ok(()), Err)
    }

    /// G13: nobody waits longer than he wants to.
    fn check_waits(&self) {
        let Some(limit) = self.plan.rules.hard_timeout else {
            return;
        };
        // Timers go by whole milliseconds.
        let limit = limit + Duration::from_millis(1);
        let late = |one: &&Caller| one.may_load && !one.is_held && one.since.elapsed() > limit;
        if let Some(late) = self.callers.iter().find(late) {
            let (number, waited) = (late.call.number, late.since.elapsed());
            self.scene
                .ledger
                .violation(format!("call {number} waits for {waited:?}"));
        }
    }

    /// Everything ends, undisturbed, and what is left is checked.
    async fn audit(&mut self) -> Result<(), Violation> {
        self.scene.world.calm_down();
        for caller in &mut self.callers {
            caller.is_held = false;
        }
        self.finish_all().await?;
        self.check_stores()?;
        self.advance(ALL_LATE).await?;
        for key in 0..self.plan.setting.keys {
            self.check_a_load(key).await?;
            self.check_a_failure(key).await?;
        }
        self.scene.world.stir_up();
        Ok(())
    }

    /// Callers wait for two loads at most, and then everything comes to its end.
    async fn finish_all(&mut self) -> Result<(), Violation> {
        /// Also for what the background tries in the meantime.
        const PATIENCE: usize = 300;
        let two_loads = self.plan.rules.load_deadline.as_secs() as usize * 2 + 2;
        for second in 0..PATIENCE {
            while self.scene.source.end(0, End::Value) {
                self.run_until_all_wait().await?;
            }
            self.run_until_all_wait().await?;
            if second > two_loads
                && let Some(caller) = self.callers.first()
            {
                let number = caller.call.number;
                return Err(format!("call {number} waits for more than two loads"));
            }
            if self.is_idle() {
                let loads = self.scene.cache.loads();
                return match loads.is_empty() {
                    true => Ok(()),
                    false => Err(format!(
                        "nothing is under way, but at the table is {loads:?}"
                    )),
                };
            }
            self.advance(Duration::from_secs(1)).await?;
        }
        let statistics = self.scene.cache.statistics();
        Err(format!("it does not come to its end: {statistics:?}"))
    }

    fn is_idle(&self) -> bool {
        self.callers.is_empty()
            && self.background.is_empty()
            && self.scene.cache.statistics().under_way == 0
    }

    /// What stores hold has the times it was loaded with, and nothing is older than what has settled that is not on
    /// record.
    fn check_stores(&self) -> Result<(), Violation> {
        let world = &self.scene.world;
        let outer = &self.compositions.outer;
        let pending = outer.pending_repairs();
        for (site, (number, key)) in world
            .sites
            .iter()
            .flat_map(|site| world.keys.iter().enumerate().map(move |key| (site, key)))
        {
            let found = site.store.read(key).map_err(|error| error.to_string())?;
            let Some(value) = found else { continue };
            let ledger = &self.scene.ledger;
            ledger.check_held(number, &value, may_be_capped(&self.plan.setting))?;
            let layer = site.place.outer;
            let is_known = site.place.inner.is_some()
                || pending
                    .iter()
                    .any(|one| one.key == *key && one.layer == layer)
                || outer
                    .layer_fence(layer)
                    .is_some_and(|fence| value.created() <= fence);
            if value.created() < ledger.floor(number) && !is_known {
                return Err(format!(
                    "{} holds {value:?} of k{number}, older than what has settled, and is not on record",
                    site.place
                ));
            }
        }
        Ok(())
    }

    /// A load that nothing disturbs is kept.
    async fn check_a_load(&mut self, key: usize) -> Result<(), Violation> {
        let loader = Loader::Ends(End::Value);
        self.call_alone(Act::Refresh { key, loader }).await?;
        let loads = self.scene.ledger.loads();
        self.call_alone(Act::GetOrLoad { key, loader }).await?;
        match self.scene.ledger.loads() == loads {
            true => Ok(()),
            false => Err(format!("k{key} is loaded again at once: it was not kept")),
        }
    }

    /// G14: a load that fails takes nothing away, and G15: nothing looks younger for it.
    async fn check_a_failure(&mut self, key: usize) -> Result<(), Violation> {
        let before = self.held(key);
        let loader = Loader::Ends(End::Fails);
        self.call_alone(Act::Refresh { key, loader }).await?;
        let after = self.held(key);
        match before == after {
            true => Ok(()),
            false => Err(format!(
                "a load of k{key} that failed has made of {before:?} {after:?}"
            )),
        }
    }

    fn held(&self, key: usize) -> Vec<String> {
        let world = &self.scene.world;
        let sites = world.sites.iter();
        let held = sites.map(|site| format!("{:?}", site.store.read(&world.keys[key])));
        held.collect()
    }

    async fn call_alone(&mut self, act: Act) -> Result<(), Violation> {
        self.scene.world.tell(9, || format!("    audit: {act:?}"));
        self.call(act);
        self.run_until_all_wait().await?;
        match self.callers.is_empty() && self.scene.cache.statistics().under_way == 0 {
            true => Ok(()),
            false => Err(format!("{act:?} does not end although nothing waits")),
        }
    }
}

fn may_be_capped(setting: &Setting) -> bool {
    setting.all_rules().any(|rules| {
        CompositionLayer::BOTH
            .into_iter()
            .any(|layer| rules.cap(layer).is_some())
    })
}
