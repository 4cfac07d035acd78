//! A connection to one server: opened on first use, replaced when it breaks.

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use hitbox_backend::Operation;
use hitbox_core::BackendLabel;
use redis::{Client, RedisError, RedisResult, aio::MultiplexedConnection};
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout_at},
};

use crate::{
    connection::{Limits, Request, connect},
    error::Failure,
};

/// The pauses between attempts to connect double from the first to the second.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// How long a connection may leave everything unanswered before it is replaced. Long enough to sit
/// out a server that pauses: on the same connection, commands are carried out in the order in which
/// they were sent; on a new one, what an old one still holds may come in later.
const LONGEST_SILENCE: Duration = Duration::from_secs(2);

/// A connection that is opened by a task of its own, on first use and whenever it has broken.
///
/// Callers share it and its failures: while the first attempt runs they wait for it, and after a
/// failed one they fail at once, until a later one has succeeded.
#[derive(Clone)]
pub(crate) struct Link {
    shared: Arc<Shared>,
}

/// What the links of a backend have in common.
#[derive(Clone)]
pub(crate) struct LinkSettings {
    pub(crate) limits: Limits,
    pub(crate) label: BackendLabel,
    /// Counts connections.
    pub(crate) opened: Arc<AtomicU64>,
}

struct Shared {
    client: Client,
    settings: LinkSettings,
    state: watch::Sender<State>,
}

enum State {
    /// Nobody has asked for a connection yet, or the runtime that was to open it has ended.
    Idle,
    /// An attempt is under way that callers wait for.
    Connecting,
    Up(Session),
    /// The last attempt failed; the next is made without being asked for.
    Down(RedisError),
}

/// A connection, and whether it answers.
#[derive(Clone)]
struct Session {
    connection: MultiplexedConnection,
    /// Tells one connection from its successors.
    number: u64,
    silence: Arc<Silence>,
}

impl Link {
    pub(crate) fn new(client: Client, settings: LinkSettings) -> Self {
        Self {
            shared: Arc::new(Shared {
                client,
                settings,
                state: watch::Sender::new(State::Idle),
            }),
        }
    }

    /// Sends a request, and once again if the connection turns out to be broken: all that a cache
    /// asks of a server may be done twice.
    pub(crate) async fn send<R: Request>(
        &self,
        request: &R,
        until: Instant,
    ) -> Result<R::Reply, Failure> {
        match self.send_once(request, until).await? {
            Ok(reply) => Ok(reply),
            Err(_broken) => Ok(self.send_once(request, until).await??),
        }
    }

    /// The inner error is of a connection that was given up: the request may be sent on another.
    async fn send_once<R: Request>(
        &self,
        request: &R,
        until: Instant,
    ) -> Result<Result<R::Reply, RedisError>, Failure> {
        let mut session = match self.session_at_once() {
            Some(session) => session?,
            None => timeout_at(until, self.session()).await??,
        };
        // One timer for both limits: there is a request per read, and a timer costs a lock.
        let reply_by = until.min(Instant::now() + self.shared.settings.limits.response);
        let replying = request.send(&mut session.connection);
        let error = match timeout_at(reply_by, replying).await {
            Ok(Ok(reply)) => {
                session.silence.end();
                return Ok(Ok(reply));
            }
            Ok(Err(error)) => error,
            Err(_elapsed) => {
                self.note_silence(&session);
                return Err(Failure::no_reply(reply_by, until));
            }
        };
        if error.is_timeout() {
            self.note_silence(&session);
            Err(error.into())
        } else if !error.is_unrecoverable_error() {
            // The server's own words: it answers.
            session.silence.end();
            Err(error.into())
        } else {
            self.replace(&session);
            Ok(Err(error))
        }
    }

    fn note_silence(&self, session: &Session) {
        if session.silence.so_far() >= LONGEST_SILENCE {
            self.replace(session);
        }
    }

    fn replace(&self, broken: &Session) {
        self.open_if(|state| match state {
            State::Up(session) => session.number == broken.number,
            State::Idle | State::Connecting | State::Down(_) => false,
        });
    }

    /// `None` where an attempt to connect has to be waited for.
    fn session_at_once(&self) -> Option<RedisResult<Session>> {
        match &*self.shared.state.borrow() {
            State::Up(session) => Some(Ok(session.clone())),
            State::Down(error) => Some(Err(error.clone())),
            State::Idle | State::Connecting => None,
        }
    }

    async fn session(&self) -> RedisResult<Session> {
        loop {
            if let Some(session) = self.session_at_once() {
                return session;
            }
            self.open_if(|state| matches!(state, State::Idle));
            let mut states = self.shared.state.subscribe();
            let _settled = states
                .wait_for(|state| !matches!(state, State::Connecting))
                .await;
        }
    }

    fn open_if(&self, wanted: impl FnOnce(&State) -> bool) {
        let opening = self.shared.state.send_if_modified(|state| {
            let opening = wanted(state);
            if opening {
                *state = State::Connecting;
            }
            opening
        });
        if opening {
            let client = self.shared.client.clone();
            // Weak: the attempts end with the backend.
            let shared = Arc::downgrade(&self.shared);
            tokio::spawn(open(shared, client, self.shared.settings.limits));
        }
    }
}

/// Tries until there is a connection.
async fn open(shared: Weak<Shared>, client: Client, limits: Limits) {
    let mut unfinished = Unfinished(shared);
    let mut pause = FIRST_PAUSE;
    loop {
        let outcome = connect(&client, limits).await;
        let Some(shared) = unfinished.0.upgrade() else {
            return;
        };
        match outcome {
            Ok(connection) => {
                unfinished.0 = Weak::new();
                shared.up(connection);
                return;
            }
            Err(error) => shared.down(error),
        }
        drop(shared);
        // Many processes lose one server at the same moment; they should not all come back at one.
        sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

impl Shared {
    fn up(&self, connection: MultiplexedConnection) {
        let number = self.settings.opened.fetch_add(1, Ordering::Relaxed);
        tracing::debug!(backend = %self.settings.label, "connected");
        self.state.send_replace(State::Up(Session {
            connection,
            number,
            silence: Arc::new(Silence::new()),
        }));
    }

    fn down(&self, error: RedisError) {
        let first = matches!(&*self.state.borrow(), State::Connecting);
        if first {
            let error =
                Failure::from(error.clone()).into_error(Operation::Open, &self.settings.label);
            tracing::warn!(%error, "no connection; trying again in the background");
        }
        self.state.send_replace(State::Down(error));
    }
}

/// Makes room for another attempt when the runtime ends in the middle of one.
struct Unfinished(Weak<Shared>);

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(shared) = self.0.upgrade() {
            shared.state.send_replace(State::Idle);
        }
    }
}

/// Since when a connection has left requests unanswered.
struct Silence {
    opened: Instant,
    /// In milliseconds after the connection was opened, plus one; 0 for one that answers.
    since: AtomicU64,
}

impl Silence {
    fn new() -> Self {
        Self {
            opened: Instant::now(),
            since: AtomicU64::new(0),
        }
    }

    fn end(&self) {
        // Most often there is none, and reading is cheaper than writing.
        if self.since.load(Ordering::Relaxed) != 0 {
            self.since.store(0, Ordering::Relaxed);
        }
    }

    /// Begins now if it has not begun yet.
    fn so_far(&self) -> Duration {
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
