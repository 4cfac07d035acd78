//! The flights of one key.

use hitbox_core::Stamp;

/// How many flights of a key run at a time: the current one, and one that it has overtaken.
const MOST_RUNNING: usize = 2;

/// Tells the flights of a table apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlightId(u64);

impl FlightId {
    /// Gives the next id to a flight: this counts them.
    pub const fn take_next(&mut self) -> Self {
        self.0 += 1;
        *self
    }
}

/// Which flights a caller takes part in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Terms {
    /// One that nothing has invalidated since it began.
    Valid,
    /// Only one that begins after he came, as a refresh does.
    BegunLater,
}

/// A caller at the table.
#[derive(Clone, Copy, Debug)]
pub struct Caller {
    /// When he first came. Where he comes again, since he refused a flight, it is still that of the first time.
    pub came: Stamp,
    /// Which flights he takes part in.
    pub terms: Terms,
    /// The flight that he has refused last.
    pub refused: Option<FlightId>,
}

/// What a caller does who has come to the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coming<H> {
    /// He leads this flight, which is new, and waits for it.
    Lead(H),
    /// He waits for this flight.
    Join(H),
    /// The work of this flight has ended, and its fill has not. He judges its outcome as he would a value from the store.
    /// If it does not do, he comes again and says that he has refused the flight.
    Judge(H),
}

/// Whether a flight may begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn<H> {
    /// Fewer than two others run. It stays so until the flight begins: no other one can.
    Come,
    /// These run. The flight asks again when one of them has ended.
    NotYet(Vec<H>),
    /// All who waited for it have gone before it could begin. Its work is not to be done.
    Abandoned,
}

/// How long an outcome is at the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Until its fill has ended: who comes meanwhile finds it here and not yet in the store.
    UntilFilled,
    /// Not at all: those who wait have it, and nobody else gets it.
    ForWaitersOnly,
}

/// Whether a caller who came at `came` may be given a value that was created at `created`, of a flight that began at
/// `began`, where `invalidated` tells the stamp of the key's newest invalidation. What a flight has loaded is as old as
/// the flight; what it has found may be older.
#[must_use]
pub fn accepts(
    came: Stamp,
    began: Stamp,
    created: Stamp,
    invalidated: impl FnOnce() -> Stamp,
) -> bool {
    began > came || invalidated() < created
}

#[derive(Debug, PartialEq, Eq)]
enum Phase {
    Waiting,
    Running { began: Stamp },
    Filling,
}

#[derive(Debug)]
struct Flight<H> {
    id: FlightId,
    phase: Phase,
    /// How many wait for it.
    waiting: usize,
    /// Its work is to be done also if nobody waits for it.
    kept: bool,
    handle: H,
}

/// The flights of one key. `H` is what the table's owner keeps of each.
#[derive(Debug)]
pub struct KeyFlights<H> {
    current: Option<Flight<H>>,
    /// They run, or are not to begin any more.
    overtaken: Vec<Flight<H>>,
}

impl<H> Default for KeyFlights<H> {
    fn default() -> Self {
        Self {
            current: None,
            overtaken: Vec::new(),
        }
    }
}

impl<H: Clone> KeyFlights<H> {
    /// A caller comes. `invalidated` is the stamp of the key's newest invalidation. If he is to lead, `lead` makes
    /// the flight.
    pub fn come(
        &mut self,
        caller: Caller,
        invalidated: Stamp,
        lead: impl FnOnce() -> (FlightId, H),
    ) -> Coming<H> {
        if let Some(joined) = self.join(caller, invalidated) {
            return Coming::Join(joined);
        }
        if let Some(current) = &self.current
            && current.phase == Phase::Filling
            && caller.terms == Terms::Valid
            && caller.refused != Some(current.id)
        {
            return Coming::Judge(current.handle.clone());
        }
        self.overtake();
        let (id, handle) = lead();
        self.current = Some(Flight {
            id,
            phase: Phase::Waiting,
            waiting: 1,
            kept: false,
            handle: handle.clone(),
        });
        Coming::Lead(handle)
    }

    /// A caller joins the current flight, if he may.
    pub fn join(&mut self, caller: Caller, invalidated: Stamp) -> Option<H> {
        let current = self.current.as_mut()?;
        let joins = match current.phase {
            Phase::Waiting => true,
            Phase::Running { began } => match caller.terms {
                Terms::Valid => accepts(caller.came, began, began, || invalidated),
                Terms::BegunLater => began > caller.came,
            },
            Phase::Filling => false,
        };
        joins.then(|| {
            current.waiting += 1;
            current.handle.clone()
        })
    }

    /// What is kept of the current flight.
    #[must_use]
    pub fn current(&self) -> Option<&H> {
        self.current.as_ref().map(|current| &current.handle)
    }

    /// Whether the flight may begin.
    #[must_use]
    pub fn turn(&self, id: FlightId) -> Turn<H> {
        let is_current = self
            .current
            .as_ref()
            .is_some_and(|current| current.id == id);
        match (is_current, self.running()) {
            (false, _) => Turn::Abandoned,
            (true, running) if running.len() < MOST_RUNNING => Turn::Come,
            (true, running) => Turn::NotYet(running),
        }
    }

    /// What has to end before a new flight could begin; nothing, if one could now, or if there is one to join.
    /// `invalidated` is the stamp of the key's newest invalidation.
    #[must_use]
    pub fn in_the_way(&self, invalidated: Stamp) -> Vec<H> {
        let running = self.running();
        let current = self.current.as_ref();
        if running.len() < MOST_RUNNING || current.is_some_and(|flight| flight.joins(invalidated)) {
            return Vec::new();
        }
        running
    }

    /// Whether who comes now would lead no flight: there is one to join, or its fill has not ended. `invalidated` is the stamp of
    /// the key's newest invalidation.
    #[must_use]
    pub fn is_led(&self, invalidated: Stamp) -> bool {
        let current = self.current.as_ref();
        current.is_some_and(|flight| flight.phase == Phase::Filling || flight.joins(invalidated))
    }

    fn running(&self) -> Vec<H> {
        let running = self.flights().filter(|flight| flight.runs());
        running.map(|flight| flight.handle.clone()).collect()
    }
}

impl<H> KeyFlights<H> {
    /// Nobody joins the current flight any more. If it is filling there is nothing left to wait for.
    fn overtake(&mut self) {
        let overtaken = self.current.take();
        self.overtaken
            .extend(overtaken.filter(|flight| flight.phase != Phase::Filling));
    }

    /// The flight begins. `now` makes its stamp: after everybody has come who has joined so far. `None`: all who waited for it
    /// have gone, and it does not begin.
    ///
    /// This does not look whether it is its [`turn`](Self::turn).
    pub fn begin(&mut self, id: FlightId, now: impl FnOnce() -> Stamp) -> Option<Stamp> {
        // A flight that has not begun is overtaken by nobody: everybody may join it.
        let flight = self.current.as_mut().filter(|current| current.id == id)?;
        let began = now();
        flight.phase = Phase::Running { began };
        Some(began)
    }

    /// The work of the flight is to be done also if nobody waits for it.
    pub fn keep(&mut self, id: FlightId) {
        if let Some(flight) = self.flight_mut(id) {
            flight.kept = true;
        }
    }

    /// The work of the flight has ended. Whoever waits for its turn to begin is to ask again.
    pub fn end(&mut self, id: FlightId, standing: Standing) {
        self.overtaken.retain(|flight| flight.id != id);
        match (&mut self.current, standing) {
            (Some(current), Standing::UntilFilled) if current.id == id => {
                current.phase = Phase::Filling;
            }
            (Some(_) | None, Standing::UntilFilled) => {}
            (Some(_) | None, Standing::ForWaitersOnly) => self.settle(id),
        }
    }

    /// The fill of the flight has ended, or is not waited for any longer.
    pub fn settle(&mut self, id: FlightId) {
        self.current.take_if(|current| current.id == id);
    }

    /// One who waited for the flight has gone. If he was the last, and it has not begun, it does not begin any more: who
    /// comes next leads one of his own.
    pub fn leave(&mut self, id: FlightId) {
        if let Some(flight) = self.flight_mut(id) {
            flight.waiting -= 1;
        }
        if self.current.as_ref().is_some_and(Flight::is_unwanted) {
            self.overtake();
        }
    }

    /// The flights whose work is to be dropped: nobody waits for them, and nobody can join them.
    pub fn abandoned(&self) -> impl Iterator<Item = &H> {
        let unwanted = self.overtaken.iter().filter(|flight| flight.waiting == 0);
        unwanted.map(|flight| &flight.handle)
    }

    /// What is kept of all flights.
    pub fn handles(&self) -> impl Iterator<Item = &H> {
        self.flights().map(|flight| &flight.handle)
    }

    /// What is kept of all flights, each with how many wait for it.
    pub fn waiting(&self) -> impl Iterator<Item = (&H, usize)> {
        self.flights()
            .map(|flight| (&flight.handle, flight.waiting))
    }

    /// Whether nothing is under way.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.current.is_none() && self.overtaken.is_empty()
    }

    fn flights(&self) -> impl Iterator<Item = &Flight<H>> {
        self.current.iter().chain(&self.overtaken)
    }

    fn flight_mut(&mut self, id: FlightId) -> Option<&mut Flight<H>> {
        let mut flights = self.current.iter_mut().chain(&mut self.overtaken);
        flights.find(|flight| flight.id == id)
    }
}

impl<H> Flight<H> {
    /// Whether who comes now joins it, once it is the current one.
    fn joins(&self, invalidated: Stamp) -> bool {
        match self.phase {
            Phase::Waiting => true,
            // He comes later than it began.
            Phase::Running { began } => accepts(began, began, began, || invalidated),
            Phase::Filling => false,
        }
    }

    const fn runs(&self) -> bool {
        match self.phase {
            Phase::Running { .. } => true,
            Phase::Waiting | Phase::Filling => false,
        }
    }

    /// Whether nobody waits for work that has not begun.
    const fn is_unwanted(&self) -> bool {
        match self.phase {
            Phase::Waiting => self.waiting == 0 && !self.kept,
            Phase::Running { .. } | Phase::Filling => false,
        }
    }
}
