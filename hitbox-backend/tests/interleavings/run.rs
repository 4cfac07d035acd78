//! One run: tasks over a composition, driven by a schedule.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use bytes::Bytes;
use futures::future::BoxFuture;
use hitbox_backend::{
    Backend, CompositionBackend, CompositionLayer, CompositionPolicy, CompositionReadPolicy,
    CompositionWritePolicy, Owed, OwedCause,
};
use hitbox_core::{CacheKey, CacheValue, Raw, Stamp};

use crate::{
    gates::{GatedLayer, Gates, Verdict},
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
    CacheValue::new(Raw::from(Bytes::from_static(text)), None, None)
}

pub(crate) type Composed<R, W> = CompositionBackend<GatedLayer, GatedLayer, Gates, R, W>;

pub(crate) struct Run<R, W> {
    pub(crate) gates: Gates,
    pub(crate) history: History,
    pub(crate) cache: Arc<Composed<R, W>>,
    pub(crate) key: CacheKey,
    old: CacheValue<Raw>,
    writes: Writes,
    tasks: Vec<Option<Task>>,
}

impl<R, W> Run<R, W>
where
    R: CompositionReadPolicy + 'static,
    W: CompositionWritePolicy + 'static,
{
    pub(crate) fn new(policy: CompositionPolicy<R, W>, start: Start, writes: Writes) -> Self {
        let gates = Gates::default();
        let (l1, l2) = (GatedLayer::new(&gates, "l1"), GatedLayer::new(&gates, "l2"));
        let key = CacheKey::from_str("key", "of the run");
        let old = value(b"old");
        let begin = async {
            l2.memory.write(&key, old.clone()).await.unwrap();
            match start {
                Start::OnlyL2 => {}
                Start::Both => l1.memory.write(&key, old.clone()).await.unwrap(),
            }
        };
        futures::executor::block_on(begin);
        let cache = CompositionBackend::new(l1, l2, gates.clone(), policy);
        Self {
            gates,
            history: History::default(),
            cache: Arc::new(cache),
            key,
            old,
            writes,
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

    /// Runs to the end by `schedule`.
    pub(crate) fn finish(&mut self, schedule: &mut impl Schedule) {
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
            let background = self.gates.take_background();
            progress |= !background.is_empty();
            self.tasks
                .extend(background.into_iter().map(|future| Some(Task::new(future))));
            if !progress {
                return;
            }
        }
    }

    /// What is left when all is done: reads are right, and what a layer holds is not older than
    /// what has settled unless the layer is on record for it.
    pub(crate) fn check(&mut self) -> Result<(), String> {
        self.add(Act::Read(Form::Single));
        self.finish(&mut InOrder);
        self.history.check()?;
        let floor = self.history.floor();
        for layer in CompositionLayer::BOTH {
            let owes = self.cache.owed().iter().any(|owed| owed.layer == layer);
            let memory = match layer {
                CompositionLayer::L1 => &self.cache.l1().memory,
                CompositionLayer::L2 => &self.cache.l2().memory,
            };
            let held = futures::executor::block_on(memory.read(&self.key)).unwrap();
            if let Some(held) = held
                && held.created() < floor
                && !owes
            {
                return Err(format!(
                    "{layer} holds {} though {floor} has settled, and is not on record: {:#?}",
                    held.created(),
                    self.history_text()
                ));
            }
        }
        self.check_that_a_write_heals()
    }

    /// Whatever happened: a write that succeeds in both layers is read afterwards, and nothing is
    /// owed any more.
    fn check_that_a_write_heals(&mut self) -> Result<(), String> {
        self.add(Act::Write(Age::New, Form::Single));
        self.finish(&mut InOrder);
        let floor = self.history.floor();
        let cache = self.cache.clone();
        let lacking: Vec<_> = [&cache.l1().memory, &cache.l2().memory]
            .into_iter()
            .filter(|memory| {
                let held = futures::executor::block_on(memory.read(&self.key)).unwrap();
                held.is_none_or(|held| held.created() != floor)
            })
            .collect();
        let unconfirmed = |owed: &Owed| owed.cause == OwedCause::Unconfirmed;
        let owed = cache.owed().into_iter().filter(unconfirmed).count();
        let lacking = lacking.len();
        match self.writes {
            Writes::BothLayers if owed > 0 || lacking > 0 => {
                return Err(format!(
                    "after a write {owed} layers owe and {lacking} lack its value"
                ));
            }
            Writes::OneLayer if owed != 1 || lacking > 1 => {
                return Err(format!(
                    "after a write of one layer {owed} owe and {lacking} lack it"
                ));
            }
            Writes::BothLayers | Writes::OneLayer => {}
        }
        self.add(Act::Read(Form::Single));
        self.finish(&mut InOrder);
        match self.history.last_found() {
            Some(found) if found == floor => self.history.check(),
            found => Err(format!(
                "the value of the last write, {floor}, is not read but {found:?}"
            )),
        }
    }

    pub(crate) fn history_text(&self) -> String {
        self.history.to_text()
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
