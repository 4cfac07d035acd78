//! A connection to one server: opened on first use, replaced when it breaks.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use hitbox_core::BackendLabel;
use redis::aio::MultiplexedConnection;
use tokio::{
    sync::{Semaphore, watch},
    time::{Instant, sleep},
};

use crate::{
    commands::learned::Learned,
    connection::{
        Limits, Opened,
        clock::Clocks,
        home::{Home, caught},
        place::Place,
        renewal::Renewal,
        session::{Companion, Session},
        tidings::{Opening, Tidings},
        timer::{Late, done_by},
    },
    error::{Cause, Failure, words::panicked},
};

/// The pauses between attempts to connect double from the first to the second.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// How long a connection may leave everything unanswered before it is replaced. Long enough to sit
/// out a server that pauses: on the same connection, commands are carried out in the order in which
/// they were sent; on a new one, what an old one still holds may come in later.
const LONGEST_SILENCE: Duration = Duration::from_secs(2);

/// A connection to a server that says that it is no longer the right one is replaced if it is older.
/// Else there is no better one yet.
const YOUNG: Duration = Duration::from_millis(200);

/// A connection that is opened by a task of its own, on first use and whenever it has broken.
///
/// Callers share it and its failures: while the first attempt runs they wait for it, and after a
/// failed one they fail at once, until a later one has succeeded.
#[derive(Clone)]
pub(crate) struct Link {
    shared: Arc<Shared>,
}

/// The connection beside a shared one, for reads that go alone.
pub(crate) struct Beside {
    pub(crate) room: Semaphore,
    link: Mutex<Option<Link>>,
}

impl Beside {
    /// So many KiB of values may be on their way at a time, of those whose length is known. No server that is
    /// set up sensibly keeps fewer.
    pub(crate) const ROOM: u32 = 256;

    pub(crate) fn lock(&self) -> MutexGuard<'_, Option<Link>> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Beside {
    fn default() -> Self {
        Self {
            room: Semaphore::new(Self::ROOM as usize),
            link: Mutex::default(),
        }
    }
}

/// What the links of a backend have in common.
#[derive(Clone)]
pub(crate) struct LinkSettings {
    pub(crate) limits: Limits,
    pub(crate) label: BackendLabel,
    /// Counts connections.
    pub(crate) opened: Arc<AtomicU64>,
    pub(crate) opening: Arc<Opening>,
    pub(crate) home: Arc<Home>,
    pub(crate) learned: Arc<Learned>,
    pub(crate) clocks: Arc<Clocks>,
}

struct Shared {
    place: Place,
    address: Arc<str>,
    settings: LinkSettings,
    state: watch::Sender<State>,
    tidings: Arc<Tidings>,
    beside: Beside,
}

enum State {
    /// Nobody has asked for a connection yet, or the runtime that was to open it has ended.
    Idle,
    /// An attempt is under way that callers wait for.
    Connecting,
    Up(Session),
    /// The last attempt failed; the next is made without being asked for.
    Down(Failure),
}

impl Link {
    pub(crate) fn new(place: Place, settings: LinkSettings) -> Self {
        let address: Arc<str> = place.shown().into();
        Self {
            shared: Arc::new(Shared {
                place,
                tidings: Arc::new(Tidings::new(
                    settings.label.clone(),
                    Arc::clone(&address),
                    Arc::clone(&settings.opening),
                )),
                address,
                settings,
                state: watch::Sender::new(State::Idle),
                beside: Beside::default(),
            }),
        }
    }

    /// Another connection to the same place, which is opened when it is first used, and anew when it breaks:
    /// for what would be in the way of the others. Who wants to look after it himself takes one of
    /// [`place`](Self::place).
    pub(crate) fn another(&self) -> Self {
        let shared = &self.shared;
        Self {
            shared: Arc::new(Shared {
                place: shared.place.clone(),
                tidings: Arc::clone(&shared.tidings),
                address: Arc::clone(&shared.address),
                settings: shared.settings.clone(),
                state: watch::Sender::new(State::Idle),
                beside: Beside::default(),
            }),
        }
    }

    pub(crate) fn beside(&self) -> &Beside {
        &self.shared.beside
    }

    pub(crate) fn settings(&self) -> &LinkSettings {
        &self.shared.settings
    }

    /// Where the server is, without credentials.
    pub(crate) fn address(&self) -> &Arc<str> {
        &self.shared.address
    }

    pub(crate) fn place(&self) -> &Place {
        &self.shared.place
    }

    /// The connection, when it is open.
    pub(crate) async fn session(&self, until: Instant) -> Result<Session, Failure> {
        if let Some(session) = self.session_at_once() {
            return session;
        }
        match done_by(until, self.session_when_settled()).await {
            Ok(session) => session,
            Err(Late::Elapsed) => Err(Cause::NoConnectionYet.into()),
            Err(Late::RuntimeEnded) => Err(Cause::RuntimeEnded.into()),
        }
    }

    /// Notes that nobody waits any more for the answer to what was sent last.
    pub(crate) fn note_given_up(&self) {
        if let Some(Ok(session)) = self.session_at_once() {
            self.note_silence(&session);
        }
    }

    /// Notes that a request was left unanswered.
    pub(crate) fn note_silence(&self, session: &Session) {
        if session.silence.so_far() >= LONGEST_SILENCE {
            self.replace(session);
        }
    }

    /// Opens another connection in place of this one, which has broken or is of no use.
    pub(crate) fn replace(&self, broken: &Session) {
        self.replace_number(broken.number);
    }

    fn replace_number(&self, number: u64) {
        let replaced = self.open_if(|state| match state {
            State::Up(session) => session.number == number,
            State::Idle | State::Connecting | State::Down(_) => false,
        });
        if replaced {
            self.shared.tidings.lost();
        }
    }

    /// The same for a server that is no longer the right one at its address. Whether there is, or
    /// will be, another connection than this.
    pub(crate) fn look_again(&self, session: &Session) -> bool {
        if session.opened.elapsed() >= YOUNG {
            self.replace(session);
        }
        match &*self.shared.state.borrow() {
            State::Up(current) => current.number != session.number,
            State::Idle | State::Connecting => true,
            State::Down(_) => false,
        }
    }

    /// `None` where an attempt to connect has to be waited for.
    fn session_at_once(&self) -> Option<Result<Session, Failure>> {
        match &*self.shared.state.borrow() {
            State::Up(session) => Some(Ok(session.clone())),
            State::Down(failure) => Some(Err(failure.clone())),
            State::Idle | State::Connecting => None,
        }
    }

    async fn session_when_settled(&self) -> Result<Session, Failure> {
        loop {
            if let Some(session) = self.session_at_once() {
                return session;
            }
            // The last attempt may have found out that this runtime cannot do it.
            self.shared.settings.home.check_caller()?;
            self.open_if(|state| matches!(state, State::Idle));
            let mut states = self.shared.state.subscribe();
            let _settled = states
                .wait_for(|state| !matches!(state, State::Connecting))
                .await;
        }
    }

    fn open_if(&self, wanted: impl FnOnce(&State) -> bool) -> bool {
        let opening = self.shared.state.send_if_modified(|state| {
            let opening = wanted(state);
            if opening {
                *state = State::Connecting;
            }
            opening
        });
        if opening {
            let place = self.shared.place.clone();
            // Weak: the attempts end with the backend.
            let shared = Arc::downgrade(&self.shared);
            let opening = open(Unfinished(shared), place, self.shared.settings.limits);
            self.shared.settings.home.spawn(opening);
        }
        opening
    }
}

/// Tries until there is a connection.
async fn open(mut unfinished: Unfinished, place: Place, limits: Limits) {
    let mut pause = FIRST_PAUSE;
    let mut asking = place.asking();
    let mut news = None;
    loop {
        let outcome = caught(place.connect(&mut asking, limits)).await;
        let Some(shared) = unfinished.0.upgrade() else {
            return;
        };
        match outcome {
            Ok(Ok(opened)) => {
                unfinished.0 = Weak::new();
                shared.up(opened);
                return;
            }
            Ok(Err(failure)) => shared.down(failure),
            Err(panic) if shared.settings.home.lacks_io(&*panic) => {
                // Those of other runtimes may try in theirs.
                unfinished.0 = Weak::new();
                shared.state.send_replace(State::Idle);
                return;
            }
            Err(_panic) => shared.down(Cause::NotConnected(panicked()).into()),
        }
        drop(shared);
        // Many processes lose one server at the same moment; they should not all come back at one.
        let pausing = sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0));
        pause = (pause * 2).min(LONGEST_PAUSE);
        tokio::select! {
            () = pausing => {}
            () = news.get_or_insert_with(|| place.news()) => {
                news = None;
                pause = FIRST_PAUSE;
            }
        }
    }
}

impl Shared {
    fn up(self: &Arc<Self>, opened: Opened) {
        let Opened {
            connection,
            driver,
            told,
            end,
            moved,
        } = opened;
        let number = self.settings.opened.fetch_add(1, Ordering::Relaxed);
        if told.others {
            self.tidings.unannounced();
        }
        if let Some((millis, took)) = told.time {
            let found = self.settings.clocks.note(&self.address, millis, took);
            found
                .into_iter()
                .for_each(|found| self.tidings.clock(found));
        }
        let renewal = end.map(|end| self.renewal(connection.clone(), end));
        let leaving = moved.map(|moved| self.leaving(number, moved));
        let companions = renewal.into_iter().chain(leaving).collect();
        let session = Session::start(connection, driver, number, &self.settings.home, companions);
        self.tidings.connected();
        self.state.send_replace(State::Up(session));
    }

    fn renewal(&self, connection: MultiplexedConnection, end: SystemTime) -> Companion {
        let renewal = Renewal {
            connection,
            asking: self.place.asking(),
            limits: self.settings.limits,
            tidings: Arc::clone(&self.tidings),
        };
        Box::pin(renewal.run(end))
    }

    /// Replaces the connection when its server is the right one no longer.
    fn leaving(self: &Arc<Self>, number: u64, moved: Companion) -> Companion {
        let shared = Arc::downgrade(self);
        Box::pin(async move {
            moved.await;
            if let Some(shared) = shared.upgrade() {
                Link { shared }.replace_number(number);
            }
        })
    }

    fn down(&self, failure: Failure) {
        let failure = failure.at(&self.address);
        self.tidings.not_connected(&failure);
        self.state.send_replace(State::Down(failure));
    }
}

/// Makes room for another attempt when the runtime ends in the middle of one.
struct Unfinished(Weak<Shared>);

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(shared) = self.0.upgrade() {
            shared.settings.home.runtime_ended();
            shared.state.send_replace(State::Idle);
        }
    }
}
