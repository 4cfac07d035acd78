//! One run: tasks over a composition, driven by a schedule.

use std::{
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use bytes::Bytes;
use futures::future::BoxFuture;
use hitbox_backend::{
    Backend, CompositionBackend, CompositionLayer, CompositionPolicy, CompositionReadPolicy,
    CompositionWritePolicy, Operation, RepairBackoff, RepairPolicy,
};
use hitbox_core::{CacheKey, CacheValue, Raw, Stamp};
use tokio::runtime::{Builder, Runtime};

use crate::composition::interleavings::{
    gates::{Failure, GatedLayer, Gates, SHORTEST_PAUSE, Verdict},
    history::{Event, History},
};

/// What a task does, once its first gate opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    Read(Form),
    Write(Age, Form),
    Remove(Form),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Single,
    Bulk,
}

/// When the load of a written value began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Age {
    New,
    /// Before the run.
    Old,
}

/// What the layers hold when the run begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// L1 is empty, L2 holds a value: a read refills.
    OnlyL2,
    Both,
}

/// What a write without failures leaves behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Writes {
    BothLayers,
    /// A race whose loser is dropped.
    OneLayer,
}

/// Who makes the pending repairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repairs {
    Never,
    ByReads,
    /// With so many rounds at most: of more, a schedule could go on for ever.
    InBackground(usize),
}

/// Timeouts are made, though no time passes.
fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Builder::new_current_thread().enable_time().build().unwrap())
}

/// Decides what happens next.
pub(crate) trait Schedule {
    /// Which of `options` gates opens, and how. `None` drops the task of that number instead.
    fn next(&mut self, options: usize) -> (usize, Verdict);
    /// A task to drop now, of `tasks`.
    fn drop_task(&mut self, tasks: usize) -> Option<usize>;
}

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

struct Task {
    future: Pin<Box<dyn Future<Output = ()> + Send>>,
    woken: Arc<Flag>,
}

impl Task {
    fn new(future: BoxFuture<'static, ()>) -> Self {
        Self {
            future,
            woken: Arc::new(Flag(AtomicBool::new(true))),
        }
    }

    fn poll_if_woken(&mut self) -> Poll<()> {
        if !self.woken.0.swap(false, Ordering::SeqCst) {
            return Poll::Pending;
        }
        let waker = Waker::from(self.woken.clone());
        self.future.as_mut().poll(&mut Context::from_waker(&waker))
    }
}

pub(crate) fn value(text: &'static [u8]) -> CacheValue<Raw> {
    CacheValue::loaded(Raw::from(Bytes::from_static(text)), Stamp::now())
}

pub(crate) type Composed<R, W> = CompositionBackend<GatedLayer, GatedLayer, Gates, R, W>;

pub(crate) struct Run<R, W> {
    pub(crate) gates: Gates,
    pub(crate) history: History,
    pub(crate) cache: Arc<Composed<R, W>>,
    pub(crate) key: CacheKey,
    old: CacheValue<Raw>,
    pub(crate) writes: Writes,
    pub(crate) repairs: Repairs,
    phase: Phase,
    tasks: Vec<Option<Task>>,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Preparing,
    Exploring,
}

const fn label(layer: CompositionLayer) -> &'static str {
    match layer {
        CompositionLayer::L1 => "l1",
        CompositionLayer::L2 => "l2",
    }
}

impl<R, W> Run<R, W>
where
    R: CompositionReadPolicy + 'static,
    W: CompositionWritePolicy + 'static,
{
    pub(crate) fn new(
        policy: CompositionPolicy<R, W>,
        start: Start,
        writes: Writes,
        repairs: Repairs,
    ) -> Self {
        let gates = Gates::default();
        let (l1, l2) = (GatedLayer::new(&gates, "l1"), GatedLayer::new(&gates, "l2"));
        let key = CacheKey::from_pair("key", "of the run");
        let old = value(b"old");
        let begin = async {
            l2.memory.write(&key, old.clone()).await.unwrap();
            match start {
                Start::OnlyL2 => {}
                Start::Both => l1.memory.write(&key, old.clone()).await.unwrap(),
            }
        };
        futures::executor::block_on(begin);
        let at_once = RepairBackoff::new().max(SHORTEST_PAUSE);
        let repair = match repairs {
            Repairs::Never => RepairPolicy::Never,
            Repairs::ByReads => RepairPolicy::OnNextOperation,
            Repairs::InBackground(rounds) => {
                gates.allow_deferrals(rounds);
                RepairPolicy::Background(at_once)
            }
        };
        let cache = CompositionBackend::new(l1, l2, gates.clone(), policy.repair(repair));
        Self {
            gates,
            history: History::default(),
            cache: Arc::new(cache),
            key,
            old,
            writes,
            repairs,
            phase: Phase::Exploring,
            tasks: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, act: Act) {
        let task = self.tasks.len();
        let (gates, history, cache) =
            (self.gates.clone(), self.history.clone(), self.cache.clone());
        let (key, old) = (self.key.clone(), self.old.clone());
        let future = async move {
            gates.pass().await;
            perform(task, act, &history, &*cache, key, old).await;
        };
        self.tasks.push(Some(Task::new(Box::pin(future))));
    }

    /// Does this to the end, while an operation of a layer fails. Repairs are not due yet.
    pub(crate) fn prepare(&mut self, act: Act, failing: CompositionLayer, failure: Failure) {
        self.fail_next(act, failing, failure);
        self.phase = Phase::Preparing;
        self.add(act);
        self.finish(&mut InOrder);
        self.phase = Phase::Exploring;
        self.gates.clear_script();
    }

    /// The next act of this kind fails in this layer.
    pub(crate) fn fail_next(&self, act: Act, failing: CompositionLayer, failure: Failure) {
        let operation = match act {
            Act::Read(_) => Operation::Read,
            Act::Write(..) => Operation::Write,
            Act::Remove(_) => Operation::Remove,
        };
        self.gates.fail_next(label(failing), operation, failure);
    }

    /// Runs to the end by `schedule`.
    pub(crate) fn finish(&mut self, schedule: &mut impl Schedule) {
        let _inside = runtime().enter();
        loop {
            self.run_until_all_wait();
            let waiting = self.gates.waiting();
            if waiting == 0 {
                assert!(
                    self.tasks.iter().all(Option::is_none),
                    "a task waits for something that is not a gate: a deadlock"
                );
                return;
            }
            if let Some(task) = schedule.drop_task(self.tasks.len()) {
                self.tasks[task] = None;
                continue;
            }
            let (at, verdict) = schedule.next(waiting);
            self.gates.open(at, verdict);
        }
    }

    fn run_until_all_wait(&mut self) {
        loop {
            let mut progress = false;
            for slot in &mut self.tasks {
                if let Some(task) = slot {
                    let woken = task.woken.0.load(Ordering::SeqCst);
                    progress |= woken;
                    if task.poll_if_woken().is_ready() {
                        *slot = None;
                    }
                }
            }
            match self.phase {
                Phase::Preparing => {}
                Phase::Exploring => self.gates.release_deferred(),
            }
            let background = self.gates.take_background();
            progress |= !background.is_empty();
            self.tasks
                .extend(background.into_iter().map(|future| Some(Task::new(future))));
            if !progress {
                return;
            }
        }
    }
}

/// Opens the gates in the order of arrival.
pub(crate) struct InOrder;

impl Schedule for InOrder {
    fn next(&mut self, _options: usize) -> (usize, Verdict) {
        (0, Verdict::Proceed)
    }
    fn drop_task(&mut self, _tasks: usize) -> Option<usize> {
        None
    }
}

async fn perform(
    task: usize,
    act: Act,
    history: &History,
    cache: &dyn Backend,
    key: CacheKey,
    old: CacheValue<Raw>,
) {
    match act {
        Act::Read(form) => {
            history.note(Event::ReadBegins { task });
            let outcome = match form {
                Form::Single => cache.read(&key).await,
                Form::Bulk => cache.read_many(&[key]).await.remove(0),
            };
            let found = outcome.ok().flatten().map(|value| value.created());
            history.note(Event::ReadReturns { task, found });
        }
        Act::Write(age, form) => {
            let value = match age {
                Age::New => value(b"new"),
                Age::Old => old,
            };
            let floor = value.created();
            let _whatever_it_returned = match form {
                Form::Single => cache.write(&key, value).await,
                Form::Bulk => cache.write_many(vec![(key, value)]).await.remove(0),
            };
            history.note(Event::Settled { floor });
        }
        Act::Remove(form) => {
            let floor = Stamp::now();
            let _whatever_it_returned = match form {
                Form::Single => cache.remove(&key).await,
                Form::Bulk => cache.remove_many(&[key]).await.remove(0),
            };
            history.note(Event::Settled { floor });
        }
    }
}
