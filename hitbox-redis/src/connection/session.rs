//! A connection that is open, and what is known of it.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc, Weak,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use redis::aio::MultiplexedConnection;
use tokio::{task::AbortHandle, time::Instant};

use crate::connection::home::Home;

/// A connection, whether it has ended, and whether it answers.
#[derive(Clone)]
pub(crate) struct Session {
    pub(crate) connection: MultiplexedConnection,
    /// Tells one connection from its successors.
    pub(crate) number: u64,
    pub(crate) opened: Instant,
    pub(crate) silence: Arc<Silence>,
    life: Arc<Life>,
}

/// Ends the connection with the last who has it.
struct Life {
    phase: Arc<AtomicU8>,
    task: AbortHandle,
    companions: Vec<AbortHandle>,
}

/// Looks after a connection, and ends with it.
pub(crate) type Companion = Pin<Box<dyn Future<Output = ()> + Send>>;

const RUNS: u8 = 0;
/// Nobody uses it any more.
const GIVEN_UP: u8 = 1;
const ENDED: u8 = 2;
/// It ended with its runtime.
const LOST: u8 = 3;

impl Session {
    /// Runs the connection on this runtime.
    pub(crate) fn start(
        connection: MultiplexedConnection,
        driver: impl Future<Output = ()> + Send + 'static,
        number: u64,
        home: &Arc<Home>,
        companions: Vec<Companion>,
    ) -> Self {
        let phase = Arc::<AtomicU8>::default();
        let driver = Driver {
            end: End {
                phase: Arc::clone(&phase),
                home: Arc::downgrade(home),
                is_reached: false,
            },
            run: Box::pin(driver),
        };
        let task = tokio::spawn(driver).abort_handle();
        Self {
            connection,
            number,
            opened: Instant::now(),
            silence: Arc::new(Silence::new()),
            life: Arc::new(Life {
                phase,
                task,
                companions: companions
                    .into_iter()
                    .map(|companion| tokio::spawn(companion).abort_handle())
                    .collect(),
            }),
        }
    }

    /// Whether it has ended: what is handed to it now is certainly not sent.
    pub(crate) fn has_ended(&self) -> bool {
        self.life.phase.load(Ordering::Acquire) >= ENDED
    }

    /// Whether it was not the server, nor the way to it, that ended it.
    pub(crate) fn was_lost_with_its_runtime(&self) -> bool {
        self.life.phase.load(Ordering::Acquire) == LOST
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        let _ended_already =
            self.phase
                .compare_exchange(RUNS, GIVEN_UP, Ordering::AcqRel, Ordering::Acquire);
        self.task.abort();
        self.companions.iter().for_each(AbortHandle::abort);
    }
}

/// Moves the bytes of a connection.
struct Driver {
    /// Dropped first: those who wait for replies are told of the end when it has been noted.
    end: End,
    run: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Future for Driver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let ended = self.run.as_mut().poll(context);
        if ended.is_ready() {
            self.end.is_reached = true;
        }
        ended
    }
}

struct End {
    phase: Arc<AtomicU8>,
    home: Weak<Home>,
    is_reached: bool,
}

impl Drop for End {
    fn drop(&mut self) {
        let phase = if self.is_reached { ENDED } else { LOST };
        let ran = self
            .phase
            .compare_exchange(RUNS, phase, Ordering::AcqRel, Ordering::Acquire);
        if let (Ok(_), LOST, Some(home)) = (ran, phase, self.home.upgrade()) {
            home.runtime_ended();
        }
    }
}

/// Since when a connection has left requests unanswered.
pub(crate) struct Silence {
    opened: Instant,
    /// In milliseconds after the connection was opened, plus one; 0 for one that answers.
    since: AtomicU64,
}

impl Silence {
    pub(crate) fn new() -> Self {
        Self {
            opened: Instant::now(),
            since: AtomicU64::new(0),
        }
    }

    pub(crate) fn end(&self) {
        // Most often there is none, and reading is cheaper than writing.
        if self.since.load(Ordering::Relaxed) != 0 {
            self.since.store(0, Ordering::Relaxed);
        }
    }

    /// Begins now if it has not begun yet.
    pub(crate) fn so_far(&self) -> Duration {
        let millis = self.opened.elapsed().as_millis();
        let now = u64::try_from(millis).unwrap_or(u64::MAX - 1) + 1;
        match self
            .since
            .compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed)
        {
            Ok(_) => Duration::ZERO,
            Err(since) => Duration::from_millis(now.saturating_sub(since)),
        }
    }
}
